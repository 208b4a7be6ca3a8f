"""A call of every function, its arrays apart from its other arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fastconv as fc

Array = np.ndarray[Any, Any]

CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
POOLS = tuple(
    f"{kind}_pool{rank}d" for kind in ("max", "avg", "adaptive_max", "adaptive_avg") for rank in (1, 2, 3)
)
ACTIVATIONS = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "hardswish")
FUNCTIONS = (*CONVOLUTIONS, *POOLS, "batch_norm", "linear", *ACTIVATIONS)


def integers(*shape: int, dtype: Any = np.float32) -> Array:
    """Return integers 0..3, which every type can hold, the same for the same shape."""
    return (np.arange(int(np.prod(shape))) * 7 % 11 % 4).astype(dtype).reshape(shape)


def call_of(function: str) -> tuple[Callable[..., Any], dict[str, Array], dict[str, Any]]:
    """Return a function, the arrays of a call, and its other arguments."""
    if function in CONVOLUTIONS:
        spatial, kernel = [5] * int(function[-2]), [3] * int(function[-2])
        arrays = {"input": integers(2, 4, *spatial), "weight": integers(6, 2, *kernel), "bias": integers(6)}
        arrays["residual"] = integers(2, 6, *spatial)
        return getattr(fc, function), arrays, {"padding": 1, "groups": 2, "activation": "relu"}
    if function in POOLS:
        x = integers(2, 4, *[6] * int(function[-2]))
        return (
            getattr(fc, function),
            {"input": x},
            {"output_size": 4} if "adaptive" in function else {"kernel_size": 2},
        )
    if function == "batch_norm":
        vectors = {name: integers(4) for name in ("running_mean", "running_var", "weight", "bias")}
        return fc.batch_norm, {"input": integers(2, 4, 3, 5), **vectors, "residual": integers(2, 4, 3, 5)}, {}
    if function == "linear":
        return fc.linear, {"input": integers(3, 2, 4), "weight": integers(6, 4), "bias": integers(6)}, {}
    return getattr(fc, function), {"input": integers(2, 3, 5)}, {}


ARGUMENTS = [(function, name) for function in FUNCTIONS for name in call_of(function)[1]]
