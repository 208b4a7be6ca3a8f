"""Filters that a compiled network keeps as taps, for Winograd's algorithm to transform in every call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from bounds import assert_same_bits
from cases import random_array

import fastconv as fc
from fastconv._native import core as native
from fastconv.functional.checks import window
from fastconv.graph import Graph, lower
from fastconv.inference import Compiled, compile_graph
from fastconv.runtime import native_run

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Layer:
    """A 3x3 convolution."""

    name: str
    input: tuple[int, int, int, int]
    outputs: int
    options: dict[str, Any] = field(default_factory=lambda: {"padding": 1})

    def __str__(self) -> str:
        return self.name

    def compiled(self, tile: int, dtype: Any) -> Compiled:
        inputs = self.input[1] // self.options.get("groups", 1)
        weight = random_array(self.name, (self.outputs, inputs, 3, 3), dtype)
        graph = Graph(self.input)
        x = graph.conv(graph.input, weight, random_array("b", (self.outputs,), dtype), **self.options)
        graph.activation(x, "relu")
        return compile_graph(graph, dtype=dtype, algorithm=f"winograd_{tile}x{tile}")


LAYERS = [
    Layer("a_block", (1, 16, 5, 5), 16),
    Layer("tails", (1, 40, 7, 6), 41),
    Layer("less_than_a_block", (2, 7, 6, 7), 37),
    Layer("slabs", (3, 150, 6, 9), 35),
    Layer("one_tile", (1, 70, 3, 4), 70, {"padding": 0}),
    Layer("groups_of_blocks", (2, 64, 6, 6), 96, {"padding": 1, "groups": 2}),
    Layer("many_tiles", (2, 20, 50, 61), 70),
    Layer("asymmetric_padding", (1, 33, 6, 6), 32, {"padding": ((2, 0), (0, 3))}),
]


def filter_mbytes(net: Compiled) -> float:
    """Return the size of the convolution's filter and maps."""
    return next(row.mbytes for row in net.summary() if row.algorithm.startswith("winograd"))


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_taps_give_the_bits_of_a_filter_that_was_transformed_before(
    layer: Layer, tile: int, dtype: Any, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = random_array("x", layer.input, dtype)
    before = layer.compiled(tile, dtype)
    monkeypatch.setattr(lower, "keeps_taps", lambda plan: True)
    taps = layer.compiled(tile, dtype)
    assert filter_mbytes(taps) < filter_mbytes(before)
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            assert_same_bits(taps(x), before(x))
            assert_same_bits(taps(x[:1]), before(x)[:1])


@pytest.mark.parametrize(("outputs", "kept"), [(500, False), (600, True)])
def test_filters_of_64_megabytes_are_kept_as_taps(outputs: int, kept: bool) -> None:
    layer = Layer("large", (1, 800, 6, 6), outputs)
    net = layer.compiled(4, np.float32)
    assert (filter_mbytes(net) < 20) is kept
    maps = 36 * (800 + outputs) * 4 / 1e6
    assert filter_mbytes(net) - maps == pytest.approx((9 if kept else 36) * 800 * outputs * 4 / 1e6, rel=0.05)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 8])
def test_filters_of_few_channels_have_no_packed_taps(
    channels: int, groups: int, dtype: Any, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = Layer("few", (2, channels * groups, 6, 5), 16 * groups, {"padding": 1, "groups": groups})
    x = random_array("x", layer.input, dtype)
    expected = layer.compiled(4, dtype)(x)
    monkeypatch.setattr(lower, "keeps_taps", lambda plan: True)
    assert_same_bits(layer.compiled(4, dtype)(x), expected)


@pytest.mark.parametrize("threads", [1, 2, 64])
def test_taps_are_not_transformed_whole_where_threads_are_idle(threads: int) -> None:
    x, w = (1, 800, 6, 6), (600, 800, 3, 3)
    shape, native_window, groups = window.convolution(x, w, (1, 1, 1, 1))
    code = native.ALGORITHMS.index("winograd_4x4")
    with fc.config(num_threads=threads):
        plan = native.conv_plan(
            (x, w, shape), (4, False), native_window, groups, code, False, native_run(), native.FILTER_TAPS
        )
    assert plan["split"] == "by output channels"
    assert plan["workspace_bytes"] < 1e6 * (plan["threads"] + 1)


def test_filters_of_many_tiles_are_transformed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lower, "MOST_TRANSFORMED", 0)
    shape = (1, 32, 60, 60)
    net = Layer("many_tiles", shape, 32).compiled(4, np.float32)
    maps = 2 * 32 * 60 * 60 * 4 / 1e6
    assert filter_mbytes(net) - maps == pytest.approx(36 * 32 * 32 * 4 / 1e6, rel=0.05)
