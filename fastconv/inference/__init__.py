"""Compiled inference: modules to a graph, the graph to a program, the program called."""

from fastconv.inference.compiled import Compiled, compile, compile_graph

__all__ = ["Compiled", "compile", "compile_graph"]
