"""The package against ONNX, on the nodes that ONNX tests its backends with."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.backend import NODES
from conformance.node_rules import REFUSED, ROUNDED, RULES, UNMAPPED, Rule
from conformance.nodes import Node

RUN = [
    (rule, node)
    for rule in RULES
    for node in NODES
    if node.kind == rule.kind and node.name not in UNMAPPED and node.name not in REFUSED
]


@pytest.mark.parametrize(("rule", "node"), RUN, ids=str)
def test_node(rule: Rule, node: Node) -> None:
    results = rule.apply(node)
    for result, expected in zip(results, node.outputs, strict=False):
        assert result.dtype == expected.dtype
        if rule.exact:
            np.testing.assert_array_equal(result, expected)
        else:
            np.testing.assert_allclose(result, expected, rtol=ROUNDED.get(node.name, 1e-5), atol=1e-6)


@pytest.mark.parametrize(
    ("rule", "node"),
    [(rule, node) for rule in RULES for node in NODES if node.kind == rule.kind and node.name in REFUSED],
    ids=str,
)
def test_node_is_refused(rule: Rule, node: Node) -> None:
    with pytest.raises(ValueError):
        rule.apply(node)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_nodes_are_there(rule: Rule) -> None:
    nodes = [node for node in NODES if node.kind == rule.kind]
    assert len(nodes) >= rule.least


def test_every_exception_is_a_node() -> None:
    assert set(REFUSED) | set(UNMAPPED) <= {node.name for node in NODES}
