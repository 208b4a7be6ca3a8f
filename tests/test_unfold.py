"""im2col and col2im against the oracle, and against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import assert_same_bits, assert_within, eps_of, summation
from calls import ISAS
from cases import UNFOLD_CASES, UnfoldCase, random_array
from hypothesis import given
from hypothesis import strategies as st

import fastconv as fc

Array = np.ndarray[Any, Any]


def unfold(case: UnfoldCase, x: Array, **options: Any) -> Array:
    """Unfold as the case says."""
    return fc.unfold(x, case.kernel, **case.window, **options)


def fold(case: UnfoldCase, columns: Array, **options: Any) -> Array:
    """Fold as the case says."""
    return fc.fold(columns, case.input[2:], case.kernel, **case.window, **options)


def columns_of(case: UnfoldCase, dtype: Any, *, integer: bool = False) -> Array:
    """Return columns of the case's shape, other values than unfolding gives."""
    shape = oracle.unfold(np.zeros(case.input, dtype), case.kernel, **case.window).shape
    return random_array(f"{case} columns", shape, dtype, integer=integer)


@pytest.mark.parametrize("case", UNFOLD_CASES, ids=str)
def test_unfold(case: UnfoldCase, dtype: Any, isa: str) -> None:
    x = random_array(case.name, case.input, dtype)
    expected = oracle.unfold(x, case.kernel, **case.window)
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            assert_same_bits(unfold(case, x), expected)
    out = np.full(expected.shape, np.nan, dtype)
    assert unfold(case, x, out=out) is out
    assert_same_bits(out, expected)
    if case.input[0]:
        assert_same_bits(unfold(case, x[0]), expected[0])


@pytest.mark.parametrize("case", UNFOLD_CASES, ids=str)
def test_fold_adds_in_one_order(case: UnfoldCase, dtype: Any, isa: str) -> None:
    """The oracle adds in the same order and type, so the bits are equal, for any threads and ISA."""
    columns = columns_of(case, dtype)
    expected = oracle.fold(columns, case.input[2:], case.kernel, **case.window)
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            assert_same_bits(fold(case, columns), expected)
    out = np.full(expected.shape, np.nan, dtype)
    assert fold(case, columns, out=out) is out
    assert_same_bits(out, expected)
    if case.input[0]:
        assert_same_bits(fold(case, columns[0]), expected[0])


@pytest.mark.parametrize("case", UNFOLD_CASES, ids=str)
def test_fold_within_its_bound(case: UnfoldCase, dtype: Any) -> None:
    columns = columns_of(case, dtype)
    options: Any = (case.input[2:], case.kernel, *case.window.values())
    expected = oracle.fold(columns.astype(np.float64), *options)
    size = oracle.fold(abs(columns).astype(np.float64), *options)
    terms = int(np.prod(oracle.per_axis(case.kernel, 2)))
    assert_within(fold(case, columns), expected, summation(terms) * eps_of(dtype) * size)


@pytest.mark.parametrize("case", UNFOLD_CASES, ids=str)
def test_adjoint(case: UnfoldCase, dtype: Any, isa: str) -> None:
    """``<unfold(x), y> = <x, fold(y)>``, exactly, on small integers."""
    x, y = random_array(case.name, case.input, dtype, integer=True), columns_of(case, dtype, integer=True)
    left = np.vdot(unfold(case, x).astype(np.float64), y)
    assert left == np.vdot(x, fold(case, y).astype(np.float64))


def test_fold_of_unfold_counts_the_windows(isa: str) -> None:
    x = random_array("x", (2, 3, 8, 9), np.float32, integer=True)
    counts = fc.fold(fc.unfold(np.ones_like(x), 3, padding=1), (8, 9), 3, padding=1)
    np.testing.assert_array_equal(counts[0, 0, :2, :3], [[4, 6, 6], [6, 9, 9]])
    np.testing.assert_array_equal(fc.fold(fc.unfold(x, 3, padding=1), (8, 9), 3, padding=1), x * counts)


@pytest.mark.parametrize("padding", ["valid", "same", "same_lower", ((1, 0), (2, 1)), 2])
def test_product_with_the_columns_is_a_convolution(padding: Any, dtype: Any, isa: str) -> None:
    x = random_array("x", (2, 3, 9, 11), dtype, integer=True)
    w = random_array("w", (5, 3, 2, 3), dtype, integer=True)
    expected = fc.conv2d(x, w, padding=padding)
    product = w.reshape(5, -1) @ fc.unfold(x, (2, 3), padding=padding)
    np.testing.assert_array_equal(product.reshape(expected.shape), expected)


