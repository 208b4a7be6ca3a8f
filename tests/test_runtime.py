"""Threads, instruction set and output cache: what may be set, where it holds, and what import costs."""

from __future__ import annotations

import contextvars
import math
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from calls import ISAS, SUPPORTED_ISAS

import fastconv as fc
from fastconv._native import core
from fastconv.runtime import native_run

FreshPython = Callable[..., subprocess.CompletedProcess[str]]
BAD_COUNTS = {"zero": 0, "negative": -1, "huge": 10**6, "two_to_the_63": 2**63, "many_digits": 10**5000}
NO_COUNTS = {
    "float": 2.0,
    "nan": math.nan,
    "bool": True,
    "numpy_bool": np.bool_(True),
    "string": "2",
    "array": np.array([2]),
}


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Set the process's threads and cache back."""
    threads, limit = fc.get_num_threads(), fc.cache_info().limit
    yield
    fc.set_num_threads(threads)
    fc.set_cache_limit(limit)


@pytest.mark.parametrize("value", BAD_COUNTS.values(), ids=BAD_COUNTS)
def test_number_of_threads_out_of_range(value: Any) -> None:
    before = fc.get_num_threads()
    with pytest.raises(ValueError, match="from 1 to"):
        fc.set_num_threads(value)
    with pytest.raises(ValueError, match="num_threads"):
        fc.config(num_threads=value)
    assert fc.get_num_threads() == before


@pytest.mark.parametrize("value", [*NO_COUNTS.values(), None], ids=[*NO_COUNTS, "none"])
def test_number_of_threads_of_another_type(value: Any) -> None:
    with pytest.raises(TypeError, match="n must be an integer"):
        fc.set_num_threads(value)
    if value is not None:
        with pytest.raises(TypeError, match="num_threads must be an integer"):
            fc.config(num_threads=value)


def test_unknown_settings() -> None:
    with pytest.raises(ValueError, match=r"isa='mmx'.*generic"):
        fc.config(isa="mmx")
    with pytest.raises(TypeError, match="isa"):
        fc.config(isa=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="winograd"):
        fc.config(winograd=1)  # type: ignore[arg-type]


def test_unsupported_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv import runtime

    class Older:
        """The compiled module on a CPU that runs nothing."""

        ISA_NAMES = ("generic", "avx512")

        @staticmethod
        def isa_supported(isa: int) -> bool:
            return isa == 0

    monkeypatch.setattr(runtime, "native", Older)
    with pytest.raises(ValueError, match=r"isa='avx512'.*CPU.*generic"):
        fc.config(isa="avx512")


def test_config_inherits_what_it_does_not_set() -> None:
    fc.set_num_threads(3)
    with fc.config(isa="generic"):
        assert native_run() == (0, 3, True)
        fc.set_num_threads(4)
        assert native_run() == (0, 4, True)
        with fc.config(num_threads=2, winograd=False):
            assert native_run() == (0, 2, False)
            fc.set_num_threads(5)
            assert native_run() == (0, 2, False)
            with fc.config(winograd=True):
                assert native_run() == (0, 2, True)
        assert native_run() == (0, 5, True)
    assert native_run()[1] == 5


def test_config_can_be_entered_again() -> None:
    fc.set_num_threads(3)
    two = fc.config(num_threads=2)
    assert fc.get_num_threads() == 3
    with two, fc.config(num_threads=1), two:
        assert fc.get_num_threads() == 2
    assert fc.get_num_threads() == 3
    with two:
        assert fc.get_num_threads() == 2
    assert fc.get_num_threads() == 3


def test_one_config_in_many_threads() -> None:
    fc.set_num_threads(3)
    two = fc.config(num_threads=2)
    barrier = threading.Barrier(4)

    def enter_and_leave(index: int) -> tuple[int, int]:
        barrier.wait()
        with two:
            barrier.wait()
            inside = fc.get_num_threads()
            barrier.wait()
        return inside, fc.get_num_threads()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(enter_and_leave, range(4))) == [(2, 3)] * 4


