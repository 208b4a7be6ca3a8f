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
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
UNPOOLS = ("max_unpool1d", "max_unpool2d", "max_unpool3d")
REARRANGING = ("pad", "unfold", "fold", *UNPOOLS)
NORMS = ("batch_norm", "group_norm", "instance_norm", "layer_norm")
SOFTMAXES = ("softmax", "log_softmax")
FUNCTIONS = (
    *CONVOLUTIONS,
    *TRANSPOSED,
    *POOLS,
    *NORMS,
    "linear",
    *ACTIVATIONS,
    *SOFTMAXES,
    *REARRANGING,
)


def integers(*shape: int, dtype: Any = np.float32) -> Array:
    """Return integers 0..3, which every type can hold, the same for the same shape."""
    return (np.arange(int(np.prod(shape))) * 7 % 11 % 4).astype(dtype).reshape(shape)


def places(*shape: int) -> Array:
    """Return indices for planes of 2**rank times as many items, different ones in a plane."""
    size = int(np.prod(shape[2:]))
    return np.broadcast_to(np.arange(size).reshape(shape[2:]) * 2, shape)


def call_of(function: str) -> tuple[Callable[..., Any], dict[str, Array], dict[str, Any]]:
    """Return a function, the arrays of a call, and its other arguments."""
    if function in CONVOLUTIONS:
        spatial, kernel = [5] * int(function[-2]), [3] * int(function[-2])
        arrays = {"input": integers(2, 4, *spatial), "weight": integers(6, 2, *kernel), "bias": integers(6)}
        arrays["residual"] = integers(2, 6, *spatial)
        return getattr(fc, function), arrays, {"padding": 1, "groups": 2, "activation": "relu"}
    if function in TRANSPOSED:
        spatial, kernel = [5] * int(function[-2]), [3] * int(function[-2])
        arrays = {"input": integers(2, 4, *spatial), "weight": integers(4, 3, *kernel), "bias": integers(6)}
        return getattr(fc, function), arrays, {"stride": 2, "groups": 2, "activation": "relu"}
    if function in POOLS:
        x = integers(2, 4, *[6] * int(function[-2]))
        return (
            getattr(fc, function),
            {"input": x},
            {"output_size": 4} if "adaptive" in function else {"kernel_size": 2},
        )
    if function in UNPOOLS:
        shape = (2, 4, *[3] * int(function[-2]))
        return (
            getattr(fc, function),
            {"input": integers(*shape)},
            {"kernel_size": 2, "indices": places(*shape)},
        )
    if function == "pad":
        return fc.pad, {"input": integers(2, 4, 3, 5)}, {"pad": (1, 2, 2, 0), "mode": "reflect"}
    if function == "unfold":
        return fc.unfold, {"input": integers(2, 3, 5, 6)}, {"kernel_size": 3, "padding": 1, "stride": 2}
    if function == "fold":
        options = {"output_size": (4, 5), "kernel_size": 2}
        return fc.fold, {"input": integers(2, 12, 12)}, options
    if function == "batch_norm":
        vectors = {name: integers(4) for name in ("running_mean", "running_var", "weight", "bias")}
        return fc.batch_norm, {"input": integers(2, 4, 3, 5), **vectors, "residual": integers(2, 4, 3, 5)}, {}
    if function in ("group_norm", "instance_norm"):
        arrays = {"input": integers(2, 4, 3, 5), "weight": integers(4), "bias": integers(4)}
        arrays["residual"] = integers(2, 4, 3, 5)
        return getattr(fc, function), arrays, {"num_groups": 2} if function == "group_norm" else {}
    if function == "layer_norm":
        arrays = {"input": integers(2, 3, 4, 5), "weight": integers(4, 5), "bias": integers(4, 5)}
        return fc.layer_norm, arrays, {"normalized_shape": (4, 5)}
    if function == "linear":
        return fc.linear, {"input": integers(3, 2, 4), "weight": integers(6, 4), "bias": integers(6)}, {}
    return getattr(fc, function), {"input": integers(2, 3, 5)}, {}


ARGUMENTS = [(function, name) for function in FUNCTIONS for name in call_of(function)[1]]
