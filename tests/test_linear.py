"""Linear layers against the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import CONVOLUTION, Activation, after_activation, assert_same_bits, assert_within, eps_of
from cases import random_array

import fastconv as fc

# (input, number of outputs): every tail of both, vectors, batches of sequences, enough work for threads.
SHAPES: list[tuple[tuple[int, ...], int]] = [
    *(((3, i), 5) for i in range(1, 34)),
    *(((4, 20), o) for o in range(1, 34)),
    *(((n, 18), 17) for n in range(1, 31)),
    *(((3, i), 5) for i in range(64, 100)),  # long enough for vectors along the features
    *(((4, 70), o) for o in range(1, 34)),
    *(((n, 67), 17) for n in range(1, 31)),
    ((7, 1030), 9),  # in parts
    ((50, 1100), 30),
    ((140, 600), 130),
    ((7,), 4),
    ((2, 5, 19), 6),
    ((2, 3, 4, 5), 3),
    ((1, 2048), 10),
    ((1, 400), 120),
    ((64, 512), 512),
    ((1, 2048), 2048),
]


@pytest.mark.parametrize(("shape", "outputs"), SHAPES, ids=str)
def test_matches_oracle_for_any_thread_count(
    shape: tuple[int, ...], outputs: int, dtype: Any, isa: str
) -> None:
    x, w = random_array("x", shape, dtype), random_array("w", (outputs, shape[-1]), dtype)
    for bias in (None, random_array("b", (outputs,), dtype)):
        expected = oracle.linear(x, w, bias)
        size = oracle.linear(abs(x), abs(w), None if bias is None else abs(bias))
        results = []
        for threads in (1, 2, 3):
            with fc.config(num_threads=threads):
                results.append(fc.linear(x, w, bias))
        assert results[0].dtype == dtype
        assert_within(results[0], expected, CONVOLUTION["auto"](shape[-1]) * eps_of(dtype) * size)
        assert_same_bits(results[1], results[0])
        assert_same_bits(results[2], results[0])


@pytest.mark.parametrize(("shape", "outputs"), SHAPES, ids=str)
def test_integers_are_exact(shape: tuple[int, ...], outputs: int, dtype: Any, isa: str) -> None:
    x = random_array("x", shape, dtype, integer=True)
    w = random_array("w", (outputs, shape[-1]), dtype, integer=True)
    np.testing.assert_array_equal(fc.linear(x, w), oracle.linear(x, w))


@pytest.mark.parametrize(
    "activation", ["relu", "relu6", ("clip", -0.5, 1.0), ("leaky_relu", 0.1), "silu", "sigmoid"]
)
def test_activation(activation: Activation, dtype: Any, isa: str) -> None:
    x, w, b = (
        random_array("x", (5, 30), dtype),
        random_array("w", (19, 30), dtype),
        random_array("b", (19,), dtype),
    )
    eps = eps_of(dtype)
    expected = oracle.activation(oracle.linear(x, w, b), activation)
    bound = CONVOLUTION["auto"](30) * eps * oracle.linear(abs(x), abs(w), abs(b))
    y = fc.linear(x, w, b, activation=activation)
    assert_within(y, expected, after_activation(activation, bound, expected, eps))


def test_rows_are_independent_of_the_batch(dtype: Any, isa: str) -> None:
    x, w = random_array("x", (37, 50), dtype), random_array("w", (21, 50), dtype)
    together = fc.linear(x, w)
    for row in range(37):
        assert_same_bits(together[row : row + 1], fc.linear(x[row : row + 1], w))
    assert_same_bits(fc.linear(x[3], w), together[3])


@pytest.mark.parametrize("features", [7, 16, 61, 70, 400, 1100])
def test_few_rows_have_the_bits_of_many(features: int, dtype: Any, isa: str) -> None:
    """A filter that is used by few rows is not packed."""
    x, w = random_array("x", (150, features), dtype), random_array("w", (75, features), dtype)
    b = random_array("b", (75,), dtype)
    together = fc.linear(x, w, b)
    for rows in range(1, 11):
        assert_same_bits(together[:rows], fc.linear(x[:rows], w, b))


def test_non_finite_values_stay_in_their_row_and_column(dtype: Any, isa: str) -> None:
    x, w = random_array("x", (9, 33), dtype), random_array("w", (18, 33), dtype)
    x[4, 32], x[8, 0] = np.nan, np.inf
    w[17, 16] = np.inf
    magnitude = oracle.linear(np.where(np.isfinite(x), abs(x), 0), np.where(np.isfinite(w), abs(w), 0))
    assert_within(fc.linear(x, w), oracle.linear(x, w), CONVOLUTION["auto"](33) * eps_of(dtype) * magnitude)


def test_out_and_empty_batch(dtype: Any) -> None:
    x, w = random_array("x", (4, 6), dtype), random_array("w", (3, 6), dtype)
    expected = fc.linear(x, w)
    assert expected.ctypes.data % 64 == 0
    out = np.full_like(expected, np.nan)
    assert fc.linear(x, w, out=out) is out
    assert_same_bits(out, expected)
    assert fc.linear(x[:0], w).shape == (0, 3)
