"""OpenVINO: a compiled model of one convolution, in float32 and tuned for latency.

Input and output are the caller's arrays; filters are packed when the model is compiled.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.benchmark.contenders import Operands
from fastconv.benchmark.interleave import Array
from fastconv.benchmark.layers import ConvLayer
from peers.network import Network
from peers.peer import Call, Peer


def conv(layer: ConvLayer, data: Operands, threads: int) -> Call:
    """Compile for the threads."""
    openvino: Any = importlib.import_module("openvino")
    return bound(compiled(openvino.Core(), model(layer, data), threads), data.input)


def load_network(network: Network, batch: int, threads: int) -> Callable[[Array], Call]:
    """Read the ONNX model and compile it for the batch and the threads."""
    openvino: Any = importlib.import_module("openvino")
    core = openvino.Core()
    read = core.read_model(str(network.file("onnx")))
    read.reshape(network.shape(batch))
    ready = compiled(core, read, threads)
    return lambda x: bound(ready, x)


def compiled(core: Any, model: Any, threads: int) -> Any:
    """Compile in float32 for the shortest time of one request."""
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
    }
    return core.compile_model(model, "CPU", options)


def bound(compiled: Any, x: Array) -> Call:
    """Share the arrays of input and output with a request."""
    openvino: Any = importlib.import_module("openvino")
    request = compiled.create_infer_request()
    y = np.empty(tuple(compiled.output(0).shape), np.float32)
    request.set_input_tensor(openvino.Tensor(x, shared_memory=True))
    request.set_output_tensor(openvino.Tensor(y, shared_memory=True))

    def call() -> Array:
        request.infer(share_outputs=True)
        return y

    return call


def model(layer: ConvLayer, data: Operands) -> Any:
    """Build a graph of an input, a constant and the convolution."""
    openvino: Any = importlib.import_module("openvino")
    make: Any = importlib.import_module("openvino.opset13")
    (weight,) = data.parameters
    x, operator = make.parameter(layer.input_shape, np.float32), make.convolution
    if layer.groups > 1:
        operator, per_group = make.group_convolution, layer.out_channels // layer.groups
        weight = weight.reshape(layer.groups, per_group, *weight.shape[1:])
    pads = [layer.padding] * 2
    y = operator(x, make.constant(weight), [layer.stride] * 2, pads, pads, [1, 1])
    return openvino.Model([y], [x], layer.name)


PEER = Peer("openvino", ("openvino",), {ConvLayer: conv}, network=load_network)
