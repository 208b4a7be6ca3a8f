"""Convolution and pooling by views of windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oracle.norm import channel_vector

Array = np.ndarray[Any, Any]
Size = int | Sequence[int]
Pairs = tuple[tuple[int, int], ...]
Padding = int | Sequence[int] | Sequence[Sequence[int]]


def per_axis(size: Size, rank: int) -> tuple[int, ...]:
    """Repeat an int for every spatial axis; pass a sequence through."""
    return (size,) * rank if isinstance(size, int) else tuple(size)


def padding_pairs(padding: Padding, rank: int) -> Pairs:
    """Bring an int, one int an axis, or a pair an axis to pairs ``(before, after)``."""
    sizes: Sequence[Any] = (padding,) * rank if isinstance(padding, int) else padding
    return tuple((int(p), int(p)) if isinstance(p, int) else (int(p[0]), int(p[1])) for p in sizes)


def same_padding(
    size: int, kernel: int, stride: int, dilation: int, *, lower: bool = False
) -> tuple[int, int]:
    """Padding for ``ceil(size / stride)`` outputs; the odd element at the end, if ``lower`` at the start."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    small, large = total // 2, total - total // 2
    return (large, small) if lower else (small, large)


def windows(x: Array, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Array:
    """View an already padded ``(..., *spatial)`` as ``(..., *out, *kernel)``."""
    rank = len(kernel)
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    axes = tuple(range(x.ndim - rank, x.ndim))
    view: Array = np.lib.stride_tricks.sliding_window_view(x, extent, axis=axes)
    steps: tuple[Any, ...] = tuple(slice(None, None, s) for s in (*stride, *dilation))
    result: Array = view[(..., *steps)]
    return result


def conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlate: ``y[n,o,p] = b[o] + sum over c, t of x[n, c, s p + d t - pad] w[o, c, t]``."""
    rank = x.ndim - 2
    pairs = padding_pairs(padding, rank)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *pairs))
    kernel = weight.shape[2:]
    view = windows(padded, kernel, per_axis(stride, rank), per_axis(dilation, rank))
    batch, out = x.shape[0], view.shape[2 : 2 + rank]
    positions, taps = int(np.prod(out)), int(np.prod(kernel))
    columns = view.reshape(batch, groups, weight.shape[1], positions, taps).transpose(0, 1, 3, 2, 4)
    columns = columns.reshape(batch, groups, positions, weight.shape[1] * taps)
    filters = weight.astype(np.float64).reshape(groups, weight.shape[0] // groups, -1)
    with np.errstate(invalid="ignore"):
        if groups <= 8:
            products = [np.tensordot(columns[:, g], filters[g], axes=(2, 1)) for g in range(groups)]
            y = np.stack(products, axis=1).transpose(0, 1, 3, 2)
        else:
            y = np.einsum("ngpk,gok->ngop", columns, filters)
    y = y.reshape(batch, weight.shape[0], *out)
    return y if bias is None else y + channel_vector(bias, y.ndim)


def conv_transpose(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Array:
    """Spread: ``y[n, o, s i + d t - before] += x[n, c, i] w[c, o, t]``, whatever falls outside left away."""
    rank = x.ndim - 2
    s, d, extra = (per_axis(size, rank) for size in (stride, dilation, output_padding))
    kernel, inside = weight.shape[2:], x.shape[2:]
    full = tuple(
        (n - 1) * step + (k - 1) * spread + 1 + more
        for n, step, k, spread, more in zip(inside, s, kernel, d, extra, strict=True)
    )
    batch, per_group = x.shape[0], weight.shape[1]
    y = np.zeros((batch, groups, per_group, *full))
    filters = weight.astype(np.float64).reshape(groups, -1, per_group, *kernel)
    inputs = x.astype(np.float64).reshape(batch, groups, filters.shape[1], *inside)
    for tap in np.ndindex(*kernel):
        places: tuple[Any, ...] = tuple(
            slice(t * spread, t * spread + (n - 1) * step + 1, step)
            for t, spread, n, step in zip(tap, d, inside, s, strict=True)
        )
        y[(..., *places)] += np.einsum("ngc...,gco->ngo...", inputs, filters[(..., *tap)])
    pairs = padding_pairs(padding, rank)
    crop: tuple[Any, ...] = tuple(
        slice(before, n - after) for (before, after), n in zip(pairs, full, strict=True)
    )
    y = y.reshape(batch, groups * per_group, *full)[(..., *crop)]
    return y if bias is None else y + channel_vector(bias, y.ndim)


def pooled_size(
    size: int, kernel: int, stride: int, pad: tuple[int, int], dilation: int, ceil_mode: bool
) -> int:
    """Windows along one axis; in ceil mode one that would start in the right padding is dropped."""
    free = size + sum(pad) - (kernel - 1) * dilation - 1
    if not ceil_mode:
        return free // stride + 1
    count = -(-free // stride) + 1
    return count - 1 if (count - 1) * stride >= size + pad[0] else count


def pooling_windows(
    x: Array,
    fill: float,
    kernel: Size,
    stride: Size | None,
    padding: Padding,
    dilation: Size,
    ceil_mode: bool,
) -> Array:
    """Pad with ``fill``, in ceil mode as far as the last window reaches; ``(..., *out, *kernel)``."""
    rank = x.ndim - 2
    k = per_axis(kernel, rank)
    s = k if stride is None else per_axis(stride, rank)
    d = per_axis(dilation, rank)
    pads, counts = [], []
    for axis, pair in enumerate(padding_pairs(padding, rank)):
        size = x.shape[2 + axis]
        count = pooled_size(size, k[axis], s[axis], pair, d[axis], ceil_mode)
        reach = (count - 1) * s[axis] + (k[axis] - 1) * d[axis] + 1
        pads.append((pair[0], max(pair[1], reach - size - pair[0])))
        counts.append(slice(0, count))
    padded = np.pad(x, ((0, 0), (0, 0), *pads), constant_values=fill)
    view = windows(padded, k, s, d)
    return view[(slice(None), slice(None), *counts)]


def max_pool(
    x: Array,
    kernel: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    """Return the maxima (same dtype) and their int64 places, flat within each plane.

    NaN wins, and the last NaN gives the place; of equal maxima the first does; padding never wins.
    """
    rank = x.ndim - 2
    plane = np.arange(int(np.prod(x.shape[2:])), dtype=np.int64).reshape(1, 1, *x.shape[2:])
    options = (kernel, stride, padding, dilation, ceil_mode)
    taps = pooling_windows(x, -np.inf, *options)
    places = pooling_windows(plane, -1, *options)
    shape = taps.shape[: 2 + rank]
    taps = taps.reshape(*shape, int(np.prod(taps.shape[2 + rank :])))
    places = np.broadcast_to(places.reshape(1, 1, *shape[2:], taps.shape[-1]), taps.shape)
    inside = places >= 0
    nan = np.isnan(taps)
    top = np.where(nan, -np.inf, taps).max(axis=-1, keepdims=True)
    first = np.argmax(inside & (taps == top), axis=-1)
    last_nan = taps.shape[-1] - 1 - np.argmax(nan[..., ::-1], axis=-1)
    winner = np.where(nan.any(axis=-1), last_nan, first)[..., None]
    return np.take_along_axis(taps, winner, -1)[..., 0], np.take_along_axis(places, winner, -1)[..., 0]


def avg_pool(
    x: Array,
    kernel: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Sum each window and divide by ``divisor_override``, or by its elements in the (padded) input."""
    rank = x.ndim - 2
    axes = tuple(range(-rank, 0))
    options = (kernel, stride)
    taps = pooling_windows(x.astype(np.float64), 0, *options, padding, 1, ceil_mode)
    with np.errstate(invalid="ignore"):
        sums = taps.sum(axis=axes)
    if divisor_override is not None:
        return np.asarray(sums / divisor_override)
    counted = np.ones((1, 1, *x.shape[2:]))
    if count_include_pad:
        counted = np.pad(counted, ((0, 0), (0, 0), *padding_pairs(padding, rank)), constant_values=1)
        count = windows_of_padded(counted, options, sums.shape[2:])
    else:
        count = pooling_windows(counted, 0, *options, padding, 1, ceil_mode).sum(axis=axes)
    return np.asarray(sums / count)


def windows_of_padded(padded: Array, options: tuple[Size, Size | None], out: Sequence[int]) -> Array:
    """Count the elements of each of ``out`` windows that lie in ``padded``, an array of ones."""
    rank = padded.ndim - 2
    k = per_axis(options[0], rank)
    s = k if options[1] is None else per_axis(options[1], rank)
    count = np.ones((1,) * rank)
    for axis in range(rank):
        starts = np.arange(out[axis]) * s[axis]
        length = np.minimum(starts + k[axis], padded.shape[2 + axis]) - starts
        count = count * length.reshape(-1, *(1,) * (rank - 1 - axis))
    return count
