"""Networks as graphs: what importers lower to, what passes simplify, what a program is made of."""

from fastconv.graph.ir import Graph, Node, Value

__all__ = ["Graph", "Node", "Value"]
