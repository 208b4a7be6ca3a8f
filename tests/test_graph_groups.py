"""Grouped convolutions of compiled networks: groups of whole blocks, several a block, channel multipliers."""

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

SHAPE = (2, 3, 9, 11)

# What is special: groups, channels of a group in and out.
GROUPS: dict[str, tuple[int, int, int]] = {
    "resnext_4": (32, 4, 4),
    "resnext_8": (8, 8, 8),
    "resnext_16": (4, 16, 16),
    "resnext_32": (2, 32, 32),
    "pairs": (10, 2, 2),
    "a_block_and_a_half": (3, 8, 8),
    "multiplier_2": (20, 1, 2),
    "multiplier_4": (9, 1, 4),
    "multiplier_of_a_block": (9, 1, 16),
    "multiplier_of_two_blocks": (9, 1, 32),
    "wider": (12, 2, 4),
    "much_wider": (3, 8, 80),
    "whole_blocks_wider": (2, 16, 48),
    "whole_blocks_narrower": (2, 48, 16),
}
PLAIN: dict[str, tuple[int, int, int]] = {
    "threes": (4, 3, 3),
    "multiplier_3": (6, 1, 3),
    "narrower": (6, 4, 2),
    "twelve": (4, 12, 12),
    "a_block_to_a_half": (2, 16, 8),
}


def filters(*shape: int) -> Array:
    """Values whose sums stay near one."""
    scaled: Array = random_array(str(shape), shape, np.float64) / np.sqrt(np.prod(shape[1:]))
    return scaled


def made(name: str, shape: tuple[int, ...] = SHAPE, **options: Any) -> Graph:
    """Put a grouped convolution with everything that can be fused into it between two ordinary ones."""
    groups, inputs, outputs = {**GROUPS, **PLAIN}[name]
    rank = len(shape) - 2
    g = Graph(shape)
    x = g.conv(g.input, filters(groups * inputs, 3, *(1,) * rank))
    weight, bias = filters(groups * outputs, inputs, *(3,) * rank), filters(groups * outputs, 1)[:, 0]
    y = g.conv(x, weight, bias, groups=groups, **options)
    other = g.conv(g.input, filters(groups * outputs, 3, *(1,) * rank))
    if other.shape == y.shape:
        y = g.activation(g.add(other, y), "silu")
    g.conv(y, filters(7, groups * outputs, *(1,) * rank))
    return g


def check(name: str, dtype: Any, shape: tuple[int, ...] = SHAPE, **options: Any) -> set[str]:
    """Compare a program with its nodes, and return its kinds of steps but the first and the last."""
    x = random_array("x", shape, dtype)
    net = compile_graph(made(name, shape, **options), dtype=dtype)
    net(np.full_like(x, np.nan))
    y, expected = net(x), evaluate(made(name, shape, **options), x)
    digits = 3e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(y, expected, rtol=0, atol=digits * (1 + np.abs(expected).max()))
    assert net(x[-1:]).tobytes() == y[-1:].tobytes()
    return {row.step for row in net.summary()[1:-1]}


@pytest.mark.parametrize("name", GROUPS)
def test_between_blocks(name: str, isa: str, threads: int) -> None:
    assert check(name, np.float32, padding=1) == {"conv"}


@pytest.mark.parametrize("name", PLAIN)
def test_others_are_reordered(name: str) -> None:
    assert "reorder" in check(name, np.float32, padding=1)


@pytest.mark.parametrize("name", [*GROUPS, *PLAIN])
def test_double_precision(name: str, isa: str) -> None:
    check(name, np.float64, padding=1)


@pytest.mark.parametrize("name", GROUPS)
def test_stride_dilation_and_uneven_padding(name: str) -> None:
    assert check(name, np.float32, padding=((0, 2), (3, 1)), stride=(2, 3), dilation=(2, 1)) == {"conv"}


@pytest.mark.parametrize("shape", [(2, 3, 20), (2, 3, 4, 5, 6), (1, 3, 3, 3)], ids=str)
@pytest.mark.parametrize("name", ["resnext_4", "resnext_16", "multiplier_2"])
def test_other_ranks_and_single_outputs(name: str, shape: tuple[int, ...]) -> None:
    assert check(name, np.float32, shape) == {"conv"}


@pytest.mark.parametrize("algorithm", ["winograd_2x2", "winograd_4x4"])
def test_winograd_in_groups(algorithm: str) -> None:
    x = random_array("x", SHAPE, np.float32)
    net = compile_graph(made("resnext_32", padding=1), algorithm=algorithm)
    net(np.full_like(x, np.nan))
    assert algorithm in {row.algorithm for row in net.summary()}
    np.testing.assert_allclose(net(x), evaluate(made("resnext_32", padding=1), x), rtol=0, atol=1e-4)


def transposed() -> Graph:
    g = Graph(SHAPE)
    x = g.conv(g.input, filters(48, 3, 1, 1))
    y = g.conv_transpose(x, filters(48, 32, 4, 4), filters(96, 1)[:, 0], stride=2, padding=1, groups=3)
    g.conv(y, filters(7, 96, 1, 1))
    return g


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transposed_in_groups(dtype: Any) -> None:
    x = random_array("x", SHAPE, dtype)
    net = compile_graph(transposed(), dtype=dtype)
    net(np.full_like(x, np.nan))
    np.testing.assert_allclose(net(x), evaluate(transposed(), x), rtol=0, atol=1e-5)
    assert {row.step for row in net.summary()[1:-1]} == {"conv"}


@pytest.mark.parametrize("name", GROUPS)
def test_values_that_are_not_finite_stay_in_their_group(name: str) -> None:
    groups, inputs, outputs = GROUPS[name]
    g = Graph((1, groups * inputs, 5, 6))
    x = g.conv(g.input, np.ones((groups * inputs, 1, 1, 1)), groups=groups * inputs)
    g.conv(x, np.ones((groups * outputs, inputs, 3, 3)), padding=1, groups=groups)
    ones = np.ones(g.input.shape, np.float32)
    ones[:, inputs : 2 * inputs] = np.inf
    y = compile_graph(g, algorithm="direct")(ones).reshape(groups, -1)
    assert (y[1] == np.inf).all()
    assert np.isfinite(np.delete(y, 1, 0)).all()


@pytest.mark.parametrize("name", GROUPS)
def test_same_bits_for_any_number_of_threads(name: str) -> None:
    shape = (2, 3, 24, 30)
    x = random_array("x", shape, np.float32)
    net = compile_graph(made(name, shape, padding=1))
    results = set()
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            results.add(net(x).tobytes())
    assert len(results) == 1
