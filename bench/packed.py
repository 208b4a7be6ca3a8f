"""Convolution with a filter that was packed before the call, as networks have it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv._native import core
from fastconv.benchmark.contenders import Operands
from fastconv.benchmark.interleave import Contender
from fastconv.benchmark.layers import ConvLayer
from fastconv.functional.checks import arguments, arrays, window
from fastconv.runtime import native_run

Array = np.ndarray[Any, Any]


def packed_contender(layer: ConvLayer, data: Operands, *, algorithm: str = "auto") -> Contender:
    """Call the kernel on plain arrays: reordering them is part of the call, packing the filter is not."""
    x, (weight,) = data.input, data.parameters
    given = layer.stride, layer.padding, 1, layer.groups
    shape, native_window, groups = window.convolution(x.shape, weight.shape, given)
    shapes, run = (x.shape, weight.shape, shape), native_run()

    def plan(code: int) -> dict[str, Any]:
        return core.conv_plan(shapes, (x.itemsize, False), native_window, groups, code, False, run, 1)

    code = core.ALGORITHMS.index(plan(core.ALGORITHMS.index(algorithm))["algorithm"])
    size = plan(code)["filter_bytes"]
    packed = arrays.allocate((size // x.itemsize,), x.dtype) if size else weight
    if size:
        core.pack_conv(weight, packed, shapes, native_window, groups, code, run)
    epilogue = (None, None, *arguments.activation(None))

    def call() -> Array:
        out = arrays.allocate(shape, x.dtype)
        core.conv_packed(x, packed, weight.shape, out, native_window, groups, epilogue, code, run)
        return out

    return Contender(f"fastconv packed {algorithm}", call)
