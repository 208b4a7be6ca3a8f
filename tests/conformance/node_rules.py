"""Which kinds of ONNX's nodes are which functions of the package, and which nodes are not.

A rule says how many nodes of its kind there are at least, so that a loader that finds none is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from conformance import nodes
from conformance.nodes import Array, Node


class Rule(NamedTuple):
    """How the package computes a kind of node, whether exactly, and how many there are at least."""

    kind: str
    function: str
    apply: Callable[[Node], list[Array]]
    exact: bool
    least: int

    def __str__(self) -> str:
        return f"{self.kind}-{self.function}"


RULES = [
    Rule("Conv", "conv", nodes.conv, False, 33),
    Rule("ConvTranspose", "conv_transpose", nodes.conv_transpose, False, 14),
    Rule("MaxPool", "max_pool", nodes.max_pool, True, 28),
    Rule("AveragePool", "avg_pool", nodes.average_pool, False, 25),
    Rule("GlobalMaxPool", "max_pool", nodes.global_pool("max_pool"), True, 2),
    Rule("GlobalAveragePool", "avg_pool", nodes.global_pool("avg_pool"), False, 2),
    Rule("GlobalMaxPool", "adaptive_max_pool", nodes.adaptive_pool("adaptive_max_pool"), True, 2),
    Rule("GlobalAveragePool", "adaptive_avg_pool", nodes.adaptive_pool("adaptive_avg_pool"), False, 2),
    Rule("BatchNormalization", "batch_norm", nodes.batch_norm, False, 9),
    Rule("InstanceNormalization", "instance_norm", nodes.instance_norm, False, 3),
    Rule("GroupNormalization", "group_norm", nodes.group_norm, False, 2),
    Rule("LayerNormalization", "layer_norm", nodes.layer_norm, False, 19),
    Rule("MaxUnpool", "max_unpool", nodes.max_unpool, True, 2),
    Rule("Pad", "pad", nodes.pad, True, 11),
    Rule("Col2Im", "fold", nodes.fold, False, 5),
    Rule("Gemm", "linear", nodes.linear, False, 12),
    Rule("Relu", "relu", nodes.elementwise("relu"), True, 2),
    Rule("LeakyRelu", "leaky_relu", nodes.leaky_relu, False, 5),
    Rule("Sigmoid", "sigmoid", nodes.elementwise("sigmoid"), False, 3),
    Rule("Tanh", "tanh", nodes.elementwise("tanh"), False, 3),
    Rule("HardSwish", "hardswish", nodes.elementwise("hardswish"), False, 1),
    Rule("Softmax", "softmax", nodes.along_axis("softmax"), False, 10),
    Rule("LogSoftmax", "log_softmax", nodes.along_axis("log_softmax"), False, 10),
]
KINDS = {rule.kind for rule in RULES}

# What ONNX takes and the package refuses.
HALF = "padding over half of the kernel"
REFUSED = {
    "test_maxpool_2d_pads": HALF,
    "test_averagepool_2d_pads": HALF,
    "test_averagepool_2d_pads_count_include_pad": HALF,
}
# Outputs that are written down with four digits.
ROUNDED = {"test_averagepool_2d_ceil_last_window_starts_on_pad": 1e-3}
# What no argument of the package says.
DILATED = "avg_pool has no dilation"
UNMAPPED = {
    "test_averagepool_2d_dilations": DILATED,
    "test_averagepool_3d_dilations_small": DILATED,
    **{
        f"test_averagepool_3d_dilations_large_count_include_pad_is_{count}_ceil_mode_is_{mode}": DILATED
        for count in (0, 1)
        for mode in (True, False)
    },
    "test_col2im_5d": "fold has two spatial axes",
    "test_gemm_default_matrix_bias": "the bias of linear is a vector",
}
