"""Joins in compiled networks of channels that are not whole blocks: 16 of float32, 8 of float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import random_array
from graph_oracle import evaluate
from hypothesis import given
from hypothesis import strategies as st

import fastconv as fc
from fastconv.graph import Graph
from fastconv.inference import compile_graph

Array = np.ndarray[Any, Any]

SHAPE = (2, 3, 7, 9)


def filters(*shape: int) -> Array:
    """Integers, so that joins show in every bit."""
    return np.round(4 * random_array(str(shape), shape, np.float64))


def statistics(channels: int, *values: float) -> tuple[Array, Array, Array, Array]:
    """Give every channel the same mean, variance, weight and bias."""
    mean, var, weight, bias = (np.full(channels, value, np.float64) for value in values)
    return mean, var, weight, bias


def joined(channels: tuple[int, ...], shape: tuple[int, ...] = SHAPE) -> Graph:
    """Join convolutions, and let a padded one read the result; 0 stands for the input."""
    g = Graph(shape)
    ones, threes = (1,) * (len(shape) - 2), (3,) * (len(shape) - 2)
    parts = [g.conv(g.input, filters(c, 3, *ones)) if c else g.input for c in channels]
    x = g.concat(parts)
    g.concat([g.conv(x, filters(5, x.channels, *threes), padding=1), x])
    return g


def check(graph: Graph, again: Graph, dtype: Any) -> Array:
    """Compare exactly, after other values were in the arena."""
    x = np.round(8 * random_array("x", graph.input.shape, np.float64)).astype(dtype)
    net = compile_graph(again, dtype=dtype, algorithm="direct")
    net(np.full_like(x, np.nan))
    y = net(x)
    np.testing.assert_array_equal(y, evaluate(graph, x).astype(dtype))
    return y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "channels",
    [(24, 24), (12, 12, 12, 12, 12), (5, 18, 5), (1,) * 20, (24, 8, 16), (17, 16, 16), (0, 24, 0), (24, 0, 8),
     (16, 0, 12), (40, 3, 100)],
    ids=str,
)  # fmt: skip
def test_parts_of_any_width(channels: tuple[int, ...], dtype: Any, isa: str, threads: int) -> None:
    check(joined(channels), joined(channels), dtype)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=6))
def test_widths_by_chance(channels: list[int]) -> None:
    drawn = tuple(channels)
    check(joined(drawn), joined(drawn), np.float32)


@pytest.mark.parametrize("shape", [(2, 3, 11), (2, 3, 4, 3, 5), (3, 3, 1, 1)], ids=str)
def test_other_ranks(shape: tuple[int, ...]) -> None:
    check(joined((12, 20, 7), shape), joined((12, 20, 7), shape), np.float32)


def dense() -> Graph:
    """Layers that each add 12 channels to what there is."""
    g = Graph(SHAPE)
    x = g.conv(g.input, filters(24, 3, 1, 1))
    for _ in range(4):
        y = g.batch_norm(x, *statistics(x.channels, 1, 4, 2, 3))
        y = g.conv(g.activation(y, "relu6"), filters(12, x.channels, 1, 1) / 64)
        x = g.concat([x, y])
    return g


def test_what_grows_stays_where_it_is() -> None:
    x = random_array("x", SHAPE, np.float32)
    net = compile_graph(dense())
    net(np.full_like(x, np.nan))
    np.testing.assert_allclose(net(x), evaluate(dense(), x), rtol=1e-5, atol=1e-5)
    moved = [row.output for row in net.summary() if row.step == "reorder"]
    assert moved == [(12, 7, 9)] * 3 + [(72, 7, 9)]


def nested() -> Graph:
    """Join joins, one of them twice, at a block and within one."""
    g = Graph(SHAPE)
    a, b, c = (g.conv(g.input, filters(n, 3, 1, 1)) for n in (12, 24, 9))
    inner = g.concat([b, a])
    g.concat([g.concat([inner, c]), g.add(a, a), inner, g.max_pool(inner, 3, 1, 1), b])
    return g


def test_joins_of_joins() -> None:
    check(nested(), nested(), np.float32)
    check(nested(), nested(), np.float64)


def infinite() -> Graph:
    """Join a part of infinite values with parts that are zero."""
    g = Graph(SHAPE)
    zero, one = (g.batch_norm(g.input, *statistics(3, 0, 1, weight, 1)) for weight in (0, 1))
    parts = [g.conv(x, np.ones((n, 3, 1, 1))) for x, n in ((zero, 20), (one, 9), (zero, 20))]
    g.max_pool(g.concat(parts), 1)
    return g


def test_values_that_are_not_finite_stay_in_their_channels() -> None:
    y = compile_graph(infinite())(np.full(SHAPE, 3e38, np.float32))
    assert (y[:, 20:29] == np.inf).all()
    assert (np.delete(y, np.s_[20:29], 1) == 3).all()


def test_same_bits_for_any_number_of_threads_and_samples() -> None:
    x = random_array("x", (3, 3, 40, 50), np.float32)
    net = compile_graph(joined((12, 20, 24), x.shape))
    results = []
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            results.append(net(x))
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()
    assert net(x[1:2]).tobytes() == results[0][1:2].tobytes()
