"""Activations over their whole range: special values exactly, the rest to a stated number of ulps."""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any

import numpy as np
import oracle
import pytest
from bounds import ACTIVATION, assert_same_bits
from cases import random_array

import fastconv as fc

Array = np.ndarray[Any, Any]

FUNCTIONS = {
    "relu": fc.relu,
    "relu6": fc.relu6,
    "leaky_relu": fc.leaky_relu,
    "sigmoid": fc.sigmoid,
    "tanh": fc.tanh,
    "silu": fc.silu,
    "hardswish": fc.hardswish,
}
SMOOTH = ["sigmoid", "tanh", "silu", "hardswish"]


def whole_range(dtype: Any) -> Array:
    """Return both signs of every magnitude, denormal to the largest, dense where the functions bend."""
    info = np.finfo(dtype)
    magnitudes = [
        np.exp(np.linspace(np.log(float(info.smallest_normal)), np.log(float(info.max)) - 1e-9, 700)),
        np.geomspace(1e-4, 40, 1500),
        np.linspace(0, 110 if dtype == np.float32 else 760, 1200),
        float(info.smallest_subnormal) * np.array([1, 2, 3, 1000]),
        np.array([0, 3, np.nextafter(3, 4), np.nextafter(3, 2), 6, float(info.eps), float(info.max)]),
    ]
    positive = np.concatenate(magnitudes).astype(dtype)
    return np.unique(np.concatenate([positive, -positive]))


def exact(name: str, x: float) -> Decimal:
    """Evaluate to 40 digits; beyond 2000 the exponential no longer matters to float64."""
    with localcontext() as context:
        context.prec = 40
        value = Decimal(x)
        if name == "hardswish":
            return value * min(max(value + 3, Decimal(0)), Decimal(6)) / 6
        near = max(min(value, Decimal(2000)), Decimal(-2000))
        if name == "tanh":
            if abs(near) < Decimal("1e-12"):
                return value - value**3 / 3
            grown = (2 * near).exp()
            return (grown - 1) / (grown + 1)
        logistic = 1 / (1 + (-near).exp())
        return logistic if name == "sigmoid" else value * logistic


@lru_cache
def reference(name: str, dtype: Any) -> list[Decimal]:
    """Exact values over the whole range."""
    return [exact(name, float(x)) for x in whole_range(dtype)]


@pytest.mark.parametrize("name", SMOOTH)
def test_accuracy_in_ulps_over_the_whole_range(name: str, dtype: Any, isa: str) -> None:
    """Where the exponential is denormal, its spacing, which silu multiplies by x, adds to the stated ulps."""
    x = whole_range(dtype)
    y = FUNCTIONS[name](x)
    assert y.dtype == dtype
    assert np.isfinite(y).all()
    info = np.finfo(dtype)
    wrong = []
    for argument, result, expected in zip(x, y, reference(name, dtype), strict=True):
        ulp = float(np.spacing(min(abs(dtype(float(expected))), info.max / 2)))
        denormal = float(info.smallest_subnormal) * max(1.0, abs(float(argument))) if argument < -80 else 0.0
        if abs(Decimal(float(result)) - expected) > Decimal(ACTIVATION[name][1] * ulp + denormal):
            wrong.append((argument, result, float(expected)))
    assert not wrong, f"{len(wrong)} of {x.size}, first {wrong[:3]}"


@pytest.mark.parametrize(
    ("name", "at_minus_infinity", "at_infinity"),
    [
        ("relu", 0, np.inf),
        ("relu6", 0, 6),
        ("leaky_relu", -np.inf, np.inf),
        ("sigmoid", 0, 1),
        ("tanh", -1, 1),
        ("silu", np.nan, np.inf),
        ("hardswish", np.nan, np.inf),
    ],
)
def test_non_finite_values_in_every_lane(
    name: str, at_minus_infinity: float, at_infinity: float, dtype: Any, isa: str
) -> None:
    for size in (1, 2, 3, 5, 8, 15, 16, 17, 31, 33):
        for place in range(size):
            for special, expected in ((np.nan, np.nan), (-np.inf, at_minus_infinity), (np.inf, at_infinity)):
                x = np.ones(size, dtype)
                x[place] = special
                y = FUNCTIONS[name](x)
                np.testing.assert_array_equal(y[place], expected)
                assert np.isfinite(np.delete(y, place)).all()


@pytest.mark.parametrize("size", range(41))
def test_relu_keeps_the_sign_of_zero(size: int, dtype: Any, isa: str) -> None:
    np.testing.assert_array_equal(np.signbit(fc.relu(np.full(size, -0.0, dtype))), True)
    np.testing.assert_array_equal(np.signbit(fc.relu(np.zeros(size, dtype))), False)
    np.testing.assert_array_equal(np.signbit(fc.relu(np.full(size, -1.0, dtype))), False)


@pytest.mark.parametrize("size", range(41))
def test_leaky_relu_multiplies_zero_too(size: int, dtype: Any, isa: str) -> None:
    """Only what is positive is kept: 0 times a negative slope is -0.0."""
    for zero in (0.0, -0.0):
        y = fc.leaky_relu(np.full(size, zero, dtype), -0.5)
        np.testing.assert_array_equal(np.signbit(y), not np.signbit(zero))


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu"])
@pytest.mark.parametrize("size", [*range(41), 1000, 200_003])
def test_piecewise_linear_functions(name: str, size: int, dtype: Any, isa: str) -> None:
    x = 4 * random_array("x", (size,), dtype)
    slope = float(dtype(0.01))
    expected = oracle.activation(x, ("leaky_relu", slope) if name == "leaky_relu" else name)
    for threads in (1, 3):
        with fc.config(num_threads=threads):
            y = FUNCTIONS[name](x)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, expected.astype(dtype))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_lanes_and_tails_agree(name: str, dtype: Any, isa: str) -> None:
    """A value gives the same bits wherever it stands, for any number of threads."""
    x = 3 * random_array("x", (100_003,), dtype)
    y = FUNCTIONS[name](x)
    for start in (1, 7, 99_950):
        for length in (1, 6, 17, 40):
            assert_same_bits(FUNCTIONS[name](x[start : start + length]), y[start : start + length])
    with fc.config(num_threads=3):
        assert_same_bits(FUNCTIONS[name](x), y)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_arrays_larger_than_the_caches(name: str, dtype: Any, isa: str) -> None:
    """Such outputs may be stored past the caches, by whole lines, wherever the array starts."""
    x = 3 * random_array("x", (1_100_003,), dtype)
    expected = np.concatenate([FUNCTIONS[name](part) for part in np.array_split(x, 30)])
    for threads, offset in ((1, 0), (3, 1), (2, 5)):
        out = np.full(x.size + offset, np.nan, dtype)[offset:]
        with fc.config(num_threads=threads):
            assert_same_bits(FUNCTIONS[name](x, out=out), expected)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4, 5), (2, 1, 2, 1, 2, 3), (0, 4)], ids=str)
def test_any_shape_and_out(name: str, shape: tuple[int, ...], dtype: Any) -> None:
    x = random_array("x", shape, np.float64).astype(dtype) if shape else np.array(0.5, dtype)
    y = FUNCTIONS[name](x)
    assert y.shape == shape
    flat = FUNCTIONS[name](x.reshape(-1))
    assert_same_bits(y.reshape(-1), flat)
    out = np.full_like(x, np.nan)
    assert FUNCTIONS[name](x, out=out) is out
    assert_same_bits(out, y)
