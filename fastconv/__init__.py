"""Convolution, pooling and batch normalisation of NumPy arrays on the CPU, at the limit of the hardware."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastconv import functional, tuning
from fastconv.functional import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    batch_norm,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    explain,
    fold,
    fold_batch_norm,
    group_norm,
    hardswish,
    instance_norm,
    layer_norm,
    leaky_relu,
    linear,
    log_softmax,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
    pad,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    tanh,
    unfold,
)
from fastconv.runtime import (
    cache_info,
    config,
    get_num_threads,
    set_cache_limit,
    set_num_threads,
    show_config,
)
from fastconv.serialization import load, save

if TYPE_CHECKING:
    from fastconv import models, nn
    from fastconv.inference import Compiled, compile

__version__ = "0.1.0"

__all__ = [
    "Compiled",
    "__version__",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "cache_info",
    "compile",
    "config",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "explain",
    "fold",
    "fold_batch_norm",
    "functional",
    "get_num_threads",
    "group_norm",
    "hardswish",
    "instance_norm",
    "layer_norm",
    "leaky_relu",
    "linear",
    "load",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "models",
    "nn",
    "pad",
    "relu",
    "relu6",
    "save",
    "set_cache_limit",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
    "tuning",
    "unfold",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # When they are asked for: who calls functions only need not wait for them.
        if name in ("models", "nn"):
            return importlib.import_module(f"fastconv.{name}")
        if name in ("Compiled", "compile"):
            return getattr(importlib.import_module("fastconv.inference"), name)
        raise AttributeError(f"module 'fastconv' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
