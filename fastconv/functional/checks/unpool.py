"""Unpooling: from a caller's sizes and indices to the shape of the output and to indices that can be used."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays, geometry
from fastconv.functional.checks.annotations import Array
from fastconv.functional.checks.geometry import Shape

# kernel_size, stride, padding, output_size.
Unpool = tuple[object, object, object, object]


def unpooling(input_shape: Shape, given: Unpool, last: bool) -> Shape:
    """Return the output's shape, channels first like `input_shape`; `last`: the order of `output_size`."""
    kernel_size, stride, padding, output_size = given
    rank = len(input_shape) - 2
    if min(input_shape[1:]) == 0:
        raise ValueError(f"input has shape {input_shape} (channels first): only the batch may be empty")
    kernel = arguments.per_axis(kernel_size, rank, "kernel_size", 1)
    steps = kernel if stride is None else arguments.per_axis(stride, rank, "stride", 1)
    sides = arguments.per_axis(padding, rank, "padding", 0)
    wanted = None if output_size is None else _wanted(output_size, input_shape, last)
    shape = (*input_shape[:2], *geometry.unpooling(input_shape[2:], kernel, steps, sides, wanted))
    if math.prod(shape[1:]) * max(shape[0], 1) > geometry.MAX_ELEMENTS:
        raise MemoryError(
            f"kernel_size={kernel} and stride={steps} give an output of shape {shape} (channels first): it "
            "must have at most 2**55 elements"
        )
    return shape


def _wanted(output_size: object, input_shape: Shape, last: bool) -> Shape:
    sizes = arguments.shape(output_size, "output_size")
    rank = len(input_shape) - 2
    if len(sizes) == rank:
        return sizes
    if len(sizes) != rank + 2:
        raise ValueError(f"output_size={sizes} has {len(sizes)} entries: it must have {rank} or {rank + 2}")
    first = arrays.shape_channels_first(sizes, rank, last, "output_size")
    if first[:2] != input_shape[:2]:
        raise ValueError(
            f"output_size={sizes} is for {first[0]} samples of {first[1]} channels: "
            f"input has {input_shape[0]} of {input_shape[1]}"
        )
    return first[2:]


def indices(value: object, shape: Shape) -> Array:
    """Return C-contiguous int64 indices of the input's shape."""
    if value is None:
        raise TypeError("indices must be an array of integers, got None")
    arrays.refuse_masked(value, "indices")
    array = arrays.as_array(value, "indices")
    if array.dtype.kind not in "iu":
        raise TypeError(f"indices has dtype {array.dtype}: it must hold integers")
    if array.shape != shape:
        raise ValueError(f"indices has shape {array.shape}: it must have the input's, {shape}")
    if array.dtype == np.uint64 and array.size != 0 and int(array.max()) > arguments.INT64_MAX:
        raise ValueError(f"indices has an entry of {array.max()}: it must be below 2**63")
    return arrays.contiguous(array, arrays.INT64)


def require_places(places: Array, sizes: Shape, run: Any) -> None:
    """Require every index to lie within a plane of these sizes."""
    if places.size == 0:
        return
    worst, plane = native.worst_index(places, run), math.prod(sizes)
    if not 0 <= worst < plane:
        raise ValueError(
            f"indices has an entry of {worst}: it must be from 0 to {plane - 1}, output planes are {sizes}"
        )
