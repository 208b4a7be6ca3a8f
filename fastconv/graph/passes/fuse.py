"""Sums and activations move into the store of the operation before them."""

from __future__ import annotations

from fastconv.graph.ir import Graph, Node
from fastconv.graph.passes.batch_norm import remove

STORES_SUMS = ("conv", "conv_transpose")
STORES_ACTIVATED = ("conv", "conv_transpose", "add", "batch_norm", "group_norm")


def fuse_residuals(graph: Graph) -> None:
    """Let a convolution add the other operand of a sum, where that is computed before it."""
    order = {id(node.output): place for place, node in enumerate(graph.nodes)}  # fewer nodes keep it
    for total in [node for node in graph.nodes if node.op == "add"]:
        for own, other in (total.inputs, total.inputs[::-1]):
            before = graph.producer(own)
            if before is None or before.op not in STORES_SUMS or not graph.is_used_once(own):
                continue
            if before.activation is not None or before.residual is not None:
                continue
            if order.get(id(other), -1) > order[id(own)]:
                continue
            before.residual = other
            before.activation = total.activation
            graph.nodes.remove(total)
            graph.replace(total.output, own)
            break


def fuse_activations(graph: Graph) -> None:
    """Let the operation before an activation apply it."""
    for node in [node for node in graph.nodes if node.op == "activation"]:
        before = graph.producer(node.inputs[0])
        if before is not None and can_apply(graph, before):
            before.activation = node.activation
            remove(graph, node)


def can_apply(graph: Graph, node: Node) -> bool:
    """Whether an activation of the node's output can become its own."""
    return node.op in STORES_ACTIVATED and node.activation is None and graph.is_used_once(node.output)
