"""Nothing beyond an array is touched, nothing left in reused memory is seen, the cache keeps its limit."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from bounds import assert_same_bits
from calls import (
    adaptive_avg_pool,
    adaptive_max_pool,
    algorithms,
    avg_pool,
    channels_last,
    convolve,
    convolve_transposed,
    every_algorithm,
    max_pool,
)
from cases import (
    ADAPTIVE_POOL_CASES,
    CONV_CASES,
    PAD_CASES,
    POOL_CASES,
    TRANSPOSED_CASES,
    UNFOLD_CASES,
    AdaptivePoolCase,
    ConvCase,
    PadCase,
    PoolCase,
    TransposedCase,
    UnfoldCase,
    random_array,
)

import fastconv as fc
from fastconv import nn
from fastconv._native import core

Array = np.ndarray[Any, Any]
FreshPython = Callable[..., CompletedProcess[str]]

MEGABYTE = 1 << 20


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
@pytest.mark.parametrize(
    "operation",
    [
        "convolution",
        "transposed",
        "pooling",
        "adaptive_pooling",
        "batch_norm",
        "group_norm",
        "layer_norm",
        "softmax",
        "linear",
        "rearranging",
        "images",
    ],
)
def test_nothing_outside_the_arrays_is_touched(
    operation: str, dtype: Any, isa: str, fresh_python: FreshPython
) -> None:
    script = Path(__file__).with_name("guard_pages.py")
    run = fresh_python(str(script), operation, isa, np.dtype(dtype).name)
    last = run.stdout.splitlines()[-1:]
    assert run.returncode == 0, f"in {last}: exit status {run.returncode}\n{run.stderr[-2000:]}"
    assert last == ["done"]


def bytes_of(block: Any) -> Array:
    """View a block as bytes and keep it alive."""
    return np.frombuffer(block, np.uint8)


def poison(*sizes: int) -> None:
    """Leave NaN in idle blocks of every size class, and of these sizes."""
    wanted = [*sizes, *(1 << power for power in range(6, 20))]
    blocks = [core.Block(size) for size in wanted for _ in range(2)]
    for block in blocks:
        bytes_of(block)[:] = 0xFF


def assert_blind_to_poison(call: Callable[..., Array], arrays: tuple[Array, ...]) -> None:
    """Compare with a call whose output, workspace and packed arrays come from memory full of NaN."""
    clean = call(*arrays)
    expected = clean.copy()
    assert np.isfinite(expected).all()
    call(*(np.full_like(array, np.nan) for array in arrays))
    clean[...] = np.nan
    nbytes = clean.nbytes
    del clean
    poison(nbytes, *(array.nbytes for array in arrays))
    assert_same_bits(call(*arrays), expected)
    out = np.full_like(expected, np.nan)
    call(*arrays, out=out)
    assert_same_bits(out, expected)


SMALL_CASES = [case for case in CONV_CASES if case.multiplications < 1e6]


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_convolution_in_poisoned_memory(case: ConvCase, dtype: Any, isa: str) -> None:
    x, w, b = case.arrays(dtype)
    for algorithm in every_algorithm(case):
        for data, layout in ((x, "NCHW"), (channels_last(x), "NHWC")):

            def call(*arrays: Array, how: tuple[str, str] = (algorithm, layout), **options: Any) -> Array:
                return convolve(case, *arrays, algorithm=how[0], layout=how[1], **options)

            assert_blind_to_poison(call, (data, w, b))


@pytest.mark.parametrize("case", [c for c in TRANSPOSED_CASES if "worth" not in c.name], ids=str)
def test_transposed_convolution_in_poisoned_memory(case: TransposedCase, dtype: Any, isa: str) -> None:
    x, w, b = case.arrays(dtype)
    for algorithm in every_algorithm(case):
        for data, layout in ((x, "NCHW"), (channels_last(x), "NHWC")):

            def call(*arrays: Array, how: tuple[str, str] = (algorithm, layout), **options: Any) -> Array:
                return convolve_transposed(case, *arrays, algorithm=how[0], layout=how[1], **options)

            assert_blind_to_poison(call, (data, w, b))


def test_convolution_after_a_larger_one_of_nan(dtype: Any, isa: str) -> None:
    """A larger call leaves NaN everywhere in the workspace, where smaller ones expect their halo."""
    large = np.full((2, 40, 48, 48), np.nan, dtype)
    for case in SMALL_CASES[::11]:
        x, w, b = case.arrays(dtype)
        for algorithm in algorithms(case):
            expected = convolve(case, x, w, b, algorithm=algorithm)
            fc.conv2d(large, np.full((40, 40, 3, 3), np.nan, dtype), padding=1, algorithm="direct")
            assert_same_bits(convolve(case, x, w, b, algorithm=algorithm), expected)


@pytest.mark.parametrize("case", [case for case in POOL_CASES if np.prod(case.input) < 1e5], ids=str)
def test_pooling_in_poisoned_memory(case: PoolCase, dtype: Any, isa: str) -> None:
    x = random_array(case.name, case.input, dtype)
    for data, layout in ((x, "NCHW"), (channels_last(x), "NHWC")):
        for pool in (max_pool, avg_pool) if case.dilation == 1 else (max_pool,):

            def call(array: Array, pool: Any = pool, layout: str = layout, **options: Any) -> Array:
                result: Array = pool(case, array, layout=layout, **options)
                return result

            assert_blind_to_poison(call, (data,))


@pytest.mark.parametrize("case", [case for case in ADAPTIVE_POOL_CASES if np.prod(case.input) < 1e5], ids=str)
def test_adaptive_pooling_in_poisoned_memory(case: AdaptivePoolCase, dtype: Any, isa: str) -> None:
    x = random_array(case.name, case.input, dtype)
    for data, layout in ((x, "NCHW"), (channels_last(x), "NHWC")):
        for pool in (adaptive_max_pool, adaptive_avg_pool):

            def call(array: Array, pool: Any = pool, layout: str = layout, **options: Any) -> Array:
                result: Array = pool(case, array, layout=layout, **options)
                return result

            assert_blind_to_poison(call, (data,))


def test_batch_norm_linear_and_activations_in_poisoned_memory(dtype: Any, isa: str) -> None:
    for channels in (1, 3, 16, 17, 33):
        x = random_array("x", (2, channels, 3, 7), dtype)
        vectors = tuple(1 + abs(random_array(f"vector {i}", (channels,), dtype)) for i in range(4))
        assert_blind_to_poison(fc.batch_norm, (x, *vectors))
        w = random_array("w", (19, channels), dtype)
        assert_blind_to_poison(fc.linear, (x[:, :, 0, 0].copy(), w))
        for function in (fc.relu, fc.sigmoid, fc.tanh, fc.silu):
            assert_blind_to_poison(function, (x,))


@pytest.mark.parametrize("case", [case for case in PAD_CASES[::3] if np.isfinite(case.value)], ids=str)
def test_padding_in_poisoned_memory(case: PadCase, dtype: Any, isa: str) -> None:
    def call(x: Array, **options: Any) -> Array:
        return fc.pad(x, case.pad, case.mode, case.value, **options)

    assert_blind_to_poison(call, (random_array(case.name, case.input, dtype),))


@pytest.mark.parametrize("case", UNFOLD_CASES[::3], ids=str)
def test_columns_in_poisoned_memory(case: UnfoldCase, dtype: Any, isa: str) -> None:
    def unfold(x: Array, **options: Any) -> Array:
        return fc.unfold(x, case.kernel, **case.window, **options)

    def fold(x: Array, **options: Any) -> Array:
        return fc.fold(x, case.input[2:], case.kernel, **case.window, **options)

    x = random_array(case.name, case.input, dtype)
    assert_blind_to_poison(unfold, (x,))
    assert_blind_to_poison(fold, (unfold(x),))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_unpooling_in_poisoned_memory(layout: str, dtype: Any, isa: str) -> None:
    for shape in ((2, 3, 4, 5), (1, 33, 7, 7), (2, 40, 80, 90)):
        indices = np.zeros(shape, np.int64)

        def call(x: Array, places: Array = indices, **options: Any) -> Array:
            return fc.max_unpool2d(x, places, 2, layout=layout, **options)

        assert_blind_to_poison(call, (random_array("x", shape, dtype),))


def test_group_norm_layer_norm_and_softmax_in_poisoned_memory(dtype: Any, isa: str) -> None:
    for shape in ((2, 6, 3, 7), (3, 34, 5), (1, 4, 200, 210)):
        x = random_array("x", shape, dtype)
        weight, bias = (random_array(f"vector {i}", shape[1:2], dtype) for i in range(2))
        items = tuple(random_array(f"items {i}", shape[-1:], dtype) for i in range(2))

        def grouped(data: Array, *vectors: Any, **options: Any) -> Array:
            return fc.group_norm(data, 2, *vectors, **options)

        def layered(data: Array, *vectors: Any, **options: Any) -> Array:
            return fc.layer_norm(data, data.shape[-1:], *vectors, **options)

        assert_blind_to_poison(grouped, (x, weight, bias))
        assert_blind_to_poison(layered, (x, *items))
        for axis in (1, -1):
            for function in (fc.softmax, fc.log_softmax):
                assert_blind_to_poison(partial(function, axis=axis), (x,))


@pytest.fixture
def cache_limit() -> Iterator[int]:
    """Give the limit in force and restore it."""
    limit, _ = core.cache_info()
    yield limit
    core.set_cache_limit(limit)


def idle() -> int:
    """Bytes that the cache keeps for later."""
    return core.cache_info()[1]


def address(array: Array) -> int:
    """Where the data starts."""
    return int(array.ctypes.data)


def test_memory_of_a_dead_output_is_used_again(cache_limit: int) -> None:
    x = np.ones(MEGABYTE, np.float32)
    y = fc.relu(x)
    where = address(y)
    view = y[1:]
    del y
    assert address(fc.relu(x)) != where, "a view still needs the memory"
    np.testing.assert_array_equal(view, 1)
    del view
    before = idle()
    again = fc.relu(x)
    assert idle() <= before - again.nbytes, "the block was not taken from the cache"
    assert address(again) % 64 == 0


def test_cache_keeps_its_limit(cache_limit: int) -> None:
    core.set_cache_limit(3 * MEGABYTE)
    assert core.cache_info()[0] == 3 * MEGABYTE
    assert idle() <= 3 * MEGABYTE
    outputs = [fc.relu(np.ones(MEGABYTE // 4, np.float32)) for _ in range(8)]
    del outputs
    assert 0 < idle() <= 3 * MEGABYTE
    core.set_cache_limit(0)
    assert core.cache_info() == (0, 0)
    outputs = [fc.relu(np.ones(MEGABYTE // 4, np.float32)) for _ in range(3)]
    del outputs
    assert idle() == 0


def test_switched_off_cache_changes_no_result(cache_limit: int, isa: str) -> None:
    for case in SMALL_CASES[::17]:
        x, w, b = case.arrays(np.float32)
        core.set_cache_limit(cache_limit)
        expected = convolve(case, x, w, b)
        core.set_cache_limit(0)
        assert_same_bits(convolve(case, x, w, b), expected)


def test_network_keeps_its_workspace_and_gives_it_up_with_itself(cache_limit: int) -> None:
    x = np.ones((2, 8, 96, 96), np.float32)
    given_up = []
    gc.collect()  # what other tests left would count as given up by the first network
    for calls in (0, 1, 3):
        net = fc.compile(nn.Sequential(nn.Conv2d(8, 24, 3), nn.Tanh(), nn.Conv2d(24, 4, 3)), x.shape)
        out, workspace = np.empty(net.output_shape, np.float32), net.workspace_bytes
        core.set_cache_limit(0)
        for _ in range(calls):
            net(x, out=out)
        assert idle() == 0
        core.set_cache_limit(64 * MEGABYTE)
        del net
        gc.collect()
        given_up.append(idle())
    without, once, often = given_up
    assert workspace > MEGABYTE
    assert workspace <= once - without <= workspace * 9 / 8
    assert often == once


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((100_000, 2), 0), ((3, 50_000, 3), 1), ((40_000, 17), 0), ((9000, 300), 0), ((2_000_000,), 0)],
    ids=str,
)
def test_scratch_of_softmax_is_a_small_part_of_its_input(
    shape: tuple[int, ...], axis: int, cache_limit: int, threads: int
) -> None:
    x = np.zeros(shape, np.float32)
    for function in (fc.softmax, fc.log_softmax):
        out = np.empty_like(x)
        core.set_cache_limit(0)
        core.set_cache_limit(64 * MEGABYTE)
        function(x, axis, out=out)
        assert idle() <= x.nbytes // 8


@pytest.mark.parametrize("shape", [(40_000, 30), (40_000, 1, 30), (60, 30, 25, 27)], ids=str)
def test_scratch_of_batch_norm_is_a_small_part_of_its_input(
    shape: tuple[int, ...], cache_limit: int, threads: int
) -> None:
    x = np.zeros(shape, np.float32)
    out = np.empty_like(x)
    core.set_cache_limit(0)
    core.set_cache_limit(64 * MEGABYTE)
    fc.batch_norm(x, None, None, training=True, layout="NHWC" if len(shape) == 3 else "NCHW", out=out)
    assert idle() <= x.nbytes // 8


@pytest.mark.parametrize("nbytes", [0, 1, 63, 64, 65, 4096, MEGABYTE + 1])
def test_block_is_aligned_and_writable(nbytes: int) -> None:
    block = core.Block(nbytes)
    view = memoryview(block)
    assert view.nbytes == nbytes
    assert not view.readonly
    if nbytes:
        array = bytes_of(block)
        assert address(array) % 64 == 0
        array[:] = 7
        del block, view
        np.testing.assert_array_equal(array, 7)


def test_impossible_blocks_are_refused() -> None:
    with pytest.raises(MemoryError):
        core.Block(1 << 62)
    with pytest.raises((ValueError, OverflowError, MemoryError)):
        core.Block(-1)


def test_live_blocks_never_overlap_under_many_threads(cache_limit: int) -> None:
    core.set_cache_limit(2 * MEGABYTE)

    def work(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        held: list[tuple[Array, int]] = []
        for step in range(300):
            mark = (seed * 300 + step) % 251
            array = bytes_of(core.Block(int(rng.integers(1, 20_000))))
            array[:] = mark
            held.append((array, mark))
            if len(held) > 6:
                kept, expected = held.pop(int(rng.integers(len(held))))
                if not (kept == expected).all():
                    return False
        return all((array == mark).all() for array, mark in held)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))
