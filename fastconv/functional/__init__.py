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
from fastconv.functional.conv import conv1d, conv2d, conv3d
from fastconv.functional.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from fastconv.functional.explain import explain
from fastconv.functional.group_norm import group_norm, instance_norm, layer_norm
from fastconv.functional.linear import linear
from fastconv.functional.max_pool import max_pool1d, max_pool2d, max_pool3d
from fastconv.functional.max_unpool import max_unpool1d, max_unpool2d, max_unpool3d
from fastconv.functional.norm import batch_norm, fold_batch_norm
from fastconv.functional.pad import pad
from fastconv.functional.softmax import log_softmax, softmax
from fastconv.functional.unfold import fold, unfold

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
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "explain",
    "fold",
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
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "pad",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
    "unfold",
]
