"""A traced network as a module of PyTorch: a call of ``torch.nn.functional`` for each node.

The module is Python code that ``torch.fx`` writes, so between the calls it does what a ``forward`` does.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from fastconv.graph import Graph, Node
from peers.sliding_window import SlidingWindow, sliding_window, spread_window


class Builder:
    """The calls and the parameters of a module, a method for each operation of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.functional: Any = self.torch.nn.functional
        self.graph = graph
        self.calls = self.torch.fx.Graph()
        self.root = self.torch.nn.Module()
        self.parameters = 0
        self.values = {id(graph.input): self.calls.placeholder("x")}
        for node in graph.nodes:
            if node.residual is not None:
                raise ValueError("a graph that passes have changed cannot be built")
            self.values[id(node.output)] = getattr(self, f"build_{node.op}")(node)
        self.calls.output(self.values[id(graph.output)])

    @property
    def module(self) -> Any:
        """In evaluation mode."""
        return self.torch.fx.GraphModule(self.root, self.calls).eval()

    def call(self, function: Any, *arguments: Any, **options: Any) -> Any:
        """Note a call."""
        return self.calls.call_function(function, arguments, options)

    def inputs(self, node: Node) -> list[Any]:
        """What a node reads."""
        return [self.values[id(value)] for value in node.inputs]

    def constants(self, node: Node, *names: str) -> list[Any]:
        """Give the module a node's arrays, in this order; None for those that it has not."""
        found = []
        for name in names:
            array = node.arrays[name]
            if array is not None:
                label = f"{name}_{self.parameters}"
                tensor = self.torch.from_numpy(np.array(array, np.float32))
                self.root.register_parameter(label, self.torch.nn.Parameter(tensor, requires_grad=False))
                self.parameters += 1
            found.append(None if array is None else self.calls.get_attr(label))
        return found

    def padded(self, x: Any, window: SlidingWindow, value: float = 0.0) -> tuple[Any, Any]:
        """Return input and padding of a window, the input padded where the ends differ."""
        if window.padding is not None:
            return x, window.padding
        ends = [end for pair in zip(window.before[::-1], window.after[::-1], strict=True) for end in pair]
        return self.call(self.functional.pad, x, ends, "constant", value), 0

    def build_conv(self, node: Node) -> Any:
        window, (x,) = sliding_window(node), self.inputs(node)
        x, padding = self.padded(x, window)
        function = getattr(self.functional, f"conv{len(window.kernel)}d")
        weight, bias = self.constants(node, "weight", "bias")
        groups = node.attributes["groups"]
        return self.call(function, x, weight, bias, window.stride, padding, window.dilation, groups)

    def build_conv_transpose(self, node: Node) -> Any:
        window, (x,) = spread_window(node), self.inputs(node)
        function = getattr(self.functional, f"conv_transpose{len(window.kernel)}d")
        parameters = self.constants(node, "weight", "bias")
        spread = (window.stride, window.before, window.output_padding)
        return self.call(function, x, *parameters, *spread, node.attributes["groups"], window.dilation)

    def build_linear(self, node: Node) -> Any:
        return self.call(self.functional.linear, *self.inputs(node), *self.constants(node, "weight", "bias"))

    def build_batch_norm(self, node: Node) -> Any:
        statistics = self.constants(node, "mean", "var", "weight", "bias")
        return self.call(
            self.functional.batch_norm, *self.inputs(node), *statistics, eps=node.attributes["eps"]
        )

    def build_max_pool(self, node: Node) -> Any:
        window, (x,) = sliding_window(node), self.inputs(node)
        x, padding = self.padded(x, window, -np.inf)
        function = getattr(self.functional, f"max_pool{len(window.kernel)}d")
        return self.call(
            function, x, window.kernel, window.stride, padding, window.dilation, ceil_mode=window.ceil
        )

    def build_avg_pool(self, node: Node) -> Any:
        window, (x,) = sliding_window(node), self.inputs(node)
        if window.padding is None:
            raise ValueError("PyTorch has no average pooling with different ends")
        function = getattr(self.functional, f"avg_pool{len(window.kernel)}d")
        counts, divisor = node.attributes["rule"]
        options = {"ceil_mode": window.ceil, "count_include_pad": bool(counts)}
        if divisor:
            options["divisor_override"] = divisor
        return self.call(function, x, window.kernel, window.stride, window.padding, **options)

    def build_adaptive_avg_pool(self, node: Node) -> Any:
        out = node.output.spatial
        return self.call(getattr(self.functional, f"adaptive_avg_pool{len(out)}d"), *self.inputs(node), out)

    def build_activation(self, node: Node) -> Any:
        name, *numbers = (node.activation,) if isinstance(node.activation, str) else node.activation
        (value,), (x,) = node.inputs, self.inputs(node)
        # As in torchvision's models: nothing else sees what is overwritten.
        inplace = value is not self.graph.input and self.graph.is_used_once(value)
        if name == "clip":
            return self.call(self.torch.clamp, x, *numbers)
        if name in ("sigmoid", "tanh"):
            return self.call(getattr(self.torch, name), x)
        return self.call(getattr(self.functional, name), x, *numbers, inplace=inplace)

    def build_add(self, node: Node) -> Any:
        return self.call(self.torch.add, *self.inputs(node))

    def build_concat(self, node: Node) -> Any:
        return self.call(self.torch.cat, self.inputs(node), 1)

    def build_flatten(self, node: Node) -> Any:
        return self.call(self.torch.flatten, *self.inputs(node), 1)

    def build_softmax(self, node: Node) -> Any:
        name = "log_softmax" if node.attributes["logarithm"] else "softmax"
        return self.call(getattr(self.torch, name), *self.inputs(node), 1)


def network_module(graph: Graph) -> Any:
    """Return a ``torch.nn.Module`` of a graph that no pass has touched."""
    return Builder(graph).module
