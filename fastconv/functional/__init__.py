"""What is computed: one function an operation, on NumPy arrays, without state."""

from fastconv.functional.activation import hardswish, leaky_relu, relu, relu6, sigmoid, silu, tanh
from fastconv.functional.avg_pool import avg_pool1d, avg_pool2d, avg_pool3d
from fastconv.functional.conv import conv1d, conv2d, conv3d, explain
from fastconv.functional.group_norm import group_norm, instance_norm, layer_norm
from fastconv.functional.linear import linear
from fastconv.functional.max_pool import max_pool1d, max_pool2d, max_pool3d
from fastconv.functional.norm import batch_norm, fold_batch_norm
from fastconv.functional.softmax import log_softmax, softmax

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "conv1d",
    "conv2d",
    "conv3d",
    "explain",
    "fold_batch_norm",
    "group_norm",
    "hardswish",
    "instance_norm",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]
