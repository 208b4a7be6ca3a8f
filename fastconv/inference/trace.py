"""Modules to a graph: a network is called with a value that notes what is done to it.

Leaf modules become nodes by the table at the end; all others are followed into their `forward`. Networks are
taken as in evaluation: dropout is nothing, batch norm uses its running statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from fastconv import nn
from fastconv.functional.checks import arguments
from fastconv.graph import Graph, Value
from fastconv.nn.parameter import array_of

FORWARD_RULE = "a network that is compiled may only call modules and add what they return"


class Traced:
    """A value of a graph, to be called with where modules take arrays."""

    def __init__(self, graph: Graph, value: Value) -> None:
        self.graph, self.value = graph, value

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the value."""
        return self.value.shape

    def __add__(self, other: Any) -> Traced:
        if not isinstance(other, Traced):
            self._refuse(other)
        return Traced(self.graph, self.graph.add(self.value, other.value))

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(FORWARD_RULE)

    def _refuse(self, other: Any) -> NoReturn:
        raise ValueError(f"{FORWARD_RULE}, not compute with {type(other).__name__}")

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __getitem__ = _refuse

    def call_module(self, module: nn.Module, inputs: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Add a leaf's nodes and return its output; NotImplemented for a module that is made of others."""
        name = type(module).__name__
        if isinstance(module, nn.Concat):
            return self._joined(module, inputs)
        kind = next((kind for kind in type(module).__mro__ if kind in LEAVES), None)
        if kind is None:
            return NotImplemented
        if type(module).forward is not kind.forward:  # type: ignore[attr-defined]
            raise ValueError(f"{name} cannot be compiled: its forward is not that of {kind.__name__}")
        if options or len(inputs) != 1:
            raise ValueError(f"{name} cannot be compiled with more than one input")
        rank = getattr(module, "_rank", None)
        axes = getattr(module, "_axes", (len(self.shape),) if rank is None else (rank + 2,))
        if len(self.shape) not in axes:
            raise ValueError(f"{name} cannot be compiled for an input of shape {self.shape}")
        return Traced(self.graph, LEAVES[kind](self.graph, module, self.value))

    def _joined(self, module: nn.Concat, inputs: Sequence[Any]) -> Traced:
        if len(module) and len(inputs) != 1:
            raise ValueError(f"Concat with branches takes one input, got {len(inputs)}")
        parts = [branch(inputs[0]) for branch in module] if len(module) else inputs
        if not all(isinstance(part, Traced) for part in parts):
            raise ValueError("Concat cannot be compiled with an array among its inputs")
        if channel_axis(module.dim, len(self.shape), "Concat(dim") != 1:
            raise ValueError(
                f"Concat(dim={module.dim}) cannot be compiled: dim must be that of the channels, 1"
            )
        return Traced(self.graph, self.graph.concat([part.value for part in parts]))


def channel_axis(dim: int, axes: int, name: str) -> int:
    """Return an axis counted from the front."""
    if not -axes <= dim < axes:
        raise ValueError(f"{name}={dim}) is out of range for {axes} axes")
    return dim % axes


def trace(model: Any, input_shape: Sequence[Any]) -> Graph:
    """Return the graph of a module in evaluation for inputs of a shape, the batch included."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a module of fastconv.nn, got {type(model).__name__}")
    graph = Graph(input_shape)
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        output = model(Traced(graph, graph.input))
    finally:
        for module, was in training:
            module.training = was
    if not isinstance(output, Traced):
        raise ValueError(f"{type(model).__name__} returns {type(output).__name__}: it must return one map")
    graph.output = output.value
    return graph


def _conv(graph: Graph, m: Any, x: Value) -> Value:
    if m.padding_mode != "zeros":
        raise ValueError(f"padding_mode={m.padding_mode!r} cannot be compiled")
    bias = array_of(m.bias)
    return graph.conv(x, m.weight.data, bias, m.stride, m.padding, m.dilation, m.groups)


def _conv_transpose(graph: Graph, m: Any, x: Value) -> Value:
    given = (m.stride, m.padding, m.output_padding, m.groups, m.dilation)
    return graph.conv_transpose(x, m.weight.data, array_of(m.bias), *given)


def _batch_norm(graph: Graph, m: Any, x: Value) -> Value:
    if m.running_mean is None:
        raise ValueError(f"{type(m).__name__} without running statistics cannot be compiled")
    return graph.batch_norm(x, m.running_mean, m.running_var, array_of(m.weight), array_of(m.bias), m.eps)


def _instance_norm(graph: Graph, m: Any, x: Value) -> Value:
    if len(x.shape) != max(m._axes):
        raise ValueError(f"{type(m).__name__} cannot be compiled for an input of shape {x.shape}")
    if m.running_mean is not None:
        return _batch_norm(graph, m, x)
    if math.prod(x.spatial) == 1:
        raise ValueError(f"input has shape {x.shape}: it needs more than one value a channel in each sample")
    return graph.group_norm(x, x.channels, array_of(m.weight), array_of(m.bias), m.eps)


def _group_norm(graph: Graph, m: Any, x: Value) -> Value:
    return graph.group_norm(x, m.num_groups, array_of(m.weight), array_of(m.bias), m.eps)


def _layer_norm(graph: Graph, m: Any, x: Value) -> Value:
    return graph.layer_norm(x, m.normalized_shape, array_of(m.weight), array_of(m.bias), m.eps)


def _max_pool(graph: Graph, m: Any, x: Value) -> Value:
    if m.return_indices:
        raise ValueError(f"{type(m).__name__}(return_indices=True) cannot be compiled")
    return graph.max_pool(x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode)


def _avg_pool(graph: Graph, m: Any, x: Value) -> Value:
    rule = (m.ceil_mode, m.count_include_pad, m.divisor_override)
    return graph.avg_pool(x, m.kernel_size, m.stride, m.padding, *rule)


def _adaptive_avg_pool(graph: Graph, m: Any, x: Value) -> Value:
    sizes = arguments.kept_sizes(m.output_size, x.spatial, "output_size")
    return graph.adaptive_avg_pool(x, sizes)


def _flatten(graph: Graph, m: Any, x: Value) -> Value:
    axes = len(x.shape)
    ends = (
        channel_axis(m.start_dim, axes, "Flatten(start_dim"),
        channel_axis(m.end_dim, axes, "Flatten(end_dim"),
    )
    if ends != (1, axes - 1):
        given = m.extra_repr()
        raise ValueError(f"Flatten({given}) cannot be compiled: all axes but the batch must become one")
    return graph.flatten(x) if axes > 2 else x


def _softmax(graph: Graph, m: Any, x: Value) -> Value:
    axes = len(x.shape)
    axis = m.dim if m.dim is not None else 0 if axes == 3 else 1
    if channel_axis(axis, axes, "Softmax(dim") != 1:
        raise ValueError(f"Softmax(dim={m.dim}) cannot be compiled: it must be along the channels, axis 1")
    return graph.softmax(x)


def _activation(name: str) -> Callable[[Graph, Any, Value], Value]:
    return lambda graph, module, x: graph.activation(x, name)


def _leaky_relu(graph: Graph, m: Any, x: Value) -> Value:
    return graph.activation(x, ("leaky_relu", m.negative_slope))


def _same(graph: Graph, m: Any, x: Value) -> Value:
    return x


LEAVES: dict[type, Callable[..., Value]] = {
    nn.Conv1d: _conv,
    nn.Conv2d: _conv,
    nn.Conv3d: _conv,
    nn.ConvTranspose1d: _conv_transpose,
    nn.ConvTranspose2d: _conv_transpose,
    nn.ConvTranspose3d: _conv_transpose,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm3d: _batch_norm,
    nn.InstanceNorm1d: _instance_norm,
    nn.InstanceNorm2d: _instance_norm,
    nn.InstanceNorm3d: _instance_norm,
    nn.GroupNorm: _group_norm,
    nn.LayerNorm: _layer_norm,
    nn.MaxPool1d: _max_pool,
    nn.MaxPool2d: _max_pool,
    nn.MaxPool3d: _max_pool,
    nn.AvgPool1d: _avg_pool,
    nn.AvgPool2d: _avg_pool,
    nn.AvgPool3d: _avg_pool,
    nn.AdaptiveAvgPool1d: _adaptive_avg_pool,
    nn.AdaptiveAvgPool2d: _adaptive_avg_pool,
    nn.AdaptiveAvgPool3d: _adaptive_avg_pool,
    nn.Linear: lambda graph, m, x: graph.linear(x, m.weight.data, array_of(m.bias)),
    nn.Flatten: _flatten,
    nn.Softmax: _softmax,
    nn.ReLU: _activation("relu"),
    nn.ReLU6: _activation("relu6"),
    nn.LeakyReLU: _leaky_relu,
    nn.Sigmoid: _activation("sigmoid"),
    nn.Tanh: _activation("tanh"),
    nn.SiLU: _activation("silu"),
    nn.Hardswish: _activation("hardswish"),
    nn.Dropout: _same,
    nn.Identity: _same,
}
