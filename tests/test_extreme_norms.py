"""Normalisations whose variance is zero beside a minute eps, or beyond the type of its sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import random_array

import fastconv as fc

Array = np.ndarray[Any, Any]
Normalise = Callable[[Array, Array | None, Array | None, float], Array]


def grouped(x: Array, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """Normalise groups of two channels."""
    return fc.group_norm(x, x.shape[1] // 2, weight, bias, eps)


def grouped_pixels(x: Array, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """Normalise the same, channels last."""
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    y = fc.group_norm(last, x.shape[1] // 2, weight, bias, eps, layout="NHWC")
    return np.moveaxis(y, -1, 1)


def instances(x: Array, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """Normalise each channel of each sample."""
    return fc.instance_norm(x, None, None, weight, bias, eps=eps)


def layers(x: Array, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """Normalise each sample, with the weight and bias of its channels."""
    scale, shift = (None if v is None else np.broadcast_to(v[:, None], x.shape[1:]) for v in (weight, bias))
    return fc.layer_norm(x, x.shape[1:], scale, shift, eps)


def batches(x: Array, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """Normalise each channel over all samples."""
    return fc.batch_norm(x, None, None, weight, bias, True, eps=eps)


def folded(x: Array, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """Normalise with the mean of the first sample and no variance."""
    return fc.batch_norm(x, x[0, :, 0], np.zeros(x.shape[1]), weight, bias, eps=eps)


OWN_STATISTICS: list[Normalise] = [grouped, grouped_pixels, instances, layers, batches]
EVERY: list[Normalise] = [*OWN_STATISTICS, folded]
SHAPES = [(3, 6, 2), (2, 4, 9), (3, 8, 70), (1, 2, 40_000)]


@pytest.mark.parametrize("eps", [1e-30, 1e-77, 1e-80, 1e-300, 5e-324])
@pytest.mark.parametrize("normalise", EVERY)
def test_equal_values_become_the_bias_beside_any_eps(
    normalise: Normalise, eps: float, dtype: Any, isa: str
) -> None:
    for shape in SHAPES:
        x = np.full(shape, 0.1, dtype)
        weight, bias = 3 * np.arange(shape[1]).astype(dtype) - 4, np.arange(shape[1]).astype(dtype)
        expected = np.broadcast_to(bias[:, None], shape)
        np.testing.assert_array_equal(normalise(x, None, None, eps), 0)
        np.testing.assert_array_equal(normalise(x, weight, bias, eps), expected)


@pytest.mark.parametrize("normalise", OWN_STATISTICS)
def test_a_variance_that_overflows_is_nan(normalise: Normalise, isa: str) -> None:
    """On every instruction set, whether or not it multiplies and subtracts in one rounding."""
    for shape in SHAPES:
        x = random_array("x", shape, np.float64)
        for size in (1e160, 1e200, 1e300):
            assert np.isnan(normalise(x * size, None, None, 1e-5)).all()


@pytest.mark.parametrize("normalise", OWN_STATISTICS)
@pytest.mark.parametrize("size", [1e-30, 1e18, 1e25, 1e37])
def test_float32_of_any_size_is_normalised(normalise: Normalise, size: float, isa: str) -> None:
    for shape in SHAPES:
        x = (random_array("x", shape, np.float64) * size).astype(np.float32)
        y = normalise(x, None, None, 1e-80)
        wide = normalise(x.astype(np.float64), None, None, 1e-80)
        np.testing.assert_allclose(y, wide, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("normalise", OWN_STATISTICS)
def test_differences_from_the_mean_that_overflow_float32_are_normalised(
    normalise: Normalise, isa: str
) -> None:
    for shape in SHAPES:
        x = np.full(shape, 3e38, np.float32)
        x[0, :, 0] = -3e38
        weight, bias = 3 * np.arange(shape[1]) - 4.0, np.arange(shape[1]) * 1.0
        for scale, shift in ((None, None), (weight, bias)):
            y = normalise(x, scale, shift, 1e-5)
            wide = normalise(x.astype(np.float64), scale, shift, 1e-5)
            np.testing.assert_allclose(y, wide, rtol=1e-5, atol=1e-5 * np.abs(wide).max())


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_differences_from_a_running_mean_that_overflow(dtype: Any, layout: str, isa: str) -> None:
    largest = float(np.finfo(dtype).max)
    x = np.linspace(-0.9, 0.9, 37).astype(dtype)[:, None, None] * np.ones((1, 5, 3), dtype) * largest
    channels = x.shape[-1 if layout == "NHWC" else 1]
    for mean in (0.6 * largest, -0.9 * largest, 1e-6 * largest):
        y = fc.batch_norm(x, [mean] * channels, [1e36] * channels, layout=layout)
        np.testing.assert_allclose(y / largest, (x / largest - mean / largest) * 1e-18, rtol=1e-5, atol=1e-24)


@pytest.mark.parametrize("normalise", EVERY)
def test_a_scale_that_overflows_leaves_the_bias(normalise: Normalise, isa: str) -> None:
    for value in (3.0, 1e31, 1.02e31):
        for shape in SHAPES:
            x = np.full(shape, value, np.float32)
            weight, bias = np.full(shape[1], 1e37, np.float32), np.arange(shape[1]).astype(np.float32)
            expected = np.broadcast_to(bias[:, None], shape)
            np.testing.assert_array_equal(normalise(x, weight, bias, 1e-5), expected)


def test_a_large_running_mean_is_subtracted(isa: str) -> None:
    x = np.array([[3e38, 2e38, -3e38]], np.float32)
    y = fc.batch_norm(x, x[0], np.zeros(3), [1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    np.testing.assert_array_equal(y, [[4, 5, 6]])
    np.testing.assert_array_equal(fc.batch_norm(x, -x[0], np.ones(3)), [[np.inf, np.inf, -np.inf]])


@pytest.mark.parametrize("eps", [1e-5, 100.0, 1e-45])
@pytest.mark.parametrize("normalise", EVERY)
def test_the_largest_equal_values_become_the_bias(normalise: Normalise, eps: float, isa: str) -> None:
    for shape in SHAPES:
        x = np.full(shape, np.finfo(np.float32).max)
        bias = np.arange(shape[1]).astype(np.float32)
        expected = np.broadcast_to(bias[:, None], shape)
        np.testing.assert_array_equal(normalise(x, np.full_like(bias, 1e-3), bias, eps), expected)


@pytest.mark.parametrize("spread", [1e26, 1e30, 1e35])
@pytest.mark.parametrize("mean", [1e31, 3e32, -3e37])
@pytest.mark.parametrize("normalise", EVERY)
def test_a_small_spread_about_a_large_mean(
    normalise: Normalise, mean: float, spread: float, isa: str
) -> None:
    for shape in SHAPES:
        x = (mean + spread * random_array("x", shape, np.float64)).astype(np.float32)
        weight = 3 * np.arange(shape[1]) - 4.5
        y = normalise(x, weight, None, 1.0)
        wide = normalise(x.astype(np.float64), weight, None, 1.0)
        np.testing.assert_allclose(y, wide, rtol=1e-5, atol=1e-5 * np.abs(wide).max())
