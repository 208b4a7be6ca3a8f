"""What Winograd's algorithm adds up: the magnitude that its rounding errors are relative to."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.window import Padding, padding_pairs, windows

Array = np.ndarray[Any, Any]


def matrices(points: tuple[float, ...] = (0.0, 5 / 8, -5 / 8, 3 / 2, -3 / 2)) -> tuple[Array, Array, Array]:
    """``A', G, B'`` of F(4, 3) through finite points and infinity, by their definition as polynomials."""
    count = len(points)
    into, filters, out = np.zeros((6, 6)), np.zeros((6, 3)), np.zeros((4, 6))
    for i, point in enumerate(points):
        others = [p for p in points if p != point]
        into[i, :count] = np.poly(others)[::-1]
        filters[i] = point ** np.arange(3) / np.prod([point - p for p in others])
        out[:, i] = point ** np.arange(4)
    into[5] = np.poly(points)[::-1]
    filters[5, 2] = out[3, 5] = 1
    return out, filters, into


def winograd_magnitude(x: Array, weight: Array, padding: Padding = 0, groups: int = 1) -> Array:
    """``|A'| [sum over c of (|G| |w| |G'|) (|B'| |x| |B|)] |A|`` of each output of a 3x3 convolution."""
    out, filters, into = (np.abs(m) for m in matrices())
    pairs = padding_pairs(padding, 2)
    height, width = (n + sum(pair) - 2 for n, pair in zip(x.shape[2:], pairs, strict=True))
    tiles = -(-height // 4), -(-width // 4)
    ends = [
        (before, 4 * count + 2 - n - before)
        for n, (before, _), count in zip(x.shape[2:], pairs, tiles, strict=True)
    ]
    padded = np.pad(np.abs(x.astype(np.float64)), ((0, 0), (0, 0), *ends))
    data = into @ windows(padded, (6, 6), (4, 4), (1, 1)) @ into.T
    taps = filters @ np.abs(weight.astype(np.float64)) @ filters.T
    batch, channels = x.shape[:2]
    data = data.reshape(batch, groups, channels // groups, *tiles, 6, 6)
    taps = taps.reshape(groups, weight.shape[0] // groups, channels // groups, 6, 6)
    sums = np.einsum("ngcyxij,gocij->ngoyxij", data, taps, optimize=True)
    y = (out @ sums @ out.T).transpose(0, 1, 2, 3, 5, 4, 6)
    y = y.reshape(batch, weight.shape[0], 4 * tiles[0], 4 * tiles[1])
    return np.asarray(y[:, :, :height, :width])
