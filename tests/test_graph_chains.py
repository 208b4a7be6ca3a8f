"""Steps that are computed together, by bands of rows: found where they should be, and the same bits."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import random_array
from graph_oracle import evaluate
from test_graph import close, filters, normalisation

import fastconv as fc
from fastconv.graph import Graph, Value, chains
from fastconv.inference import Compiled, compile_graph

Array = np.ndarray[Any, Any]
Build = Callable[[Graph], Value]

SHAPE = (2, 3, 37, 29)


def mobile_block(g: Graph) -> Value:
    """Expand, convolve channel by channel, project, add."""
    x = g.conv(g.input, filters(24, 3, 3, 3), filters(24, 1)[:, 0], stride=2, padding=1)
    y = g.activation(g.conv(x, filters(72, 24, 1, 1), filters(72, 1)[:, 0]), "relu6")
    y = g.activation(g.conv(y, filters(72, 1, 3, 3), filters(72, 1)[:, 0], padding=1, groups=72), "relu6")
    return g.add(g.conv(y, filters(24, 72, 1, 1)), x)


def first_layers(g: Graph) -> Value:
    """Planes, depthwise with a stride, projection; all of them between input and output."""
    x = g.activation(g.conv(g.input, filters(20, 3, 3, 3), stride=2, padding=1), "silu")
    x = g.conv(x, filters(20, 1, 5, 5), stride=2, padding=2, groups=20)
    return g.conv(x, filters(33, 20, 1, 1))


def wide_windows(g: Graph) -> Value:
    """Dilated, uneven, and windows that begin beyond the map's end."""
    x = g.conv(g.input, filters(17, 3, 1, 1))
    x = g.conv(x, filters(17, 1, 3, 4), padding=((5, 2), (3, 1)), dilation=(3, 2), groups=17)
    x = g.conv(x, filters(16, 17, 2, 3), stride=(3, 1), padding=((1, 4), (0, 2)))
    return g.conv(x, filters(8, 16, 3, 3), stride=2, padding=1)


def strides_over_rows(g: Graph) -> Value:
    """A stride above the kernel: rows that nobody reads."""
    x = g.conv(g.input, filters(16, 3, 1, 1))
    x = g.conv(x, filters(16, 1, 1, 1), stride=3, groups=16)
    return g.conv(x, filters(5, 16, 1, 1))


def maxima(g: Graph) -> Value:
    """Behind planes, before a padded window, and last; values below 0 beside padding, uneven, dilated."""
    x = g.conv(g.input, filters(20, 3, 3, 3), -8 * np.abs(filters(20, 1)[:, 0]), stride=2, padding=1)
    x = g.max_pool(x, 3, 2, padding=1)
    x = g.conv(x, filters(20, 1, 3, 3), -8 * np.abs(filters(20, 1)[:, 0]), padding=1, groups=20)
    x = g.max_pool(x, (2, 3), (1, 2), padding=(1, 1), dilation=(2, 1))
    return g.max_pool(x, 2, 2, ceil_mode=True)


def norms(g: Graph) -> Value:
    """In front of a padded convolution, between a maximum and a convolution, and last."""
    x = g.concat([g.conv(g.input, filters(20, 3, 3, 3)), g.conv(g.input, filters(20, 3, 3, 3))])
    x = g.activation(g.batch_norm(x, *normalisation(40)), "relu")
    x = g.max_pool(g.conv(x, filters(24, 40, 3, 3), stride=2, padding=1), 3, padding=1)
    x = g.activation(g.batch_norm(x, *normalisation(24)), "silu")
    x = g.max_pool(g.conv(x, filters(17, 24, 1, 1)), 2)
    return g.activation(g.batch_norm(x, *normalisation(17)), "relu")


CHAINS: list[Build] = [mobile_block, first_layers, wide_windows, strides_over_rows, maxima, norms]


