"""Linear layers."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastconv as fc
from fastconv.benchmark import baselines
from fastconv.benchmark.contenders.kind import Call, Kind, Operands, Options
from fastconv.benchmark.interleave import Array
from fastconv.benchmark.layers import LinearLayer


def linear(layer: LinearLayer, data: Operands, options: Options) -> Call:
    """Read the weight in every call as it is."""
    x, parameters = data.input, data.parameters
    return lambda: fc.linear(x, *parameters)


def baseline(layer: LinearLayer, data: Operands) -> Call:
    """Let the BLAS turn the weight."""
    x, parameters = data.input, data.parameters
    return lambda: baselines.linear(x, *parameters)


def with_weight_and_bias(layer: LinearLayer, x: Array, rng: np.random.Generator) -> Operands:
    """Add both."""
    weight = rng.standard_normal(layer.weight_shape, np.float32)
    return Operands(x, (weight, rng.standard_normal(layer.outputs, np.float32)))


def never(layer: Any) -> bool:
    """Rows of features have one layout."""
    return False


KIND = Kind(linear, baseline, with_weight_and_bias, has_layouts=never)
