"""Batch norm: inference, training statistics, running averages, folding."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import (
    BATCH_NORM,
    CONVOLUTION,
    Activation,
    after_activation,
    assert_same_bits,
    assert_within,
    eps_of,
    summation,
)
from calls import channels_first, channels_last
from cases import random_array

import fastconv as fc

Array = np.ndarray[Any, Any]

SHAPES = [
    *((2, 3, 2, w) for w in range(1, 41)),
    *((3, c, 3) for c in range(1, 34)),
    (2, 5, 3, 4, 7),
    (8, 20),
    (1, 512, 1, 2),
    (4, 64, 40, 40),
    (9000, 40),
    (700, 40, 3, 3),
]


def parameters(channels: int, dtype: Any) -> tuple[Array, Array, Array, Array]:
    """Return mean, variance, weight and bias."""
    mean, weight, bias = (random_array(f"parameter {i}", (channels,), dtype) for i in range(3))
    return mean, (mean**2 + 0.25).astype(dtype), weight, bias


def magnitude(
    x: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None, eps: float
) -> Array:
    """What the bound is relative to: ``|x - mean| |scale| + |bias|``."""
    scaled = abs(oracle.batch_norm(x, mean, var, weight, None, eps))
    return scaled if bias is None else scaled + abs(oracle.channel_vector(bias, x.ndim))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_inference(shape: tuple[int, ...], dtype: Any, isa: str) -> None:
    x = random_array("x", shape, dtype)
    mean, var, weight, bias = parameters(shape[1], dtype)
    for w, b in ((None, None), (weight, None), (weight, bias)):
        expected = oracle.batch_norm(x, mean, var, w, b, 1e-3)
        bound = BATCH_NORM * eps_of(dtype) * magnitude(x, mean, var, w, b, 1e-3)
        results = []
        for threads in (1, 2, 3):
            with fc.config(num_threads=threads):
                results.append(fc.batch_norm(x, mean, var, w, b, eps=1e-3))
        assert results[0].dtype == dtype
        assert_within(results[0], expected, bound)
        assert_same_bits(results[1], results[0])
        assert_same_bits(results[2], results[0])
        last = fc.batch_norm(channels_last(x), mean, var, w, b, eps=1e-3, layout="NHWC")
        assert_within(channels_first(last), expected, bound)


def statistics_bound(x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Error in mean, variance and output of float64 statistics: sums of n terms, a quotient, a square."""
    mean, biased, _ = oracle.batch_statistics(x)
    terms = x.size // x.shape[1]
    cost = (summation(terms) + 2) * eps_of(np.float64)
    mean_bound = cost * abs(x).astype(np.float64).mean(axis=(0, *range(2, x.ndim)))
    scale = abs(weight) / np.sqrt(biased + 1e-5)
    centred = abs(oracle.batch_norm(x, mean, biased, weight))
    output = oracle.channel_vector(mean_bound * scale, x.ndim) + cost * centred
    return mean_bound, 2 * cost * biased, output


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_training(shape: tuple[int, ...], dtype: Any, isa: str) -> None:
    x = random_array("x", shape, dtype)
    mean, var, weight, bias = parameters(shape[1], dtype)
    batch_mean, biased, unbiased = oracle.batch_statistics(x)
    expected = oracle.batch_norm(x, batch_mean, biased, weight, bias)
    mean_bound, var_bound, output_bound = statistics_bound(x, weight)
    bound = BATCH_NORM * eps_of(dtype) * magnitude(x, batch_mean, biased, weight, bias, 1e-5) + output_bound
    results = []
    for threads in (1, 2, 3):
        for layout in ("NCHW", "NHWC"):
            running_mean, running_var = mean.copy(), var.copy()
            data = channels_last(x) if layout == "NHWC" else x
            with fc.config(num_threads=threads):
                y = fc.batch_norm(data, running_mean, running_var, weight, bias, True, 0.3, layout=layout)
            results.append(channels_first(y) if layout == "NHWC" else y)
            assert_within(results[-1], expected, bound)
            assert_running(running_mean, mean, batch_mean, mean_bound)
            assert_running(running_var, var, unbiased, var_bound)
    for layout_index in (0, 1):
        for result in results[layout_index + 2 :: 2]:
            assert_same_bits(result, results[layout_index])


