"""Winograd's algorithm at any points and in any type, and the magnitude that its errors are relative to."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.window import Padding, padding_pairs, windows

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
