"""Arrays: what a caller passes becomes a plain native view; what he gets is allocated or checked here.

No check copies data, whatever the strides. `as_native` converts when the item type, the byte order or the
alignment asks for it, `in_rows` and `contiguous` also when the strides do; they are called when every check
has passed, but for indices, whose values are checked in order.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from fastconv._native import core
from fastconv.functional.checks import arguments
from fastconv.functional.checks.annotations import Array
from fastconv.runtime import native_run

FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
INT64 = np.dtype(np.int64)

_MAX_BYTES = 2**62
# The stubs of NumPy know only two of the numbers that this may be.
_OVERLAP_WORK: Any = 10_000

_ndarray = np.ndarray


def as_array(value: object, name: str) -> Array:
    """Return a new array of real numbers, of class ndarray itself, on the memory of `value` if it has any.

    It is never `value` itself, whose shape another thread or the conversion of another argument may change.
    """
    array = (value if type(value) is _ndarray else _converted(value, name)).view()
    dtype = array.dtype
    if dtype is FLOAT32 or dtype is FLOAT64:
        return array
    if dtype.kind not in "biuf":
        raise TypeError(f"{name} has dtype {dtype}: it must hold real numbers")
    if dtype.itemsize > 8:
        raise TypeError(f"{name} has dtype {dtype}: the widest type is float64, convert it first")
    return array


def optional(value: object, name: str) -> Array | None:
    """Do what `as_array` does, and keep None."""
    return None if value is None else as_array(value, name)


def _converted(value: object, name: str) -> Array:
    refuse_masked(value, name)
    failure = f"{name} of type {type(value).__name__} cannot be read as an array"
    try:
        if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack__"):
            array = np.asarray(value)
        else:
            array = np.from_dlpack(value)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # of any kind, from an object's own conversion
        told = arguments.message(error)
        if told.startswith(failure):  # the conversion asked for itself and has been told
            raise
        if isinstance(error, ValueError):
            raise ValueError(f"{failure}: {told}") from error
        raise TypeError(f"{failure} on the CPU: {told}") from error
    if isinstance(value, (list, tuple)):
        _refuse_masked_items(value, array.ndim, name)
    return array


def _refuse_masked_items(value: list[object] | tuple[object, ...], depth: int, name: str) -> None:
    if "numpy.ma" in sys.modules:
        for item in arguments.items(value):
            refuse_masked(item, name)
            if depth > 1 and isinstance(item, (list, tuple)):
                _refuse_masked_items(item, depth - 1, name)


def refuse_masked(value: object, name: str) -> None:
    """Raise TypeError for a masked array."""
    # NumPy imports numpy.ma when it is asked for; before that no masked array can exist.
    masked = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(value, masked.MaskedArray):
        raise TypeError(f"{name} is a masked array: masks are not supported, pass {name}.filled(value)")


def promoted(array: Array, other: Array | None = None) -> np.dtype[Any]:
    """Return float32 or float64: what NumPy promotes the arrays and float32 to."""
    first = array.dtype
    second = first if other is None else other.dtype
    if first is second and (first is FLOAT32 or first is FLOAT64):
        return first
    return FLOAT64 if np.result_type(FLOAT32, first, second).itemsize == 8 else FLOAT32


def as_native(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return `array` with items of `dtype`, in native byte order and aligned; the same object if it is so."""
    have = array.dtype
    if (have is dtype or have == dtype) and array.flags.aligned:
        return array
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # as in the kernels, which raise no flags
            return array.astype(dtype)
    except MemoryError:
        raise MemoryError(f"cannot allocate a copy in {dtype} of an array of shape {array.shape}") from None


