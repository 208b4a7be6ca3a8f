"""Layers of one output pixel: several panels at once for one sample, samples as pixels for several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import random_array
from graph_oracle import evaluate

import fastconv as fc
from fastconv.graph import Graph
from fastconv.inference import compile_graph

Array = np.ndarray[Any, Any]

# Channels in and out, and the window over a map of its size.
LAYERS: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "one_panel": (16, 10, ()),
    "two_and_a_half": (40, 40, ()),
    "three_panels": (9, 48, ()),
    "four_and_one": (84, 80, ()),
    "many_and_a_part": (130, 203, ()),
    "taps": (24, 70, (3, 2)),
    "pieces_of_panels": (40, 33, (5, 5)),
    "volume": (5, 20, (2, 3, 2)),
}


def filters(*shape: int) -> Array:
    """Values whose sums stay near one."""
    scaled: Array = random_array(str(shape), shape, np.float64) / np.sqrt(np.prod(shape[1:]))
    return scaled


def made(name: str, batch: int, *, activation: str | None = None, residual: bool = False) -> Graph:
    """Two layers of one pixel behind one that makes blocks."""
    inputs, outputs, size = LAYERS[name]
    size = size or (1,)
    g = Graph((batch, 3, *size))
    one = (1,) * len(size)
    x = g.conv(g.input, filters(inputs, 3, *one))
    bias = filters(outputs, 1)[:, 0]
    y = g.conv(x, filters(outputs, inputs, *size), bias)
    if residual:
        y = g.add(g.conv(g.input, filters(outputs, 3, *size)), y)
    if activation:
        y = g.activation(y, activation)
    g.conv(y, filters(7, outputs, *one))
    return g


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [1, 2, 7])
@pytest.mark.parametrize("name", LAYERS)
def test_one_pixel(name: str, batch: int, dtype: Any, isa: str, threads: int) -> None:
    with fc.config(isa=isa, num_threads=threads):
        x = random_array("x", made(name, batch).input.shape, dtype)
        net = compile_graph(made(name, batch), dtype=dtype, algorithm="direct")
        net(np.full_like(x, np.nan))
        y, expected = net(x), evaluate(made(name, batch), x)
    digits = 1e-5 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(y, expected, rtol=0, atol=digits * (1 + np.abs(expected).max()))
    for sample in range(batch):
        assert net(x[sample : sample + 1]).tobytes() == y[sample : sample + 1].tobytes()


@pytest.mark.parametrize("activation", ["relu", "tanh", ("clip", -0.1, 0.2)])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
def test_what_is_fused(batch: int, residual: bool, activation: Any, isa: str) -> None:
    with fc.config(isa=isa):
        graph = made("many_and_a_part", batch, activation=activation, residual=residual)
        x = random_array("x", graph.input.shape, np.float32)
        expected = evaluate(graph, x)
        y = compile_graph(made("many_and_a_part", batch, activation=activation, residual=residual))(x)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * (1 + np.abs(expected).max()))


def test_a_sum_that_overflows_stays_where_it_is(isa: str) -> None:
    with fc.config(isa=isa):
        x = random_array("x", (4, 3, 1), np.float32)
        x[2] = np.inf
        y = compile_graph(made("many_and_a_part", 4))(x)
    assert np.isfinite(y[[0, 1, 3]]).all()
    assert not np.isfinite(y[2]).any()
