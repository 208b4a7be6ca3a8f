"""Graphs, their passes, and the programs they are lowered to, against node after node of plain functions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import random_array
from graph_oracle import evaluate
from hypothesis import given
from hypothesis import strategies as st

import fastconv as fc
from fastconv._native import core as native
from fastconv.graph import Graph, Value, arena, passes
from fastconv.inference import compile_graph

Array = np.ndarray[Any, Any]
Build = Callable[[Graph], Value]


def filters(*shape: int, dtype: Any = np.float32) -> Array:
    """Values whose sums stay near one."""
    values: Array = random_array(str(shape), shape, dtype) / np.sqrt(np.prod(shape[1:])).astype(dtype)
    return values


def normalisation(channels: int) -> tuple[Array, Array, Array, Array]:
    """Return mean, variance, weight and bias."""
    mean, var, weight, bias = (random_array(name, (channels,), np.float32) for name in "mvwb")
    return mean, abs(var) + np.float32(0.5), weight, bias


def plain_stack(g: Graph) -> Value:
    x = g.activation(g.conv(g.input, filters(18, 3, 3, 3), filters(18, 1)[:, 0], padding=1), "relu")
    x = g.max_pool(x, 2)
    x = g.batch_norm(g.conv(x, filters(40, 18, 3, 3), padding=1), *normalisation(40))
    return g.activation(x, "relu6")


def residual_blocks(g: Graph) -> Value:
    x = g.activation(g.conv(g.input, filters(32, 3, 7, 7), stride=2, padding=3), "relu")
    y = g.activation(g.conv(x, filters(32, 32, 3, 3), padding=1), ("leaky_relu", 0.1))
    x = g.activation(g.add(g.conv(y, filters(32, 32, 3, 3), padding=1), x), "relu")
    y = g.conv(x, filters(48, 32, 3, 3), stride=2, padding=1)
    short = g.batch_norm(g.conv(x, filters(48, 32, 1, 1), stride=2), *normalisation(48))
    return g.activation(g.add(y, short), "silu")


def branches(g: Graph) -> Value:
    x = g.conv(g.input, filters(20, 3, 3, 3), padding=1)
    a, b = g.conv(x, filters(16, 20, 1, 1)), g.conv(x, filters(32, 20, 3, 3), padding=1)
    c = g.conv(g.max_pool(x, 3, 1, 1), filters(24, 20, 1, 1))
    x = g.activation(g.concat([a, b, c]), "relu")
    return g.conv(g.concat([x, g.conv(x, filters(8, 72, 5, 5), padding=2)]), filters(10, 80, 1, 1))


def odd_branches(g: Graph) -> Value:
    a = g.conv(g.input, filters(5, 3, 3, 3), padding=1)
    b = g.conv(a, filters(18, 5, 3, 3), padding=1)
    return g.conv(g.concat([a, b, a, g.input]), filters(16, 31, 3, 3), padding=1)


def dense(g: Graph) -> Value:
    x = g.conv(g.input, filters(32, 3, 3, 3), padding=1)
    for _ in range(3):
        y = g.activation(g.batch_norm(x, *normalisation(x.channels)), "relu")
        y = g.conv(y, filters(16, x.channels, 3, 3), padding=1)
        x = g.concat([x, y])
    return g.activation(g.batch_norm(x, *normalisation(x.channels)), "relu")


def depthwise(g: Graph) -> Value:
    x = g.activation(g.conv(g.input, filters(24, 3, 3, 3), stride=2, padding=1), "relu6")
    y = g.activation(g.conv(x, filters(24, 1, 3, 3), padding=1, groups=24), "relu6")
    y = g.conv(y, filters(24, 24, 1, 1), filters(24, 1)[:, 0])
    x = g.conv(g.add(x, y), filters(24, 1, 5, 5), stride=2, padding=2, groups=24)
    return g.conv(x, filters(48, 1, 3, 3), padding=1, groups=24)


def grouped(g: Graph) -> Value:
    x = g.conv(g.input, filters(32, 3, 3, 3))
    return g.add(g.conv(x, filters(32, 8, 3, 3), padding=1, groups=4), x)


def classifier(g: Graph) -> Value:
    x = g.max_pool(g.activation(g.conv(g.input, filters(6, 3, 5, 5)), "tanh"), 2)
    x = g.flatten(x)
    x = g.activation(g.linear(x, filters(50, x.channels), filters(50, 1)[:, 0]), "relu")
    return g.softmax(g.linear(x, filters(10, 50)))


def pooled_classifier(g: Graph) -> Value:
    x = g.avg_pool(g.conv(g.input, filters(33, 3, 3, 3)), 3, 2, 1, ceil_mode=True, count_include_pad=False)
    x = g.flatten(g.adaptive_avg_pool(x, (1, 1)))
    return g.softmax(g.linear(x, filters(10, 33)), logarithm=True)


def u_shape(g: Graph) -> Value:
    x = g.activation(g.conv(g.input, filters(16, 3, 3, 3), padding=1), "relu")
    y = g.activation(g.conv(g.max_pool(x, 2), filters(32, 16, 3, 3), padding=1), "relu")
    y = g.conv_transpose(y, filters(32, 16, 2, 2), filters(16, 1)[:, 0], stride=2)
    return g.conv(g.concat([x, y]), filters(2, 32, 3, 3), padding=1)


def transposed(g: Graph) -> Value:
    x = g.conv_transpose(g.input, filters(3, 5, 3, 3), stride=2, padding=1, output_padding=1)
    return g.activation(x, "sigmoid")


def normalised_first(g: Graph) -> Value:
    x = g.batch_norm(g.input, *normalisation(3))
    x = g.conv(x, filters(8, 3, 3, 3))
    return g.add(x, x)


def dilated(g: Graph) -> Value:
    x = g.conv(g.input, filters(16, 3, 3, 3), padding=((1, 2), (0, 3)))
    return g.conv(x, filters(16, 16, 3, 2), padding=((4, 1), (2, 3)), dilation=(2, 3))


def sample_norms(g: Graph) -> Value:
    x = g.conv(g.input, filters(24, 3, 3, 3), padding=1)
    x = g.activation(g.group_norm(x, 6, *normalisation(24)[2:]), "silu")
    y = g.conv(x, filters(24, 24, 3, 3), padding=1)
    x = g.add(g.group_norm(y, 24, None, filters(24, 1)[:, 0]), x)
    x = g.layer_norm(g.conv(x, filters(5, 24, 1, 1)), (24, 20), filters(24, 20))
    return g.layer_norm(g.linear(g.flatten(x), filters(30, 2400)), (30,), None, filters(30, 1)[:, 0])


def nothing(g: Graph) -> Value:
    return g.input


def flat(g: Graph) -> Value:
    return g.flatten(g.conv(g.input, filters(7, 3, 3, 3)))


GRAPHS: list[Build] = [
    plain_stack, residual_blocks, branches, odd_branches, dense, depthwise, grouped, classifier,
    pooled_classifier, u_shape, transposed, normalised_first, dilated, sample_norms, nothing, flat,
]  # fmt: skip
SHAPE = (3, 3, 24, 20)


def built(build: Build, shape: tuple[int, ...] = SHAPE) -> Graph:
    """Return the graph of a network."""
    graph = Graph(shape)
    build(graph)
    return graph


def close(actual: Array, expected: Array) -> None:
    """Require equality but for rounding, which networks of a few layers with values near one keep small."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    digits = 2e-5 if expected.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(actual, expected, rtol=digits, atol=digits)


