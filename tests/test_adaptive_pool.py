"""Adaptive pooling against the oracle, in both layouts, types and every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import AVERAGE, assert_same_bits, assert_within, eps_of
from calls import ISAS, adaptive_avg_pool, adaptive_max_pool, channels_first, channels_last
from cases import ADAPTIVE_POOL_CASES, AdaptivePoolCase, random_array
from hypothesis import given
from hypothesis import strategies as st

import fastconv as fc

Array = np.ndarray[Any, Any]

POOLS = (adaptive_max_pool, adaptive_avg_pool)


def input_of(case: AdaptivePoolCase, data: str, dtype: Any) -> Array:
    """Return normal values, many ties, NaN and infinities in every window, or only -inf."""
    if data == "special":
        values = [1.0, 2.0, np.nan, -np.inf, np.inf]
        rng = np.random.default_rng(sum(case.input))
        return rng.choice(values, case.input, p=[0.3, 0.2, 0.1, 0.3, 0.1]).astype(dtype)
    if data == "minus infinity":
        return np.full(case.input, -np.inf, dtype)
    return random_array(case.name, case.input, dtype, integer=data == "ties")


def terms_of(case: AdaptivePoolCase) -> int:
    """Return the elements of a window, at the most."""
    return int(np.prod([size // max(out, 1) + 2 for size, out in zip(case.input[2:], case.out, strict=True)]))


def bound_of(case: AdaptivePoolCase, x: Array) -> Array:
    """Return how far an average may be from the oracle's."""
    finite = np.where(np.isfinite(x), abs(x), 0)
    return AVERAGE(terms_of(case)) * eps_of(x.dtype) * oracle.adaptive_avg_pool(finite, case.out)


@pytest.mark.parametrize("pool", [fc.adaptive_avg_pool2d, fc.adaptive_max_pool2d])
def test_outputs_past_the_cache_are_those_of_each_sample_alone(pool: Any, dtype: Any, isa: str) -> None:
    x = random_array("past the cache", (26, 4, 130, 131), dtype)
    for threads in (1, 3):
        with fc.config(num_threads=threads):
            together = pool(x, (101, 103))
            for sample, alone in zip(x, together, strict=True):
                assert_same_bits(pool(sample, (101, 103)), alone)


@pytest.mark.parametrize("data", ["normal", "ties", "special", "minus infinity"])
@pytest.mark.parametrize("case", ADAPTIVE_POOL_CASES, ids=str)
def test_adaptive_max_pool_and_indices(case: AdaptivePoolCase, data: str, dtype: Any, isa: str) -> None:
    x = input_of(case, data, dtype)
    values, places = oracle.adaptive_max_pool(x, case.out)
    for threads in (1, 3):
        with fc.config(num_threads=threads):
            y, indices = adaptive_max_pool(case, x, return_indices=True)
            last, last_indices = adaptive_max_pool(case, channels_last(x), return_indices=True, layout="NHWC")
            plain = adaptive_max_pool(case, x)
            plain_last = adaptive_max_pool(case, channels_last(x), layout="NHWC")
        assert y.dtype == dtype
        assert indices.dtype == np.int64
        for result in (y, channels_first(last), plain, channels_first(plain_last)):
            np.testing.assert_array_equal(result, values)
        np.testing.assert_array_equal(indices, places)
        np.testing.assert_array_equal(channels_first(last_indices), places)


@pytest.mark.parametrize("data", ["normal", "special"])
@pytest.mark.parametrize("case", ADAPTIVE_POOL_CASES, ids=str)
def test_adaptive_avg_pool(case: AdaptivePoolCase, data: str, dtype: Any, isa: str) -> None:
    x = input_of(case, data, dtype)
    y, bound = oracle.adaptive_avg_pool(x, case.out), bound_of(case, x)
    results = []
    for threads in (1, 3):
        with fc.config(num_threads=threads):
            results.append(adaptive_avg_pool(case, x))
            results.append(channels_first(adaptive_avg_pool(case, channels_last(x), layout="NHWC")))
    assert results[0].dtype == dtype
    for result in results:
        assert_within(result, y, bound)
    assert_same_bits(results[2], results[0])
    assert_same_bits(results[3], results[1])