def compiled(
    build: Build, shape: tuple[int, ...], least: float, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> Compiled:
    """Compile with maps of so many bytes at least linked, however few rows they have and windows overlap."""
    monkeypatch.setattr(chains, "LEAST_MAP_BYTES", least)
    monkeypatch.setattr(chains, "LEAST_ROWS", 1)
    monkeypatch.setattr(chains, "MOST_REPEATED", np.inf)
    return compile_graph(graph_of(build, shape), **options)


def graph_of(build: Build, shape: tuple[int, ...]) -> Graph:
    graph = Graph(shape)
    graph.output = build(graph)
    return graph


def links_of(net: Compiled) -> list[int]:
    """Return the lengths of the chains."""
    return [row.step.count("+") + 1 for row in net.summary() if "+" in row.step]


@pytest.mark.parametrize("build", CHAINS, ids=lambda build: build.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_chain_has_the_bits_of_its_links(
    build: Build, dtype: str, isa: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = compiled(build, SHAPE, np.inf, monkeypatch, dtype=dtype, algorithm="direct")
    linked = compiled(build, SHAPE, 0, monkeypatch, dtype=dtype, algorithm="direct")
    assert links_of(linked)
    assert not links_of(apart)
    if build is maxima:
        assert next(row.step for row in linked.summary()) == "conv + max pool + conv + max pool + max pool"
    if build is norms:
        links = "batch norm + conv + max pool + batch norm + conv + max pool", "batch norm"
        assert tuple(row.step for row in linked.summary() if "batch norm" in row.step) == links
    x = random_array("x", SHAPE, np.dtype(dtype).type)
    linked(np.full_like(x, np.nan))
    apart(np.full_like(x, np.nan))
    assert linked(x).tobytes() == apart(x).tobytes()
    assert linked(x[1:]).tobytes() == apart(x[1:]).tobytes()
    close(linked(x), evaluate(graph_of(build, SHAPE), x))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_shares_of_a_map(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one thread's rows end and another's begin, and where the bands of a thread do."""
    shape = (1, 3, 150, 260)
    x = random_array("x", shape, np.float32)
    with fc.config(num_threads=threads):
        linked = compiled(first_layers, shape, 0, monkeypatch)(x)
        apart = compiled(first_layers, shape, np.inf, monkeypatch)(x)
    assert linked.tobytes() == apart.tobytes()


@pytest.mark.parametrize("seed", range(60))
def test_random_chains(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    shape = (rng.choice((1, 3)), rng.choice((1, 3, 16, 40)), rng.randint(3, 60), rng.randint(3, 40))
    if seed % 3 == 0:  # work enough for two threads
        shape = (3, 40, rng.randint(60, 90), rng.randint(50, 70))

    def normalised(g: Graph, x: Value) -> Value:
        return g.activation(g.batch_norm(x, *normalisation(x.channels)), rng.choice(("relu", "silu", None)))

    def build(g: Graph) -> Value:
        x = g.input
        for _ in range(rng.randint(2, 5)):
            if rng.random() < 0.3:
                parts = [g.conv(x, filters(out, x.channels, 1, 1)) for out in (rng.choice((16, 32)), 9)]
                x = normalised(g, g.concat(parts))
            if x is not g.input and rng.random() < 0.3 and min(x.spatial) > 4:
                taps, ceil = rng.choice((2, 3)), rng.random() < 0.5
                x = g.max_pool(x, taps, rng.choice((1, 2, 3)), rng.choice((0, 1)), rng.choice((1, 2)), ceil)
                if rng.random() < 0.5:
                    x = normalised(g, x)
                continue
            kernel = rng.choice((1, 1, 2, 3, 5)), rng.choice((1, 1, 3, 4))
            padding = tuple((rng.randint(0, k + 1), rng.randint(0, k + 1)) for k in kernel)
            stride, dilation = (rng.choice((1, 1, 2, 3)), rng.choice((1, 2))), rng.choice((1, 1, 2))
            reach = [(k - 1) * dilation + 1 for k in kernel]
            if any(n + sum(p) < r for n, p, r in zip(x.spatial, padding, reach, strict=True)):
                continue
            alone = x is not g.input and rng.random() < 0.5
            out, given = (x.channels, 1) if alone else (rng.choice((5, 16, 24, 48)), x.channels)
            weight = random_array(str(rng.random()), (out, given, *kernel), np.float32)
            groups = x.channels if alone else 1
            x = g.activation(
                g.conv(
                    x, weight / np.float32(np.sqrt(weight[0].size)), None, stride, padding, dilation, groups
                ),
                "relu",
            )
        return x

    state = rng.getstate()
    linked = compiled(build, shape, 0, monkeypatch, algorithm="direct")
    rng.setstate(state)
    apart = compiled(build, shape, np.inf, monkeypatch, algorithm="direct")
    x = random_array("x", shape, np.float32)
    with fc.config(num_threads=2):
        assert linked(x).tobytes() == apart(x).tobytes()
    rng.setstate(state)
    close(linked(x), evaluate(graph_of(build, shape), x))


def test_only_maps_that_one_step_reads_are_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "LEAST_MAP_BYTES", 0)
    monkeypatch.setattr(chains, "LEAST_ROWS", 1)

    def read_twice(g: Graph) -> Value:
        x = g.conv(g.input, filters(16, 3, 1, 1))
        y = g.conv(x, filters(16, 16, 1, 1))
        return g.add(g.conv(y, filters(16, 16, 1, 1)), x)

    def joined(g: Graph) -> Value:
        x, y = g.conv(g.input, filters(16, 3, 1, 1)), g.conv(g.input, filters(16, 3, 1, 1))
        return g.conv(g.concat([x, y]), filters(16, 32, 1, 1))

    def pooled_plain(g: Graph) -> Value:
        return g.conv(g.max_pool(g.input, 2), filters(16, 3, 1, 1))

    def maximum_read_twice(g: Graph) -> Value:
        x = g.max_pool(g.conv(g.input, filters(16, 3, 1, 1)), 2)
        return g.concat([g.conv(x, filters(16, 16, 1, 1)), g.conv(x, filters(16, 16, 1, 1))])

    def normalised(g: Graph) -> Value:
        x = g.max_pool(g.conv(g.input, filters(16, 3, 1, 1)), 2)
        y = g.activation(g.batch_norm(x, *normalisation(16)), "relu")
        return g.concat([g.conv(y, filters(16, 16, 1, 1)), x])

    def normalised_plain(g: Graph) -> Value:
        x = g.activation(g.batch_norm(g.input, *normalisation(3)), "relu")
        return g.conv(x, filters(16, 3, 1, 1))

    def maximum_of_joined(g: Graph) -> Value:
        x, y = g.conv(g.input, filters(16, 3, 1, 1)), g.conv(g.input, filters(16, 3, 1, 1))
        return g.conv(g.max_pool(g.concat([x, y]), 3, 2, padding=1), filters(16, 32, 1, 1))

    assert links_of(compile_graph(graph_of(pooled_plain, SHAPE))) == []
    assert links_of(compile_graph(graph_of(normalised_plain, SHAPE))) == []
    assert links_of(compile_graph(graph_of(normalised, SHAPE))) == [2, 2]
    assert links_of(compile_graph(graph_of(maximum_read_twice, SHAPE))) == [2]
    net = compile_graph(graph_of(maximum_of_joined, SHAPE))
    assert links_of(net) == [2]
    x = random_array("x", SHAPE, np.float32)
    close(net(x), evaluate(graph_of(maximum_of_joined, SHAPE), x))
    assert links_of(compile_graph(graph_of(read_twice, SHAPE))) == [2]
    assert links_of(compile_graph(graph_of(joined, SHAPE))) == []


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(3, 1, 1), ((3, 1, 1), 1, (1, 0, 0)), (1, (3, 1, 1), (1, 0, 0))],
    ids=str,
)
@pytest.mark.parametrize("groups", [1, 16])
def test_windows_across_slices_stay_apart(
    kernel: Any, stride: Any, padding: Any, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map of one slice can be padded by others."""
    shape = (1, 16, 1, 30, 20)

    def build(g: Graph) -> Value:
        taps = (kernel,) * 3 if isinstance(kernel, int) else kernel
        x = g.conv(g.input, filters(16, 16, 1, 1, 1))
        x = g.conv(x, filters(16, 16 // groups, *taps), None, stride, padding, 1, groups)
        return g.conv(x, filters(16, 16, 1, 1, 1))

    net = compiled(build, shape, 0, monkeypatch)
    x = random_array("x", shape, np.float32)
    close(net(x), evaluate(graph_of(build, shape), x))


def test_norms_of_several_slices_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link is of one slice."""
    shape = (2, 16, 4, 12, 12)

    def build(g: Graph) -> Value:
        x = g.max_pool(g.conv(g.input, filters(16, 16, 1, 1, 1)), (2, 2, 2), (1, 1, 1))
        x = g.max_pool(g.batch_norm(x, *normalisation(16)), (1, 2, 2), (1, 1, 1))
        x = g.activation(g.batch_norm(x, *normalisation(16)), "relu")
        return g.batch_norm(x, *normalisation(16))

    net = compiled(build, shape, 0, monkeypatch)
    x = random_array("x", shape, np.float32)
    assert links_of(net) == []
    close(net(x), evaluate(graph_of(build, shape), x))


def test_windows_that_reach_far_stay_apart() -> None:
    """Threads would compute most rows twice, or hold most of the map."""

    def build(g: Graph) -> Value:
        x = g.conv(g.input, filters(64, 16, 1, 1))
        return g.conv(x, filters(64, 1, 3, 3), padding=36, dilation=36, groups=64)

    def sequence(g: Graph) -> Value:
        x = g.conv(g.input, filters(64, 16, 1))
        return g.conv(x, filters(64, 1, 3), padding=1, groups=64)

    assert links_of(compile_graph(graph_of(build, (8, 16, 128, 128)))) == []
    assert links_of(compile_graph(graph_of(sequence, (8, 16, 16384)))) == []


def test_small_maps_and_large_filters_stay_apart() -> None:
    def build(g: Graph) -> Value:
        x = g.conv(g.input, filters(64, 16, 1, 1))
        x = g.conv(x, filters(64, 1, 3, 3), padding=1, groups=64)
        return g.conv(x, filters(2048, 64, 1, 1))

    with fc.config(num_threads=2):
        assert links_of(compile_graph(graph_of(build, (1, 16, 15, 15)))) == []
        net = compile_graph(graph_of(build, (8, 16, 30, 30)))
    assert links_of(net) == [2]
    assert net.workspace_bytes == 8 * (64 + 2048) * 30 * 30 * 4


@pytest.mark.parametrize(("batch", "threads", "links"), [(1, 1, [3]), (1, 2, [3]), (1, 4, []), (2, 4, [3])])
def test_every_thread_has_rows_enough(batch: int, threads: int, links: list[int]) -> None:
    """Otherwise much of what one computes is computed by its neighbours as well."""

    def build(g: Graph) -> Value:
        x = g.conv(g.input, filters(384, 64, 1, 1))
        x = g.conv(x, filters(384, 1, 3, 3), padding=1, groups=384)
        return g.conv(x, filters(64, 384, 1, 1))

    with fc.config(num_threads=threads):
        assert links_of(compile_graph(graph_of(build, (batch, 64, 14, 14)))) == links


def test_chains_are_cut_where_maps_are_small() -> None:
    """Not as late as possible: the map of 96 channels would then be between two chains."""

    def build(g: Graph) -> Value:
        x = g.input
        for out, kernel, stride, alone in (
            (16, 1, 1, False),
            (16, 3, 1, True),
            (16, 1, 1, False),
            (96, 1, 1, False),
            (96, 3, 1, True),
            (24, 1, 1, False),
        ):
            groups = x.channels if alone else 1
            weight = filters(out, x.channels // groups, kernel, kernel)
            x = g.conv(x, weight, None, stride, kernel // 2, 1, groups)
        return x

    with fc.config(num_threads=2):
        net = compile_graph(graph_of(build, (1, 16, 112, 112)))
    assert links_of(net) == [3, 3]
    assert net.workspace_bytes < 96 * 112 * 112 * 4


def test_rows_of_a_chain_are_described_together(monkeypatch: pytest.MonkeyPatch) -> None:
    net = compiled(mobile_block, SHAPE, 0, monkeypatch)
    apart = compiled(mobile_block, SHAPE, np.inf, monkeypatch)
    rows, single = net.summary(), apart.summary()
    assert "conv + conv + conv" in [row.step for row in rows]
    assert "direct + depthwise + direct" in [row.algorithm for row in rows]
    assert sum(row.gflop for row in rows) == pytest.approx(sum(row.gflop for row in single))
    assert sum(row.mbytes for row in rows) < sum(row.mbytes for row in single)
    measured = net.profile(random_array("x", SHAPE, np.float32))
    assert [row.step for row in measured] == [row.step for row in rows]
    assert all(row.ms is not None and row.ms > 0 for row in measured)
