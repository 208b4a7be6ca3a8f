"""What Winograd's algorithm adds up: the magnitude that its rounding errors are relative to."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.window import Padding, padding_pairs, windows

Array = np.ndarray[Any, Any]


# Finite points of F(m x m, 3x3) by m; the last point is infinity.
POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 5 / 8, -5 / 8, 3 / 2, -3 / 2)}


def matrices(points: tuple[float, ...]) -> tuple[Array, Array, Array]:
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


def winograd_magnitude(tile: int, x: Array, weight: Array, padding: Padding = 0, groups: int = 1) -> Array:
    """``|A'| [sum over c of (|G| |w| |G'|) (|B'| |x| |B|)] |A|`` of each output, in tiles of tile x tile."""
    out, filters, into = (np.abs(m) for m in matrices(POINTS[tile]))
    pairs = padding_pairs(padding, 2)
    height, width = (n + sum(pair) - 2 for n, pair in zip(x.shape[2:], pairs, strict=True))
    tiles = -(-height // tile), -(-width // tile)
    ends = [
        (before, tile * count + 2 - n - before)
        for n, (before, _), count in zip(x.shape[2:], pairs, tiles, strict=True)
    ]
    padded = np.pad(np.abs(x.astype(np.float64)), ((0, 0), (0, 0), *ends))
    data = into @ windows(padded, (tile + 2,) * 2, (tile,) * 2, (1, 1)) @ into.T
    taps = filters @ np.abs(weight.astype(np.float64)) @ filters.T
    batch, channels = x.shape[:2]
    data = data.reshape(batch, groups, channels // groups, *tiles, tile + 2, tile + 2)
    taps = taps.reshape(groups, weight.shape[0] // groups, channels // groups, tile + 2, tile + 2)
    sums = np.einsum("ngcyxij,gocij->ngoyxij", data, taps, optimize=True)
    y = (out @ sums @ out.T).transpose(0, 1, 2, 3, 5, 4, 6)
    y = y.reshape(batch, weight.shape[0], tile * tiles[0], tile * tiles[1])
    return np.asarray(y[:, :, :height, :width])
