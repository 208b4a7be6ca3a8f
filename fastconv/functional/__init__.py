"""What is computed: one function an operation, on NumPy arrays, without state."""

from fastconv.functional.activation import hardswish, leaky_relu, relu, relu6, sigmoid, silu, tanh
from fastconv.functional.adaptive_avg_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from fastconv.functional.adaptive_max_pool import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from fastconv.functional.avg_pool import avg_pool1d, avg_pool2d, avg_pool3d
from fastconv.functional.conv import conv1d, conv2d, conv3d, explain
from fastconv.functional.linear import linear
from fastconv.functional.max_pool import max_pool1d, max_pool2d, max_pool3d
from fastconv.functional.norm import batch_norm, fold_batch_norm

__all__ = [
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
    "conv1d",
    "conv2d",
    "conv3d",
    "explain",
    "fold_batch_norm",
    "hardswish",
    "leaky_relu",
    "linear",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "tanh",
]
