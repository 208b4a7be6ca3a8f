"""The bench and demo commands: that they run, print and draw; never how fast."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import oracle
import pytest

from fastconv.benchmark import baselines, interleave, layers, report
from fastconv.benchmark.contenders import (
    fastconv_contender,
    has_layouts,
    numpy_by_tap_contender,
    numpy_contender,
    operands,
)
from fastconv.benchmark.interleave import Contender, Peak, Traffic
from fastconv.benchmark.machine import peak_probe
from fastconv.benchmark.results import SUBJECT, Result, traffic_of, warning
from fastconv.cli import bench, demo
from fastconv.cli.demo.comparison import Comparison
from fastconv.cli.demo.stack import ReceptiveField

SMALL = 2 * 10**7


def run(command: ModuleType, *arguments: str) -> int:
    """Parse and run as the command line does."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    code = command.run(parser.parse_args(arguments))
    assert isinstance(code, int)
    return code


def small_layers() -> list[layers.Layer]:
    """Layers that NumPy computes in an instant."""
    return [
        layer for layer in (layers.TINY, *layers.EVERY_LAYER) if layer.flops < SMALL and layer.nbytes < SMALL
    ]


def test_layers_have_names_of_their_own() -> None:
    names = [layer.name for layer in layers.EVERY_LAYER]
    assert len(set(names)) == len(names)


def test_resnet50_layers_add_up() -> None:
    resnet = layers.matching(layers.CONVOLUTIONS, "^resnet50")
    assert len(resnet) == 23
    assert len({(layer.input_shape, layer.weight_shape, layer.stride) for layer in resnet}) == 23
    assert {layer.output_shape[2] for layer in resnet} == {112, 56, 28, 14, 7}


def test_selection_exists() -> None:
    kinds = {type(layer) for layer in bench.select(bench.SELECTION)}
    assert kinds == {
        layers.ConvLayer,
        layers.TransposedLayer,
        layers.PoolLayer,
        layers.AdaptivePoolLayer,
        layers.NormLayer,
    }


@pytest.mark.parametrize("layer", small_layers(), ids=lambda layer: layer.name)
def test_contenders_agree(layer: layers.Layer) -> None:
    data = operands(layer)
    contenders = [numpy_contender(layer, data), fastconv_contender(layer, data)]
    if has_layouts(layer):
        contenders.append(fastconv_contender(layer, data, layout="NHWC"))
    if isinstance(layer, layers.PoolLayer):
        contenders.append(numpy_by_tap_contender(layer, data))
    interleave.require_agreement(contenders)
    assert contenders[1].call().shape == layer.output_shape


@pytest.mark.parametrize(("channels", "filters", "groups"), [(4, 6, 1), (4, 6, 2), (4, 4, 4), (4, 8, 4)])
def test_convolution_baseline(channels: int, filters: int, groups: int, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, channels, 9, 8))
    weight = rng.standard_normal((filters, channels // groups, 3, 3))
    actual = baselines.conv2d(x, weight, 2, 1, groups)
    np.testing.assert_allclose(actual, oracle.conv(x, weight, None, 2, 1, 1, groups), atol=1e-12)


def test_batch_norm_training_baseline(rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 2, 5, 4)) + 1
    running = baselines.Normalisation(*np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 3.0], [0.5, 0.0]]))
    actual = baselines.batch_norm_training(x, running)
    mean, biased, unbiased = oracle.batch_statistics(x)
    np.testing.assert_allclose(
        actual, oracle.batch_norm(x, mean, biased, running.weight, running.bias), atol=1e-12
    )
    np.testing.assert_allclose(running.mean, 0.1 * mean)
    np.testing.assert_allclose(running.var, 0.9 + 0.1 * unbiased)


def test_disagreement_is_found() -> None:
    right, wrong = np.ones((2, 2)), np.ones((2, 2))
    wrong[1, 1] += 1e-3
    with pytest.raises(ValueError, match="differs"):
        interleave.require_agreement([Contender("right", lambda: right), Contender("wrong", lambda: wrong)])
    wrong[1, 1] = np.nan
    with pytest.raises(ValueError, match="differs"):
        interleave.require_agreement([Contender("right", lambda: right), Contender("wrong", lambda: wrong)])
    with pytest.raises(ValueError, match="returns"):
        interleave.require_agreement(
            [Contender("right", lambda: right), Contender("wrong", lambda: right[0])]
        )


def test_ratios_are_medians_of_rounds() -> None:
    race = interleave.Race({"fast": [1.0, 10.0, 1.0], "slow": [2.0, 30.0, 4.0]}, [Peak(4.0, 8.0)] * 3)
    assert race.speedup("fast", over="slow") == 3.0
    assert (race.share("fast", 2.0, "flops"), race.share("fast", 2.0, "moved")) == (0.5, 0.25)
    assert np.isnan(replace(race, peaks=[]).share("fast", 2.0, "flops"))


