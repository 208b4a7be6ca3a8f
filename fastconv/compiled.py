"""Compiled inference: a network as one native call over one arena."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv._native import core as native
from fastconv.functional.checks import arrays
from fastconv.graph import Graph
from fastconv.graph.lower import Lowering
from fastconv.graph.maps import Step
from fastconv.graph.passes import simplify
from fastconv.graph.program import assemble
from fastconv.runtime import native_run

Array = np.ndarray[Any, Any]


class Compiled:
    """A network with packed filters; call it with an array."""

    def __init__(self, graph: Graph, dtype: np.dtype[Any], algorithm: str) -> None:
        self.input_shape, self.output_shape = graph.input.shape, graph.output.shape
        self.dtype = dtype
        self._isa = native_run()[0]
        simplify(graph)
        self._steps = Lowering(graph, dtype, algorithm, native_run()).steps
        self._program, self._arena = assemble(self._steps, graph.input.shape[0], dtype.itemsize)

    @property
    def workspace_bytes(self) -> int:
        """Bytes of the arena that a call takes."""
        return self._arena

    def __call__(self, x: Any, *, out: Array | None = None) -> Array:
        """Return the network's output for up to as many samples as it was compiled for."""
        return self._run(x, out, None)

    def _run(self, x: Any, out: Array | None, seconds: Array | None) -> Array:
        given = arrays.as_array(x, "x")
        if given.ndim != len(self.input_shape) or given.shape[1:] != self.input_shape[1:]:
            raise ValueError(f"x has shape {given.shape}: the network takes {self.input_shape}")
        if given.shape[0] > self.input_shape[0]:
            raise ValueError(
                f"x has {given.shape[0]} samples: the network takes at most {self.input_shape[0]}"
            )
        plain = arrays.contiguous(given, self.dtype)
        shape = (given.shape[0], *self.output_shape[1:])
        result, target = arrays.output(out, shape, self.dtype, (given,))
        if given.shape[0]:
            run = native_run()
            self._program.run(plain, target, given.shape[0], (self._isa, *run[1:]), seconds)
        return result

    @property
    def steps(self) -> list[Step]:
        """What is done, in order."""
        return list(self._steps)

    def profile(self, x: Any) -> list[tuple[Step, float]]:
        """Return every step and the seconds that it takes."""
        seconds = np.zeros(len(self._steps))
        best = np.full(len(self._steps), np.inf)
        for _ in range(5):
            self._run(x, None, seconds)
            best = np.minimum(best, seconds)
        return list(zip(self._steps, best.tolist(), strict=True))


def compile_graph(graph: Graph, *, dtype: Any = "float32", algorithm: str = "auto") -> Compiled:
    """Compile a graph, which is simplified in place."""
    return Compiled(graph, np.dtype(dtype), algorithm)
