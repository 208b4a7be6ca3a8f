"""ONNX models of a single node, which several packages read."""

from __future__ import annotations

import importlib
from typing import Any

from fastconv.benchmark.contenders import Operands
from fastconv.benchmark.layers import ConvLayer, Layer, PoolLayer, TransposedLayer

OPSET, IR = 17, 8


def window(layer: ConvLayer | TransposedLayer | PoolLayer) -> dict[str, Any]:
    """Attributes of what slides over planes."""
    return {
        "kernel_shape": [layer.kernel] * 2,
        "strides": [layer.stride] * 2,
        "pads": [layer.padding] * 4,
    }


def node_model(layer: Layer, data: Operands, operator: str, **attributes: Any) -> Any:
    """Build a model ``x -> y`` of a single node, its parameters as initialisers."""
    onnx: Any = importlib.import_module("onnx")
    make, numpy_helper, real = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
    names = [f"parameter_{index}" for index in range(len(data.parameters))]
    node = make.make_node(operator, ["x", *names], ["y"], **attributes)
    graph = make.make_graph(
        [node],
        layer.name,
        [make.make_tensor_value_info("x", real, layer.input_shape)],
        [make.make_tensor_value_info("y", real, layer.output_shape)],
        [numpy_helper.from_array(array, name) for name, array in zip(names, data.parameters, strict=True)],
    )
    return make.make_model(graph, opset_imports=[make.make_opsetid("", OPSET)], ir_version=IR)
