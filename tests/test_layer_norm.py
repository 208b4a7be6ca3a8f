"""Layer norm: every tail of a row, rows of many pieces, one axis or more, exact and special values."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import LAYER_NORM, assert_same_bits, assert_within, eps_of, summation
from calls import ISAS
from cases import random_array
from hypothesis import given
from hypothesis import strategies as st

import fastconv as fc

Array = np.ndarray[Any, Any]

# Shape and number of normalised axes.
CASES = [
    *(((3, w), 1) for w in range(1, 72)),
    *(((rows, 24), 1) for rows in range(1, 20)),
    ((197, 768), 1),
    ((50, 96), 1),
    ((3, 4, 5), 2),
    ((3, 4, 5), 3),
    ((17,), 1),
    ((600, 200), 1),
]
# More than one piece; stores past the caches.
LARGE = [((2, 32769), 1), ((3, 100_003), 1), ((1, 300, 301), 2), ((1501, 768), 1), ((1300, 1001), 1)]
THREADS = (1, 2, 3)


def parameters(shape: tuple[int, ...], dtype: Any) -> tuple[Array, Array]:
    """Return weight and bias."""
    return random_array("weight", shape, dtype), random_array("bias", shape, dtype)


def bound_of(x: Array, axes: int, weight: Array | None, bias: Array | None) -> Array:
    """Half an eps for each rounding of the affine map, and the error of the float64 moments."""
    last = tuple(range(-axes, 0))
    data = x.astype(np.float64)
    mean, var = data.mean(axis=last, keepdims=True), data.var(axis=last, keepdims=True)
    size = abs(data).mean(axis=last, keepdims=True)
    scale = (1.0 if weight is None else abs(weight)) / np.sqrt(var + 1e-5)
    centred = abs(data - mean) * scale
    shift = 0.0 if bias is None else abs(bias)
    cost = (summation(int(np.prod(x.shape[-axes:]))) + 2) * eps_of(np.float64)
    moments = cost * (size * scale + centred * (1 + size**2 / (var + 1e-5)))
    return np.asarray(LAYER_NORM * eps_of(x.dtype) * (centred + shift) + moments)


@pytest.mark.parametrize(("shape", "axes"), [*CASES, *LARGE], ids=str)
def test_layer_norm(shape: tuple[int, ...], axes: int, dtype: Any, isa: str) -> None:
    x = random_array("x", shape, dtype)
    normalized = shape[-axes:]
    weight, bias = parameters(normalized, dtype)
    for w, b in ((None, None), (weight, None), (None, bias), (weight, bias)):
        results = []
        for threads in THREADS:
            with fc.config(num_threads=threads):
                results.append(fc.layer_norm(x, normalized, w, b))
        assert results[0].dtype == dtype
        assert_within(results[0], oracle.layer_norm(x, axes, w, b), bound_of(x, axes, w, b))
        assert_same_bits(results[1], results[0])
        assert_same_bits(results[2], results[0])


@pytest.mark.parametrize("shape", [(5, 31), (5, 768), (3, 50_000)], ids=str)
def test_a_row_alone_has_the_bits_of_one_among_others(
    shape: tuple[int, int], dtype: Any, isa: str, threads: int
) -> None:
    x = random_array("x", shape, dtype)
    weight, bias = parameters(shape[1:], dtype)
    y = fc.layer_norm(x, shape[1:], weight, bias)
    for row in range(shape[0]):
        assert_same_bits(fc.layer_norm(x[row], shape[1:], weight, bias), y[row])


@pytest.mark.parametrize(("shape", "axes"), LARGE, ids=str)
def test_output_anywhere_in_memory(shape: tuple[int, ...], axes: int, dtype: Any, isa: str) -> None:
    """Large outputs may be stored past the caches, by whole lines, wherever the array starts."""
    x = random_array("x", shape, dtype)
    weight, bias = parameters(shape[-axes:], dtype)
    for vectors in ((weight, bias), (None, bias)):
        expected = fc.layer_norm(x, shape[-axes:], *vectors)
        for threads, offset in ((3, 1), (2, 5)):
            out = np.full(x.size + offset, np.nan, dtype)[offset:].reshape(shape)
            with fc.config(num_threads=threads):
                assert fc.layer_norm(x, shape[-axes:], *vectors, out=out) is out
            assert_same_bits(out, expected)


@pytest.mark.parametrize("items", [9, 96, 768, 70_000])
def test_a_mean_of_ten_thousand_keeps_five_digits(items: int, isa: str) -> None:
    x = (random_array("x", (3, items), np.float64) + 1e4).astype(np.float32)
    np.testing.assert_allclose(fc.layer_norm(x, (items,)), oracle.layer_norm(x, 1), rtol=1e-5, atol=1e-5)
    x[:, 0] = 0  # about which the sums are taken
    np.testing.assert_allclose(fc.layer_norm(x, (items,)), oracle.layer_norm(x, 1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("items", [2, 8, 30, 34, 768, 100_000])
def test_integers_are_exact(items: int, dtype: Any, isa: str) -> None:
    """Items one above or below a whole mean: variance 1, and with eps = 3 half the distance."""
    signs = 1 - 2 * (np.arange(items) % 2)
    x = (np.arange(4)[:, None] + signs).astype(dtype)
    weight, bias = np.arange(items) % 64 * 2.0, np.arange(items) % 17 - 3.0
    for threads in THREADS:
        with fc.config(num_threads=threads):
            y = fc.layer_norm(x, (items,), weight.astype(dtype), bias.astype(dtype), eps=3.0)
            np.testing.assert_array_equal(y, np.broadcast_to(signs * weight / 2 + bias, x.shape))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("items", [1, 5, 8, 19, 64, 40_000])
def test_what_is_not_finite_stays_in_its_row(items: int, special: float, dtype: Any, isa: str) -> None:
    for place in {0, items // 2, items - 1}:
        x = random_array("x", (3, items), dtype)
        x[1, place] = special
        y = fc.layer_norm(x, (items,))
        np.testing.assert_array_equal(np.isnan(y).all(axis=1), [False, True, False])
        np.testing.assert_array_equal(np.isnan(y).any(axis=1), [False, True, False])


@given(
    before=st.lists(st.integers(0, 5), max_size=3),
    normalized=st.lists(st.integers(1, 20), min_size=1, max_size=3),
    dtype=st.sampled_from([np.float32, np.float64]),
    isa=st.sampled_from(ISAS),
    threads=st.integers(1, 3),
)
def test_any_shape(before: list[int], normalized: list[int], dtype: Any, isa: str, threads: int) -> None:
    x = random_array("drawn", (*before, *normalized), dtype)
    weight, bias = parameters(tuple(normalized), dtype)
    axes = len(normalized)
    with fc.config(isa=isa, num_threads=threads):
        y = fc.layer_norm(x, tuple(normalized), weight, bias)
    assert_within(y, oracle.layer_norm(x, axes, weight, bias), bound_of(x, axes, weight, bias))


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0)], ids=str)
def test_empty_arrays(shape: tuple[int, int], dtype: Any) -> None:
    y = fc.layer_norm(np.empty(shape, dtype), shape[1:], np.empty(shape[1:], dtype))
    assert y.shape == shape
    assert y.dtype == dtype


def test_list_for_a_shape() -> None:
    x = np.arange(12.0).reshape(2, 6)
    assert_same_bits(fc.layer_norm(x, [np.int64(6)]), fc.layer_norm(x, (6,)))  # type: ignore[arg-type]
