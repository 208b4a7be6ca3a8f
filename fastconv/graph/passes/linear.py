"""A linear layer is a convolution with a kernel as large as the map, so that it reads blocks as they are."""

from __future__ import annotations

from fastconv.graph.ir import Graph, Node, Value
from fastconv.graph.passes.batch_norm import remove


def linear_as_convolution(graph: Graph) -> None:
    """Turn vectors ``(N, C)`` into maps of one pixel, and flattened maps back into maps."""
    for node in [node for node in graph.nodes if node.op == "linear"]:
        flatten = graph.producer(node.inputs[0])
        if flatten is not None and flatten.op == "flatten" and graph.is_used_once(flatten.output):
            kernel = flatten.inputs[0].spatial
            remove(graph, flatten)
        else:
            kernel = (1, 1)
        convolve(node, kernel)
    as_map(graph.input)
    for node in graph.nodes:
        as_map(node.output)


def convolve(node: Node, kernel: tuple[int, ...]) -> None:
    """Make a convolution of a linear node whose input has this spatial size."""
    weight = node.arrays["weight"]
    assert weight is not None
    rank = len(kernel)
    node.op = "conv"
    node.arrays["weight"] = weight.reshape(weight.shape[0], -1, *kernel)
    ones = (1,) * rank
    node.attributes = {"window": (kernel, ones, (0,) * 2 * rank, ones), "groups": 1}


def as_map(value: Value) -> None:
    """Give a vector a spatial size of one pixel."""
    if len(value.shape) == 2:
        value.shape = (*value.shape, 1, 1)
