"""Simplifications of a graph, each by itself; `simplify` applies all in their order."""

from fastconv.graph.ir import Graph
from fastconv.graph.passes.batch_norm import fold_into_next, fold_into_previous
from fastconv.graph.passes.fuse import fuse_activations, fuse_residuals
from fastconv.graph.passes.linear import linear_as_convolution

__all__ = [
    "fold_into_next",
    "fold_into_previous",
    "fuse_activations",
    "fuse_residuals",
    "linear_as_convolution",
    "simplify",
]


def simplify(graph: Graph) -> None:
    """Apply every pass: batch norm into filters, vectors into maps, sums and activations into the stores."""
    fold_into_previous(graph)
    fold_into_next(graph)
    linear_as_convolution(graph)
    fuse_residuals(graph)
    fuse_activations(graph)
