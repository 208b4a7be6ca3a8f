"""The info and selftest commands and the choice between commands; a selftest that can fail."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import fastconv as fc
from fastconv.cli import COMMANDS, main, selftest


def test_info_names_the_version_and_the_threads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert fc.__version__ in printed
    assert "threads" in printed


def test_selftest_passes_under_every_instruction_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest"]) == 0
    *checks, last = capsys.readouterr().out.splitlines()
    assert last == "all checks passed"
    assert {line.split()[0] for line in checks} == set(selftest.supported_isas())
    shown = fc.show_config("text") or ""
    assert f"supported: {', '.join(selftest.supported_isas())}\n" in shown


@pytest.mark.parametrize("name", ["conv2d", "max_pool2d", "avg_pool2d", "batch_norm"])
def test_selftest_notices_a_wrong_element(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = getattr(fc, name)

    def slightly_wrong(*args: Any, **options: Any) -> Any:
        result = right(*args, **options)
        values = result[0] if isinstance(result, tuple) else result
        values.flat[-1] += 1e-3
        return result

    monkeypatch.setattr(fc, name, slightly_wrong)
    assert main(["selftest"]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    assert any(f" {name} " in line for line in failed)


def test_selftest_notices_threads_that_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    right = fc.conv1d
    monkeypatch.setattr(
        fc, "conv1d", lambda *args, **options: right(*args, **options) * (1 + 1e-15 * fc.get_num_threads())
    )
    check = next(iter(selftest.convolution_checks("float64")))
    problem, _ = selftest.compare(check, "generic")
    assert problem == "one thread and two give different bits"


def test_selftest_survives_an_exception(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: Any, **options: Any) -> Any:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(fc, "conv1d", broken)
    assert main(["selftest"]) == 1
    assert "RuntimeError: no such kernel" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["info", "--no-such-option"]])
def test_bad_arguments_are_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_help_names_every_command() -> None:
    command = [sys.executable, "-m", "fastconv", "--help"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(name in printed for name in COMMANDS)
