"""Softmax and its logarithm: every axis, every tail, their accuracy and what is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import SOFTMAX, assert_same_bits, assert_within, eps_of
from calls import ISAS
from cases import random_array
from hypothesis import given
from hypothesis import strategies as st

import fastconv as fc

Array = np.ndarray[Any, Any]

SHAPES = [
    *((3, w) for w in range(1, 72)),
    *((2, 3, w) for w in range(1, 40)),
    (5,),
    (256, 1000),
    (2, 21, 33, 17),
    (1000, 40),
    (2, 3, 1),
    (1, 2, 3, 2, 3, 2),
]
# Several tasks and bands, rows longer than a task, stores past the caches.
LARGE = [(1, 21, 240, 256), (1500, 770), (3, 400_000), (40, 31_000), (2, 4, 152, 1024)]
# Columns and rows too long for scratch: few and many columns, one part and more, a last row not whole.
TALL = [(100_001, 2), (2, 5003, 3), (2049, 17), (2100, 1029), (2060, 260), (300_001,)]
THREADS = (1, 2, 3)


def check(x: Array, axis: int, alike: int = 0) -> None:
    """Compare both functions with the oracle, for every number of threads.

    Roundings of sums of so many terms that are `alike` are no random walk.
    """
    info = np.finfo(x.dtype)
    below = x.astype(np.float64).max(axis=axis, keepdims=True) - x
    cost = (below + SOFTMAX(x.shape[axis]) + alike / 2) * eps_of(x.dtype)
    ordinary, logarithm = oracle.softmax(x, axis), oracle.log_softmax(x, axis)
    for function, expected, bound in (
        (fc.softmax, ordinary, cost * ordinary + 2 * float(info.smallest_normal)),
        (fc.log_softmax, logarithm, cost),
    ):
        results = []
        for threads in THREADS:
            with fc.config(num_threads=threads):
                results.append(function(x, axis))
        assert results[0].dtype == x.dtype
        assert_within(results[0], expected, bound)
        assert_same_bits(results[1], results[0])
        assert_same_bits(results[2], results[0])


@pytest.mark.parametrize("shape", [*SHAPES, *LARGE, *TALL], ids=str)
def test_softmax_along_every_axis(shape: tuple[int, ...], dtype: Any, isa: str) -> None:
    x = 5 * random_array("x", shape, dtype)
    for axis in range(len(shape)):
        check(x, axis)
        assert_same_bits(fc.softmax(x, axis - len(shape)), fc.softmax(x, axis))


@pytest.mark.parametrize("spread", [1e-3, 30, 300, 3e4, 1e30])
def test_accuracy_at_every_spread(spread: float, dtype: Any, isa: str) -> None:
    x = (spread * random_array("x", (40, 50), np.float64)).astype(dtype)
    for axis in (0, 1):
        check(x, axis)


@pytest.mark.parametrize("terms", [2, 3, 7, 100, 5000])
def test_logarithm_near_every_sum(terms: int, dtype: Any, isa: str) -> None:
    """Of one 0 and others alike: 1 + (K - 1) exp(-d), from just above 1 to K."""
    distances = np.concatenate([np.linspace(0, 3, 61), np.geomspace(1e-6, 80, 60)])
    x = np.repeat(-distances[:, None].astype(dtype), terms, axis=1)
    x[:, terms // 2] = 0
    check(x, 1, terms)
    check(np.ascontiguousarray(x.T), 0, terms)


def test_sums_are_one_and_equal_items_are_equal(dtype: Any, isa: str) -> None:
    y = fc.softmax(np.full((3, 64, 5), 7.5, dtype), 1)
    np.testing.assert_array_equal(y, 1 / 64)
    np.testing.assert_array_equal(fc.log_softmax(np.full((2, 1), -3, dtype)), 0)


@pytest.mark.parametrize(
    "shape", [(7, 1000), (3, 21, 40), (2, 500, 700), (3, 3000, 2), (2, 270_000)], ids=str
)
def test_a_row_alone_has_the_bits_of_one_among_others(shape: tuple[int, ...], dtype: Any, isa: str) -> None:
    x = random_array("x", shape, dtype)
    for function in (fc.softmax, fc.log_softmax):
        y = function(x, 1)
        for sample in range(shape[0]):
            assert_same_bits(function(x[sample], 0), y[sample])
        if shape[-1] > 20 and len(shape) == 3:
            assert_same_bits(function(x[:, :, 5:14], 1), np.ascontiguousarray(y[:, :, 5:14]))


@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_output_anywhere_in_memory(shape: tuple[int, ...], dtype: Any, isa: str) -> None:
    """Large outputs may be stored past the caches where they are aligned, wherever the array starts."""
    x = random_array("x", shape, dtype)
    for function in (fc.softmax, fc.log_softmax):
        for axis in (1, len(shape) - 1):
            expected = function(x, axis)
            for threads, offset in ((3, 1), (2, 16)):
                out = np.full(x.size + offset, np.nan, dtype)[offset:].reshape(shape)
                with fc.config(num_threads=threads):
                    assert function(x, axis, out=out) is out
                assert_same_bits(out, expected)


@pytest.mark.parametrize("items", [1, 2, 3, 7, 8, 9, 16, 17, 33, 70])
def test_minus_infinity_is_no_term(items: int, dtype: Any, isa: str) -> None:
    """Its exponential is 0; a row of nothing else is NaN."""
    for finite in range(items):
        x = np.full((3, items), -np.inf, dtype)
        x[1, finite] = -2
        for data, axis in ((x, 1), (x.T.copy(), 0)):
            y, logarithm = fc.softmax(data, axis), fc.log_softmax(data, axis)
            y, logarithm = (y, logarithm) if axis else (y.T, logarithm.T)
            assert np.isnan(y[[0, 2]]).all() and np.isnan(logarithm[[0, 2]]).all()
            np.testing.assert_array_equal(y[1], np.arange(items) == finite)
            np.testing.assert_array_equal(logarithm[1], np.where(np.arange(items) == finite, 0, -np.inf))


@pytest.mark.parametrize("special", [np.nan, np.inf])
@pytest.mark.parametrize("items", [1, 2, 3, 7, 8, 9, 16, 17, 33, 70])
def test_nan_and_infinity_make_a_row_of_nan(items: int, special: float, dtype: Any, isa: str) -> None:
    for place in range(items):
        for rest in (0.0, -np.inf, np.inf):
            x = np.zeros((3, items), dtype)
            x[1] = rest
            x[1, place] = special
            for data, axis in ((x, 1), (x.T.copy(), 0)):
                for function in (fc.softmax, fc.log_softmax):
                    y = function(data, axis)
                    spoiled = np.isnan(y if axis else y.T)
                    np.testing.assert_array_equal(
                        spoiled, np.broadcast_to([[False], [True], [False]], x.shape)
                    )


@pytest.mark.parametrize("columns", [1, 3, 300])
def test_what_is_not_finite_in_one_part_of_many(columns: int, dtype: Any, isa: str) -> None:
    """A part that is all -inf adds nothing to the others; NaN and infinity spoil them all."""
    items = 600_000 // columns + 2049
    x = np.full((items, columns), -np.inf, dtype)
    x[items // 2, 0] = -3
    expected = np.full(x.shape, np.nan)
    expected[:, 0] = np.arange(items) == items // 2
    np.testing.assert_array_equal(fc.softmax(x, 0), expected)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(fc.log_softmax(x, 0), np.log(expected))
    for special in (np.nan, np.inf):
        for place in (0, items // 3, items - 1):
            x = np.zeros((items, columns), dtype)
            x[place, columns - 1] = special
            for function in (fc.softmax, fc.log_softmax):
                y = function(x, 0)
                assert np.isnan(y[:, -1]).all()
                assert np.isfinite(y[:, :-1]).all()


def test_no_axes(dtype: Any) -> None:
    for axis in (0, -1):
        y = fc.softmax(np.array(3, dtype), axis)
        assert y.shape == ()
        assert y.dtype == dtype
        assert y == 1
        assert fc.log_softmax(np.array(3, dtype), axis) == 0
        assert np.isnan(fc.softmax(np.array(np.inf, dtype), axis))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)], ids=str)
def test_empty_arrays(shape: tuple[int, ...], dtype: Any) -> None:
    for axis in range(len(shape)):
        y = fc.softmax(np.empty(shape, dtype), axis)
        assert y.shape == shape
        assert y.dtype == dtype


@given(
    shape=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    data=st.data(),
    dtype=st.sampled_from([np.float32, np.float64]),
    isa=st.sampled_from(ISAS),
)
def test_any_shape(shape: list[int], data: st.DataObject, dtype: Any, isa: str) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    with fc.config(isa=isa):
        check(4 * random_array("drawn", tuple(shape), dtype), axis)
