"""What would run for given shapes, and what else could."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from fastconv._native import core as native
from fastconv.autotune import race
from fastconv.functional import candidates
from fastconv.functional.candidates import Convolution, Run
from fastconv.functional.checks import arguments, arrays, window
from fastconv.functional.checks.annotations import DTypeLike, Padding, Size
from fastconv.runtime import native_run

ROUNDS = 21
SECONDS = 1.0

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
    measure: bool = False,
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
    measure : bool, default False
        Run every candidate on random arrays, in turns, for about a second in all or once each. Nothing of it
        is remembered for ``algorithm="autotune"``.

    Returns
    -------
    dict
        ``function``, ``output_shape``, and what the plan says, among it ``algorithm``, ``reason``, ``isa``,
        ``tile``, ``threads``, ``workspace_bytes`` and ``flops`` (two for each product of a direct one). With
        ``algorithm="autotune"`` that is the plan of what is remembered, or else of ``"auto"``.

        ``candidates`` has an entry for each algorithm that could run, Winograd's only if `config` allows it
        or `algorithm` is one of them: a dict with ``predicted_ms``, the least first, and with
        ``measured_ms``, the median of its rounds, if `measure` is True and its workspace fits into memory.

    Raises
    ------
    TypeError, ValueError
        Where the function itself would raise; also for an empty batch, for which nothing runs.
    MemoryError
        If `measure` is True and the arrays do not fit into memory.

    Examples
    --------
    >>> import fastconv as fc
    >>> plan = fc.explain("conv2d", (1, 64, 56, 56), (64, 64, 3, 3), padding=1, algorithm="direct")
    >>> plan["algorithm"], plan["output_shape"], plan["flops"]
    ('direct', (1, 64, 56, 56), 231211008)
    >>> sorted(plan["candidates"])
    ['direct', 'im2col', 'winograd_2x2', 'winograd_4x4']
    >>> seconds = fc.explain("conv1d", (1, 4, 99), (8, 4, 3), measure=True)["candidates"]["direct"]
    >>> sorted(seconds)
    ['measured_ms', 'predicted_ms']
    """
    if not isinstance(function, str):
        raise TypeError(f"function must be a name, got {type(function).__name__}")
    function = arguments.text(function)
    if function not in _RANKS:
        given = arguments.short(function)
        raise ValueError(f"function={given} is unknown: it must be one of {', '.join(_RANKS)}")
    rank = _RANKS[function]
    last = arguments.channels_last(layout)
    itemsize = arguments.itemsize(dtype, "dtype")
    wanted = arguments.flag(measure, "measure")
    x_shape = arguments.shape(input_shape, "input_shape")
    first = arrays.shape_channels_first(x_shape, rank, last, "input_shape")
    kernel_shape = arguments.shape(weight_shape, "weight_shape")
    transposed = function.startswith("conv_transpose")
    if transposed:
        shape, native_window, count = window.transposed(
            first, kernel_shape, (stride, padding, output_padding, dilation, groups)
        )
        code = arguments.transposed_algorithm(algorithm, (kernel_shape[0] // count, kernel_shape[1]))
        arguments.check_transposed_winograd(code, native_window)
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
    conv = Convolution((first, kernel_shape, shape), itemsize, last, native_window, count, transposed)
    run = native_run()
    name = native.ALGORITHMS[candidates.remembered(conv, run) if code == arguments.AUTOTUNE else code]
    plan = conv.plan(name, run)
    for raw in ("predicted_seconds", "able", "work", "tasks", "tiled", "filter_bytes"):
        del plan[raw]
    # Each output of a convolution, each input of a transposed one, takes part in the products of one filter.
    pixels = first if transposed else shape
    return {
        "function": function,
        "output_shape": arrays.in_layout(shape, len(x_shape), last),
        **plan,
        "flops": 2 * math.prod(pixels) * math.prod(kernel_shape[1:]),
        "candidates": _candidates(conv, run, name.startswith("winograd"), wanted),
    }


def _candidates(conv: Convolution, run: Run, winograd: bool, measure: bool) -> dict[str, dict[str, float]]:
    names = conv.able(run[2] or winograd, run)
    found = {name: {"predicted_ms": 1e3 * seconds} for name, seconds in conv.predicted(names, run).items()}
    if measure:
        for name, seconds in _measured(conv, names, run).items():
            found[name]["measured_ms"] = 1e3 * seconds
    return found


def _measured(conv: Convolution, names: list[str], run: Run) -> dict[str, float]:
    rank, dtype = len(conv.window[0]), arrays.FLOAT32 if conv.itemsize == 4 else arrays.FLOAT64
    normal = np.random.default_rng(0).standard_normal
    try:
        x, out = (arrays.in_layout(conv.shapes[i], rank + 2, conv.channels_last) for i in (0, 2))
        operands = (
            arrays.channels_first(normal(x, dtype), rank, conv.channels_last, "input"),
            normal(conv.shapes[1], dtype),
            arrays.channels_first(arrays.allocate(out, dtype), rank, conv.channels_last, "out"),
            conv.window,
            conv.groups,
            (None, None, *arguments.NO_ACTIVATION),
        )
    except ValueError as error:  # more bytes than an array may have
        raise MemoryError(str(error)) from None
    return race.race(candidates.calls(conv, operands, names, run), ROUNDS, SECONDS)
