"""What the comparison of whole networks says of given times; needs no other package."""

from __future__ import annotations

from pathlib import Path

import pytest
from network_footprint import Footprint
from network_race import NetworkResult, Setting
from network_report import best, by_medians, by_minima, footprint_tables, ratio_table, remarks, step_table
from networks import Kept, measure_footprints, measure_races, parse, show

from fastconv.benchmark.interleave import Peak, Race


def raced(name: str, batch: int = 1, threads: int = 1, **seconds: list[float]) -> NetworkResult:
    """Return a race of several rounds, one GFLOP each, at a peak of 1 TFLOP/s."""
    rounds = len(next(iter(seconds.values())))
    race = Race(dict(seconds), [Peak(1e12, 1e10)] * rounds, 0, 0.0)
    return NetworkResult(Setting(name, batch, threads), race, gflop=1.0)


RESULTS = [
    raced("lenet5", fastconv=[0.002, 0.004, 0.004], one=[0.003, 0.008, 0.012], other=[0.004, 0.006, 0.007]),
    raced("vgg16", fastconv=[0.010, 0.010, 0.010], other=[0.060, 0.060, 0.061]),
]


def cells(table: str) -> list[list[str]]:
    """Split Markdown into rows."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]


def test_ratios() -> None:
    race = RESULTS[0].race
    assert by_medians(race, "other") == pytest.approx(1.75)
    assert by_minima(race, "other") == pytest.approx(2)
    assert best(race, by_medians) == (by_medians(race, "other"), "other")
    assert best(race, by_minima) == (by_minima(race, "one"), "one")
    assert by_medians(race, "absent") != by_medians(race, "absent")


def test_ratio_table() -> None:
    lines = cells(ratio_table(RESULTS))
    assert lines[0][:6] == ["network", "ms", "of peak", "rounds", "vs best", "vs best, minima"]
    assert lines[0][6:] == ["vs one", "vs other"]
    assert lines[2] == ["lenet5", "4.00 (2.00)", "25 %", "3", "1.75x other", "1.50x one", "2.00x", "1.75x"]
    assert lines[3] == ["vgg16", "10.0 (10.0)", "10 %", "3", "6.00x other", "6.00x other", "-", "6.00x"]
    assert lines[4] == ["geometric mean", "", "", "", "3.24x", "3.00x", "2.00x", "3.24x"]


def test_without_any_peer() -> None:
    lines = cells(ratio_table([raced("lenet5", fastconv=[0.001])]))
    assert lines[2] == ["lenet5", "1.00 (1.00)", "100 %", "1", "-", "-"]
    assert lines[3][4:] == ["-", "-"]


def test_step_table_has_a_column_a_setting() -> None:
    results = [
        NetworkResult(Setting("lenet5", 1, 1), RESULTS[0].race, in_steps=0.75, compile_seconds=0.1234),
        NetworkResult(Setting("lenet5", 8, 2), RESULTS[0].race, in_steps=0.98, compile_seconds=0.5),
        NetworkResult(Setting("vgg16", 8, 2), RESULTS[0].race, in_steps=0.99, compile_seconds=2.0),
    ]
    lines = cells(step_table(results))
    assert lines[0][1:3] == ["in steps: batch 1, 1 threads", "in steps: batch 8, 2 threads"]
    assert lines[2:] == [
        ["lenet5", "75 %", "98 %", "0.12", "0.50"],
        ["vgg16", "-", "99 %", "-", "2.00"],
    ]


def test_nobody_is_left_out_in_silence() -> None:
    race = RESULTS[0].race
    setting = Setting("lenet5", 1, 2)
    result = NetworkResult(setting, race, {"one": 2e-6}, {"other": "RuntimeError: no such operator"})
    lines = remarks([result, NetworkResult(setting, race, {"one": 5e-7})])
    assert "one: outputs differ by 2e-06 of the largest value at most" in lines
    assert "lenet5, batch 1, 2 threads: other is missing: RuntimeError: no such operator" in lines


def footprint(package: str, network: str, load: float) -> Footprint:
    """Return one with a given time of loading."""
    return Footprint(package, network, 0.01, 0.0, load, 0.002, 3 * 2**20, 50 * 2**20)


def test_footprint_tables() -> None:
    tables = footprint_tables(
        [footprint("fastconv", "lenet5", 0.5), footprint("fastconv", "unet", 1), footprint("a", "unet", 2)]
    )
    (loading,) = (table for title, table in tables.items() if title.startswith("Loading"))
    assert cells(loading)[0] == ["network", "fastconv", "a"]
    assert cells(loading)[2:] == [["lenet5", "500", "-"], ["unet", "1000", "2000"]]
    (memory,) = (table for title, table in tables.items() if "beyond" in title)
    assert cells(memory)[3] == ["unet", "3.00", "3.00"]
    assert cells(tables["Import, ms"])[2:] == [["fastconv", "10.0", "10.0"], ["a", "10.0", "10.0"]]


def test_kept_results_are_read_and_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.json"
    kept = Kept.read(file)
    kept.races = {one.setting: one for one in RESULTS}
    kept.footprints["lenet5", "a"] = footprint("a", "lenet5", 1.0)
    kept.failures["b"] = "gone"
    kept.write(file)
    again = Kept.read(file)
    assert again.footprints == kept.footprints
    assert again.failures == kept.failures
    assert [one.race for one in again.races.values()] == [one.race for one in RESULTS]
    assert list(again.races) == [one.setting for one in RESULTS]
    show(again)
    printed = capsys.readouterr().out
    assert "### Networks, batch 1, threads 1" in printed
    assert "### Peak memory of the process, MiB" in printed
    assert "- b: gone" in printed


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    args = parse(["lenet5", "--batch", "1", "8", "--threads", "2"])
    assert (args.names, args.batch, args.threads) == (["lenet5"], [1, 8], [2])
    assert len(parse([]).names) == 10
    with pytest.raises(SystemExit):
        parse(["--cpu-time", "--threads", "1", "2"])
    assert "--threads 1" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse(["alexnet"])
    assert "alexnet" in capsys.readouterr().err


@pytest.mark.parametrize("clock", [[], ["--cpu-time"]], ids=["wall", "cpu"])
def test_run_without_peers(clock: list[str], tmp_path: Path) -> None:
    options = ["lenet5", "--batch", "1", "--threads", "1", "--seconds", "0", "--rounds", "1", "--peers", "-"]
    args, kept = parse([*options, *clock, "--keep", str(tmp_path / "kept.json")]), Kept()
    measure_races(args, kept, tmp_path)
    measure_footprints(args, kept, tmp_path)
    assert kept.failures == {}
    (result,) = kept.races.values()
    assert result.race.rounds == 1
    assert result.cpu_time == bool(clock)
    assert (result.in_steps > 0) == (not clock)
    (measured,) = kept.footprints.values()
    assert measured.whole > measured.peak > 0
    assert measured.load > 0
    assert Kept.read(args.keep).footprints == kept.footprints


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from network_plot import save_ratios

    results = [*RESULTS, raced("vgg16", 8, 2, fastconv=[0.01], other=[0.02])]
    save_ratios(tmp_path / "ratios.png", results)
    assert (tmp_path / "ratios.png").stat().st_size > 1000