def test_config_holds_in_its_context_only() -> None:
    fc.set_num_threads(3)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with fc.config(num_threads=2):
            assert pool.submit(fc.get_num_threads).result() == 3
            assert contextvars.copy_context().run(fc.get_num_threads) == 2
            assert pool.submit(contextvars.copy_context().run, fc.get_num_threads).result() == 2
            assert contextvars.Context().run(fc.get_num_threads) == 3


def test_show_config(capsys: pytest.CaptureFixture[str]) -> None:
    text = fc.show_config("text")
    assert text is not None
    assert fc.__version__ in text
    for name in ("compiled", "supported", "chosen", "threads", "cache", *SUPPORTED_ISAS):
        assert name in text
    with fc.config(num_threads=17, isa="generic"):
        assert fc.show_config() is None
    printed = capsys.readouterr().out
    assert "17" in printed
    with pytest.raises(ValueError, match="mode"):
        fc.show_config("json")


@pytest.mark.parametrize("value", [-1, 2**63, 10**5000], ids=["negative", "two_to_the_63", "many_digits"])
def test_cache_limit_out_of_range(value: int) -> None:
    before = fc.cache_info()
    with pytest.raises(ValueError, match="nbytes"):
        fc.set_cache_limit(value)
    assert fc.cache_info().limit == before.limit


@pytest.mark.parametrize("value", [*NO_COUNTS.values(), None], ids=[*NO_COUNTS, "none"])
def test_cache_limit_of_another_type(value: Any) -> None:
    with pytest.raises(TypeError, match="nbytes"):
        fc.set_cache_limit(value)


PRINT = """
import fastconv as fc
from fastconv._native import core
from fastconv.runtime import native_run
print(*native_run()[:2], fc.cache_info().limit)
"""


def test_environment(fresh_python: FreshPython) -> None:
    run = fresh_python("-c", PRINT, FASTCONV_ISA="generic", FASTCONV_NUM_THREADS="5", FASTCONV_CACHE_MB="3")
    assert run.stdout.split() == ["0", "5", str(3 << 20)], run.stderr
    off = fresh_python("-c", PRINT, FASTCONV_CACHE_MB="0", FASTCONV_ISA="", FASTCONV_NUM_THREADS=" ")
    assert off.stdout.split()[2] == "0", off.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FASTCONV_ISA", "sse9"),
        ("FASTCONV_ISA", "AVX2"),
        ("FASTCONV_NUM_THREADS", "0"),
        ("FASTCONV_NUM_THREADS", "-1"),
        ("FASTCONV_NUM_THREADS", "1.5"),
        ("FASTCONV_NUM_THREADS", "99999999999999999999"),
        ("FASTCONV_WINOGRAD", "2"),
        ("FASTCONV_WINOGRAD", "off"),
        ("FASTCONV_CACHE_MB", "64MB"),
        ("FASTCONV_CACHE_MB", "-1"),
        ("FASTCONV_CACHE_MB", "99999999999999999999"),
    ],
)
def test_bad_environment_is_an_import_error(variable: str, value: str, fresh_python: FreshPython) -> None:
    run = fresh_python("-c", "import fastconv", **{variable: value})
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert variable in last and value in last


def test_best_instruction_set_is_the_default(fresh_python: FreshPython) -> None:
    run = fresh_python("-c", PRINT, FASTCONV_ISA="")
    assert int(run.stdout.split()[0]) == core.ISA_NAMES.index(SUPPORTED_ISAS[-1])
    assert set(ISAS) <= set(SUPPORTED_ISAS)


def test_import_loads_nothing_beside_numpy(fresh_python: FreshPython) -> None:
    """Each further module would have to be paid for by every script that imports the package."""
    code = "import sys, numpy, numpy.typing; {}; print(*sys.modules)"
    before = fresh_python("-c", code.format("pass")).stdout.split()
    after = fresh_python("-c", code.format("import fastconv")).stdout.split()
    own = ("fastconv", "__future__", "cython_runtime", "_cython_")
    assert [name for name in after if name not in before and not name.startswith(own)] == []
    assert "fastconv.functional" in after