def test_any_strides(dtype: Any, isa: str) -> None:
    x = random_array("x", (3, 4, 9, 40), dtype)
    for view in (
        x[::-1, ::-1, ::-1, ::-1], x[..., ::2], x.transpose(0, 2, 3, 1), x.transpose(3, 2, 1, 0),
        x[:, :, :, :1],
        x[:, :, 4:5, 7:], np.broadcast_to(x[:, :1, :1], x.shape), np.asfortranarray(x), x[:, 1:, 2:, 3:],
    ):  # fmt: skip
        for stride in (1, 2, 3):
            expected = oracle.unfold(view.copy(), (3, 2), 1, 1, stride)
            assert_same_bits(fc.unfold(view, (3, 2), 1, 1, stride), expected)
            columns = random_array("columns", expected.shape[::-1], dtype)
            for strided in (columns.T, columns.T[:, :, ::-1], columns.T[::-1, ::-1].copy()[::-1, ::-1]):
                folded = oracle.fold(strided.copy(), view.shape[2:], (3, 2), 1, 1, stride)
                assert_same_bits(fc.fold(strided, view.shape[2:], (3, 2), 1, 1, stride), folded)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(113, 114), (9, 5000), (7, 7)], ids=str)
def test_columns_larger_than_the_caches(size: tuple[int, int], stride: int, dtype: Any, isa: str) -> None:
    x = random_array("x", (2, max(2, 280_000 // (size[0] * size[1])) * stride**2, *size), dtype)
    expected = oracle.unfold(x, 3, 1, 1, stride)
    assert expected.nbytes > 8 << 20
    folded = oracle.fold(expected, size, 3, 1, 1, stride)
    for threads, offset in ((1, 0), (3, 1), (2, 16)):
        out = np.full(expected.size + offset, np.nan, dtype)[offset:].reshape(expected.shape)
        with fc.config(num_threads=threads):
            assert_same_bits(fc.unfold(x, 3, 1, 1, stride, out=out), expected)
            assert_same_bits(fc.unfold(x, 3, 1, 1, stride), expected)
            assert_same_bits(fc.fold(out, size, 3, 1, 1, stride), folded)


@pytest.mark.parametrize("case", UNFOLD_CASES[::5], ids=str)
def test_sample_alone_has_the_bits_it_has_in_a_batch(case: UnfoldCase, isa: str) -> None:
    x = random_array(case.name, (3, *case.input[1:]), np.float32)
    columns = unfold(case, x)
    images = fold(case, columns)
    for sample in range(3):
        one = slice(sample, sample + 1)
        assert_same_bits(unfold(case, x[one]), columns[one])
        assert_same_bits(fold(case, columns[one]), images[one])


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_values_stay_in_their_windows(special: float, dtype: Any, isa: str) -> None:
    for width in (5, 8, 19):
        x = random_array("x", (1, 2, 6, width), dtype)
        x[0, 1, 3, width - 1] = special
        columns = fc.unfold(x, 3, padding=1)
        assert_same_bits(columns, oracle.unfold(x, 3, 1, 1))
        np.testing.assert_array_equal(
            fc.fold(columns, (6, width), 3, padding=1), oracle.fold(columns, (6, width), 3, 1, 1)
        )


def test_sums_of_negative_zero_are_zero(dtype: Any, isa: str) -> None:
    y = fc.fold(np.full((1, 1, 35), -0.0, dtype), (5, 7), 1)
    assert_same_bits(y, np.zeros((1, 1, 5, 7), dtype))


@st.composite
def unfold_cases(draw: st.DrawFn) -> UnfoldCase:
    """Draw a window that fits the padded images."""

    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    kernel, stride, dilation, padding = pair(1, 5), pair(1, 6), pair(1, 3), pair(0, 5)
    fit = [(k - 1) * d + 1 - 2 * p for k, d, p in zip(kernel, dilation, padding, strict=True)]
    extra = pair(0, 30)
    size = (max(fit[0], 1) + extra[0], max(fit[1], 1) + extra[1])
    return UnfoldCase(
        "drawn", (draw(st.integers(0, 2)), draw(st.integers(1, 4)), *size), kernel, dilation, padding, stride
    )


@given(case=unfold_cases(), isa=st.sampled_from(ISAS), threads=st.integers(1, 3), double=st.booleans())
def test_drawn(case: UnfoldCase, isa: str, threads: int, double: bool) -> None:
    dtype = np.float64 if double else np.float32
    x, columns = random_array("drawn", case.input, dtype), columns_of(case, dtype)
    with fc.config(isa=isa, num_threads=threads):
        assert_same_bits(unfold(case, x), oracle.unfold(x, case.kernel, **case.window))
        assert_same_bits(
            fold(case, columns), oracle.fold(columns, case.input[2:], case.kernel, **case.window)
        )


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in UNFOLD_CASES
        if not isinstance(case.padding, tuple) or isinstance(case.padding[0], int)
    ],
    ids=str,
)
def test_as_torch(case: UnfoldCase, dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    stride = min(case.stride, 1000) if isinstance(case.stride, int) else case.stride
    options = (case.kernel, case.dilation, case.padding, stride)
    x, columns = random_array(case.name, case.input, dtype), columns_of(case, dtype)
    expected = torch.nn.functional.unfold(torch.from_numpy(x), *options).numpy()
    assert_same_bits(unfold(case, x), expected)
    expected = torch.nn.functional.fold(torch.from_numpy(columns), case.input[2:], *options).numpy()
    assert_same_bits(fold(case, columns), expected)
