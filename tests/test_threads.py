"""Threads, forked children, interrupts and the settings that govern them."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from bounds import assert_same_bits
from calls import ISAS, convolve
from cases import CONV_CASES, ConvCase
from forked import HANG, exit_status_of_child, forks, quiet

import fastconv as fc
from fastconv._native import core

Array = np.ndarray[Any, Any]
FreshPython = Callable[..., CompletedProcess[str]]

THREADED = [case for case in CONV_CASES if case.name.endswith("_worth_threads")]


def compute(case: ConvCase, threads: int = 2) -> bytes:
    """Return the bytes of a convolution large enough for a parallel region."""
    with fc.config(num_threads=threads):
        return convolve(case, *case.arrays(np.float32)).tobytes()


@forks
@quiet
@pytest.mark.parametrize("case", THREADED[:3], ids=str)
def test_forked_child_computes_after_a_parallel_call(case: ConvCase) -> None:
    expected = compute(case)
    assert exit_status_of_child(lambda: compute(case) == expected) == 0
    assert compute(case) == expected, "the parent goes on"
    assert exit_status_of_child(lambda: compute(case, 3) == expected) == 0


@forks
@quiet
def test_grandchild_computes() -> None:
    case = THREADED[0]
    expected = compute(case)

    def child() -> bool:
        return compute(case) == expected and exit_status_of_child(lambda: compute(case) == expected) == 0

    assert exit_status_of_child(child) == 0


@forks
@quiet
def test_fork_while_other_threads_compute() -> None:
    case = THREADED[0]
    expected = compute(case)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            compute(case)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(4):
            assert exit_status_of_child(lambda: compute(case) == expected) == 0
    finally:
        stop.set()
        for worker in workers:
            worker.join()


@forks
@quiet
def test_multiprocessing_pool_of_forked_children() -> None:
    case = THREADED[1]
    expected = compute(case)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        results = pool.map_async(compute, [case] * 4).get(timeout=HANG)
    assert results == [expected] * 4


def test_many_python_threads_at_once(isa: str) -> None:
    cases = [*THREADED[:4], *CONV_CASES[::23]]
    expected = {case: convolve(case, *case.arrays(np.float32)) for case in cases}

    def work(seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(cases))
        for index in order:
            with fc.config(isa=isa, num_threads=1 + seed % 3):
                result = convolve(cases[index], *cases[index].arrays(np.float32))
            assert_same_bits(result, expected[cases[index]])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


@pytest.fixture
def restored_threads() -> Iterator[int]:
    """Give the number of threads and set it back afterwards."""
    count = fc.get_num_threads()
    yield count
    fc.set_num_threads(count)


def test_number_of_threads(restored_threads: int) -> None:
    assert restored_threads >= 1
    fc.set_num_threads(3)
    assert fc.get_num_threads() == 3
    with fc.config(num_threads=2):
        assert fc.get_num_threads() == 2
        with fc.config(num_threads=5):
            assert fc.get_num_threads() == 5
        assert fc.get_num_threads() == 2
    assert fc.get_num_threads() == 3


def test_config_is_undone_by_an_exception(restored_threads: int) -> None:
    with pytest.raises(RuntimeError, match="inside"), fc.config(num_threads=restored_threads + 1):
        raise RuntimeError("inside")
    assert fc.get_num_threads() == restored_threads


@pytest.mark.parametrize("case", THREADED, ids=str)
def test_more_threads_than_processors(case: ConvCase, isa: str) -> None:
    assert compute(case, 17) == compute(case, 1)


def plan(case: ConvCase, threads: int) -> dict[str, Any]:
    """Say what a convolution would do."""
    pads = tuple(p for pair in case.padding_pairs for p in pair)
    window = (case.weight[2:], case.strides, pads, case.dilations)
    run = (core.ISA_NAMES.index(ISAS[-1]), threads, True)
    shapes = (case.input, case.weight, case.output)
    return core.conv_plan(shapes, (4, False), window, case.groups, 0, False, run)


@pytest.mark.parametrize("case", THREADED, ids=str)
def test_large_problems_are_split(case: ConvCase) -> None:
    """Without this the tests of thread counts could be comparing one thread with itself."""
    assert plan(case, 2)["threads"] == 2


def test_tiny_problems_run_on_one_thread() -> None:
    case = next(case for case in CONV_CASES if case.name == "tiny_call")
    assert plan(case, 8)["threads"] == 1


STARTED_THREADS = """
import os, sys
import numpy as np
import fastconv as fc
fc.set_num_threads(4)
started = len(os.listdir("/proc/self/task"))
batch = int(sys.argv[1])
net = fc.compile(fc.models.lenet5(), (batch, 1, 28, 28))
compiled = len(os.listdir("/proc/self/task"))
net(np.ones((batch, 1, 28, 28)))
print(compiled - started, len(os.listdir("/proc/self/task")) - compiled)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs the threads of a process as files")
@pytest.mark.parametrize(("batch", "threads"), [(1, "0"), (64, "3")])
def test_small_networks_run_on_one_thread(batch: int, threads: str, fresh_python: FreshPython) -> None:
    run = fresh_python("-c", STARTED_THREADS, str(batch))
    assert run.stdout.split() == ["0", threads], run.stderr


