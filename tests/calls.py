"""Calls of the package by case, the order of axes, and the instruction sets to test.

With ``FASTCONV_ISA`` set, only that instruction set is tested.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import oracle
from cases import AdaptivePoolCase, ConvCase, PoolCase, TransposedCase

import fastconv as fc
from fastconv._native import core

Array = np.ndarray[Any, Any]

SUPPORTED_ISAS = [name for index, name in enumerate(core.ISA_NAMES) if core.isa_supported(index)]
ISAS = [os.environ["FASTCONV_ISA"]] if os.environ.get("FASTCONV_ISA") else SUPPORTED_ISAS


def algorithms(case: ConvCase | TransposedCase) -> list[str]:
    """List what must be able to do the case."""
    if isinstance(case, TransposedCase):
        return ["direct", "depthwise"] if case.is_depthwise else ["direct"]
    return ["direct", "im2col", "depthwise"] if case.is_depthwise else ["direct", "im2col"]


def fits_winograd(case: ConvCase | TransposedCase) -> bool:
    """Whether the Winograd algorithm, which is not exact on integers, applies."""
    if isinstance(case, ConvCase):
        return case.weight[2:] == (3, 3) and {*case.strides, *case.dilations} == {1}
    return case.rank == 2 and oracle.phases_fit_winograd(case.weight[2:], **case.phase_options)


def every_algorithm(case: ConvCase | TransposedCase) -> list[str]:
    """List all that must be able to do the case, exact or not."""
    return [*algorithms(case), *(["winograd_2x2", "winograd_4x4"] if fits_winograd(case) else [])]


def convolve(case: ConvCase, *arrays: Array | None, **options: Any) -> Array:
    """Call the convolution of the case's rank."""
    function: Any = (fc.conv1d, fc.conv2d, fc.conv3d)[case.rank - 1]
    result: Array = function(*arrays, **case.options, **options)
    return result


def convolve_transposed(case: TransposedCase, *arrays: Array | None, **options: Any) -> Array:
    """Call the transposed convolution of the case's rank."""
    function: Any = (fc.conv_transpose1d, fc.conv_transpose2d, fc.conv_transpose3d)[case.rank - 1]
    result: Array = function(*arrays, **case.options, **options)
    return result


def max_pool(case: PoolCase, x: Array, **options: Any) -> Any:
    """Call the maximum pooling of the case's rank."""
    function = (fc.max_pool1d, fc.max_pool2d, fc.max_pool3d)[case.rank - 1]
    return function(x, case.kernel, dilation=case.dilation, **case.window, **options)


def avg_pool(case: PoolCase, x: Array, **options: Any) -> Array:
    """Call the average pooling of the case's rank."""
    function = (fc.avg_pool1d, fc.avg_pool2d, fc.avg_pool3d)[case.rank - 1]
    result: Array = function(x, case.kernel, **case.window, **options)
    return result


def adaptive_max_pool(case: AdaptivePoolCase, x: Array, **options: Any) -> Any:
    """Call the adaptive maximum pooling of the case's rank."""
    function = (fc.adaptive_max_pool1d, fc.adaptive_max_pool2d, fc.adaptive_max_pool3d)[case.rank - 1]
    return function(x, case.out, **options)


def adaptive_avg_pool(case: AdaptivePoolCase, x: Array, **options: Any) -> Array:
    """Call the adaptive average pooling of the case's rank."""
    function = (fc.adaptive_avg_pool1d, fc.adaptive_avg_pool2d, fc.adaptive_avg_pool3d)[case.rank - 1]
    result: Array = function(x, case.out, **options)
    return result


def channels_last(array: Array) -> Array:
    """Copy ``(N, C, *spatial)`` to ``(N, *spatial, C)``."""
    return np.ascontiguousarray(np.moveaxis(array, 1, -1))


def channels_first(array: Array) -> Array:
    """Copy ``(N, *spatial, C)`` to ``(N, C, *spatial)``."""
    return np.ascontiguousarray(np.moveaxis(array, -1, 1))
