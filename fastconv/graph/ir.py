"""The intermediate representation: operations on feature maps, in an order in which they can be computed.

A graph has one input and one output. Values are ``(N, C, *spatial)`` maps or ``(N, C)`` vectors; shapes are
found, and arguments checked, when a node is added, by the same rules as the functions of the same name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv.functional.checks import arguments, window

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

MOST_ELEMENTS = 2**48  # of a map; whole blocks and a halo round each plane leave its bytes below 2**63


@dataclass(eq=False)
class Value:
    """A feature map between nodes; two are the same only if they are one object."""

    shape: Shape

    @property
    def channels(self) -> int:
        """Size of axis 1."""
        return self.shape[1]

    @property
    def spatial(self) -> Shape:
        """Sizes behind the channels."""
        return self.shape[2:]


@dataclass(eq=False)
class Node:
    """One operation. ``residual`` is added and ``activation`` applied before its output is stored."""

    op: str
    inputs: list[Value]
    output: Value
    arrays: dict[str, Array | None] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    activation: Any = None
    residual: Value | None = None


def network_input(value: object) -> Shape:
    """Return a shape that inputs can have: a batch, channels, up to three spatial axes, in either layout."""
    shape = arguments.shape(value, "input_shape")
    if not 2 <= len(shape) <= 5:
        raise ValueError(f"input_shape={shape} must have a batch, channels, and at most 3 spatial axes")
    check_size(shape, "input_shape")
    return shape


def check_size(shape: Shape, name: str) -> None:
    """Refuse maps without elements, and those whose bytes could not be counted."""
    if not all(size > 0 for size in shape):
        raise ValueError(f"{name} has shape {shape}: every size must be at least 1")
    if math.prod(shape) > MOST_ELEMENTS:
        raise MemoryError(f"{name} has shape {shape}, more than 2**48 elements")


class Graph:
    """Nodes in the order of computation, from ``input`` to ``output``."""

    def __init__(self, input_shape: Sequence[int]) -> None:
        self.input = Value(network_input(input_shape))
        self.output = self.input
        self.nodes: list[Node] = []

    def users(self, value: Value) -> list[Node]:
        """Return the nodes that read a value."""
        return [node for node in self.nodes if value in node.inputs or node.residual is value]

    def producer(self, value: Value) -> Node | None:
        """Return the node that computes a value; None for the graph's input."""
        return next((node for node in self.nodes if node.output is value), None)

    def is_used_once(self, value: Value) -> bool:
        """Whether one node, and not the graph's output, reads a value."""
        reads = sum(node.inputs.count(value) + (node.residual is value) for node in self.nodes)
        return reads == 1 and value is not self.output

    def replace(self, old: Value, new: Value) -> None:
        """Let everything that reads ``old`` read ``new``."""
        for node in self.nodes:
            if old in node.inputs:
                node.inputs = [new if value is old else value for value in node.inputs]
            if node.residual is old:
                node.residual = new
        if self.output is old:
            self.output = new

    def _add(self, op: str, inputs: Sequence[Value], shape: Shape, **rest: Any) -> Value:
        check_size(shape, f"the output of {op}")
        node = Node(op, list(inputs), Value(shape), **rest)
        self.nodes.append(node)
        self.output = node.output
        return node.output

    def conv(
        self, x: Value, weight: Array, bias: Array | None = None,
        stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
    ) -> Value:  # fmt: skip
        """Convolve, as `fastconv.conv2d` and its namesakes of other ranks."""
        shape, native, count = window.convolution(x.shape, weight.shape, (stride, padding, dilation, groups))
        arrays = {"weight": weight, "bias": bias}
        return self._add("conv", [x], shape, arrays=arrays, attributes={"window": native, "groups": count})

    def conv_transpose(
        self, x: Value, weight: Array, bias: Array | None = None,
        stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
    ) -> Value:  # fmt: skip
        """Convolve transposed, as `fastconv.conv_transpose2d`."""
        given = (stride, padding, output_padding, dilation, groups)
        shape, native, count = window.transposed(x.shape, weight.shape, given)
        arrays = {"weight": weight, "bias": bias}
        attributes = {"window": native, "groups": count}
        return self._add("conv_transpose", [x], shape, arrays=arrays, attributes=attributes)

    def linear(self, x: Value, weight: Array, bias: Array | None = None) -> Value:
        """Apply a matrix to the channels of a vector, as `fastconv.linear`."""
        if len(x.shape) != 2 or x.channels != weight.shape[1]:
            raise ValueError(f"weight of shape {weight.shape} does not belong to a vector of shape {x.shape}")
        shape = (x.shape[0], weight.shape[0])
        return self._add("linear", [x], shape, arrays={"weight": weight, "bias": bias})

    def batch_norm(
        self, x: Value, mean: Array, var: Array, weight: Array | None, bias: Array | None, eps: float = 1e-5
    ) -> Value:
        """Normalise with running statistics, as `fastconv.batch_norm` in inference."""
        arrays = {"mean": mean, "var": var, "weight": weight, "bias": bias}
        for name, array in arrays.items():
            if array is not None and array.shape != (x.channels,):
                raise ValueError(f"{name} has shape {array.shape}: input has {x.channels} channels")
        return self._add("batch_norm", [x], x.shape, arrays=arrays, attributes={"eps": eps})

    def group_norm(
        self, x: Value, groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
    ) -> Value:
        """Normalise groups of channels of each sample, as `fastconv.group_norm`."""
        if x.channels % groups:
            raise ValueError(f"num_groups={groups} must divide the {x.channels} channels of input")
        if math.prod(x.shape) // groups == 1:
            raise ValueError(f"input has shape {x.shape}: it needs more than one value a group")
        self._check_scale(weight, bias, (x.channels,), x)
        attributes = {"groups": groups, "eps": arguments.positive(eps, "eps")}
        arrays = {"weight": weight, "bias": bias}
        return self._add("group_norm", [x], x.shape, arrays=arrays, attributes=attributes)

    def layer_norm(
        self,
        x: Value,
        shape: Shape,
        weight: Array | None = None,
        bias: Array | None = None,
        eps: float = 1e-5,
    ) -> Value:
        """Normalise over the last axes, as `fastconv.layer_norm`; that of the batch is none of them."""
        if not 0 < len(shape) < len(x.shape) or x.shape[-len(shape) :] != shape:
            raise ValueError(f"input has shape {x.shape}: its last axes must be normalized_shape={shape}")
        self._check_scale(weight, bias, shape, x)
        attributes = {"shape": shape, "eps": arguments.positive(eps, "eps")}
        arrays = {"weight": weight, "bias": bias}
        return self._add("layer_norm", [x], x.shape, arrays=arrays, attributes=attributes)

    @staticmethod
    def _check_scale(weight: Array | None, bias: Array | None, shape: Shape, x: Value) -> None:
        for name, array in (("weight", weight), ("bias", bias)):
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}: input of shape {x.shape} needs {shape}")

    def max_pool(
        self, x: Value, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Value:  # fmt: skip
        """Take maxima, as `fastconv.max_pool2d`."""
        shape, native = window.pooling(x.shape, (kernel_size, stride, padding, dilation, ceil_mode))
        return self._add("max_pool", [x], shape, attributes={"window": native})

    def avg_pool(
        self, x: Value, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> Value:  # fmt: skip
        """Take averages, as `fastconv.avg_pool2d`."""
        shape, native = window.pooling(x.shape, (kernel_size, stride, padding, 1, ceil_mode))
        rule = (count_include_pad, divisor_override or 0)
        return self._add("avg_pool", [x], shape, attributes={"window": native, "rule": rule})

    def adaptive_avg_pool(self, x: Value, output_size: Sequence[int]) -> Value:
        """Take averages of windows that make this size, as `fastconv.adaptive_avg_pool2d`."""
        return self._add("adaptive_avg_pool", [x], (*x.shape[:2], *output_size))

    def activation(self, x: Value, activation: Any) -> Value:
        """Apply an activation, named as in `fastconv.conv2d`."""
        arguments.activation(activation)
        return self._add("activation", [x], x.shape, activation=activation)

    def add(self, x: Value, y: Value) -> Value:
        """Add two maps of one shape."""
        if x.shape != y.shape:
            raise ValueError(f"shapes {x.shape} and {y.shape} cannot be added: they must be equal")
        return self._add("add", [x, y], x.shape)

    def concat(self, values: Sequence[Value]) -> Value:
        """Join maps along the channels."""
        first = values[0].shape
        if any((v.shape[0], *v.spatial) != (first[0], *first[2:]) for v in values):
            raise ValueError(f"shapes {[v.shape for v in values]} cannot be joined: only channels may differ")
        return self._add("concat", values, (first[0], sum(v.channels for v in values), *first[2:]))

    def flatten(self, x: Value) -> Value:
        """Make vectors of maps."""
        return self._add("flatten", [x], (x.shape[0], math.prod(x.shape[1:])))

    def softmax(self, x: Value, *, logarithm: bool = False) -> Value:
        """Make probabilities along the channels."""
        return self._add("softmax", [x], x.shape, attributes={"logarithm": logarithm})