@pytest.mark.parametrize("build", GRAPHS, ids=lambda build: build.__name__)
def test_program_computes_what_the_nodes_mean(build: Build, isa: str, threads: int) -> None:
    x = random_array("x", SHAPE, np.float32)
    expected = evaluate(built(build), x)
    net = compile_graph(built(build))
    # What the call before left in the arena must not reach a result.
    net(np.full_like(x, np.nan))
    close(net(x), expected)
    close(net(x[:1]), expected[:1])
    out = np.full_like(expected, np.nan)
    assert net(x, out=out) is out
    close(out, expected)
    assert net(x[:0]).shape == (0, *expected.shape[1:])


@pytest.mark.parametrize("build", GRAPHS, ids=lambda build: build.__name__)
def test_double_precision(build: Build) -> None:
    x = random_array("x", SHAPE, np.float64)
    close(compile_graph(built(build), dtype="float64")(x), evaluate(built(build), x))


@pytest.mark.parametrize("algorithm", ["direct", "winograd_2x2", "winograd_4x4"])
@pytest.mark.parametrize("build", [plain_stack, branches, dense], ids=lambda build: build.__name__)
def test_named_algorithms(build: Build, algorithm: str) -> None:
    x = random_array("x", SHAPE, np.float32)
    net = compile_graph(built(build), algorithm=algorithm)
    assert algorithm in {row.algorithm for row in net.summary()}
    close(net(x), evaluate(built(build), x))


