"""Large outputs of short planes: whole cache lines of several planes are stored past the caches."""

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


def large_map(plane: tuple[int, ...], dtype: Any) -> Array:
    sample = CHANNELS * math.prod(plane) * np.dtype(dtype).itemsize
    return random_array("x", ((17 << 20) // sample + 1, CHANNELS, *plane), dtype)


def parameters(dtype: Any) -> list[Array]:
    mean, var, weight, bias = (random_array(name, (CHANNELS,), dtype) for name in "mvwb")
    return [mean, abs(var) + dtype(0.5), weight, bias]


def by_parts(function: Callable[..., Array], x: Array, residual: Array) -> Array:
    """Call with some samples at a time, too few to go past the caches."""
    samples = (3 << 20) // x[0].nbytes
    parts = [slice(n, n + samples) for n in range(0, len(x), samples)]
    return np.concatenate([function(x[part], residual=residual[part]) for part in parts])


def outputs_of(function: Callable[..., Array], x: Array, residual: Array) -> list[Array]:
    """Call with outputs of its own, with such as start off a line, and with planes that do not follow."""
    results = []
    for data, offset in ((x, None), (x, 1), (x, 7)):
        out = None if offset is None else np.full(x.size + offset, np.nan, x.dtype)[offset:].reshape(x.shape)
        results.append(function(data, residual=residual, out=out))
    apart = np.zeros((len(x), CHANNELS + 1, *x.shape[2:]), x.dtype)[:, :CHANNELS]
    apart[...] = x
    return [*results, function(apart, residual=residual)]


@pytest.mark.parametrize("plane", PLANES, ids=str)
def test_batch_norm(plane: tuple[int, ...], dtype: Any, isa: str) -> None:
    x = large_map(plane, dtype)
    residual = x[::-1].copy()

    def normalised(x: Array, **options: Any) -> Array:
        return fc.batch_norm(x, *parameters(dtype), activation="relu", **options)

    expected = by_parts(normalised, x, residual)
    for y in outputs_of(normalised, x, residual):
        assert_same_bits(y, expected)


@pytest.mark.parametrize("plane", PLANES, ids=str)
def test_batch_norm_in_training(plane: tuple[int, ...], dtype: Any, isa: str) -> None:
    x = large_map(plane, dtype)
    residual = x[::-1].copy()
    _, _, weight, bias = parameters(dtype)
    mean, var, count = np.zeros(CHANNELS), np.ones(CHANNELS), x.size // CHANNELS

    def trained(x: Array, **options: Any) -> Array:
        return fc.batch_norm(x, mean, var, weight, bias, True, 1.0, **options)

    trained(x)
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

    def normalised(x: Array, **options: Any) -> Array:
        return fc.group_norm(x, groups, weight, bias, activation="relu", **options)

    expected = by_parts(normalised, x, residual)
    for y in outputs_of(normalised, x, residual):
        assert_same_bits(y, expected)