# Threads that take channels of all samples, and threads that share one, as there are few or it is large;
# planes of one piece and of several, short ones as columns.
@pytest.mark.parametrize(
    "shape",
    [
        (3, 5, 110, 90),
        (2, 13, 190, 180),
        (21, 40, 9, 9),
        (20, 2, 180, 300),
        (176, 976, 7, 7),
        (10_800, 16, 7, 7),
        (24, 40, 7, 7),
        (25, 40, 7, 7),
        (9, 17, 2, 1),
        (200, 15, 2, 2),
    ],
    ids=str,
)
def test_training_by_channels_and_by_pieces(shape: tuple[int, ...], dtype: Any, isa: str) -> None:
    x = random_array("x", (*shape[:-1], shape[-1] + 3), dtype)[..., 2:-1]
    residual = random_array("residual", shape, dtype)
    _, _, weight, bias = parameters(shape[1], dtype)
    batch_mean, biased, unbiased = oracle.batch_statistics(x)
    summed = oracle.batch_norm(x, batch_mean, biased, weight, bias) + residual
    mean_bound, var_bound, output_bound = statistics_bound(x, weight)
    terms = magnitude(x, batch_mean, biased, weight, bias, 1e-5) + abs(residual)
    bound = BATCH_NORM * eps_of(dtype) * terms + output_bound
    results = []
    for threads in (1, 2, 7):
        for data in (x, np.ascontiguousarray(x)):
            running_mean, running_var = np.zeros(shape[1]), np.zeros(shape[1])
            with fc.config(num_threads=threads):
                y = fc.batch_norm(
                    data,
                    running_mean,
                    running_var,
                    weight,
                    bias,
                    True,
                    1.0,
                    activation="relu",
                    residual=residual,
                )
            results.append((y, running_mean, running_var))
            assert_within(y, np.maximum(summed, 0), bound)
            assert_within(running_mean, batch_mean, mean_bound)
            assert_within(running_var, unbiased, 2 * var_bound)
    for i, result in enumerate(results[2:]):
        for actual, expected in zip(result, results[i % 2], strict=True):
            assert_same_bits(actual, expected)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("shape", [(2, 33, 130, 131), (1, 16, 263, 267), (176, 976, 7, 7)], ids=str)
def test_arrays_larger_than_the_caches(shape: tuple[int, ...], layout: str, dtype: Any, isa: str) -> None:
    """Such outputs may be stored past the caches, by whole lines, wherever the array starts."""
    x = random_array("x", shape, dtype)
    residual = x[..., ::-1].copy()
    mean, var, weight, bias = parameters(shape[1], dtype)
    expected = oracle.batch_norm(x, mean, var, weight, bias) + residual
    bound = BATCH_NORM * eps_of(dtype) * (magnitude(x, mean, var, weight, bias, 1e-5) + abs(residual))
    last = layout == "NHWC"
    data, added = (channels_last(x), channels_last(residual)) if last else (x, residual)
    results = []
    for threads, offset in ((1, None), (1, 0), (3, 1), (2, 5)):
        out = None  # which is then aligned
        if offset is not None:
            out = np.full(x.size + offset, np.nan, dtype)[offset:].reshape(data.shape)
        with fc.config(num_threads=threads):
            y = fc.batch_norm(data, mean, var, weight, bias, residual=added, layout=layout, out=out)
        results.append(y)
    assert_within(channels_first(results[0]) if last else results[0], expected, bound)
    for result in results[1:]:
        assert_same_bits(result, results[0])


def assert_running(running: Array, old: Array, batch: Array, bound: Array) -> None:
    """Two rounded factors, a rounded statistic, two products and a sum: at most 2 eps of the terms."""
    before = 0.7 * old.astype(np.float64)
    slack = 2 * eps_of(running.dtype) * (abs(before) + abs(0.3 * batch))
    assert_within(running, before + 0.3 * batch, slack + 2 * bound)


@pytest.mark.parametrize("shape", [(2, 3, 17), (4, 5, 9, 11), (8, 33, 30, 31)], ids=str)
def test_a_mean_of_ten_thousand_keeps_five_digits(shape: tuple[int, ...], isa: str) -> None:
    x = (random_array("x", shape, np.float64) + 1e4).astype(np.float32)
    mean, var, unbiased = oracle.batch_statistics(x)
    running_mean, running_var = np.zeros(shape[1], np.float32), np.ones(shape[1], np.float32)
    expected = oracle.batch_norm(x, mean, var)
    for layout in ("NCHW", "NHWC"):
        data = channels_last(x) if layout == "NHWC" else x
        y = fc.batch_norm(data, running_mean, running_var, training=True, momentum=1.0, layout=layout)
        y = channels_first(y) if layout == "NHWC" else y
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(running_mean, mean, rtol=1e-6)
        np.testing.assert_allclose(running_var, unbiased, rtol=1e-6)
    exact_mean = mean.astype(np.float32)
    y = fc.batch_norm(x, exact_mean, var.astype(np.float32))
    np.testing.assert_allclose(
        y, oracle.batch_norm(x, exact_mean, var.astype(np.float32)), rtol=1e-5, atol=1e-5
    )


