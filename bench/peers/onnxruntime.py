"""onnxruntime: a session with a model of one node; it packs filters when it is made.

The node reads the caller's array and writes into one that it is given once, so a call allocates nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.benchmark.contenders import Operands
from fastconv.benchmark.interleave import Array
from fastconv.benchmark.layers import (
    AdaptivePoolLayer,
    ConvLayer,
    Layer,
    LinearLayer,
    NormLayer,
    PoolLayer,
    StatisticLayer,
    TransposedLayer,
)
from peers.network import Network
from peers.onnx_network import BATCH
from peers.onnx_node import node_model, window
from peers.peer import Call, Peer


def conv(layer: ConvLayer, data: Operands, threads: int) -> Call:
    """Convolve in groups."""
    return run(node_model(layer, data, "Conv", group=layer.groups, **window(layer)), layer, data, threads)


def conv_transpose(layer: TransposedLayer, data: Operands, threads: int) -> Call:
    """Spread."""
    return run(node_model(layer, data, "ConvTranspose", **window(layer)), layer, data, threads)


def linear(layer: LinearLayer, data: Operands, threads: int) -> Call:
    """Multiply by the weight, which is packed when the session is made."""
    return run(node_model(layer, data, "Gemm", transB=1), layer, data, threads)


def pool(layer: PoolLayer, data: Operands, threads: int) -> Call:
    """Count the padding in averages, as is PyTorch's default."""
    attributes: dict[str, Any] = {**window(layer), "ceil_mode": int(layer.ceil_mode)}
    if layer.mode == "max":
        return run(node_model(layer, data, "MaxPool", **attributes), layer, data, threads)
    return run(
        node_model(layer, data, "AveragePool", count_include_pad=1, **attributes), layer, data, threads
    )


def adaptive_pool(layer: AdaptivePoolLayer, data: Operands, threads: int) -> Call | None:
    """Pool globally: ONNX has no other adaptive pooling."""
    if layer.out != 1:
        return None
    operator = "GlobalMaxPool" if layer.mode == "max" else "GlobalAveragePool"
    return run(node_model(layer, data, operator), layer, data, threads)


def batch_norm(layer: NormLayer, data: Operands, threads: int) -> Call | None:
    """Normalise by given statistics: its inference build computes no others."""
    if layer.training:
        return None
    mean, var, weight, bias = data.parameters
    ordered = Operands(data.input, (weight, bias, mean, var))
    return run(node_model(layer, ordered, "BatchNormalization", epsilon=1e-5), layer, data, threads)


def statistic(layer: StatisticLayer, data: Operands, threads: int) -> Call | None:
    """Layer norm and softmax; opset 17 has no group norm."""
    if layer.operation == "group_norm":
        return None
    if layer.operation == "layer_norm":
        model = node_model(layer, data, "LayerNormalization", epsilon=1e-5)
    else:
        operator = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}[layer.operation]
        model = node_model(layer, data, operator, axis=layer.axis)
    return run(model, layer, data, threads)


def run(model: Any, layer: Layer, data: Operands, threads: int) -> Call:
    """Load the model and bind its input and its output to arrays."""
    return bound(session(model.SerializeToString(), threads), data.input, layer.output_shape)


def load_network(network: Network, batch: int, threads: int) -> Callable[[Array], Call]:
    """Load the model for a fixed batch, which it may be optimised for."""
    loaded = session(str(network.file("onnx")), threads, batch)
    (y,) = loaded.get_outputs()
    return lambda x: bound(loaded, x, (batch, *y.shape[1:]))


def session(model: Any, threads: int, batch: int | None = None) -> Any:
    """Load a model, given as bytes or as the name of its file."""
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if batch is not None:
        options.add_free_dimension_override_by_name(BATCH, batch)
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def bound(session: Any, x: Array, shape: tuple[int, ...]) -> Call:
    """Bind input and output to arrays."""
    y = np.empty(shape, np.float32)
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)

    def call() -> Array:
        session.run_with_iobinding(binding)
        return y

    return call


PEER = Peer(
    "onnxruntime",
    ("onnxruntime", "onnx"),
    {
        ConvLayer: conv,
        TransposedLayer: conv_transpose,
        LinearLayer: linear,
        PoolLayer: pool,
        AdaptivePoolLayer: adaptive_pool,
        NormLayer: batch_norm,
        StatisticLayer: statistic,
    },
    network=load_network,
)
