"""Padding of the last axes: from a caller's tuple to the output's shape and to the native form.

On an axis of `size` elements, of which crops leave ``kept = size + min(before, 0) + min(after, 0)``::

    constant, circular      kept >= 0                        circular also before <= kept and after <= kept
    reflect, replicate      size + before + after >= 1       reflect also before < size and after < size
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from fastconv._native import core as native
from fastconv.functional.checks import arguments, geometry

Shape = tuple[int, ...]

_CODE = {name: code for code, name in enumerate(native.PAD_MODES)}


def padded(shape: Shape, pad: object, mode: object) -> tuple[Shape, Shape, int]:
    """Return the output's shape, what stands before the input on every axis, and the mode's native code."""
    if not isinstance(mode, str):
        raise TypeError(f"mode must be a name, got a value of type {type(mode).__name__}")
    mode = arguments.text(mode)
    if mode not in _CODE:
        raise ValueError(
            f"mode={arguments.short(mode)} is unknown: it must be one of {', '.join(native.PAD_MODES)}"
        )
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"pad must be a tuple of integers, got a value of type {type(pad).__name__}")
    return _padded(
        shape, tuple(arguments.integer(side, "an entry of pad") for side in arguments.items(pad)), mode
    )


@lru_cache(maxsize=1024)
def _padded(shape: Shape, pad: Shape, mode: str) -> tuple[Shape, Shape, int]:
    axes = _padded_axes(shape, pad, mode)
    whole = len(shape) - axes
    out, before = list(shape), [0] * len(shape)
    for axis in range(whole, len(shape)):
        last = 2 * (len(shape) - 1 - axis)
        sides = (pad[last], pad[last + 1])
        _check_axis(axis, shape[axis], sides, mode)
        out[axis] = shape[axis] + sum(sides)
        before[axis] = sides[0]
        if mode != "reflect":  # what is cropped or added beyond this makes no difference
            before[axis] = min(max(sides[0], -shape[axis]), out[axis])
    if math.prod(shape) > geometry.MAX_ELEMENTS:
        raise ValueError(f"input has shape {shape}: it must have at most 2**55 elements")
    if max(out, default=0) > geometry.MAX_ELEMENTS or math.prod(out) > geometry.MAX_ELEMENTS:
        raise MemoryError(
            f"pad={arguments.short(pad)} makes an array of shape {shape} one of more than 2**55 elements"
        )
    return tuple(out), tuple(before), _CODE[mode]


def _padded_axes(shape: Shape, pad: Shape, mode: str) -> int:
    ndim = len(shape)
    if len(pad) % 2:
        raise ValueError(
            f"pad={arguments.short(pad)} has {len(pad)} entries: it must have two for every padded axis"
        )
    axes = len(pad) // 2
    if axes > ndim:
        raise ValueError(f"pad has entries for {axes} axes: input has shape {shape}")
    if mode == "constant":
        return axes
    if not 1 <= axes <= 3 or ndim not in (axes + 1, axes + 2):
        raise ValueError(
            f"pad has entries for {axes} axes, input has shape {shape}: mode={mode!r} pads 1 to 3 axes "
            "behind one or two others"
        )
    if mode != "circular" and 0 in shape[ndim - axes - 1 :]:
        raise ValueError(f"input has shape {shape}: with mode={mode!r} only the batch may be empty")
    return axes


def _check_axis(axis: int, size: int, sides: tuple[int, int], mode: str) -> None:
    before, after = sides
    kept = size + min(before, 0) + min(after, 0)
    where = f"on axis {axis}, of size {size},"
    if mode in ("constant", "circular"):
        if kept < 0:
            raise ValueError(f"pad=({_short(sides)}) {where} crops more than there is")
    elif size + before + after < 1:
        raise ValueError(f"pad=({_short(sides)}) {where} must leave at least one element")
    if mode == "reflect" and max(sides) >= size:
        raise ValueError(f"pad=({_short(sides)}) {where} must be less than the size to reflect")
    if mode == "circular" and max(sides) > kept:
        raise ValueError(f"pad=({_short(sides)}) {where} must be at most the {kept} elements that are left")


def _short(sides: tuple[int, int]) -> str:
    return f"{sides[0]}, {sides[1]}"


def fill(value: object, mode: str, dtype: np.dtype[Any]) -> float:
    """Return the value outside, a number that `dtype` holds."""
    number = arguments.floating(0.0 if value is None else value, "value")
    if arguments.text(mode) != "constant" and number != 0.0:
        raise ValueError(f"value={number} must be 0 or None unless mode is 'constant'")
    if math.isfinite(number) and abs(number) > float(np.finfo(dtype).max):
        raise ValueError(f"value={number} is out of range: {dtype} does not hold it")
    return number