def test_variance_of_a_constant_is_zero(dtype: Any, isa: str) -> None:
    x = np.full((3, 5, 7, 9), 0.1, dtype)
    running_mean, running_var = np.zeros(5, dtype), np.ones(5, dtype)
    y = fc.batch_norm(x, running_mean, running_var, training=True, momentum=1.0)
    # The mean is off by at most the cost of its sum, 189 terms of 0.1, and the scale is 1 / sqrt(eps).
    off = (summation(189) + 2) * eps_of(np.float64) * 0.1
    np.testing.assert_allclose(running_mean, x[0, :, 0, 0], rtol=np.finfo(dtype).eps, atol=off)
    assert np.all(running_var >= 0)
    assert np.all(running_var <= 2 * off**2)
    assert np.all(abs(y) <= off / np.sqrt(1e-5))


def test_momentum_zero_and_one(dtype: Any) -> None:
    x = random_array("x", (4, 3, 5), dtype)
    mean, var, _, _ = parameters(3, dtype)
    kept_mean, kept_var = mean.copy(), var.copy()
    fc.batch_norm(x, kept_mean, kept_var, training=True, momentum=0.0)
    assert_same_bits(kept_mean, mean)
    assert_same_bits(kept_var, var)


def test_training_without_running_statistics(dtype: Any) -> None:
    x = random_array("x", (4, 3, 5), dtype)
    running_mean, running_var = np.zeros(3, dtype), np.ones(3, dtype)
    expected = fc.batch_norm(x, running_mean, running_var, training=True)
    assert_same_bits(fc.batch_norm(x, None, None, training=True), expected)


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1), (1, 3, 1, 1), (1, 3, 1, 1, 1)], ids=str)
def test_training_refuses_one_value_per_channel(shape: tuple[int, ...]) -> None:
    running_mean, running_var = np.zeros(3, np.float32), np.ones(3, np.float32)
    with pytest.raises(ValueError, match="value"):
        fc.batch_norm(np.ones(shape, np.float32), running_mean, running_var, training=True)
    np.testing.assert_array_equal(running_mean, 0)
    np.testing.assert_array_equal(running_var, 1)


@pytest.mark.parametrize("channels", [1, 7, 8, 17])
def test_a_negative_variance_is_found_wherever_it_stands(channels: int, dtype: Any) -> None:
    x = random_array("x", (2, channels, 3), dtype)
    mean = np.zeros(channels, dtype)
    for negative in range(channels):
        var = np.full(channels, np.nan, dtype)
        fc.batch_norm(x, mean, var)
        var[negative] = -0.25
        with pytest.raises(ValueError, match=r"running_var has a negative entry, -0\.25"):
            fc.batch_norm(x, mean, var)


def test_empty_batch(dtype: Any) -> None:
    mean, var, weight, bias = parameters(3, dtype)
    running_mean, running_var = mean.copy(), var.copy()
    for training in (False, True):
        y = fc.batch_norm(np.empty((0, 3, 4, 5), dtype), running_mean, running_var, weight, bias, training)
        assert y.shape == (0, 3, 4, 5)
        assert_same_bits(running_mean, mean)
        assert_same_bits(running_var, var)


def test_a_nan_stays_in_its_channel(dtype: Any, isa: str) -> None:
    x = random_array("x", (2, 19, 3, 5), dtype)
    x[1, 16, 2, 4] = np.nan
    running_mean, running_var = np.zeros(19, dtype), np.ones(19, dtype)
    for layout in ("NCHW", "NHWC"):
        data = channels_last(x) if layout == "NHWC" else x
        y = fc.batch_norm(data, running_mean, running_var, training=True, momentum=1.0, layout=layout)
        y = channels_first(y) if layout == "NHWC" else y
        spoiled = np.arange(19) == 16
        np.testing.assert_array_equal(np.isnan(y).all(axis=(0, 2, 3)), spoiled)
        np.testing.assert_array_equal(np.isnan(y).any(axis=(0, 2, 3)), spoiled)
        np.testing.assert_array_equal(np.isnan(running_mean), spoiled)
        np.testing.assert_array_equal(np.isnan(running_var), spoiled)


ACTIVATIONS: list[Activation] = [
    None, "relu", "relu6", ("clip", -0.5, 1.25), ("leaky_relu", 0.125), "silu", "hardswish", "sigmoid"
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 4, 15), (1, 18, 7), (1, 4, 2, 3, 5)], ids=str)
def test_activation_and_residual(
    shape: tuple[int, ...], activation: Activation, dtype: Any, isa: str
) -> None:
    x, residual = random_array("x", shape, dtype), random_array("residual", shape, dtype)
    mean, var, weight, bias = parameters(shape[1], dtype)
    batch_mean, biased, _ = oracle.batch_statistics(x)
    for training, (m, v) in ((False, (mean, var)), (True, (batch_mean, biased))):
        for added in (None, residual):
            sums = oracle.batch_norm(x, m, v, weight, bias)
            size = magnitude(x, m, v, weight, bias, 1e-5)
            if added is not None:
                sums, size = sums + added, size + abs(added)
            bound = BATCH_NORM * eps_of(dtype) * size + training * statistics_bound(x, weight)[2]
            expected = oracle.activation(sums, activation)
            bound = after_activation(activation, bound, expected, eps_of(dtype))
            running = mean.copy(), var.copy()
            y = fc.batch_norm(x, *running, weight, bias, training, activation=activation, residual=added)
            assert_within(y, expected, bound)
            last = None if added is None else channels_last(added)
            options: dict[str, Any] = {"activation": activation, "residual": last, "layout": "NHWC"}
            y = fc.batch_norm(channels_last(x), *running, weight, bias, training, **options)
            if not training:
                assert_within(channels_first(y), expected, bound)


