"""The test cases of ONNX: single nodes that its package makes, and stored models of a single node."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.node_rules import KINDS
from conformance.nodes import Node

onnx = pytest.importorskip("onnx")
numpy_helper = pytest.importorskip("onnx.numpy_helper")
cases = pytest.importorskip("onnx.backend.test.case.node")
loader = pytest.importorskip("onnx.backend.test.loader")

# Modules of onnx.backend.test.case.node; reading all of them takes twice as long.
MODULES = (
    *("conv", "convtranspose", "maxpool", "averagepool", "globalmaxpool", "globalaveragepool", "maxunpool"),
    *("batch_normalization", "instance_normalization", "groupnormalization", "layernormalization"),
    *("pad", "col2im", "gemm", "relu", "leakyrelu", "sigmoid", "tanh", "hardswish", "softmax", "logsoftmax"),
)
STORED = ("pytorch-converted", "pytorch-operator")


def node_of(name: str, model: Any, inputs: dict[str, Any], outputs: list[Any]) -> Node:
    """Return the only node of a model."""
    (node,) = model.graph.node
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    given = tuple(inputs[each] if each else None for each in node.input)
    return Node(name, node.op_type, given, attributes, tuple(outputs))


def generated_nodes() -> Iterator[Node]:
    """Yield the nodes that the modules make when they are imported; most have random data."""
    np.random.seed(20240229)
    for module in MODULES:
        importlib.import_module(f"onnx.backend.test.case.node.{module}")
    for case in cases._NodeTestCases:
        if "_expanded" not in case.name and case.model.graph.node[0].op_type in KINDS:
            ((inputs, outputs),) = case.data_sets
            names = [each.name for each in case.model.graph.input]
            yield node_of(case.name, case.model, dict(zip(names, inputs, strict=True)), outputs)


def stored_nodes() -> Iterator[Node]:
    """Yield the nodes of stored models that have but one."""

    def read(paths: list[Path]) -> list[Any]:
        ordered = sorted(paths, key=lambda path: int(path.stem.rpartition("_")[2]))
        return [numpy_helper.to_array(onnx.load_tensor(path)) for path in ordered]

    for case in (case for kind in STORED for case in loader.load_model_tests(kind=kind)):
        folder = Path(case.model_dir)
        model = onnx.load(folder / "model.onnx")
        if len(model.graph.node) != 1 or model.graph.node[0].op_type not in KINDS:
            continue
        constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
        names = [each.name for each in model.graph.input if each.name not in constants]
        data = folder / "test_data_set_0"
        inputs = dict(zip(names, read(list(data.glob("input_*.pb"))), strict=False))
        yield node_of(case.name, model, constants | inputs, read(list(data.glob("output_*.pb"))))


NODES = [*generated_nodes(), *stored_nodes()]
