"""Group and instance norm: every walk over a map, running averages, exact and special values."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import (
    LAYER_NORM,
    Activation,
    after_activation,
    assert_same_bits,
    assert_within,
    eps_of,
    summation,
)
from calls import ISAS, channels_first, channels_last
from cases import random_array
from hypothesis import given
from hypothesis import strategies as st

import fastconv as fc

Array = np.ndarray[Any, Any]

# Shape and groups: every tail of rows and of channels, one pixel, one group, a channel a group.
CASES = [
    *(((2, 6, 2, w), 3) for w in range(1, 36)),
    *(((3, c, 3), c if c % 2 else c // 2) for c in range(1, 35)),
    ((3, 24), 4),
    ((2, 32, 1, 1), 8),
    ((3, 96, 2, 2), 4),
    ((700, 14, 2), 7),
    ((2, 64, 2, 1), 64),
    ((2, 4, 32, 64), 2),
    ((2, 4, 17, 121), 2),
    ((2, 5, 3, 4, 7), 1),
    ((1, 64, 7, 7), 64),
    ((2, 40, 30, 31), 5),
]
# Pieces of one group shared by the threads, groups larger than a cache, stores past the caches.
LARGE = [((1, 4, 200, 210), 2), ((1, 6, 300, 301), 2), ((2, 64, 120, 121), 32), ((9, 64, 48, 48), 4)]
THREADS = (1, 2, 3)


def parameters(channels: int, dtype: Any) -> tuple[Array, Array]:
    """Return weight and bias."""
    return random_array("weight", (channels,), dtype), random_array("bias", (channels,), dtype)


def bound_of(
    x: Array, groups: int, weight: Array | None, bias: Array | None, added: Array | float = 0.0
) -> Array:
    """Half an eps for each rounding of the affine map, and the error of the float64 moments."""
    channels = x.shape[1]
    mean, var = oracle.group_statistics(x, groups)
    scale = np.ones(channels) if weight is None else abs(weight.astype(np.float64))
    scale = oracle.channel_vector(scale, x.ndim) / np.sqrt(var + 1e-5)
    centred = abs(x.astype(np.float64) - mean) * scale
    shift = 0.0 if bias is None else abs(oracle.channel_vector(bias, x.ndim))
    terms = x[0].size // groups
    size, _ = oracle.group_statistics(abs(x), groups)
    cost = (summation(terms) + 2) * eps_of(np.float64)
    moments = cost * (size * scale + centred * (1 + size**2 / (var + 1e-5)))
    return np.asarray(LAYER_NORM * eps_of(x.dtype) * (centred + shift + added) + moments)


def both_layouts(x: Array, groups: int, *vectors: Any, **options: Any) -> list[Array]:
    """Normalise channels first and channels last."""
    first = fc.group_norm(x, groups, *vectors, **options)
    last = {**options, "residual": channels_last(options["residual"])} if "residual" in options else options
    return [first, channels_first(fc.group_norm(channels_last(x), groups, *vectors, layout="NHWC", **last))]


@pytest.mark.parametrize(("shape", "groups"), [*CASES, *LARGE], ids=str)
def test_group_norm(shape: tuple[int, ...], groups: int, dtype: Any, isa: str) -> None:
    x = random_array("x", shape, dtype)
    weight, bias = parameters(shape[1], dtype)
    for w, b in ((None, None), (weight, None), (weight, bias)):
        expected, bound = oracle.group_norm(x, groups, w, b), bound_of(x, groups, w, b)
        results = []
        for threads in THREADS:
            with fc.config(num_threads=threads):
                results.append(both_layouts(x, groups, w, b))
        for y, *others in zip(*results, strict=True):
            assert y.dtype == dtype
            assert_within(y, expected, bound)
            for other in others:
                assert_same_bits(other, y)


@pytest.mark.parametrize(("shape", "groups"), [*CASES[::7], *LARGE], ids=str)
def test_a_sample_alone_has_the_bits_of_one_in_a_batch(
    shape: tuple[int, ...], groups: int, dtype: Any, isa: str, threads: int
) -> None:
    x = random_array("x", (3, *shape[1:]), dtype)
    batch = both_layouts(x, groups)
    for sample in range(3):
        for alone, y in zip(both_layouts(x[sample : sample + 1], groups), batch, strict=True):
            assert_same_bits(alone[0], y[sample])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("shape", "groups"), LARGE, ids=str)
def test_output_anywhere_in_memory(
    shape: tuple[int, ...], groups: int, layout: str, dtype: Any, isa: str
) -> None:
    """Large outputs may be stored past the caches, by whole lines, wherever the array starts."""
    x = random_array("x", shape, dtype)
    data = channels_last(x) if layout == "NHWC" else x
    expected = fc.group_norm(data, groups, residual=data, activation="relu", layout=layout)
    for threads, offset in ((3, 1), (2, 5)):
        out = np.full(x.size + offset, np.nan, dtype)[offset:].reshape(data.shape)
        with fc.config(num_threads=threads):
            fc.group_norm(data, groups, residual=data, activation="relu", layout=layout, out=out)
        assert_same_bits(out, expected)


@pytest.mark.parametrize(
    ("shape", "groups"), [((2, 6, 5), 3), ((4, 8, 9, 11), 2), ((1, 4, 300, 301), 1)], ids=str
)
def test_a_mean_of_ten_thousand_keeps_five_digits(shape: tuple[int, ...], groups: int, isa: str) -> None:
    x = (random_array("x", shape, np.float64) + 1e4).astype(np.float32)
    expected = oracle.group_norm(x, groups)
    for y in both_layouts(x, groups):
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    x[:, 0] -= 1e4  # the first item, about which the sums are taken, is far from the others
    for y in both_layouts(x, groups):
        np.testing.assert_allclose(y, oracle.group_norm(x, groups), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "groups"), [((2, 6, 2, 9), 3), ((3, 34, 1), 17), ((1, 4, 200, 210), 2)], ids=str
)
def test_integers_are_exact(shape: tuple[int, ...], groups: int, dtype: Any, isa: str) -> None:
    """Items one above or below a whole mean: variance 1, and with eps = 3 half the distance."""
    signs = 1 - 2 * (np.arange(np.prod(shape)) % 2).reshape(shape)
    means = np.repeat(np.arange(shape[0] * groups).reshape(shape[0], groups), shape[1] // groups, axis=1)
    x = (means.reshape(*shape[:2], *(1,) * (len(shape) - 2)) + signs).astype(dtype)
    weight, bias = np.arange(shape[1]) * 2.0, np.arange(shape[1]) - 3.0
    for threads in THREADS:
        with fc.config(num_threads=threads):
            for y in both_layouts(x, groups, weight.astype(dtype), bias.astype(dtype), eps=3.0):
                expected = signs * oracle.channel_vector(weight / 2, x.ndim) + oracle.channel_vector(
                    bias, x.ndim
                )
                np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_group(special: float, dtype: Any, isa: str) -> None:
    for place in range(0, 6 * 3 * 5, 7):
        x = random_array("x", (2, 6, 3, 5), dtype)
        x[1].flat[place] = special
        spoiled = np.zeros(x.shape, bool)
        spoiled[1, place // 30 * 2 : place // 30 * 2 + 2] = True
        for y in both_layouts(x, 3):
            np.testing.assert_array_equal(np.isnan(y), spoiled)


def test_a_constant_becomes_the_bias(dtype: Any, isa: str) -> None:
    x = np.full((3, 6, 7, 8), 0.1, dtype)
    for y in both_layouts(x, 2, None, np.arange(6)):
        np.testing.assert_allclose(y, np.broadcast_to(np.arange(6)[:, None, None], x.shape), atol=1e-12)


ACTIVATIONS: list[Activation] = [
    None, "relu", "relu6", ("clip", -0.5, 1.25), ("leaky_relu", 0.125), "silu", "hardswish", "sigmoid"
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize(("shape", "groups"), [((2, 6, 4, 15), 3), ((1, 18, 7), 9), ((3, 20), 4)], ids=str)
def test_activation_and_residual(
    shape: tuple[int, ...], groups: int, activation: Activation, dtype: Any, isa: str
) -> None:
    x, residual = random_array("x", shape, dtype), random_array("residual", shape, dtype)
    weight, bias = parameters(shape[1], dtype)
    sums = oracle.group_norm(x, groups, weight, bias) + residual
    expected = oracle.activation(sums, activation)
    bound = bound_of(x, groups, weight, bias, abs(residual))
    bound = after_activation(activation, bound, expected, eps_of(dtype))
    for y in both_layouts(x, groups, weight, bias, activation=activation, residual=residual):
        assert_within(y, expected, bound)


@given(
    batch=st.integers(1, 3),
    groups=st.integers(1, 9),
    each=st.integers(1, 9),
    spatial=st.lists(st.integers(1, 12), max_size=3),
    dtype=st.sampled_from([np.float32, np.float64]),
    isa=st.sampled_from(ISAS),
    threads=st.integers(1, 3),
)
def test_any_shape(
    batch: int, groups: int, each: int, spatial: list[int], dtype: Any, isa: str, threads: int
) -> None:
    x = random_array("drawn", (batch, groups * each, *spatial), dtype)
    if x.size == groups:
        return
    weight, bias = parameters(x.shape[1], dtype)
    with fc.config(isa=isa, num_threads=threads):
        for y in both_layouts(x, groups, weight, bias):
            assert_within(y, oracle.group_norm(x, groups, weight, bias), bound_of(x, groups, weight, bias))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("shape", [(2, 3, 17), (4, 18, 3, 5), (2, 2, 3, 4, 7), (1, 3, 200, 210)], ids=str)
def test_instance_norm_and_its_running_averages(
    shape: tuple[int, ...], layout: str, dtype: Any, isa: str, threads: int
) -> None:
    x, channels = random_array("x", shape, dtype), shape[1]
    weight, bias = parameters(channels, dtype)
    running_mean, running_var = np.full(channels, 2, dtype), np.full(channels, 3, dtype)
    last = layout == "NHWC"
    data = channels_last(x) if last else x
    y = fc.instance_norm(data, running_mean, running_var, weight, bias, momentum=0.25, layout=layout)
    y = channels_first(y) if last else y
    assert_within(y, oracle.group_norm(x, channels, weight, bias), bound_of(x, channels, weight, bias))
    assert_same_bits(y, both_layouts(x, channels, weight, bias)[last])
    each = x.astype(np.float64).reshape(*shape[:2], -1)
    tight: Any = {"rtol": 4 * eps_of(dtype), "atol": 4 * eps_of(dtype)}
    np.testing.assert_allclose(running_mean, 1.5 + 0.25 * each.mean(axis=(0, 2)), **tight)
    np.testing.assert_allclose(running_var, 2.25 + 0.25 * each.var(axis=2, ddof=1).mean(axis=0), **tight)
    assert_same_bits(
        fc.instance_norm(data, running_mean, running_var, weight, bias, False, layout=layout),
        fc.batch_norm(data, running_mean, running_var, weight, bias, layout=layout),
    )


def test_empty_batch_leaves_the_running_averages() -> None:
    mean, var = np.zeros(3), np.ones(3)
    assert fc.instance_norm(np.empty((0, 3, 4)), mean, var).shape == (0, 3, 4)
    np.testing.assert_array_equal(mean, 0)
    np.testing.assert_array_equal(var, 1)


def test_running_arrays_apart() -> None:
    x, both = np.ones((2, 4, 5)), np.ones(6)
    with pytest.raises(ValueError, match="running_mean overlaps"):
        fc.instance_norm(x, both[:4], both[2:])
    with pytest.raises(ValueError, match="out overlaps"):
        out = np.ones_like(x)
        fc.instance_norm(x, out[0, :, 0], np.ones(4), out=out)
    np.testing.assert_array_equal(both, 1)


def test_one_value_a_group_is_enough_in_a_larger_batch() -> None:
    """As in PyTorch, which counts the values of a group in the whole batch."""
    np.testing.assert_array_equal(
        fc.group_norm([[1.0, 2.0], [3.0, 4.0]], 2, None, [0.0, 5.0]), [[0, 5], [0, 5]]
    )


@pytest.mark.parametrize("function", ["group_norm", "batch_norm"])
def test_out_over_a_bias_that_is_no_array_is_refused(function: str) -> None:
    x = random_array("x", (8, 4, 3), np.float64)
    memory = np.zeros(x.size + 8)
    bias = memory[:4].data
    given: dict[str, Any] = {"bias": bias, "out": memory[: x.size].reshape(x.shape)}
    with pytest.raises(ValueError, match="out overlaps"):
        if function == "group_norm":
            fc.group_norm(x, 2, **given)
        else:
            fc.batch_norm(x, np.zeros(4), np.ones(4), **given)
    assert not memory.any()
