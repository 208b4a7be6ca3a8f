"""How a caller's images are to be taken: type, and mean and deviation of every channel."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional.checks import arrays
from fastconv.functional.checks.annotations import Array, ArrayLike, DTypeLike

UINT8 = np.dtype(np.uint8)


def input_dtype(value: DTypeLike | None, computed: np.dtype[Any]) -> np.dtype[Any]:
    """Return uint8, or for None the type that is computed in."""
    if value is None:
        return computed
    try:
        kind = np.dtype(value)
    except Exception:  # of many kinds: NumPy parses some names as Python
        kind = np.dtype(np.void)
    if kind != UINT8:
        given = repr(value) if isinstance(value, (str, type, np.dtype)) else type(value).__name__
        raise TypeError(f"input_dtype={given[:60]} must be None or uint8")
    return UINT8


def of_dtype(array: Array, dtype: np.dtype[Any], name: str) -> Array:
    """Refuse anything else where uint8 is taken; numbers of any type are converted to the others."""
    if dtype == UINT8 and array.dtype != UINT8:
        raise TypeError(f"{name} has dtype {array.dtype}: it must be uint8")
    return array


def mean(value: ArrayLike | None, channels: int, dtype: np.dtype[Any]) -> Array:
    """Return what is subtracted from each channel: finite, 0 for None."""
    return _by_channel(0.0 if value is None else value, channels, dtype, "mean")


def std(value: ArrayLike | None, channels: int, dtype: np.dtype[Any]) -> Array:
    """Return what each channel is divided by: finite and above 0, 1 for None."""
    array = _by_channel(1.0 if value is None else value, channels, dtype, "std")
    if not (array > 0).all():
        raise ValueError(f"std has an entry {array.min()}: all must be above 0 in {dtype}")
    return array


def _by_channel(value: ArrayLike, channels: int, dtype: np.dtype[Any], name: str) -> Array:
    array = arrays.as_array(value, name)
    if array.shape not in ((), (channels,)):
        raise ValueError(
            f"{name} has shape {array.shape}: it must be a number, or ({channels},), an entry a channel"
        )
    with np.errstate(over="ignore"):
        full = np.ascontiguousarray(np.broadcast_to(array.astype(dtype), (channels,)))
    if not np.isfinite(full).all():
        raise ValueError(f"{name} has an entry {array.max()}: all must be finite in {dtype}")
    return full