@pytest.mark.parametrize("case", ADAPTIVE_POOL_CASES, ids=str)
def test_average_of_integers_is_rounded_once(case: AdaptivePoolCase, dtype: Any, isa: str) -> None:
    x = random_array(case.name, case.input, dtype, integer=True)
    expected = oracle.adaptive_avg_pool(x, case.out).astype(dtype)
    last = adaptive_avg_pool(case, channels_last(x), layout="NHWC")
    for result in (adaptive_avg_pool(case, x), channels_first(last)):
        np.testing.assert_allclose(result, expected, rtol=np.finfo(dtype).eps, atol=0)
        exact = expected == np.rint(expected)
        np.testing.assert_array_equal(result[exact], expected[exact])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("size", "out"), [(8, 7), (13, 6), (14, 7), (21, 7), (20, 1), (33, 2), (9, 9)])
def test_even_windows_have_the_bits_of_ordinary_pooling(
    size: int, out: int, layout: str, dtype: Any, isa: str
) -> None:
    x = random_array("x", (2, 19, size, size), dtype)
    x = channels_last(x) if layout == "NHWC" else x
    kernel, stride = size // out + size % out, size // out
    for adaptive, pool in (
        (fc.adaptive_avg_pool2d, fc.avg_pool2d),
        (fc.adaptive_max_pool2d, fc.max_pool2d),
    ):
        assert_same_bits(adaptive(x, out, layout=layout), pool(x, kernel, stride, layout=layout))


@pytest.mark.parametrize("case", ADAPTIVE_POOL_CASES[::4], ids=str)
def test_bits_do_not_depend_on_batch_or_strides(case: AdaptivePoolCase, dtype: Any, isa: str) -> None:
    batch = random_array(case.name, (3, *case.input[1:]), dtype)
    edge = 0 if max(case.out) == 1 else 2  # a window that is the plane is read as one run, if it is one
    spread = np.zeros((3, 2 * case.input[1], *(size + 2 * edge for size in case.input[2:])), dtype)
    inside = (slice(edge, edge + size) for size in case.input[2:])
    view = spread[(slice(None, None, -1), slice(None, None, 2), *inside)]
    view[...] = batch
    for pool in POOLS:
        together = pool(case, batch)
        assert_same_bits(pool(case, view), together)
        for sample in range(3):
            assert_same_bits(pool(case, batch[sample : sample + 1]), together[sample : sample + 1])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("case", ADAPTIVE_POOL_CASES[::9], ids=str)
def test_out_unbatched_and_empty_batch(case: AdaptivePoolCase, layout: str, dtype: Any) -> None:
    x = random_array(case.name, case.input, dtype)
    x = channels_last(x) if layout == "NHWC" else x
    for pool in POOLS:
        expected = pool(case, x, layout=layout)
        assert expected.flags.c_contiguous
        assert expected.ctypes.data % 64 == 0
        out = np.full_like(expected, np.nan)
        assert pool(case, x, layout=layout, out=out) is out
        assert_same_bits(out, expected)
        assert_same_bits(pool(case, x[0], layout=layout), expected[0])
        assert pool(case, x[:0], layout=layout).shape == (0, *expected.shape[1:])


def test_none_keeps_a_size() -> None:
    x = random_array("x", (2, 3, 4, 5, 6), np.float32)
    for pool in (fc.adaptive_avg_pool3d, fc.adaptive_max_pool3d):
        expected = pool(x, (2, 5, 4))
        for size in ((2, None, 4), [2, None, np.int64(4)]):
            assert_same_bits(pool(x, size), expected)
        assert_same_bits(pool(x, (None,)), x)
        assert_same_bits(pool(x, [3]), pool(x, 3))
        last = pool(channels_last(x), (2, None, 4), layout="NHWC")
        np.testing.assert_allclose(channels_first(last), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [0, (0, 3), (3, 0), (None, 0)], ids=str)