@pytest.mark.parametrize("shape", [(6, 20), (6, 1, 20), (6, 3, 4, 20)], ids=str)
def test_samples_of_channels_that_lie_apart(shape: tuple[int, ...], dtype: Any, isa: str) -> None:
    x = random_array("x", shape, dtype)[::2]
    mean, var, weight, bias = parameters(20, dtype)
    layout = "NCHW" if x.ndim == 2 else "NHWC"
    for training in (False, True):
        results = [
            fc.batch_norm(data, mean.copy(), var.copy(), weight, bias, training, layout=layout)
            for data in (x, x.copy())
        ]
        np.testing.assert_allclose(results[0], results[1], rtol=1e-5, atol=1e-5)


def test_out(dtype: Any) -> None:
    x = random_array("x", (2, 3, 4, 5), dtype)
    mean, var, weight, bias = parameters(3, dtype)
    expected = fc.batch_norm(x, mean, var, weight, bias)
    assert expected.ctypes.data % 64 == 0
    out = np.full_like(expected, np.nan)
    assert fc.batch_norm(x, mean, var, weight, bias, out=out) is out
    assert_same_bits(out, expected)


@pytest.mark.parametrize("groups", [1, 2])
def test_fold_batch_norm(groups: int, dtype: Any) -> None:
    x = random_array("x", (2, 6, 5, 7), dtype)
    w = random_array("w", (8, 6 // groups, 3, 3), dtype)
    conv_bias = random_array("b", (8,), dtype)
    mean, var, weight, bias = parameters(8, dtype)
    for b in (None, conv_bias):
        for bn_weight, bn_bias in ((weight, bias), (None, None)):
            folded = fc.fold_batch_norm(w, b, mean, var, bn_weight, bn_bias, 1e-3)
            assert [a.dtype for a in folded] == [dtype, dtype]
            expected = oracle.batch_norm(
                oracle.conv(x, w, b, padding=1, groups=groups), mean, var, bn_weight, bn_bias, 1e-3
            )
            y = fc.conv2d(x, *folded, padding=1, groups=groups)
            # Beyond the convolution: the folded weight and the folded bias are rounded, two eps at most.
            scale = abs(1 if bn_weight is None else bn_weight.astype(np.float64)) / np.sqrt(var + 1e-3)
            size = oracle.conv(abs(x), abs(w), padding=1, groups=groups) * oracle.channel_vector(scale, 4)
            inner = abs(mean) + (0 if b is None else abs(b))
            size = size + oracle.channel_vector(inner * scale + (0 if bn_bias is None else abs(bn_bias)), 4)
            c = CONVOLUTION["auto"](w[0].size) + 2
            assert_within(y, expected, c * eps_of(dtype) * size)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    "values", [(np.inf,), (-np.inf,), (np.inf, np.inf), (np.inf, -np.inf), (np.nan, np.inf)], ids=str
)
def test_infinity_in_the_running_mean_wherever_it_stands(
    values: tuple[float, ...], layout: str, dtype: Any, isa: str
) -> None:
    """The first item, which moments are taken about, is none but another; no warning either."""
    with np.errstate(invalid="ignore"):
        expected = np.sum(values)
    for first in (0, 1, 20, 41 - len(values)):
        x = np.ones((1, 2, 41), dtype)
        x[0, 1, first : first + len(values)] = values
        for norm in (fc.batch_norm, fc.instance_norm):
            mean, var = np.zeros(2, dtype), np.ones(2, dtype)
            given = channels_last(x) if layout == "NHWC" else x
            training: dict[str, Any] = {"training": True} if norm is fc.batch_norm else {}
            y = norm(given, mean, var, momentum=1.0, layout=layout, **training)
            np.testing.assert_array_equal(mean, np.array([1, expected], dtype))
            assert var[0] == 0 and np.isnan(var[1])
            y = channels_first(y) if layout == "NHWC" else y
            assert np.isnan(y[0, 1]).all() and np.isfinite(y[0, 0]).all()
            norm(given, mean, var, momentum=0.0, layout=layout, **training)