def test_a_layer_is_held_to_what_bounds_it() -> None:
    layer, *_ = layers.matching(layers.ADAPTIVE_POOLS, "large_adaptive_avg_56to1")
    race = interleave.Race({SUBJECT: [1.0]}, [Peak(1.0, 2.0 * layer.nbytes)])
    whole, halves = Result(layer, race), Result(replace(layer, out=28), race)
    assert (whole.ceiling, whole.work, whole.share) == ("stream 1:0", layer.nbytes, 0.5)
    assert (halves.ceiling, halves.work) == ("stream 4:1", halves.layer.nbytes)
    assert traffic_of(replace(layer, out=40)) == (2, 1)
    assert traffic_of(replace(layer, out=48)) == (4, 3)
    tiny = Result(layers.TINY, race)
    assert (tiny.bound, tiny.ceiling, tiny.work) == ("flops", "multiply-adds", layers.TINY.flops)
    expected = [(2, 1) if norm.training else (1, 1) for norm in layers.NORMS]
    assert [traffic_of(norm) for norm in layers.NORMS] == expected
    columns, *_ = layers.matching(layers.REARRANGEMENTS, "unfold")
    assert traffic_of(columns) == (1, 9)


def test_the_peak_is_measured() -> None:
    peak = peak_probe(0.001)()
    assert min(peak) > 1e6


@pytest.mark.parametrize("traffic", [Traffic(1, 0), Traffic(4, 1), Traffic(1, 9), Traffic(19, 1)], ids=str)
def test_any_traffic_is_measured(traffic: Traffic) -> None:
    assert peak_probe(0.001, traffic)().moved > 1e6


@pytest.mark.parametrize("traffic", [Traffic(0, 0), Traffic(-1, 2), Traffic(1000, 1)], ids=str)
def test_other_traffic_is_refused(traffic: Traffic) -> None:
    with pytest.raises(ValueError, match="traffic"):
        peak_probe(0.001, traffic)()


def test_rounds_with_a_slow_probe_are_not_counted() -> None:
    speeds = iter([100.0, 99.0, 40.0, 98.0, 100.0])
    contenders = [Contender("nothing", lambda: None)]
    race = interleave.interleave(
        contenders, rounds=5, seconds=60, probe=lambda: Peak(next(speeds), 1.0), quiet=False
    )
    assert (race.rounds, race.dropped, race.noisy) == (4, 1, False)
    speeds = iter([100.0, 50.0, 40.0, 60.0, 70.0])
    race = interleave.interleave(
        contenders, rounds=5, seconds=60, probe=lambda: Peak(next(speeds), 1.0), quiet=False
    )
    assert (race.rounds, race.dropped, race.noisy) == (5, 0, True)


def test_a_busy_machine_is_told() -> None:
    assert interleave.Race({"a": [1.0]}, other_load=1.0).noisy
    assert not interleave.Race({"a": [1.0]}, other_load=0.01).noisy
    assert not interleave.Race({"a": [1.0]}).noisy
    layer = layers.TINY
    quiet, busy = (Result(layer, interleave.Race({SUBJECT: [1.0]}, other_load=cpus)) for cpus in (0.0, 1.5))
    assert warning([quiet]) == ""
    assert warning([quiet, busy]).startswith("WARNING: 1 of 2 layers")
    assert "1.5 CPUs" in warning([quiet, busy])


def test_table() -> None:
    assert report.geometric_mean([2, 8]) == pytest.approx(4)
    lines = report.markdown_table(["name", "ms"], [["a", "1.0"], ["long name", "20.0"]]).splitlines()
    assert lines == [
        "| name      |   ms |",
        "|-----------|-----:|",
        "| a         |  1.0 |",
        "| long name | 20.0 |",
    ]
    figures = [report.figure(x) for x in (0.0123456, 12.3456, 123456.0, 0.0)]
    assert figures == ["0.0123", "12.3", "123456", "0"]


def test_bench_prints_a_table_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "bench.png"
    pattern = "lenet5_c1|lenet5_avg_2x2_10|resnet50_training_512_7"
    budget = ["--seconds", "0", "--rounds", "1", "--threads", "1"]
    assert run(bench, *budget, "--layers", pattern, "--plot", str(picture)) == 0
    printed = capsys.readouterr().out
    assert "| lenet5_c1_5x5_32" in printed
    assert "GFLOP/s" in printed
    assert "GB/s" in printed
    assert "vs numpy" in printed
    assert picture.stat().st_size > 1000


def test_bench_without_matplotlib(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run(bench, "--seconds", "0", "--rounds", "1", "--layers", "lenet5_c1") == 0
    assert 'pip install "fastconv[demo]"' in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--layers", "no_such"], ["--layers", "("], ["--threads", "0"], ["--isa", "x"]]
)
def test_bench_refuses(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(bench, *arguments) == 2
    assert capsys.readouterr().err.startswith("fastconv bench: ")


def test_demo_saves_pictures_inside_the_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for module in ("sklearn", "PIL", "matplotlib", "tqdm"):
        pytest.importorskip(module)
    assert run(demo, "--quick", "--output", str(tmp_path / "pictures")) == 0
    printed = capsys.readouterr().out
    assert printed.count("pass") == demo.STEPS
    assert "receptive field 28 x 28 pixels every 8" in printed
    saved = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert saved == {"filters.png", "stages.png", "timings.png"}


def test_demo_names_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def missing(name: str) -> ModuleType:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("fastconv.cli.extras.importlib.import_module", missing)
    assert run(demo) == 2
    message = capsys.readouterr().err
    assert 'pip install "fastconv[demo]"' in message
    assert message.count("\n") == 1


def test_a_result_outside_its_bound_fails() -> None:
    def comparison(used: float) -> Comparison:
        return Comparison("step", 1.0, 1.0, 1.0, 0.0, used)

    assert comparison(1.0).within
    assert not comparison(1.01).within
    assert not comparison(float("nan")).within


def test_receptive_field() -> None:
    field = ReceptiveField().after(7, 2).after(3, 2).after(3)
    assert (field.size, field.step) == (19, 4)
