"""Transposed convolutions of compiled networks: between channel blocks, phase after phase of the stride."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import random_array
from graph_oracle import evaluate

import fastconv as fc
from fastconv.graph import Graph, Value, passes
from fastconv.inference import compile_graph

Array = np.ndarray[Any, Any]
Build = Callable[[Graph], Value]


def filters(*shape: int, dtype: Any = np.float32) -> Array:
    """Values whose sums stay near one."""
    values: Array = random_array(str(shape), shape, dtype) / np.sqrt(np.prod(shape)).astype(dtype)
    return values


def built(build: Build, shape: tuple[int, ...]) -> Graph:
    """Return the graph of a network."""
    graph = Graph(shape)
    build(graph)
    return graph


def check(build: Build, shape: tuple[int, ...], dtype: Any = np.float32, algorithm: str = "auto") -> None:
    """Compare a program with its nodes, alone and in a batch, after other values were in the arena."""
    x = random_array("x", shape, dtype)
    net = compile_graph(built(build, shape), dtype=dtype, algorithm=algorithm)
    net(np.full_like(x, np.nan))
    y, expected = net(x), evaluate(built(build, shape), x)
    digits = 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(y, expected, rtol=0, atol=digits * (1 + np.abs(expected).max()))
    assert net(x[-1:]).tobytes() == y[-1:].tobytes()
    kinds = [row.step for row in net.summary()]
    assert "reorder" not in kinds[1:-1], kinds


# What is special: (kernel, stride, padding, output_padding, dilation)
WINDOWS: dict[str, tuple[Any, ...]] = {
    "of_the_u_net": (2, 2, 0, 0, 1),
    "of_generators": (4, 2, 1, 0, 1),
    "uneven_phases": (3, 2, 1, 1, 1),
    "stride_1": (3, 1, 1, 0, 1),
    "stride_1_wider_than_the_kernel": (3, 1, 5, 0, 1),
    "gaps": (2, 3, 0, 2, 1),
    "gaps_by_dilation": (3, 2, 1, 1, 2),
    "dilated_phases": (3, 2, 2, 1, 3),
    "cropped": (3, 4, 3, 1, 2),
    "other_on_each_axis": ((5, 2), (2, 3), (1, 0), (0, 1), (1, 4)),
    "kernel_1": (1, 2, 0, 1, 1),
    "kernel_1_far_between": (1, 3, 0, 0, 1),
}


def window(name: str) -> dict[str, Any]:
    """Name the numbers of a window."""
    keys = ("stride", "padding", "output_padding", "dilation")
    return dict(zip(keys, WINDOWS[name][1:], strict=True))


def enlarging(name: str, inputs: int, outputs: int) -> Build:
    """Return a transposed convolution between two ordinary ones."""
    size = WINDOWS[name][0]
    kernel = size if isinstance(size, tuple) else (size, size)

    def build(g: Graph) -> Value:
        x = g.conv(g.input, filters(inputs, 3, 1, 1))
        bias = filters(outputs, 1)[:, 0]
        y = g.conv_transpose(x, filters(inputs, outputs, *kernel), bias, **window(name))
        return g.conv(g.activation(y, "relu"), filters(16, outputs, 1, 1))

    return build


@pytest.mark.parametrize("name", WINDOWS)
def test_windows(name: str, isa: str, threads: int) -> None:
    check(enlarging(name, 20, 24), (2, 3, 9, 11))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("algorithm", ["winograd_2x2", "winograd_4x4"])
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_by_winograd(name: str, algorithm: str, dtype: Any, isa: str, threads: int) -> None:
    for shape in ((2, 3, 9, 11), (1, 3, 4, 1), (1, 3, 16, 17)):
        try:
            built(enlarging(name, 20, 24), shape)
        except ValueError:
            continue  # no output
        check(enlarging(name, 20, 24), shape, dtype, algorithm)


def test_winograd_is_taken_by_itself_and_from_finite_filters() -> None:
    def chosen(weight: Array, algorithm: str) -> str:
        def build(g: Graph) -> Value:
            x = g.conv(g.input, filters(64, 3, 1, 1))
            return g.conv(g.conv_transpose(x, weight, stride=2, padding=1), filters(16, 64, 1, 1))

        net = compile_graph(built(build, (1, 3, 32, 32)), algorithm=algorithm)
        return next(row.algorithm for row in net.summary() if row.output == (64, 64, 64))

    weight = filters(64, 64, 4, 4)
    assert [chosen(weight, name) for name in ("auto", "direct")] == ["winograd_4x4", "direct"]
    weight[0, 0, 0, 0] = np.inf
    assert [chosen(weight, name) for name in ("auto", "winograd_2x2")] == ["direct", "direct"]


@pytest.mark.parametrize("name", ["of_the_u_net", "of_generators", "gaps"])
def test_double_precision(name: str) -> None:
    check(enlarging(name, 20, 24), (2, 3, 9, 11), np.float64)


@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (1, 3, 1, 30), (2, 3, 30, 1)], ids=str)
@pytest.mark.parametrize("name", WINDOWS)
def test_maps_of_one_pixel_and_lines(name: str, shape: tuple[int, ...]) -> None:
    try:
        built(enlarging(name, 16, 8), shape)
    except ValueError:
        pytest.skip("no output")
    check(enlarging(name, 16, 8), shape)


# The same of outputs that are a single pixel, or whose last band is one, behind the shape of the input.
SINGLE: dict[str, tuple[tuple[int, ...], tuple[Any, ...]]] = {
    "no_tap_reaches_it": ((2, 3, 2, 2), (1, 2, 1, 0, 1)),
    "between_the_taps": ((1, 3, 2), (3, 2, 3, 0, 2)),
    "a_tap_reaches_it": ((2, 3, 1, 1), (1, 2, 0, 0, 1)),
    "last_band": ((1, 3, 3, 3), ((3, 1), (3, 3), (0, 4), (0, 2), (3, 2))),
}


@pytest.mark.parametrize("outputs", [8, 40])
@pytest.mark.parametrize("name", SINGLE)
def test_single_outputs(name: str, outputs: int, isa: str, threads: int) -> None:
    shape, (size, *others) = SINGLE[name]
    kernel = size if isinstance(size, tuple) else (size,) * (len(shape) - 2)
    one = (1,) * len(kernel)
    keys = ("stride", "padding", "output_padding", "dilation")

    def build(g: Graph) -> Value:
        x = g.conv(g.input, filters(16, 3, *one))
        bias = filters(outputs, 1)[:, 0]
        options: dict[str, Any] = dict(zip(keys, others, strict=True))
        y = g.conv_transpose(x, filters(16, outputs, *kernel), bias, **options)
        return g.conv(g.activation(y, "relu"), filters(16, outputs, *one))

    check(build, shape)


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize(
    "name", ["gaps", "gaps_by_dilation", "kernel_1", "kernel_1_far_between", "of_the_u_net"]
)
def test_sum_of_few_channels(name: str, groups: int, isa: str, threads: int) -> None:
    size = WINDOWS[name][0]

    def build(g: Graph) -> Value:
        weight, other = (filters(4, 3 - groups // 2, size, size) * scale for scale in (1, 2))
        x = g.conv_transpose(g.input, weight, groups=groups, **window(name))
        y = g.conv_transpose(g.input, other, groups=groups, **window(name))
        return g.activation(g.add(x, y), "relu")

    shape = (2, 4, 5, 6)
    x = random_array("x", shape, np.float32)
    net = compile_graph(built(build, shape))
    net(np.full_like(x, np.nan))
    expected = evaluate(built(build, shape), x)
    np.testing.assert_allclose(net(x), expected, rtol=0, atol=1e-5 * (1 + np.abs(expected).max()))
    assert net(x).tobytes() == net(x).tobytes()


@pytest.mark.parametrize("shape", [(2, 3, 9), (2, 3, 4, 5, 3)], ids=str)
def test_other_ranks(shape: tuple[int, ...]) -> None:
    rank = len(shape) - 2

    def build(g: Graph) -> Value:
        x = g.conv(g.input, filters(20, 3, *(1,) * rank))
        y = g.conv_transpose(x, filters(20, 18, *(3,) * rank), stride=2, padding=1, output_padding=1)
        return g.conv(
            g.conv_transpose(y, filters(18, 16, *(2,) * rank), stride=3), filters(9, 16, *(1,) * rank)
        )

    check(build, shape)


def test_long_sums_are_made_slab_by_slab() -> None:
    def build(g: Graph) -> Value:
        x = g.conv(g.input, filters(700, 3, 1, 1))
        return g.conv(g.conv_transpose(x, filters(700, 40, 2, 2), stride=2), filters(16, 40, 1, 1))

    check(build, (1, 3, 24, 40))


def joined(g: Graph) -> Value:
    x = g.activation(g.conv(g.input, filters(16, 3, 3, 3), padding=1), "relu")
    y = g.conv(g.max_pool(x, 2), filters(32, 16, 3, 3), padding=1)
    y = g.conv_transpose(y, filters(32, 16, 2, 2), filters(16, 1)[:, 0], stride=2)
    return g.conv(g.concat([x, y]), filters(20, 32, 3, 3), padding=1)


def test_output_is_written_into_its_part_of_a_join() -> None:
    check(joined, (3, 3, 24, 20))


def added(g: Graph) -> Value:
    x = g.conv(g.input, filters(24, 3, 1, 1))
    y = g.conv_transpose(x, filters(24, 24, 3, 3), filters(24, 1)[:, 0], padding=1)
    return g.activation(g.add(y, x), ("leaky_relu", 0.1))


def test_sum_and_activation_are_stored_with_it() -> None:
    graph = built(added, (2, 3, 9, 11))
    passes.simplify(graph)
    assert [node.op for node in graph.nodes] == ["conv", "conv_transpose"]
    for algorithm in ("direct", "winograd_2x2", "winograd_4x4"):
        check(added, (2, 3, 9, 11), algorithm=algorithm)


@pytest.mark.parametrize("groups", [1, 2])
def test_batch_norm_is_folded(groups: int) -> None:
    mean, var, scale, shift = (random_array(name, (24,), np.float64) for name in "mvws")

    def build(g: Graph) -> Value:
        y = g.conv_transpose(
            g.input, filters(6, 24 // groups, 3, 2), filters(24, 1)[:, 0], stride=2, groups=groups
        )
        return g.batch_norm(y, mean, abs(var) + 0.5, scale, shift)

    graph = built(build, (2, 6, 5, 4))
    passes.fold_into_previous(graph)
    assert [node.op for node in graph.nodes] == ["conv_transpose"]
    x = random_array("x", (2, 6, 5, 4), np.float64)
    np.testing.assert_allclose(evaluate(graph, x), evaluate(built(build, x.shape), x), rtol=1e-12, atol=1e-12)


def test_weights_that_are_not_finite_leave_outputs_without_that_product_alone() -> None:
    weight = filters(16, 16, 3, 3)
    weight[0, 0, 0, 0] = np.inf

    def build(g: Graph) -> Value:
        return g.conv_transpose(g.conv(g.input, filters(16, 3, 1, 1)), weight, stride=2)

    x = random_array("x", (2, 3, 5, 6), np.float32)
    y, expected = compile_graph(built(build, x.shape))(x), evaluate(built(build, x.shape), x)
    np.testing.assert_array_equal(np.isfinite(y), np.isfinite(expected))
    assert np.isfinite(y[:, 0, -1]).all()


def test_same_bits_for_any_number_of_threads() -> None:
    x = random_array("x", (2, 3, 24, 40), np.float32)
    net = compile_graph(built(enlarging("of_generators", 200, 64), x.shape))
    results = set()
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            results.add(net(x).tobytes())
    assert len(results) == 1
