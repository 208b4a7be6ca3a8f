"""What would run for given shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays, window
from fastconv.functional.checks.annotations import DTypeLike, Padding, Size
from fastconv.runtime import native_run

_RANKS = {f"{name}{rank}d": rank for name in ("conv", "conv_transpose") for rank in (1, 2, 3)}


def explain(
    function: str,
    input_shape: Sequence[SupportsIndex],
    weight_shape: Sequence[SupportsIndex],
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: SupportsIndex = 1,
    output_padding: Size = 0,
    layout: str = "NCHW",
    algorithm: str = "auto",
    dtype: DTypeLike = np.float32,
) -> dict[str, Any]:
    """Tell what a convolution of these shapes would run, and why.

    Parameters
    ----------
    function : str
        The function that would be called: ``"conv2d"``, ``"conv_transpose2d"``, or one of another rank.
    input_shape, weight_shape : sequence of int
        Shapes of its arrays, the input's in the given layout.
    stride, padding, dilation, groups, output_padding, layout, algorithm : optional
        Its other arguments, as in `conv2d` and `conv_transpose2d`.
    dtype : dtype_like, default numpy.float32
        What the arrays are promoted to: float32 or float64.

    Returns
    -------
    dict
        ``function``, ``output_shape``, and what the plan says, among it ``algorithm``, ``reason``, ``isa``,
        ``tile``, ``threads``, ``workspace_bytes`` and ``flops`` (two for each product of a direct one).

    Raises
    ------
    TypeError, ValueError
        Where the function itself would raise; also for an empty batch, for which nothing runs.

    Examples
    --------
    >>> import fastconv as fc
    >>> plan = fc.explain("conv2d", (1, 64, 56, 56), (64, 64, 3, 3), padding=1, algorithm="direct")
    >>> plan["algorithm"], plan["output_shape"], plan["flops"]
    ('direct', (1, 64, 56, 56), 231211008)
    """
    if not isinstance(function, str):
        raise TypeError(f"function must be a name, got {type(function).__name__}")
    if function not in _RANKS:
        raise ValueError(f"function={function!r} is unknown: it must be one of {', '.join(_RANKS)}")
    rank = _RANKS[function]
    last = arguments.channels_last(layout)
    itemsize = arguments.itemsize(dtype, "dtype")
    x_shape = arguments.shape(input_shape, "input_shape")
    first = arrays.shape_channels_first(x_shape, rank, last, "input_shape")
    kernel_shape = arguments.shape(weight_shape, "weight_shape")
    if function.startswith("conv_transpose"):
        transposed = (stride, padding, output_padding, dilation, groups)
        shape, native_window, count = window.transposed(first, kernel_shape, transposed)
        code = arguments.transposed_algorithm(algorithm, (kernel_shape[0] // count, kernel_shape[1]))
    else:
        if arguments.per_axis(output_padding, rank, "output_padding", 0) != (0,) * rank:
            raise ValueError(f"output_padding={output_padding} is for transposed convolutions alone")
        shape, native_window, count = window.convolution(
            first, kernel_shape, (stride, padding, dilation, groups)
        )
        code = arguments.algorithm(algorithm, kernel_shape[1])
        arguments.check_winograd(code, native_window)
    if shape[0] == 0:
        raise ValueError(f"input_shape={x_shape} has an empty batch: nothing would run")
    plan = native.conv_plan(
        (first, kernel_shape, shape),
        (itemsize, last),
        native_window,
        count,
        code,
        function.startswith("conv_transpose"),
        native_run(),
    )
    # Each output of a convolution, each input of a transposed one, takes part in the products of one filter.
    pixels = first if function.startswith("conv_transpose") else shape
    return {
        "function": function,
        "output_shape": arrays.in_layout(shape, len(x_shape), last),
        **plan,
        "flops": 2 * math.prod(pixels) * math.prod(kernel_shape[1:]),
    }
