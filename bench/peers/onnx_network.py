"""A traced network as an ONNX model, which packages read: the same weights, nothing simplified."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.graph import Graph, Node
from peers.onnx_node import IR, OPSET
from peers.sliding_window import SlidingWindow, sliding_window, spread_window

BATCH = "N"
OPERATORS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hardswish": "HardSwish"}


class Writer:
    """The nodes and initialisers of a model, a method for each operation of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.onnx: Any = importlib.import_module("onnx")
        self.nodes: list[Any] = []
        self.initialisers: list[Any] = []
        self.names = {id(graph.input): "x"}
        for index, node in enumerate(graph.nodes):
            self.names[id(node.output)] = "y" if node.output is graph.output else f"map_{index}"
        for node in graph.nodes:
            if node.residual is not None:
                raise ValueError("a graph that passes have changed cannot be written")
            getattr(self, f"write_{node.op}")(node)
        if graph.output is graph.input:
            self.operator("Identity", ["x"], "y")

    def operator(self, name: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        """Add a node."""
        self.nodes.append(self.onnx.helper.make_node(name, inputs, [output], **attributes))

    def constant(self, array: Any) -> str:
        """Add an initialiser and name it."""
        name = f"parameter_{len(self.initialisers)}"
        plain = np.ascontiguousarray(array, np.float32)
        self.initialisers.append(self.onnx.numpy_helper.from_array(plain, name))
        return name

    def replace(self, node: Node, name: str, *parameters: Any, **attributes: Any) -> None:
        """Add the operator that computes a node, whose parameters are those that are not None."""
        given = [self.constant(array) for array in parameters if array is not None]
        inputs = [self.names[id(value)] for value in node.inputs]
        self.operator(name, [*inputs, *given], self.names[id(node.output)], **attributes)

    def write_conv(self, node: Node) -> None:
        parameters = (node.arrays["weight"], node.arrays["bias"])
        attributes = _slid(sliding_window(node))
        self.replace(node, "Conv", *parameters, group=node.attributes["groups"], **attributes)

    def write_conv_transpose(self, node: Node) -> None:
        window = spread_window(node)
        parameters = (node.arrays["weight"], node.arrays["bias"])
        attributes = {**_slid(window), "output_padding": window.output_padding}
        self.replace(node, "ConvTranspose", *parameters, group=node.attributes["groups"], **attributes)

    def write_linear(self, node: Node) -> None:
        self.replace(node, "Gemm", node.arrays["weight"], node.arrays["bias"], transB=1)

    def write_batch_norm(self, node: Node) -> None:
        mean, var = node.arrays["mean"], node.arrays["var"]
        assert mean is not None
        weight = np.ones_like(mean) if node.arrays["weight"] is None else node.arrays["weight"]
        bias = np.zeros_like(mean) if node.arrays["bias"] is None else node.arrays["bias"]
        eps = node.attributes["eps"]
        self.replace(node, "BatchNormalization", weight, bias, mean, var, epsilon=eps)

    def write_max_pool(self, node: Node) -> None:
        window = sliding_window(node)
        self.replace(node, "MaxPool", **_slid(window), ceil_mode=int(window.ceil))

    def write_avg_pool(self, node: Node) -> None:
        window, (count_include_pad, divisor) = sliding_window(node), node.attributes["rule"]
        if divisor:
            raise ValueError("ONNX has no average pooling with a divisor of its own")
        attributes = {**_slid(window), "ceil_mode": int(window.ceil)}
        del attributes["dilations"]
        self.replace(node, "AveragePool", **attributes, count_include_pad=int(count_include_pad))

    def write_adaptive_avg_pool(self, node: Node) -> None:
        size, out = node.inputs[0].spatial, node.output.spatial
        if set(out) == {1}:
            self.replace(node, "GlobalAveragePool")
        elif size == out:
            self.replace(node, "Identity")
        elif all(n % m == 0 for n, m in zip(size, out, strict=True)):
            steps = [n // m for n, m in zip(size, out, strict=True)]
            self.replace(node, "AveragePool", kernel_shape=steps, strides=steps)
        else:
            raise ValueError(f"ONNX has no adaptive pooling of {size} to {out}")

    def write_activation(self, node: Node) -> None:
        name, *numbers = (node.activation,) if isinstance(node.activation, str) else node.activation
        if name in OPERATORS:
            self.replace(node, OPERATORS[name])
        elif name in ("relu6", "clip"):
            self.replace(node, "Clip", *(np.float32(bound) for bound in numbers or (0, 6)))
        elif name == "leaky_relu":
            self.replace(node, "LeakyRelu", alpha=numbers[0])
        elif name == "silu":
            x, y = (self.names[id(value)] for value in (*node.inputs, node.output))
            self.operator("Sigmoid", [x], f"{y}_gate")
            self.operator("Mul", [x, f"{y}_gate"], y)
        else:
            raise ValueError(f"ONNX has no {name}")

    def write_add(self, node: Node) -> None:
        self.replace(node, "Add")

    def write_concat(self, node: Node) -> None:
        self.replace(node, "Concat", axis=1)

    def write_flatten(self, node: Node) -> None:
        self.replace(node, "Flatten", axis=1)

    def write_softmax(self, node: Node) -> None:
        self.replace(node, "LogSoftmax" if node.attributes["logarithm"] else "Softmax", axis=1)


def _slid(window: SlidingWindow) -> dict[str, Any]:
    return {
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "pads": [*window.before, *window.after],
        "dilations": window.dilation,
    }


def network_model(graph: Graph, name: str) -> Any:
    """Return an ``onnx.ModelProto`` of a graph that no pass has touched: ``x -> y``, for any batch."""
    written = Writer(graph)
    make, real = written.onnx.helper, written.onnx.TensorProto.FLOAT
    x, y = (
        make.make_tensor_value_info(label, real, (BATCH, *value.shape[1:]))
        for label, value in (("x", graph.input), ("y", graph.output))
    )
    model = make.make_graph(written.nodes, name, [x], [y], written.initialisers)
    return make.make_model(model, opset_imports=[make.make_opsetid("", OPSET)], ir_version=IR)
