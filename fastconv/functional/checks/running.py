"""Running means and variances, which a normalisation in training updates in place."""

from __future__ import annotations

import numpy as np

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays
from fastconv.functional.checks.annotations import Array

NAMES = ("running_mean", "running_var")

Running = tuple[Array | None, Array | None]


def momentum(value: object) -> float:
    """Return the share of the batch, from 0 to 1."""
    share = arguments.real(value, "momentum")
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"momentum={share} is out of range: it must be from 0 to 1")
    return share


def refuse_negative(var: Array | None) -> None:
    """Raise ValueError for a vector of variances with one below 0."""
    if var is not None and native.least(var) < 0:
        raise ValueError(f"running_var has a negative entry, {var[var < 0][0]}: a variance is at least 0")


def writeable(mean: object, var: object, channels: int, reads: dict[str, Array | None]) -> Running:
    """Check the arrays to be updated in place, and that they are apart from all of `reads`."""
    written: list[Array | None] = []
    for name, array in zip(NAMES, (mean, var), strict=True):
        if array is None:
            written.append(None)
            continue
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name} must be a numpy.ndarray to be updated, got {type(array).__name__}")
        plain = np.asarray(array)[...]  # what a subclass says of itself need not be so
        if plain.shape != (channels,):
            raise ValueError(f"{name} has shape {plain.shape}: it must be ({channels},), an entry a channel")
        if plain.dtype.kind != "f":
            raise TypeError(f"{name} has dtype {plain.dtype}: it must be floating-point to be updated")
        if not plain.flags.writeable:
            raise ValueError(f"{name} is read-only: it must be writeable to be updated")
        if channels > 1 and abs(plain.strides[0]) < plain.itemsize:
            raise ValueError(f"{name} has entries that overlap in memory: it cannot be updated")
        written.append(plain)
        for other, read in reads.items():
            if read is not None and arrays.overlap(plain, read):
                raise ValueError(f"{name} overlaps the memory of {other}: they must be apart")
    m, v = written
    if m is not None and v is not None and arrays.overlap(m, v):
        raise ValueError("running_mean overlaps the memory of running_var: they must be apart")
    return m, v


def update(running: Array | None, batch: Array, share: float, factor: float = 1.0) -> None:
    """Set ``running = (1 - share) * running + share * factor * batch``, computed in float64."""
    if running is None:
        return
    plain = running.dtype in (arrays.FLOAT32, arrays.FLOAT64)
    if plain and running.flags.c_contiguous and running.flags.aligned:
        native.update_average(running, batch, share, factor)
        return
    wide = running.astype(np.float64)
    native.update_average(wide, batch, share, factor)
    with np.errstate(over="ignore", invalid="ignore"):  # as in the kernels, which raise no flags
        running[...] = wide
