"""The same layers in other packages, as far as they are installed: torch, onnxruntime, scipy.

Whatever can be done once (models, sessions, memory formats, thread counts) is done before the timed call.
Filters stay as each package keeps them between calls: onnxruntime packs them when its session is made.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from fastconv.benchmark.contenders import Operands, copied, rearranging
from fastconv.benchmark.interleave import Array, Contender
from fastconv.benchmark.layers import (
    AdaptivePoolLayer,
    ConvLayer,
    Layer,
    NormLayer,
    PoolLayer,
    RearrangeLayer,
    StatisticLayer,
    TransposedLayer,
)

Call = Callable[[], Any]

# scipy.signal correlates one pair of planes a call, so it is asked for small numbers of pairs only.
MOST_PLANE_PAIRS = 128
ONNX_OPSET, ONNX_IR = 17, 8


def installed(*modules: str) -> bool:
    """Whether all the modules can be imported."""
    return all(importlib.util.find_spec(name) is not None for name in modules)


@contextmanager
def peers_ready(threads: int) -> Iterator[None]:
    """Give torch the thread count, and switch its gradients off around all calls."""
    if not installed("torch"):
        yield
        return
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(threads)
    with torch.inference_mode():
        yield


def torch_call(
    layer: Layer, data: Operands, threads: int, memory_format: str = "contiguous_format"
) -> Call | None:
    """``torch.nn.functional`` on tensors that are stored, weights included, in a memory format."""
    torch: Any = importlib.import_module("torch")
    functional: Any = importlib.import_module("torch.nn.functional")

    if isinstance(layer, StatisticLayer):
        return torch_statistic_call(layer, data, memory_format)

    def tensor(array: Array) -> Any:
        return torch.from_numpy(array).to(memory_format=getattr(torch, memory_format))

    if data.input.ndim != 4 and memory_format != "contiguous_format":
        return None
    x = tensor(data.input)
    if isinstance(layer, RearrangeLayer):
        return rearranging(functional, layer, Operands(x, tuple(map(tensor, data.parameters))))
    if isinstance(layer, ConvLayer):
        weight = tensor(*data.parameters)
        window = (layer.stride, layer.padding, 1, layer.groups)
        return lambda: functional.conv2d(x, weight, None, *window)
    if isinstance(layer, TransposedLayer):
        weight = tensor(*data.parameters)
        spread = (layer.stride, layer.padding)
        return lambda: functional.conv_transpose2d(x, weight, None, *spread)
    if isinstance(layer, PoolLayer):
        pool = functional.max_pool2d if layer.mode == "max" else functional.avg_pool2d
        sizes = (layer.kernel, layer.stride, layer.padding)
        return lambda: pool(x, *sizes, ceil_mode=layer.ceil_mode)
    if isinstance(layer, AdaptivePoolLayer):
        adaptive = functional.adaptive_max_pool2d if layer.mode == "max" else functional.adaptive_avg_pool2d
        return lambda: adaptive(x, layer.out)
    mean, var, weight, bias = (torch.from_numpy(vector) for vector in copied(data))
    return lambda: functional.batch_norm(x, mean, var, weight, bias, layer.training)


def torch_statistic_call(layer: StatisticLayer, data: Operands, memory_format: str) -> Call | None:
    """Group norm in both memory formats, what works along rows and softmax in the only one."""
    if layer.operation != "group_norm" and memory_format != "contiguous_format":
        return None
    torch: Any = importlib.import_module("torch")
    functional: Any = importlib.import_module("torch.nn.functional")
    x = torch.from_numpy(data.input).to(memory_format=getattr(torch, memory_format))
    parameters = [torch.from_numpy(array) for array in data.parameters]
    if layer.operation == "group_norm":
        return lambda: functional.group_norm(x, layer.groups, *parameters)
    if layer.operation == "layer_norm":
        return lambda: functional.layer_norm(x, layer.parameter_shape, *parameters)
    function = getattr(torch, layer.operation)
    return lambda: function(x, layer.axis)


def onnxruntime_call(layer: Layer, data: Operands, threads: int) -> Call | None:
    """Run a session with a model of one node; training statistics are not in its inference build, and of
    adaptive pooling ONNX has only the global one.
    """
    if isinstance(layer, AdaptivePoolLayer) and layer.out != 1:
        return None
    if isinstance(layer, RearrangeLayer) or (isinstance(layer, NormLayer) and layer.training):
        return None
    if isinstance(layer, StatisticLayer) and layer.operation == "group_norm":
        return None  # opset 17 has none
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = onnx_model(layer, data)
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"x": data.input}
    return lambda: session.run(None, feed)[0]


def onnx_model(layer: Layer, data: Operands) -> Any:
    """Build a model ``x -> y`` of the layer's single node, its parameters as initialisers."""
    onnx: Any = importlib.import_module("onnx")
    helper, numpy_helper, real = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
    operator, attributes = _onnx_node(layer)
    parameters = data.parameters
    if isinstance(layer, NormLayer):
        mean, var, weight, bias = parameters
        parameters = (weight, bias, mean, var)
    names = [f"parameter_{index}" for index in range(len(parameters))]
    node = helper.make_node(operator, ["x", *names], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        layer.name,
        [helper.make_tensor_value_info("x", real, layer.input_shape)],
        [helper.make_tensor_value_info("y", real, layer.output_shape)],
        [numpy_helper.from_array(array, name) for name, array in zip(names, parameters, strict=True)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", ONNX_OPSET)], ir_version=ONNX_IR)


def _onnx_node(layer: Layer) -> tuple[str, dict[str, Any]]:
    assert not isinstance(layer, RearrangeLayer)
    if isinstance(layer, NormLayer):
        return "BatchNormalization", {"epsilon": 1e-5}
    if isinstance(layer, StatisticLayer):
        if layer.operation == "layer_norm":
            return "LayerNormalization", {"epsilon": 1e-5}
        return {"softmax": "Softmax", "log_softmax": "LogSoftmax"}[layer.operation], {"axis": layer.axis}
    if isinstance(layer, AdaptivePoolLayer):
        return ("GlobalMaxPool" if layer.mode == "max" else "GlobalAveragePool"), {}
    window: dict[str, Any] = {
        "kernel_shape": [layer.kernel] * 2,
        "strides": [layer.stride] * 2,
        "pads": [layer.padding] * 4,
    }
    if isinstance(layer, ConvLayer):
        return "Conv", {**window, "group": layer.groups}
    if isinstance(layer, TransposedLayer):
        return "ConvTranspose", window
    window["ceil_mode"] = int(layer.ceil_mode)
    return ("MaxPool", window) if layer.mode == "max" else ("AveragePool", {**window, "count_include_pad": 1})


def scipy_call(layer: Layer, data: Operands, threads: int) -> Call | None:
    """``scipy.signal.correlate2d`` plane by plane: stride 1, few pairs of planes."""
    if not isinstance(layer, ConvLayer) or layer.stride != 1:
        return None
    (weight,) = data.parameters
    if layer.batch * layer.out_channels * weight.shape[1] > MOST_PLANE_PAIRS:
        return None
    signal: Any = importlib.import_module("scipy.signal")
    pad = (layer.padding, layer.padding)
    x = np.pad(data.input, ((0, 0), (0, 0), pad, pad))
    per_group = layer.out_channels // layer.groups

    def plane(image: Array, out_channel: int) -> Array:
        first = out_channel // per_group * weight.shape[1]
        planes = zip(image[first:], weight[out_channel], strict=False)
        return np.asarray(sum(signal.correlate2d(source, taps, "valid") for source, taps in planes))

    def call() -> Array:
        return np.stack([[plane(image, channel) for channel in range(layer.out_channels)] for image in x])

    return call


# A contender's name, the modules it needs, and what prepares its call; None if it does not compute the layer.
PEERS: dict[str, tuple[tuple[str, ...], Callable[[Layer, Operands, int], Call | None]]] = {
    "torch": (("torch",), torch_call),
    "torch channels_last": (("torch",), partial(torch_call, memory_format="channels_last")),
    "onnxruntime": (("onnxruntime", "onnx"), onnxruntime_call),
    "scipy.signal": (("scipy",), scipy_call),
}
INSTALLED = [name for name, (modules, _) in PEERS.items() if installed(*modules)]


def peer_contenders(layer: Layer, data: Operands, threads: int, part: str = "") -> list[Contender]:
    """Return the installed packages that compute the layer and whose name contains ``part``."""
    calls = {name: PEERS[name][1](layer, data, threads) for name in INSTALLED if part in name}
    return [Contender(name, call) for name, call in calls.items() if call is not None]
