"""Files of `tuning.save`: what they keep, where they are used, and every wrong one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bounds import assert_same_bits
from calls import SUPPORTED_ISAS
from cases import random_array

import fastconv as fc
from fastconv.autotune import race

Array = np.ndarray[Any, Any]

ENTRY: dict[str, Any] = {
    "function": "conv2d",
    "input_shape": [2, 5, 8, 9],
    "weight_shape": [7, 5, 3, 3],
    "stride": [1, 1],
    "padding": [[1, 1], [1, 1]],
    "dilation": [1, 1],
    "groups": 1,
    "layout": "NCHW",
    "dtype": "float32",
    "isa": SUPPORTED_ISAS[-1],
    "threads": 3,
    "winograd": True,
    "algorithm": "im2col",
}
FILE: dict[str, Any] = {"format": "fastconv tuning", "version": 1, "entries": [ENTRY]}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Begin and end without choices."""
    fc.tuning.clear()
    yield
    fc.tuning.clear()


@pytest.fixture
def races(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the last name in the alphabet win every race; list the winners."""
    winners: list[str] = []

    def judge(calls: dict[str, Callable[[], object]], rounds: int, seconds: float) -> dict[str, float]:
        winners.append(max(calls))
        return {name: 1.0 + (name != winners[-1]) for name in calls}

    monkeypatch.setattr(race, "race", judge)
    return winners


def convolve(algorithm: str = "autotune", threads: int = 3, isa: str = SUPPORTED_ISAS[-1]) -> Array:
    """Convolve the problem of ENTRY."""
    x, w = random_array("x", (2, 5, 8, 9), np.float32), random_array("w", (7, 5, 3, 3), np.float32)
    with fc.config(num_threads=threads, isa=isa, winograd=True):
        return fc.conv2d(x, w, padding=1, algorithm=algorithm)


def write(path: Path, content: object) -> Path:
    """Write a file of JSON."""
    path.write_text(json.dumps(content))
    return path


def several_problems() -> None:
    """Choose for problems of every rank, layout and type."""
    convolve()
    convolve(threads=1)
    x, w = np.ones((1, 4, 5, 6, 7)), np.ones((6, 2, 1, 3, 3))
    fc.conv3d(x, w, groups=2, padding=((0, 1), (2, 0), (0, 0)), stride=(2, 1, 1), algorithm="autotune")
    fc.conv2d(np.ones((9, 8, 3)), np.ones((2, 3, 3, 3)), layout="NHWC", dilation=2, algorithm="autotune")
    fc.conv1d(np.ones((2, 3, 9)), np.ones((2, 3, 4)), padding="same", algorithm="autotune")
    with fc.config(winograd=False):
        fc.conv2d(np.ones((2, 3, 9, 9)), np.ones((2, 3, 3, 3)), algorithm="autotune")
    x, w = np.ones((2, 5, 4, 3)), np.ones((3, 2, 5, 4))
    fc.conv_transpose2d(x, w, None, (2, 3), ((1, 2), (0, 1)), (1, 2), layout="NHWC", algorithm="autotune")
    fc.conv_transpose2d(np.ones((1, 3, 5, 5)), np.ones((3, 2, 4, 4)), None, 2, 1, algorithm="autotune")


@pytest.mark.parametrize("kind", [str, Path])
def test_saved_choices_are_loaded_and_used(kind: Any, races: list[str], tmp_path: Path) -> None:
    several_problems()
    saved, count = fc.tuning.entries(), len(races)
    assert len(saved) == count == 8
    path = kind(tmp_path / "tuning.json")
    fc.tuning.save(path)
    fc.tuning.clear()
    assert fc.tuning.entries() == []
    fc.tuning.load(path)
    assert fc.tuning.entries() == saved
    several_problems()
    assert len(races) == count, "a loaded problem is not measured"
    assert len(Path(path).read_text().splitlines()) == 1 + count
    assert json.loads(Path(path).read_text())["version"] == 1


@pytest.mark.parametrize("algorithm", ["direct", "im2col", "winograd_2x2", "winograd_4x4"])
def test_loaded_choice_decides_the_bits(algorithm: str, races: list[str], tmp_path: Path) -> None:
    fc.tuning.load(write(tmp_path / "t", {**FILE, "entries": [{**ENTRY, "algorithm": algorithm}]}))
    assert_same_bits(convolve(), convolve(algorithm))
    assert races == []
    convolve(threads=2)
    assert len(races) == 1


def test_entries_are_arguments_of_explain(races: list[str]) -> None:
    several_problems()
    for entry in fc.tuning.entries():
        settings = {name: entry.pop(name) for name in ("isa", "threads", "winograd")}
        with fc.config(isa=settings["isa"], num_threads=settings["threads"], winograd=settings["winograd"]):
            assert fc.explain(**entry)["algorithm"] == entry["algorithm"]
            assert fc.explain(**{**entry, "algorithm": "autotune"})["algorithm"] == entry["algorithm"]


def test_entries_are_copies(races: list[str]) -> None:
    convolve()
    fc.tuning.entries()[0]["algorithm"] = "none"
    fc.tuning.entries().clear()
    assert fc.tuning.entries()[0]["algorithm"] == "winograd_4x4"


def test_load_adds_and_replaces(races: list[str], tmp_path: Path) -> None:
    convolve(threads=1)
    convolve()
    fc.tuning.load(write(tmp_path / "t", {**FILE, "entries": [ENTRY, {**ENTRY, "groups": 1, "threads": 9}]}))
    found = {entry["threads"]: entry["algorithm"] for entry in fc.tuning.entries()}
    assert found == {1: "winograd_4x4", 3: "im2col", 9: "im2col"}


@pytest.mark.parametrize("isa", ["avx9", "neon", "rvv"])
def test_other_instruction_set_is_kept_and_not_used(isa: str, races: list[str], tmp_path: Path) -> None:
    if isa in SUPPORTED_ISAS:
        pytest.skip("this machine has it")
    fc.tuning.load(write(tmp_path / "t", {**FILE, "entries": [{**ENTRY, "isa": isa}]}))
    assert_same_bits(convolve(), convolve("winograd_4x4"))
    assert races == ["winograd_4x4"]
    fc.tuning.save(tmp_path / "again")
    assert {e["isa"] for e in json.loads((tmp_path / "again").read_text())["entries"]} == {
        isa,
        SUPPORTED_ISAS[-1],
    }


def test_numbers_in_the_forms_of_conv2d(tmp_path: Path) -> None:
    short = {**ENTRY, "stride": 1, "padding": "same", "dilation": [1]}
    fc.tuning.load(write(tmp_path / "t", {**FILE, "entries": [short]}))
    assert_same_bits(convolve(), convolve("im2col"))


def entry(**changes: Any) -> dict[str, Any]:
    """Return a file whose second entry is wrong."""
    return {**FILE, "entries": [{**ENTRY, "threads": 1}, {**ENTRY, **changes}]}


def without(field: str) -> dict[str, Any]:
    """Return a file whose second entry lacks a field."""
    lacking = {name: value for name, value in ENTRY.items() if name != field}
    return {**FILE, "entries": [{**ENTRY, "threads": 1}, lacking]}


NONSENSE: tuple[Any, ...] = (None, 1.5, -1, [], {}, "no such name", [[[]]], 10**30, [2, None])
LIES: dict[str, tuple[object, str]] = {
    "list": ([], "format must be 'fastconv tuning'"),
    "no_format": ({"version": 1, "entries": []}, "format must be"),
    "other_format": ({**FILE, "format": "fastconv"}, "format must be"),
    "no_version": ({"format": "fastconv tuning", "entries": []}, "version None"),
    "newer": ({**FILE, "version": 2}, "version 2: .*reads version 1"),
    "version_true": ({**FILE, "version": True}, "version True"),
    "version_float": ({**FILE, "version": 1.0}, "version 1.0"),
    "no_entries": ({"format": "fastconv tuning", "version": 1}, "entries"),
    "entries_object": ({**FILE, "entries": {}}, "list of entries"),
    "entry_list": ({**FILE, "entries": [ENTRY, []]}, "entry 1: it must be an object"),
    "twice": ({**FILE, "entries": [ENTRY, {**ENTRY, "algorithm": "direct"}]}, "entry 1: .*before it"),
    **{f"no_{field}": (without(field), f"entry 1: {field} is missing") for field in ENTRY},
    **{
        f"{field}_{index}": (entry(**{field: value}), f"entry 1: .*{field.removesuffix('_shape')}")
        for field in ENTRY for index, value in enumerate(NONSENSE)
    },
    "unknown_field": (entry(speed=1), "entry 1: 'speed' is no field"),
    "transposed": (entry(function="conv_transpose2d"), "entry 1: output_padding is missing"),
    "not_transposed": (entry(output_padding=0), "entry 1: 'output_padding' is no field"),
    "too_much_added": (entry(function="conv_transpose2d", output_padding=1), "entry 1: .*channels"),
    "no_function_of_that_name": (entry(function="conv_transpose4d", output_padding=0), "entry 1: function="),
    "other_rank": (entry(function="conv1d"), "entry 1: input_shape"),
    "unbatched": (entry(input_shape=[5, 8, 9]), "entry 1: input_shape.*4 entries"),
    "empty_batch": (entry(input_shape=[0, 5, 8, 9]), "entry 1: input_shape.*empty batch"),
    "zero_size": (entry(input_shape=[2, 5, 0, 9]), "entry 1: input"),
    "channels": (entry(input_shape=[2, 6, 8, 9]), "entry 1: input has 6 channels"),
    "huge": (entry(input_shape=[2**40, 5, 2**40, 9]), "entry 1: "),
    "large_output": (entry(padding=2**26), "entry 1: "),
    "kernel_does_not_fit": (entry(dilation=9), "entry 1: weight spans"),
    "layout": (entry(layout="NHWC"), "entry 1: input has 9 channels"),
    "dtype_half": (entry(dtype="float16"), "entry 1: dtype='float16'"),
    "many_threads": (entry(threads=1025), "entry 1: threads=1025"),
    "isa_empty": (entry(isa=""), "entry 1: isa=''"),
    "isa_words": (entry(isa="avx 2"), "entry 1: isa='avx 2'"),
    "auto": (entry(algorithm="auto"), "entry 1: algorithm='auto' cannot"),
    "autotune": (entry(algorithm="autotune"), "entry 1: algorithm='autotune' cannot"),
    "one_of_two": (entry(algorithm="winograd"), "entry 1: algorithm='winograd' cannot"),
    "depthwise": (entry(algorithm="depthwise"), "entry 1: algorithm='depthwise' cannot.*direct, im2col"),
    "winograd_forbidden": (entry(algorithm="winograd_4x4", winograd=False), "entry 1: algorithm="),
    "winograd_of_stride_2": (entry(algorithm="winograd_2x2", stride=2), "entry 1: algorithm='winograd_2x2'"),
}  # fmt: skip
NO_JSON = {
    "empty": b"",
    "half": json.dumps(FILE).encode()[:-9],
    "two": json.dumps(FILE).encode() * 2,
    "bytes": bytes(range(256)),
    "lists_in_lists": b"[" * 200_000,
    "many_digits": json.dumps(FILE).encode().replace(b"8", b"8" * 9999),
}


@pytest.mark.parametrize("name", LIES)
def test_wrong_file_is_refused_whole(name: str, races: list[str], tmp_path: Path) -> None:
    content, says = LIES[name]
    convolve()
    before = fc.tuning.entries()
    path = write(tmp_path / "wrong.json", content)
    with pytest.raises(ValueError, match=rf"wrong\.json.*{says}"):
        fc.tuning.load(path)
    assert fc.tuning.entries() == before


@pytest.mark.parametrize("data", NO_JSON.values(), ids=NO_JSON)
def test_file_that_is_no_json(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"wrong\.json holds no JSON"):
        fc.tuning.load(tmp_path / "wrong.json")
    assert fc.tuning.entries() == []


class BytesPath(os.PathLike[bytes]):
    """A path of bytes."""

    def __fspath__(self) -> bytes:
        return b"tuning.json"


@pytest.mark.parametrize("function", ["save", "load"])
def test_what_is_no_path(function: str) -> None:
    call = getattr(fc.tuning, function)
    for wrong in (None, 1, True, b"tuning.json", BytesPath(), ["a"], np.ones(2)):
        with pytest.raises(TypeError, match="path must be a str"):
            call(wrong)
    for name in ("", "a\0b"):
        with pytest.raises(ValueError, match="path="):
            call(name)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fc.tuning.load(tmp_path / "missing.json")
    with pytest.raises(OSError):
        fc.tuning.load(tmp_path)
    with pytest.raises(OSError):
        fc.tuning.save(tmp_path / "missing" / "tuning.json")


def test_loading_in_another_process(fresh_python: Any, races: list[str], tmp_path: Path) -> None:
    convolve()
    fc.tuning.save(tmp_path / "tuning.json")
    script = "import sys, fastconv as fc; fc.tuning.load(sys.argv[1]); print(fc.tuning.entries())"
    run = fresh_python("-c", script, str(tmp_path / "tuning.json"))
    assert run.stdout.strip() == str(fc.tuning.entries()), run.stderr
