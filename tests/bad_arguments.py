"""Calls that work, and what turns them into calls that must be refused.

`valid` gives the arguments of a call of every function; a `Bad` replaces some of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

import fastconv as fc

CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
MAX_POOLS = ("max_pool1d", "max_pool2d", "max_pool3d")
AVG_POOLS = ("avg_pool1d", "avg_pool2d", "avg_pool3d")
POOLS = MAX_POOLS + AVG_POOLS
ADAPTIVE_MAX_POOLS = ("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
ADAPTIVE_AVG_POOLS = ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
ADAPTIVE_POOLS = ADAPTIVE_MAX_POOLS + ADAPTIVE_AVG_POOLS
NORMS = ("batch_norm", "batch_norm_training")
GROUPED = ("group_norm", "instance_norm")
SOFTMAXES = ("softmax", "log_softmax")
ACTIVATIONS = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "hardswish")
UNPOOLS = ("max_unpool1d", "max_unpool2d", "max_unpool3d")
COLUMNS = ("unfold", "fold")
REARRANGING = ("pad", *COLUMNS, *UNPOOLS)
NORMALISING = (*NORMS, *GROUPED, "layer_norm")
POOLING = (*POOLS, *ADAPTIVE_POOLS)
WITH_OUT = (*CONVOLUTIONS, *POOLING, *NORMALISING, "linear", *ACTIVATIONS, *SOFTMAXES, *REARRANGING)
FUSING = (*CONVOLUTIONS, *NORMS, *GROUPED, "linear")
LAID_OUT = (*CONVOLUTIONS, *POOLING, *NORMS, *GROUPED, *UNPOOLS)
VECTORS = ("running_mean", "running_var", "weight", "bias")
# Python does not print it.
LISTS_IN_LISTS: list[Any] = reduce(lambda inner, _: [inner], range(5000), [])
EITHER = (TypeError, ValueError)
TOO_LARGE = (ValueError, MemoryError)


class Bad(NamedTuple):
    """Arguments that `function` must refuse with `error`, in words that contain `says`."""

    name: str
    function: str
    changes: dict[str, Any]
    error: type[Exception] | tuple[type[Exception], ...]
    says: str

    def __str__(self) -> str:
        return f"{self.function}-{self.name}"


def rank_of(function: str) -> int:
    """Return the number of spatial axes: the digit in a function's name, or two for columns of images."""
    return 2 if function in COLUMNS else int(function[-2])


def ones(*shape: int) -> Any:
    """Return a float32 array of ones."""
    return np.ones(shape, np.float32)


def valid(function: str) -> dict[str, Any]:
    """Return arguments that `function` takes; 4 input channels, 6 outputs, two samples."""
    if function in CONVOLUTIONS:
        rank = rank_of(function)
        return {"input": ones(2, 4, *[7] * rank), "weight": ones(6, 2, *[3] * rank), "groups": 2}
    if function in POOLS:
        return {"input": ones(2, 4, *[7] * rank_of(function)), "kernel_size": 3}
    if function in ADAPTIVE_POOLS:
        return {"input": ones(2, 4, *[7] * rank_of(function)), "output_size": 5}
    if function in NORMS:
        vectors = {"running_mean": ones(4), "running_var": ones(4), "weight": ones(4), "bias": ones(4)}
        return {"input": ones(2, 4, 7), **vectors, "training": function == "batch_norm_training"}
    if function in UNPOOLS:
        shape = (2, 4, *[3] * rank_of(function))
        return {"input": ones(*shape), "indices": np.zeros(shape, np.int64), "kernel_size": 3, "padding": 1}
    if function == "pad":
        return {"input": ones(2, 4, 5, 7), "pad": (1, 2, 0, 1), "mode": "reflect"}
    if function == "unfold":
        return {"input": ones(2, 4, 5, 7), "kernel_size": 3}
    if function == "fold":
        return {"input": ones(2, 36, 15), "output_size": (5, 7), "kernel_size": 3}
    if function == "group_norm":
        return {"input": ones(2, 4, 7), "num_groups": 2, "weight": ones(4), "bias": ones(4)}
    if function == "instance_norm":
        vectors = {"running_mean": ones(4), "running_var": ones(4), "weight": ones(4), "bias": ones(4)}
        return {"input": ones(2, 4, 7), **vectors}
    if function == "layer_norm":
        return {"input": ones(2, 4, 7), "normalized_shape": (4, 7), "weight": ones(4, 7), "bias": ones(4, 7)}
    if function == "fold_batch_norm":
        return {"weight": ones(4, 3), "bias": None, "running_mean": ones(4), "running_var": ones(4)}
    if function == "linear":
        return {"input": ones(2, 4), "weight": ones(6, 4)}
    if function == "explain":
        return {"function": "conv2d", "input_shape": (2, 4, 7, 7), "weight_shape": (6, 4, 3, 3)}
    return {"input": ones(2, 4, 7)}


