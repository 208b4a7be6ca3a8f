"""Padding, windows as columns, unpooling: items are moved, so the dtype stays and equality is exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oracle.window import Padding, Size, padding_pairs, per_axis

Array = np.ndarray[Any, Any]


def pad(x: Array, sides: Sequence[int], mode: str = "constant", value: float = 0.0) -> Array:
    """Pad one axis after the other, the last one first; ``sides`` is torch's tuple."""
    for number in range(len(sides) // 2):
        x = padded_axis(x, x.ndim - 1 - number, sides[2 * number], sides[2 * number + 1], mode, value)
    return x


def padded_axis(x: Array, axis: int, before: int, after: int, mode: str, value: float) -> Array:
    """Take each element of the output from the index that the mode says."""
    n = x.shape[axis]
    j = np.arange(-before, n + after)
    if mode == "constant":
        shape = (*x.shape[:axis], len(j), *x.shape[axis + 1 :])
        y = np.full(shape, value, x.dtype)
        inside = (j >= 0) & (j < n)
        np.moveaxis(y, axis, 0)[inside] = np.moveaxis(x, axis, 0)[j[inside]]
        return y
    if mode == "reflect":
        j = np.where(j < 0, -j, np.where(j >= n, 2 * (n - 1) - j, j))
    elif mode == "replicate":
        j = np.clip(j, 0, n - 1)
    else:
        kept = np.arange(n)[max(-before, 0) : n - max(-after, 0)]
        wrapped = np.arange(-max(before, 0), len(kept) + max(after, 0))
        j = kept[wrapped % len(kept)] if len(kept) else kept
    return np.take(x, j, axis)


def _taps(
    size: Sequence[int], kernel: Size, dilation: Size, padding: Padding, stride: Size
) -> tuple[Any, list[tuple[slice, slice]], tuple[int, int]]:
    """Return the padding, what each tap sees of the padded image, and the number of windows an axis."""
    k, d, s = (per_axis(value, 2) for value in (kernel, dilation, stride))
    pairs = padding_pairs(padding, 2)
    out = [(size[a] + sum(pairs[a]) - (k[a] - 1) * d[a] - 1) // s[a] + 1 for a in (0, 1)]

    def seen(axis: int, tap: int) -> slice:
        first = tap * d[axis]
        return slice(first, first + (out[axis] - 1) * s[axis] + 1, s[axis])

    return pairs, [(seen(0, i), seen(1, j)) for i in range(k[0]) for j in range(k[1])], (out[0], out[1])


def unfold(x: Array, kernel: Size, dilation: Size = 1, padding: Padding = 0, stride: Size = 1) -> Array:
    """Stack what each tap of the kernel sees: ``(N, C*K_h*K_w, L)``."""
    pairs, taps, out = _taps(x.shape[2:], kernel, dilation, padding, stride)
    padded = np.pad(x, ((0, 0), (0, 0), *pairs))
    stacked = np.stack([padded[:, :, rows, cols] for rows, cols in taps], axis=2)
    return stacked.reshape(x.shape[0], x.shape[1] * len(taps), out[0] * out[1])


def fold(
    columns: Array,
    size: Sequence[int],
    kernel: Size,
    dilation: Size = 1,
    padding: Padding = 0,
    stride: Size = 1,
) -> Array:
    """Add each tap's row of columns to what the tap sees, the taps in their order."""
    pairs, taps, out = _taps(size, kernel, dilation, padding, stride)
    (top, bottom), (left, right) = pairs
    parts = columns.reshape(columns.shape[0], columns.shape[1] // len(taps), len(taps), *out)
    shape = (*parts.shape[:2], size[0] + top + bottom, size[1] + left + right)
    padded = np.zeros(shape, columns.dtype)
    with np.errstate(invalid="ignore"):
        for number, (rows, cols) in enumerate(taps):
            padded[:, :, rows, cols] += parts[:, :, number]
    return padded[:, :, top : top + size[0], left : left + size[1]]


def max_unpool(x: Array, indices: Array, size: Sequence[int]) -> Array:
    """Write the values of each plane to their places, one after the other."""
    y = np.zeros((*x.shape[:2], int(np.prod(size))), x.dtype)
    for plane in np.ndindex(*x.shape[:2]):
        for value, place in zip(x[plane].flat, indices[plane].flat, strict=True):
            y[plane][place] = value
    return y.reshape(*x.shape[:2], *size)