def in_rows(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return what `as_native` does, with rows."""
    array = as_native(array, dtype)
    return array if array.flags.c_contiguous or has_rows(array) else _copied(array)


def has_rows(array: Array) -> bool:
    """Whether the last axis of more than one item has its items side by side."""
    for size, stride in zip(reversed(array.shape), reversed(array.strides), strict=True):
        if size > 1:
            return bool(stride == array.itemsize)
    return True


def contiguous(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return what `as_native` does, C-contiguous."""
    array = as_native(array, dtype)
    return array if array.flags.c_contiguous else _copied(array)


def _copied(array: Array) -> Array:
    if array.itemsize not in (4, 8):  # of images
        return np.ascontiguousarray(array)
    copy = allocate(array.shape, array.dtype, "a copy")
    if copy.size != 0:
        core.copy(array, copy, native_run())
    return copy


def vector(value: object, length: int, dtype: np.dtype[Any], name: str) -> Array | None:
    """Return a contiguous vector with an entry for each of `length` channels, or None for None."""
    if value is None:
        return None
    array = as_array(value, name)
    if array.shape != (length,):
        raise ValueError(f"{name} has shape {array.shape}: it must be ({length},), an entry a channel")
    return contiguous(array, dtype)


def doubles(views: tuple[Array | None, ...], length: int, names: tuple[str, ...]) -> list[Array | None]:
    """Return float64 vectors with an entry for each of `length` channels, None for None.

    They are copies or, if a view is not native and contiguous, may share the memory of the others.
    """
    try:
        wide = [None if view is None else np.empty(length) for view in views]
        if core.widen(views, wide):
            return wide
    except MemoryError:  # which is told below, unless a length is wrong
        pass
    return [vector(view, length, FLOAT64, name) for view, name in zip(views, names, strict=True)]


def like(value: object, shape: tuple[int, ...], name: str) -> Array:
    """Return an array of exactly this shape."""
    array = as_array(value, name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}: it must have the output's, {shape}")
    return array


def channels_first(array: Array, rank: int, last: bool, name: str) -> Array:
    """View a batch or one sample, channels first or last, as ``(N, C, *spatial)``."""
    ndim = array.ndim
    if ndim != rank + 2:
        if ndim != rank + 1:
            raise ValueError(f"{name} has shape {array.shape}: it must have {rank + 1} or {rank + 2} axes")
        array = array[None]
    return array.transpose(0, rank + 1, *range(1, rank + 1)) if last else array


def shape_channels_first(shape: tuple[int, ...], rank: int, last: bool, name: str) -> tuple[int, ...]:
    """Do to a shape what `channels_first` does to an array."""
    if len(shape) not in (rank + 1, rank + 2):
        raise ValueError(f"{name}={shape} must have {rank + 1} or {rank + 2} entries")
    shape = shape if len(shape) == rank + 2 else (1, *shape)
    return (shape[0], shape[-1], *shape[1:-1]) if last else shape


def in_layout(shape: tuple[int, ...], ndim: int, last: bool) -> tuple[int, ...]:
    """Turn ``(N, C, *spatial)`` into the shape of a caller's array of `ndim` axes."""
    if last:
        shape = (shape[0], *shape[2:], shape[1])
    return shape if len(shape) == ndim else shape[1:]


def allocate(shape: tuple[int, ...], dtype: np.dtype[Any], what: str = "an output") -> Array:
    """Return a new C-contiguous array, aligned to 64 bytes, of undefined contents."""
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes == 0:
        try:
            return np.empty(shape, dtype)
        except ValueError as error:
            raise ValueError(f"cannot make {what} of shape {shape}: {error}") from None
    try:
        if nbytes > _MAX_BYTES:
            raise MemoryError
        block: Any = core.Block(nbytes)
    except MemoryError:
        raise MemoryError(f"cannot allocate {what} of shape {shape}, {nbytes} bytes") from None
    return np.ndarray(shape, dtype, block)


def output(
    out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any], reads: tuple[Array | None, ...]
) -> tuple[Array, Array]:
    """Return the array to hand to the caller, and the same as a plain ndarray to be written.

    Without `out` that is a new array. Otherwise `out`, if it has this shape and type, is writeable,
    aligned, C-contiguous and apart from every array of `reads`.
    """
    if out is None:
        fresh = allocate(shape, dtype)
        return fresh, fresh
    refuse_masked(out, "out")
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a numpy.ndarray, got {type(out).__name__}")
    plain = np.asarray(out)[...]  # what a subclass says of itself need not be so
    if plain.dtype != dtype:
        raise TypeError(f"out has dtype {plain.dtype}: the result has {dtype}")
    if plain.shape != shape:
        raise ValueError(f"out has shape {plain.shape}: the result has {shape}")
    flags = plain.flags
    if not flags.writeable:
        raise ValueError("out is read-only: it must be writeable")
    if not (flags.c_contiguous and flags.aligned):
        raise ValueError("out must be C-contiguous and aligned")
    for array in reads:
        if array is not None and overlap(plain, array):
            raise ValueError("out overlaps the memory of an input: it must be apart from all of them")
    return out, plain


def overlap(a: Array, b: Array) -> bool:
    """Whether two arrays share an element; True also where the exact answer would take too long."""
    if not np.may_share_memory(a, b):
        return False
    try:
        return bool(np.shares_memory(a, b, max_work=_OVERLAP_WORK))
    except np.exceptions.TooHardError:
        return True
