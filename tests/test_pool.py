"""Maximum and average pooling against the oracle, in both layouts, types and every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import AVERAGE, assert_same_bits, assert_within, eps_of
from calls import avg_pool, channels_first, channels_last, max_pool
from cases import LARGE_WINDOWS, POOL_CASES, PoolCase, random_array

import fastconv as fc
from fastconv._native import core

Array = np.ndarray[Any, Any]

AVG_CASES = [case for case in POOL_CASES if case.dilation == 1]


def special_values(case: PoolCase, dtype: Any) -> Array:
    """Return ties, NaN and infinities in every window."""
    rng = np.random.default_rng(sum(case.input))
    return rng.choice([1.0, 2.0, np.nan, -np.inf, np.inf], case.input, p=[0.3, 0.2, 0.1, 0.3, 0.1]).astype(
        dtype
    )


@pytest.mark.parametrize("data", ["normal", "ties", "special", "minus infinity"])
@pytest.mark.parametrize("case", POOL_CASES, ids=str)
def test_max_pool_and_indices(case: PoolCase, data: str, dtype: Any, isa: str) -> None:
    if data == "special":
        x = special_values(case, dtype)
    elif data == "minus infinity":
        x = np.full(case.input, -np.inf, dtype)
    else:
        x = random_array(case.name, case.input, dtype, integer=data == "ties")
    values, places = oracle.max_pool(x, case.kernel, dilation=case.dilation, **case.window)
    for threads in (1, 3):
        with fc.config(num_threads=threads):
            y, indices = max_pool(case, x, return_indices=True)
            last, last_indices = max_pool(case, channels_last(x), return_indices=True, layout="NHWC")
            plain = max_pool(case, x)
            plain_last = max_pool(case, channels_last(x), layout="NHWC")
        assert y.dtype == dtype
        assert indices.dtype == np.int64
        for result in (y, channels_first(last), plain, channels_first(plain_last)):
            np.testing.assert_array_equal(result, values)
        np.testing.assert_array_equal(indices, places)
        np.testing.assert_array_equal(channels_first(last_indices), places)


@pytest.mark.parametrize("include", [True, False], ids=["count_padding", "count_input"])
@pytest.mark.parametrize("case", AVG_CASES, ids=str)
def test_avg_pool(case: PoolCase, include: bool, dtype: Any, isa: str) -> None:
    x = random_array(case.name, case.input, dtype)
    terms = int(np.prod(oracle.per_axis(case.kernel, case.rank)))
    for divisor in (None, 3, -2):
        rule: dict[str, Any] = {"count_include_pad": include, "divisor_override": divisor}
        y = oracle.avg_pool(x, case.kernel, **case.window, **rule)
        bound = (
            AVERAGE(terms) * eps_of(dtype) * abs(oracle.avg_pool(abs(x), case.kernel, **case.window, **rule))
        )
        results = []
        for threads in (1, 3):
            with fc.config(num_threads=threads):
                results.append(avg_pool(case, x, **rule))
                results.append(channels_first(avg_pool(case, channels_last(x), layout="NHWC", **rule)))
        assert results[0].dtype == dtype
        for result in results:
            assert_within(result, y, bound)
        assert_same_bits(results[2], results[0])
        assert_same_bits(results[3], results[1])


@pytest.mark.parametrize("case", AVG_CASES, ids=str)
def test_avg_pool_of_special_values(case: PoolCase, dtype: Any, isa: str) -> None:
    x = special_values(case, dtype)
    y = oracle.avg_pool(x, case.kernel, **case.window)
    finite = np.where(np.isfinite(x), abs(x), 0)
    terms = int(np.prod(oracle.per_axis(case.kernel, case.rank)))
    bound = AVERAGE(terms) * eps_of(dtype) * oracle.avg_pool(finite, case.kernel, **case.window)
    assert_within(avg_pool(case, x), y, bound)
    assert_within(channels_first(avg_pool(case, channels_last(x), layout="NHWC")), y, bound)


def test_avg_pool_in_ceil_mode_divides_by_the_window_within_the_padding() -> None:
    y = fc.avg_pool1d(np.ones((1, 6), np.float32), 3, 2, 1, ceil_mode=True)
    np.testing.assert_allclose(y, [[2 / 3, 1, 1, 1 / 2]], rtol=2e-7)


def test_max_pool_prefers_the_first_tie_and_the_last_nan() -> None:
    x = np.array([[1, np.nan, 3, np.nan, 2, 2, 2]], np.float32)
    y, indices = fc.max_pool1d(x, 3, 1, return_indices=True)
    np.testing.assert_array_equal(y, [[np.nan, np.nan, np.nan, np.nan, 2]])
    np.testing.assert_array_equal(indices, [[1, 3, 3, 3, 4]])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("case", POOL_CASES[::9], ids=str)
def test_out_unbatched_and_empty_batch(case: PoolCase, layout: str, dtype: Any) -> None:
    x = random_array(case.name, case.input, dtype)
    x = channels_last(x) if layout == "NHWC" else x
    for pool in (max_pool, avg_pool) if case.dilation == 1 else (max_pool,):
        expected = pool(case, x, layout=layout)
        assert expected.flags.c_contiguous
        assert expected.ctypes.data % 64 == 0
        out = np.full_like(expected, np.nan)
        assert pool(case, x, layout=layout, out=out) is out
        assert_same_bits(out, expected)
        assert_same_bits(pool(case, x[0], layout=layout), expected[0])
        assert pool(case, x[:0], layout=layout).shape == (0, *expected.shape[1:])


@pytest.mark.parametrize("case", POOL_CASES[::5], ids=str)
def test_sample_alone_has_the_bits_it_has_in_a_batch(case: PoolCase, dtype: Any, isa: str) -> None:
    batch = random_array(case.name, (3, *case.input[1:]), dtype)
    for pool in (max_pool, avg_pool) if case.dilation == 1 else (max_pool,):
        together = pool(case, batch)
        for sample in range(3):
            assert_same_bits(together[sample : sample + 1], pool(case, batch[sample : sample + 1]))


def test_whole_planes_have_the_same_bits_at_any_distance(dtype: Any, isa: str) -> None:
    x = random_array("x", (6, 38, 5, 7), dtype)
    together = fc.avg_pool2d(x, (5, 7)), fc.max_pool2d(x, (5, 7))
    for part in (np.s_[::2], np.s_[:, 3:30:3], np.s_[::-1, ::-1]):
        assert_same_bits(fc.avg_pool2d(x[part], (5, 7)), together[0][part])
        assert_same_bits(fc.max_pool2d(x[part], (5, 7)), together[1][part])


@pytest.mark.parametrize("width", [384, 385])
def test_maps_larger_than_the_caches(width: int, isa: str) -> None:
    x = random_array("x", (2, 15, 384, width), np.float32, integer=True)
    even = x[..., : width // 2 * 2].reshape(2, 15, 192, 2, width // 2, 2)
    np.testing.assert_array_equal(fc.max_pool2d(x, 2), even.max((3, 5)))
    np.testing.assert_array_equal(fc.avg_pool2d(x, 2), even.mean((3, 5)))
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-9)
    rows, cols = 192, (width + 1) // 2
    taps = [padded[..., i : i + 2 * rows : 2, j : j + 2 * cols : 2] for i in range(3) for j in range(3)]
    np.testing.assert_array_equal(fc.max_pool2d(x, 3, 2, 1), np.maximum.reduce(taps))


def test_sample_of_a_large_batch_has_the_bits_it_has_alone(isa: str) -> None:
    # Above 16 MB rows are read in another order, which must not be the order of the sum.
    x = random_array("x", (3, 22, 256, 256), np.float32)
    together = fc.avg_pool2d(x, 5, 3)
    for sample in range(3):
        assert_same_bits(together[sample : sample + 1], fc.avg_pool2d(x[sample : sample + 1], 5, 3))


@pytest.mark.parametrize("rows", [3, 20, 2000])
@pytest.mark.parametrize("dilation", [1, 2])
def test_window_beyond_a_padded_row(rows: int, dilation: int, isa: str) -> None:
    # With ceil_mode the one window of a row may reach past its padding; it still steps within the row.
    x = np.zeros((1, 2, rows, 5), np.float32)
    x[:, :, 1, 1] = 7
    x[:, 1, 2, 4] = 9
    y = fc.max_pool2d(
        x, (rows, 9), stride=(1, 20), padding=((0, 0), (0, 4)), dilation=(1, dilation), ceil_mode=True
    )
    np.testing.assert_array_equal(y, x[:, :, :, ::dilation].max((2, 3), keepdims=True))


@pytest.mark.parametrize("case", LARGE_WINDOWS, ids=str)
def test_large_windows_of_arrays_with_gaps(case: PoolCase, dtype: Any, isa: str) -> None:
    x = random_array(case.name, (*case.input[:-1], 2 * case.input[-1]), dtype)[..., ::2]
    x[:, :1][x[:, :1] > 2] = np.nan
    values, places = oracle.max_pool(x, case.kernel, dilation=case.dilation, **case.window)
    y, indices = max_pool(case, x, return_indices=True)
    np.testing.assert_array_equal(y, values)
    np.testing.assert_array_equal(indices, places)
    if case.dilation == 1:
        x = random_array(case.name, x.shape[::-1], dtype).T
        y, size = (oracle.avg_pool(array, case.kernel, **case.window) for array in (x, abs(x)))
        terms = int(np.prod(oracle.per_axis(case.kernel, case.rank)))
        assert_within(avg_pool(case, x), y, AVERAGE(terms) * eps_of(dtype) * size)


def test_scratch_of_a_large_window_is_small(isa: str) -> None:
    x = np.zeros((1, 2, 3000, 4000), np.float32)
    x[0, :, 2999, 7] = 1
    fc.max_pool2d(x[..., :8], 8, return_indices=True)
    limit, before = core.cache_info()
    for array in (x, x.transpose(0, 1, 3, 2)):
        # Seen from another side the input is copied first.
        copy = 0 if array is x else x.nbytes
        y, indices = fc.max_pool2d(array, array.shape[2:], return_indices=True)
        assert y.min() == 1
        assert set(indices.ravel()) == {2999 * 4000 + 7 if array is x else 7 * 3000 + 2999}
        assert core.cache_info()[1] - before - copy < 8 * 2**20 < limit


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_window_without_any_input(isa: str, layout: str) -> None:
    shape = (1, 1, 2) if layout == "NHWC" else (1, 2, 1)
    y, indices = fc.max_pool1d(
        np.ones(shape, np.float32), 2, stride=1, padding=1, dilation=2, return_indices=True, layout=layout
    )
    np.testing.assert_array_equal(y, np.full(shape, -np.inf))
    np.testing.assert_array_equal(indices, np.zeros(shape))


def test_windows_of_padding_alone_in_planes_that_follow_each_other(dtype: Any, isa: str) -> None:
    """Both lines of a window lie beside a plane of one, in planes too wide to be a lane each."""
    fc.max_pool2d(random_array("x", (1, 200, 1, 700), dtype), (1, 3), stride=1)  # what a buffer may hold
    x = random_array("x", (1, 200, 1, 700), dtype)
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            assert np.isneginf(fc.max_pool2d(x, 2, 1, (1, 0), dilation=(2, 1))).all()