def test_environment_sets_threads_and_instruction_set(fresh_python: FreshPython) -> None:
    code = "import fastconv as fc; print(fc.get_num_threads())"
    assert fresh_python("-c", code, FASTCONV_NUM_THREADS="7").stdout.strip() == "7"
    for name in ISAS:
        assert fresh_python("-c", code, FASTCONV_ISA=name).returncode == 0
    for variable, value in (
        ("FASTCONV_NUM_THREADS", "none"),
        ("FASTCONV_NUM_THREADS", "0"),
        ("FASTCONV_ISA", "mmx"),
    ):
        run = fresh_python("-c", code, **{variable: value})
        assert run.returncode != 0
        assert variable in run.stderr
        assert value in run.stderr


INTERRUPTED = """
import os, signal, sys, threading
import numpy as np
import fastconv as fc
# A background job of a shell inherits a SIGINT that is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.argv[2] == "pool":
    x = np.ones((1, 16, 200_000), np.float32)
    out = np.full((1, 16, 200_000), np.nan, np.float32)
    call = lambda: fc.max_pool1d(x, 80_001, 1, 40_000, out=out)
elif sys.argv[2] == "network":
    layers = [fc.nn.Conv2d(64, 64, 31, padding=15, bias=False) for _ in range(16)]
    x = np.ones((1, 64, 128, 128), np.float32)
    net = fc.compile(fc.nn.Sequential(*layers), x.shape)
    out = np.full_like(x, np.nan)
    call = lambda: net(x, out=out)
elif sys.argv[2] == "pooling network":
    # Few outputs.
    x = np.ones((1, 1, 3600, 3600), np.float32)
    net = fc.compile(fc.nn.Sequential(fc.nn.AvgPool2d(1800, stride=5)), x.shape)
    out = np.full(net.output_shape, np.nan, np.float32)
    call = lambda: net(x, out=out)
elif sys.argv[2] == "many steps":
    # Each of them is over before it would ask.
    layers = [layer for _ in range(1500) for layer in (fc.nn.Conv2d(32, 32, 3, padding=1), fc.nn.Tanh())]
    x = np.ones((1, 32, 144, 144), np.float32)
    net = fc.compile(fc.nn.Sequential(*layers), x.shape)
    out = np.full_like(x, np.nan)
    call = lambda: net(x, out=out)
else:
    x, w = np.ones((1, 64, 128, 128), np.float32), np.ones((1024, 64, 31, 31), np.float32)
    out = np.full((1, 1024, 128, 128), np.nan, np.float32)
    call = lambda: fc.conv2d(x, w, padding=15, algorithm=sys.argv[2], out=out)
with fc.config(num_threads=int(sys.argv[1])):
    fc.max_pool2d(np.ones((1, 64, 64, 64), np.float32), 3)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        call()
    except KeyboardInterrupt:
        print("interrupted", "early" if np.isnan(out).any() else "late")
print(fc.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)))[0, 0, 0, 0])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.kill with SIGINT")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "call", ["direct", "im2col", "autotune", "pool", "network", "pooling network", "many steps"]
)
def test_interrupt_stops_a_long_call(call: str, threads: int, fresh_python: FreshPython) -> None:
    """A call of many seconds is stopped before it has written all of its output, and the next one works."""
    run = fresh_python("-c", INTERRUPTED, str(threads), call)
    assert run.stdout.split() == ["interrupted", "early", "9.0"], run.stderr[-2000:]
