"""Large outputs of short planes and rows: whole cache lines of several are stored past the caches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bounds import BATCH_NORM, assert_same_bits, assert_within, eps_of
from cases import random_array

import fastconv as fc

Array = np.ndarray[Any, Any]

CHANNELS = 50
# Of less than a line of either type, of one, and of more; long ones, each of which goes by itself.
PLANES = ((3, 5), (4, 4), (17,), (5, 7), (7, 7), (5, 13), (14, 14), (19, 27))


def large_map(plane: tuple[int, ...], dtype: Any, channels: int = CHANNELS) -> Array:
    sample = channels * math.prod(plane) * np.dtype(dtype).itemsize
    return random_array("x", ((17 << 20) // sample + 1, channels, *plane), dtype)


def parameters(dtype: Any, channels: int = CHANNELS) -> tuple[Array, Array, Array, Array]:
    mean, var, weight, bias = (random_array(name, (channels,), dtype) for name in "mvwb")
    return mean, abs(var) + dtype(0.5), weight, bias


def by_parts(function: Callable[..., Array], *arrays: Array) -> Array:
    """Call with some samples at a time, too few to go past the caches."""
    samples = max((3 << 20) // arrays[0][0].nbytes, 1)
    parts = [slice(n, n + samples) for n in range(0, len(arrays[0]), samples)]
    return np.concatenate([function(*(array[part] for array in arrays)) for part in parts])


def outputs_of(function: Callable[..., Array], x: Array, *others: Array) -> list[Array]:
    """Call with outputs of its own, with such as start off a line, and with planes that do not follow."""
    results = [function(x, *others)]
    shape, size = results[0].shape, results[0].size
    for threads, offset in ((1, 1), (3, 7)):
        out = np.full(size + offset, np.nan, x.dtype)[offset:].reshape(shape)
        with fc.config(num_threads=threads):
            results.append(function(x, *others, out=out))
    apart = np.zeros((len(x), x.shape[1] + 1, *x.shape[2:]), x.dtype)[:, :-1]
    apart[...] = x
    return [*results, function(apart, *others)]


@pytest.mark.parametrize("plane", PLANES, ids=str)
def test_batch_norm(plane: tuple[int, ...], dtype: Any, isa: str) -> None:
    x = large_map(plane, dtype)
    residual = x[::-1].copy()

    def normalised(x: Array, residual: Array, out: Array | None = None) -> Array:
        return fc.batch_norm(x, *parameters(dtype), activation="relu", residual=residual, out=out)

    expected = by_parts(normalised, x, residual)
    for y in outputs_of(normalised, x, residual):
        assert_same_bits(y, expected)


@pytest.mark.parametrize("plane", PLANES, ids=str)
def test_batch_norm_in_training(plane: tuple[int, ...], dtype: Any, isa: str) -> None:
    x = large_map(plane, dtype)
    residual = x[::-1].copy()
    _, _, weight, bias = parameters(dtype)
    mean, var, count = np.zeros(CHANNELS), np.ones(CHANNELS), x.size // CHANNELS

    def trained(x: Array, residual: Array, out: Array | None = None) -> Array:
        return fc.batch_norm(x, mean, var, weight, bias, True, 1.0, residual=residual, out=out)

    trained(x, residual)
    biased = var * (count - 1) / count
    expected = fc.batch_norm(x, mean, biased, weight, bias, residual=residual)
    column = (slice(None), *[None] * len(plane))
    size = (abs(x) + abs(mean)[column]) / np.sqrt(biased)[column] * abs(weight)[column] + abs(bias)[column]
    bound = 2 * BATCH_NORM * eps_of(dtype) * (size + abs(residual))
    for y in outputs_of(trained, x, residual):
        assert_within(y, expected, bound)


@pytest.mark.parametrize("groups", [5, 25])
@pytest.mark.parametrize("plane", PLANES, ids=str)
def test_group_norm(plane: tuple[int, ...], groups: int, dtype: Any, isa: str) -> None:
    x = large_map(plane, dtype)
    residual = x[::-1].copy()
    _, _, weight, bias = parameters(dtype)

    def normalised(x: Array, residual: Array, out: Array | None = None) -> Array:
        return fc.group_norm(x, groups, weight, bias, activation="relu", residual=residual, out=out)

    expected = by_parts(normalised, x, residual)
    for y in outputs_of(normalised, x, residual):
        assert_same_bits(y, expected)


@pytest.mark.parametrize("given", ["weight and bias", "weight", "bias", "neither"])
@pytest.mark.parametrize("channels", [100, 202])
def test_group_norm_along_rows(channels: int, given: str, dtype: Any, isa: str) -> None:
    """A group of short planes is a row, whose ends and whole lines are stored apart, with the same bits."""
    x = large_map((3, 3), dtype, channels)
    residual = x[::-1].copy()
    _, _, weight, bias = parameters(dtype, channels)

    for activation in (None, "relu", "silu"):

        def normalised(
            x: Array, residual: Array, out: Array | None = None, activation: Any = activation
        ) -> Array:
            w, b = weight if "weight" in given else None, bias if "bias" in given else None
            return fc.group_norm(x, 1, w, b, activation=activation, residual=residual, out=out)

        expected = by_parts(normalised, x, residual)
        for y in outputs_of(normalised, x, residual):
            assert_same_bits(y, expected)


@pytest.mark.parametrize("window", [(2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 5, 0)], ids=str)
@pytest.mark.parametrize("size", [(33, 31), (64, 70), (90, 91)], ids=str)
def test_pooling(size: tuple[int, int], window: tuple[int, int, int], dtype: Any, isa: str) -> None:
    pixels = math.prod(size) // window[1] ** 2 * np.dtype(dtype).itemsize
    x = random_array("x", ((5 << 20) // (CHANNELS * pixels) + 1, CHANNELS, *size), dtype)
    pools: tuple[Callable[..., Array], ...] = (fc.max_pool2d, fc.avg_pool2d)
    for pool in pools:

        def pooled(x: Array, out: Array | None = None, pool: Callable[..., Array] = pool) -> Array:
            return pool(x, *window, out=out)

        expected = by_parts(pooled, x)
        for y in outputs_of(pooled, x):
            assert_same_bits(y, expected)