def call(function: str, arguments: dict[str, Any]) -> Any:
    """Call a function of the package by name."""
    return getattr(fc, function.removesuffix("_training"))(**arguments)


def of(functions: tuple[str, ...], rows: dict[str, Any], error: Any, says: str) -> list[Bad]:
    """Make a row for each function and each entry of `rows`: a name and the changed arguments."""
    return [
        Bad(
            f"{says}_{name}",
            function,
            changes(rank_of(function)) if callable(changes) else changes,
            error,
            says,
        )
        for function in functions
        for name, changes in rows.items()
    ]


def sizes(functions: tuple[str, ...], argument: str, minimum: int) -> list[Bad]:
    """Make the rows for an argument that is an integer an axis."""
    small = {"zero": 0, "below": minimum - 1, "negative": -3, "minus_two_to_the_63": -(2**63)}
    small = {name: value for name, value in small.items() if value < minimum}
    out_of_range = {**small, "two_to_the_63": 2**63, "five_thousand_digits": 10**5000}
    no_integer = {
        "float": 2.0,
        "nan": math.nan,
        "bool": True,
        "array": np.array(2),
        "arrays": np.array([2, 2]),
    }
    no_integer |= {"numpy_bool": np.bool_(True), "numpy_float": np.float64(2), "complex": 2j, "set": {2}}

    def inside(value: Any) -> Callable[[int], dict[str, Any]]:
        return lambda rank: {argument: (value,) * rank}

    def lengths(extra: int) -> Callable[[int], dict[str, Any]]:
        return lambda rank: {argument: (max(minimum, 1),) * (rank + extra)}

    rows = of(functions, {k: {argument: v} for k, v in out_of_range.items()}, ValueError, argument)
    rows += of(functions, {f"tuple_of_{k}": inside(v) for k, v in out_of_range.items()}, ValueError, argument)
    rows += of(functions, {k: {argument: v} for k, v in no_integer.items()}, TypeError, argument)
    rows += of(functions, {f"tuple_of_{k}": inside(v) for k, v in no_integer.items()}, TypeError, argument)
    rows += of(functions, {"tuple_of_none": inside(None)}, TypeError, argument)
    rows += of(functions, {"empty": {argument: ()}, "too_long": lengths(1)}, ValueError, argument)
    return rows + of(functions, {"string": {argument: "2"}}, EITHER, argument)


def spatial(shape: tuple[int, ...], size: int) -> Callable[[int], dict[str, Any]]:
    """Make an input of these leading axes and `size` on every spatial axis."""
    return lambda rank: {"input": ones(*shape, *[size] * rank)}


def kernel(*shape: int, size: int = 3) -> Callable[[int], dict[str, Any]]:
    """Make a weight of these leading axes and `size` on every spatial axis."""
    return lambda rank: {"weight": ones(*shape, *[size] * rank)}
