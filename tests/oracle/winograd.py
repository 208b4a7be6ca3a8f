"""Winograd's algorithm at any points and in any type, and the magnitude that its errors are relative to.

A transposed convolution is one of 3x3 windows for each phase of its stride, with taps that are zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.window import Padding, Size, padding_pairs, per_axis, windows

Array = np.ndarray[Any, Any]


# Finite points of F(m x m, 3x3) by m; the last point is infinity.
WINOGRAD_POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 5 / 8, -5 / 8, 3 / 2, -3 / 2)}


def winograd_matrices(points: tuple[float, ...]) -> tuple[Array, Array, Array]:
    """``A', G, B'`` of F(m, 3) through finite points and infinity, by their definition as polynomials."""
    count = len(points)
    into, filters, out = (
        np.zeros((count + 1, count + 1)),
        np.zeros((count + 1, 3)),
        np.zeros((count - 1, count + 1)),
    )
    for i, point in enumerate(points):
        others = [p for p in points if p != point]
        into[i, :count] = np.poly(others)[::-1]
        filters[i] = point ** np.arange(3) / np.prod([point - p for p in others])
        out[:, i] = point ** np.arange(count - 1)
    into[-1] = np.poly(points)[::-1]
    filters[-1, 2] = out[-1, -1] = 1
    return out, filters, into


def outputs(x: Array, padding: Padding) -> tuple[int, ...]:
    """Return height and width of the output."""
    return tuple(n + sum(p) - 2 for n, p in zip(x.shape[2:], padding_pairs(padding, 2), strict=True))


def cut(tile: int, x: Array, padding: Padding) -> Array:
    """Return the ``(N, C, rows, columns, tile + 2, tile + 2)`` overlapping tiles of ``(N, C, H, W)``."""
    pairs = padding_pairs(padding, 2)
    ends = [
        (before, tile * -(-count // tile) + 2 - n - before)
        for n, count, (before, _) in zip(x.shape[2:], outputs(x, padding), pairs, strict=True)
    ]
    padded = np.pad(x, ((0, 0), (0, 0), *ends))
    return windows(padded, (tile + 2,) * 2, (tile,) * 2, (1, 1))


def join(y: Array, height: int, width: int) -> Array:
    """Return the ``(N, C, height, width)`` of which ``(N, C, rows, columns, tile, tile)`` are the tiles."""
    batch, channels, rows, columns, tile, _ = y.shape
    whole = y.swapaxes(3, 4).reshape(batch, channels, rows * tile, columns * tile)
    return np.asarray(whole[:, :, :height, :width])


def winograd_conv(points: tuple[float, ...], x: Array, weight: Array, padding: Padding = 0) -> Array:
    """Compute ``A' [sum over c of (G w G') (B' x B)] A`` in the type of ``x``, one channel after the other.

    Filters are transformed in float64 and rounded once, as in the package.
    """
    out, filters, into = winograd_matrices(points)
    tile, dtype = out.shape[0], x.dtype
    out, into = out.astype(dtype), into.astype(dtype)
    taps = (filters @ weight.astype(np.float64) @ filters.T).astype(dtype)
    data = into @ cut(tile, x, padding) @ into.T
    sums = np.zeros((x.shape[0], weight.shape[0], *data.shape[2:]), dtype)
    for channel in range(x.shape[1]):
        sums += taps[:, channel, None, None] * data[:, channel, None]
    return join(out @ sums @ out.T, *outputs(x, padding))


def winograd_magnitude(
    points: tuple[float, ...], x: Array, weight: Array, padding: Padding = 0, groups: int = 1
) -> Array:
    """``|A'| [sum over c of (|G| |w| |G'|) (|B'| |x| |B|)] |A|`` of each output."""
    out, filters, into = (np.abs(m) for m in winograd_matrices(points))
    data = into @ cut(out.shape[0], np.abs(x.astype(np.float64)), padding) @ into.T
    taps = filters @ np.abs(weight.astype(np.float64)) @ filters.T
    data = data.reshape(x.shape[0], groups, weight.shape[1], *data.shape[2:])
    taps = taps.reshape(groups, weight.shape[0] // groups, *taps.shape[1:])
    sums = np.einsum("ngcyxij,gocij->ngoyxij", data, taps, optimize=True)
    sums = sums.reshape(x.shape[0], weight.shape[0], *sums.shape[3:])
    return join(out @ sums @ out.T, *outputs(x, padding))


def reads(kernel: int, stride: int, before: int, dilation: int) -> list[dict[int, int]]:
    """Return, for the outputs ``stride * t + phase`` of an axis, which tap reads input ``t + offset``."""
    return [
        {
            (phase + before - tap * dilation) // stride: tap
            for tap in range(kernel)
            if (phase + before - tap * dilation) % stride == 0
        }
        for phase in range(stride)
    ]


def reads_of(
    kernel: tuple[int, ...], stride: Size, padding: Padding, dilation: Size
) -> list[list[dict[int, int]]]:
    """Return the same for both axes."""
    pairs = padding_pairs(padding, 2)
    given = zip(kernel, per_axis(stride, 2), pairs, per_axis(dilation, 2), strict=True)
    return [reads(size, step, before, apart) for size, step, (before, _), apart in given]


def phases_fit_winograd(kernel: tuple[int, ...], stride: Size, padding: Padding, dilation: Size) -> bool:
    """Whether every phase reads inputs, and all of them the same 2x2 to 3x3; of a stride of at most 4x4."""
    axes = reads_of(kernel, stride, padding, dilation)
    spans = [{offset for phase in axis for offset in phase} for axis in axes]
    return (
        all(all(axis) for axis in axes)
        and all(2 <= max(span) - min(span) + 1 <= 3 for span in spans)
        and len(axes[0]) * len(axes[1]) <= 16
    )


def winograd_transposed_magnitude(
    points: tuple[float, ...],
    x: Array,
    weight: Array,
    output: tuple[int, ...],
    stride: Size = 1,
    padding: Padding = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Array:
    """The same as `winograd_magnitude` of each phase; ``weight`` is ``(C_in, C_out / groups, K_h, K_w)``."""
    step = per_axis(stride, 2)
    axes = reads_of(weight.shape[2:], stride, padding, dilation)
    first = [min(offset for phase in axis for offset in phase) for axis in axes]
    per_group = weight.reshape(groups, -1, *weight.shape[1:]).swapaxes(1, 2)
    filters = per_group.reshape(-1, per_group.shape[2], *weight.shape[2:])
    counts = [-(-size // by) for size, by in zip(output, step, strict=True)]
    # What the windows read beyond the input is zero, what none of them reads is left away.
    pairs = [(-lead, count + 2 + lead - n) for lead, count, n in zip(first, counts, x.shape[2:], strict=True)]
    x = x[:, :, *(slice(max(0, -a), n + min(0, b)) for (a, b), n in zip(pairs, x.shape[2:], strict=True))]
    sides = tuple((max(0, before), max(0, after)) for before, after in pairs)
    magnitude = np.zeros((x.shape[0], filters.shape[0], *output))
    for down, row_reads in enumerate(axes[0]):
        for across, column_reads in enumerate(axes[1]):
            taps = np.zeros((*filters.shape[:2], 3, 3))
            for row, i in row_reads.items():
                for column, j in column_reads.items():
                    taps[:, :, row - first[0], column - first[1]] = filters[:, :, i, j]
            place = magnitude[:, :, down :: step[0], across :: step[1]]
            size = winograd_magnitude(points, x, taps, sides, groups)
            place[...] = size[:, :, : place.shape[2], : place.shape[3]]
    return magnitude