ACTIVATIONS: dict[str, Any] = {
    **{name: name for name in native.ACTIVATIONS},
    **{"none": None, "clip": ("clip", -0.5, 0.7), "leaky_relu": ("leaky_relu", 0.2)},
    "relu6": "relu6",
}
# Everything that an activation may stand behind.
ACTIVATED: dict[str, Build] = {
    "conv": lambda g: g.conv(g.input, filters(20, 3, 3, 3)),
    "winograd": lambda g: g.conv(g.conv(g.input, filters(32, 3, 3, 3)), filters(32, 32, 3, 3), padding=1),
    "depthwise": lambda g: g.conv(g.input, filters(3, 1, 3, 3), groups=3),
    "grouped": lambda g: g.conv(g.conv(g.input, filters(6, 3, 1, 1)), filters(4, 3, 3, 3), groups=2),
    "transposed": lambda g: g.conv_transpose(g.input, filters(3, 5, 2, 2), stride=2),
    "residual": lambda g: g.add(g.conv(g.input, filters(3, 3, 1, 1)), g.input),
    "sum": lambda g: g.add(g.input, g.input),
    "batch_norm": lambda g: g.batch_norm(g.max_pool(g.input, 2), *normalisation(3)),
    "group_norm": lambda g: g.group_norm(g.input, 1),
    "layer_norm": lambda g: g.layer_norm(g.input, (20,)),
    "pool": lambda g: g.avg_pool(g.conv(g.input, filters(20, 3, 1, 1)), 2),
    "linear": lambda g: g.linear(g.flatten(g.input), filters(9, 3 * 24 * 20)),
    "input": lambda g: g.input,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("before", ACTIVATED)
def test_every_activation_behind_everything(before: str, name: str, isa: str) -> None:
    def build(g: Graph) -> Value:
        return g.activation(ACTIVATED[before](g), ACTIVATIONS[name])

    x = random_array("x", SHAPE, np.float32)
    close(compile_graph(built(build))(x), evaluate(built(build), x))


@pytest.mark.parametrize("shape", [(2, 3, 30), (2, 3, 6, 7, 8)], ids=str)
def test_other_ranks(shape: tuple[int, ...]) -> None:
    rank = len(shape) - 2
    x = random_array("x", shape, np.float32)

    def build(g: Graph) -> Value:
        y = g.activation(g.conv(g.input, filters(20, 3, *(3,) * rank), padding=1), "relu")
        y = g.max_pool(g.conv(y, filters(20, 1, *(3,) * rank), padding=1, groups=20), 2)
        return g.flatten(g.adaptive_avg_pool(g.conv(y, filters(9, 20, *(1,) * rank)), (1,) * rank))

    close(compile_graph(built(build, shape))(x), evaluate(built(build, shape), x))


def test_same_bits_for_any_number_of_threads_and_samples() -> None:
    x = random_array("x", (4, 3, 60, 64), np.float32)
    net = compile_graph(built(residual_blocks, x.shape))
    results = []
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            results.append(net(x))
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()
    assert net(x[2:3]).tobytes() == results[0][2:3].tobytes()


def test_more_threads_than_processors_lose_no_task() -> None:
    """Threads stay together for all steps: one that comes late to a step must not take part in another."""
    xs = [random_array(name, (1, 3, 40, 56), np.float32) for name in ("x", "y")]
    net = compile_graph(built(dense, xs[0].shape))
    with fc.config(num_threads=1):
        expected = [net(x).tobytes() for x in xs]
    with fc.config(num_threads=7):
        for _ in range(300):  # in turn, so that no task is made up for by what the call before left
            assert [net(x).tobytes() for x in xs] == expected


def test_filters_of_large_networks_come_from_memory() -> None:
    """There the smaller of two transformed filters is read faster than the larger one saves products."""
    weight = filters(256, 256, 3, 3)

    def algorithms(layers: int) -> set[str]:
        graph = Graph((1, 256, 7, 7))
        x = graph.input
        for _ in range(layers):
            x = graph.conv(x, weight, padding=1)
        return {row.algorithm for row in compile_graph(graph).summary() if row.step == "conv"}

    assert algorithms(1) == {"winograd_4x4"}
    assert algorithms(3) == {"winograd_2x2"}


def test_many_threads_at_once() -> None:
    net = compile_graph(built(dense))
    xs = [random_array(str(i), SHAPE, np.float32) for i in range(8)]
    expected = [net(x) for x in xs]
    results: list[Array | None] = [None] * len(xs)

    def work(i: int) -> None:
        for _ in range(5):
            results[i] = net(xs[i])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(xs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result, one in zip(results, expected, strict=True):
        assert result is not None
        assert result.tobytes() == one.tobytes()


def test_net_owns_its_filters() -> None:
    weight = filters(16, 3, 3, 3)
    net = compile_graph(built(lambda g: g.conv(g.input, weight)))
    x = random_array("x", SHAPE, np.float32)
    before = net(x)
    weight[:] = 0
    assert net(x).tobytes() == before.tobytes()


def test_bad_inputs_are_refused() -> None:
    net = compile_graph(built(plain_stack))
    with pytest.raises(ValueError, match="x has shape"):
        net(np.ones((3, 4, 24, 20), np.float32))
    with pytest.raises(ValueError, match="3 at most"):
        net(np.ones((4, 3, 24, 20), np.float32))
    with pytest.raises(TypeError, match="complex"):
        net(np.ones(SHAPE, np.complex64))


def ops(graph: Graph) -> list[str]:
    """List the operations of a graph."""
    return [node.op for node in graph.nodes]


def test_batch_norm_folds_into_the_convolution_before_it() -> None:
    graph = built(plain_stack)
    passes.fold_into_previous(graph)
    assert ops(graph) == ["conv", "activation", "max_pool", "conv", "activation"]
    x = random_array("x", SHAPE, np.float64)
    close(evaluate(graph, x), evaluate(built(plain_stack), x))


def test_batch_norm_folds_into_the_convolution_behind_it_where_nothing_is_padded() -> None:
    graph = built(normalised_first)
    passes.fold_into_next(graph)
    assert ops(graph) == ["conv", "add"]
    x = random_array("x", SHAPE, np.float64)
    close(evaluate(graph, x), evaluate(built(normalised_first), x))


def test_batch_norm_that_others_read_or_that_padding_would_show_stays() -> None:
    def padded(g: Graph) -> Value:
        return g.conv(g.batch_norm(g.input, *normalisation(3)), filters(8, 3, 3, 3), padding=1)

    def shared(g: Graph) -> Value:
        x = g.conv(g.input, filters(8, 3, 3, 3))
        return g.add(g.batch_norm(x, *normalisation(8)), x)

    for build in (padded, shared):
        graph = built(build)
        passes.fold_into_previous(graph)
        passes.fold_into_next(graph)
        assert "batch_norm" in ops(graph)


def test_sums_and_activations_are_fused() -> None:
    graph = built(residual_blocks)
    passes.simplify(graph)
    assert ops(graph) == ["conv"] * 5
    assert [node.residual is not None for node in graph.nodes] == [False, False, True, False, True]
    assert [node.activation for node in graph.nodes] == ["relu", ("leaky_relu", 0.1), "relu", None, "silu"]


def test_linear_layers_become_convolutions() -> None:
    graph = built(classifier)
    passes.linear_as_convolution(graph)
    assert ops(graph) == ["conv", "activation", "max_pool", "conv", "activation", "conv", "softmax"]
    assert graph.nodes[3].arrays["weight"].shape == (50, 6, 10, 8)  # type: ignore[union-attr]


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_maps_that_live_together_do_not_overlap(drawn: list[tuple[int, int, int]]) -> None:
    lives = [arena.Lifetime(64 * n, min(a, b), max(a, b)) for n, a, b in drawn]
    offsets, size = arena.place(lives)
    for i, (at, life) in enumerate(zip(offsets, lives, strict=True)):
        assert 0 <= at <= size - life.nbytes
        for other_at, other in zip(offsets[:i], lives[:i], strict=True):
            if life.meets(other):
                assert at + life.nbytes <= other_at or other_at + other.nbytes <= at


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    graph = Graph(SHAPE)
    y = graph.conv(graph.input, filters(4, 3, 3, 3))
    with pytest.raises(ValueError, match="cannot be added"):
        graph.add(graph.input, y)
    with pytest.raises(ValueError, match="cannot be joined"):
        graph.concat([graph.input, y])
    with pytest.raises(ValueError, match="input has 4 channels"):
        graph.conv(y, filters(4, 3, 3, 3))