def test_no_outputs_give_an_empty_array(size: Any) -> None:
    x = np.ones((2, 3, 4, 5), np.float32)
    shape = {"0": (0, 0), "(0, 3)": (0, 3), "(3, 0)": (3, 0), "(None, 0)": (4, 0)}[str(size)]
    assert fc.adaptive_avg_pool2d(x, size).shape == (2, 3, *shape)
    values, indices = fc.adaptive_max_pool2d(x, size, return_indices=True)
    assert values.shape == indices.shape == (2, 3, *shape)
    assert indices.dtype == np.int64
    last = fc.adaptive_max_pool2d(channels_last(x), size, layout="NHWC")
    assert last.shape == (2, *shape, 3)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_empty_axes_are_refused_but_the_batch(size: int) -> None:
    for shape in ((2, 3, 0, 4), (2, 3, 4, 0), (2, 0, 4, 4)):
        for pool in (fc.adaptive_avg_pool2d, fc.adaptive_max_pool2d):
            with pytest.raises(ValueError, match="only the batch may be empty"):
                pool(np.ones(shape, np.float32), size)


def test_sizes_whose_products_leave_64_bits_are_refused() -> None:
    x = np.broadcast_to(np.float32(1), (1, 2**42))
    for pool in (fc.adaptive_avg_pool1d, fc.adaptive_max_pool1d):
        with pytest.raises(ValueError, match="output_size=4294967297"):
            pool(x, 2**32 + 1)


def test_equal_keys_of_other_types_find_no_remembered_size() -> None:
    x = np.ones((1, 2, 3, 4), np.float32)
    fc.adaptive_avg_pool2d(x, 1)
    fc.adaptive_avg_pool2d(x, (1, 1))
    for size in (True, 1.0, (1, True), (1.0, 1), (None, 1.0)):
        with pytest.raises(TypeError, match="output_size"):
            fc.adaptive_avg_pool2d(x, size)  # type: ignore[arg-type]


def test_first_tie_and_last_nan_win() -> None:
    x = np.array([[1, np.nan, 2, np.nan, 3, 3, 3, 3]], np.float32)
    y, indices = fc.adaptive_max_pool1d(x, 3, return_indices=True)
    np.testing.assert_array_equal(y, [[np.nan, np.nan, 3]])
    np.testing.assert_array_equal(indices, [[1, 3, 5]])


@pytest.mark.parametrize("width", [384, 390])
def test_maps_larger_than_the_caches(width: int, isa: str) -> None:
    x = random_array("x", (2, 15, 384, width), np.float32, integer=True)
    for out in ((7, 7), (250, 256)):
        expected = oracle.adaptive_avg_pool(x[:1, :1], out)
        y = fc.adaptive_avg_pool2d(x, out)
        assert_within(y[:1, :1], expected, 2 * eps_of(np.float32) * abs(expected))
        assert_same_bits(y[1:, 3:5], fc.adaptive_avg_pool2d(x[1:, 3:5], out))
        largest = fc.adaptive_max_pool2d(x, out)
        np.testing.assert_array_equal(largest[1:, 14:], oracle.adaptive_max_pool(x[1:, 14:], out)[0])


@st.composite
def adaptive_pool_cases(draw: st.DrawFn) -> AdaptivePoolCase:
    """Draw a size and a number of outputs for each axis."""
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    most = {1: 300, 2: 40, 3: 9}[rank]
    sizes = draw(st.lists(st.integers(1, most), min_size=rank, max_size=rank))
    out = draw(st.lists(st.integers(0, most // 2), min_size=rank, max_size=rank))
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 20)), *sizes)
    return AdaptivePoolCase("drawn", shape, tuple(out))


@given(
    case=adaptive_pool_cases(),
    last=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    isa=st.sampled_from(ISAS),
    threads=st.integers(1, 3),
    tracked=st.booleans(),
)
def test_any_sizes(
    case: AdaptivePoolCase, last: bool, dtype: Any, isa: str, threads: int, tracked: bool
) -> None:
    x, special = input_of(case, "ties", dtype), input_of(case, "special", dtype)
    layout = "NHWC" if last else "NCHW"

    def laid_out(array: Array) -> Array:
        return channels_last(array) if last else array

    with fc.config(isa=isa, num_threads=threads):
        average = adaptive_avg_pool(case, laid_out(x), layout=layout)
        largest = adaptive_max_pool(case, laid_out(special), return_indices=tracked, layout=layout)
    results = largest if tracked else (largest,)
    for result, wanted in zip(results, oracle.adaptive_max_pool(special, case.out), strict=False):
        np.testing.assert_array_equal(channels_first(result) if last else result, wanted)
    expected = oracle.adaptive_avg_pool(x, case.out)
    assert_within(channels_first(average) if last else average, expected, bound_of(case, x))
