"""The benchmarks beside other packages: right results, packages that are missing, tables; never how fast."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import oracle
import pytest
from compare import parse
from comparisons import COMPARISONS, in_batches
from network_means import network_table
from peers import PEERS, mnn, peer_contenders, peers_ready
from peers.peer import Peer

from fastconv.benchmark.contenders import numpy_contender, operands
from fastconv.benchmark.interleave import TOLERANCE, Race, require_agreement
from fastconv.benchmark.layers import (
    CONVOLUTIONS,
    EVERY_LAYER,
    TINY,
    ConvLayer,
    Layer,
    matching,
)
from fastconv.benchmark.results import Result, results_table

CONVOLUTIONS_OF_ALL_KINDS = (
    TINY,
    ConvLayer("pointwise", 16, 24, 7, 1),
    ConvLayer("three_channels_5x5", 3, 8, 15, 5, 1, 2),
    ConvLayer("strided", 8, 16, 15, 3, 2, 1),
    ConvLayer("winograd", 64, 64, 28, 3, 1, 1),
    ConvLayer("odd_width", 16, 24, 13, 3, 1, 1),
    ConvLayer("batch", 8, 16, 9, 3, 1, 1, batch=3),
    ConvLayer("grouped", 8, 12, 15, 3, 1, 1, 4),
    ConvLayer("depthwise", 8, 8, 15, 3, 1, 1, 8),
    ConvLayer("channel_multiplier", 4, 8, 15, 3, 1, 1, 4),
)
COMPUTES_ALL_CONVOLUTIONS = [peer for peer in PEERS if peer.name != "scipy.signal"]


def name_of(thing: Peer | Layer | str) -> str:
    """Name a parameter of a test."""
    return thing if isinstance(thing, str) else thing.name


def smallest_of_each_kind() -> list[Layer]:
    """Name the quickest layer of every kind, mode and operation."""
    least: dict[tuple[Any, ...], Layer] = {}
    for layer in sorted(EVERY_LAYER, key=lambda layer: (layer.flops, layer.nbytes)):
        traits = (getattr(layer, trait, None) for trait in ("mode", "kind", "operation", "training"))
        least.setdefault((type(layer), *traits), layer)
    return list(least.values())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layer", CONVOLUTIONS_OF_ALL_KINDS, ids=name_of)
@pytest.mark.parametrize("peer", COMPUTES_ALL_CONVOLUTIONS, ids=name_of)
def test_peers_convolve(peer: Peer, layer: ConvLayer, threads: int) -> None:
    if not peer.installed:
        pytest.skip(f"{peer.name} is not installed")
    data = operands(layer)
    x, weight = (array.astype(np.float64) for array in (data.input, *data.parameters))
    expected = oracle.conv(x, weight, None, layer.stride, layer.padding, 1, layer.groups)
    with peers_ready(threads):
        contender = peer.contender(layer, data, threads)
        assert contender is not None
        for _ in range(3):  # nothing that a call leaves behind may change the next one
            y = contender.view(contender.call())
        assert y.dtype == np.float32
        assert y.shape == layer.output_shape
        assert np.abs(y - expected).max() <= peer.tolerance * np.abs(expected).max()


@pytest.mark.parametrize("layer", smallest_of_each_kind(), ids=name_of)
def test_peers_agree_with_numpy(layer: Layer) -> None:
    data = operands(layer)
    with peers_ready(1):
        peers = peer_contenders(layer, data, 1)
        if not peers:
            pytest.skip("no installed package computes it")
        require_agreement([numpy_contender(layer, data), *peers])


@pytest.mark.parametrize(
    ("peer", "module"), [(peer, module) for peer in PEERS for module in peer.modules], ids=name_of
)
def test_missing_peers_are_left_out(peer: Peer, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find: Callable[[str], Any] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))
    assert not peer.installed
    with peers_ready(1):
        names = [contender.name for contender in peer_contenders(TINY, operands(TINY), 1)]
    assert peer.name not in names


def test_no_peer_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with peers_ready(1):
        assert peer_contenders(TINY, operands(TINY), 1) == []


def test_peers_are_chosen_by_a_part_of_their_name() -> None:
    with peers_ready(1):
        names = {contender.name for contender in peer_contenders(TINY, operands(TINY), 1, "torch")}
    assert names <= {"torch", "torch channels_last"}


def test_tolerance_is_wider_for_large_tiles_alone() -> None:
    assert {peer.name for peer in PEERS if peer.tolerance != TOLERANCE} == {mnn.PEER.name}


def test_batches() -> None:
    assert in_batches([TINY], 1) == [TINY]
    (layer,) = in_batches([TINY], 8)
    assert (layer.name, layer.input_shape) == ("tiny_3x3_8_batch_8", (8, *TINY.input_shape[1:]))


def test_yolov2_layers_add_up() -> None:
    layers = matching(CONVOLUTIONS, "^yolov2_")
    assert len(layers) == 8
    assert {(layer.kernel, layer.stride, layer.padding) for layer in layers} == {(3, 1, 1)}
    assert all(layer.output_shape[2] == layer.size for layer in layers)


def result(name: str, **seconds: float) -> Result:
    """One round of contenders."""
    layer = replace(TINY, name=name)
    return Result(layer, Race({name.replace("_", " "): [value] for name, value in seconds.items()}))


def cells(table: str, first: int = 0) -> list[list[str]]:
    """Split Markdown into rows, from a column on."""
    return [[cell.strip() for cell in line.split("|")[1 + first : -1]] for line in table.splitlines()]


def test_best_rival() -> None:
    measured = result("a", fastconv=1.0, fastconv_direct=0.5, one=3.0, other=2.0)
    assert measured.best(["one", "other", "absent"]) == "other"
    assert measured.speedup_over_best(["one", "other"]) == 2.0
    assert replace(measured, subject="fastconv direct").speedup_over_best(["one"]) == 6.0
    assert measured.best([]) is None
    assert np.isnan(measured.speedup_over_best([]))


def test_table_with_rivals() -> None:
    results = [result("a", fastconv=1.0, one=3.0, other=2.0), result("b", fastconv=1.0, other=8.0)]
    lines = cells(results_table(results, ["one", "other"]), 6)
    assert lines[0] == ["vs best", "vs one", "vs other"]
    assert lines[2:] == [
        ["2.00x other", "3.00x", "2.00x"],
        ["8.00x other", "-", "8.00x"],
        ["4.00x", "3.00x", "4.00x"],
        ["2.00x", "3.00x", "2.00x"],
    ]


def test_means_over_networks() -> None:
    results = [
        result("vgg16_a", fastconv=1.0, fastconv_direct=2.0, one=2.0),
        result("vgg16_b", fastconv=1.0, fastconv_direct=2.0, one=8.0),
        result("yolov2_a", fastconv=1.0, fastconv_direct=1.0),
    ]
    lines = cells(network_table(results, ["fastconv", "fastconv direct"], ["one", "absent"]))
    assert lines[0] == ["network (layers), call", "vs best", "vs one"]
    assert lines[2:] == [
        ["VGG-16 (2), fastconv", "4.00x", "4.00x"],
        ["VGG-16 (2), fastconv direct", "2.00x", "2.00x"],
        ["YOLOv2 (1), fastconv", "-", "-"],
        ["YOLOv2 (1), fastconv direct", "-", "-"],
    ]


@pytest.mark.parametrize("batch", ["1", "2"])
def test_winograd_comparison(batch: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--layers", "resnet50_conv5_3x3_7", "--rounds", "1", "--seconds", "0", "--threads", "1"]
    COMPARISONS["winograd"](parse(["winograd", *options, "--batch", batch]))
    printed = capsys.readouterr().out
    for subject in ("fastconv direct", "fastconv", "fastconv packed direct", "fastconv packed auto"):
        assert f"#### {subject}\n" in printed
        assert f"ResNet-50 (1), {subject} " in printed
    assert printed.count("| resnet50_conv5_3x3_7") == 4
    assert ("batch_2" in printed) == (batch == "2")
