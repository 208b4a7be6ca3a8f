"""Adaptive pooling: window ``o`` of an axis is ``[floor(o * size / out), ceil((o + 1) * size / out))``."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def adaptive_windows(size: tuple[int, ...], out: tuple[int, ...]) -> Iterator[tuple[Any, Any]]:
    """Yield each output's position and the part of the input it looks at."""
    for position in np.ndindex(out):
        axes = zip(position, size, out, strict=True)
        yield (
            position,
            tuple(slice(floor(Fraction(o * n, m)), ceil(Fraction((o + 1) * n, m))) for o, n, m in axes),
        )


def adaptive_avg_pool(x: Array, out: tuple[int, ...]) -> Array:
    """Take the mean of each window."""
    axes = tuple(range(2, x.ndim))
    y = np.empty((*x.shape[:2], *out))
    with np.errstate(invalid="ignore"):
        for position, part in adaptive_windows(x.shape[2:], out):
            y[(..., *position)] = x[(..., *part)].astype(np.float64).mean(axis=axes)
    return y


def adaptive_max_pool(x: Array, out: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the maxima (same dtype) and their int64 places, flat within each plane.

    NaN wins, and the last NaN gives the place; of equal maxima the first does.
    """
    places = np.arange(int(np.prod(x.shape[2:]))).reshape(x.shape[2:])
    y = np.empty((*x.shape[:2], *out), x.dtype)
    indices = np.empty(y.shape, np.int64)
    for position, part in adaptive_windows(x.shape[2:], out):
        taps = x[(..., *part)].reshape(*x.shape[:2], places[part].size)
        nan = np.isnan(taps)
        first = np.where(nan, -np.inf, taps).argmax(axis=-1)
        last_nan = taps.shape[-1] - 1 - nan[..., ::-1].argmax(axis=-1)
        winner = np.where(nan.any(axis=-1), last_nan, first)
        y[(..., *position)] = np.take_along_axis(taps, winner[..., None], -1)[..., 0]
        indices[(..., *position)] = places[part].reshape(-1)[winner]
    return y, indices
