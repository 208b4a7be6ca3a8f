"""Convolutions."""

from __future__ import annotations

from functools import partial

import numpy as np

import fastconv as fc
from fastconv.benchmark import baselines
from fastconv.benchmark.contenders.kind import Call, Kind, Operands, Options, in_layout
from fastconv.benchmark.interleave import Array
from fastconv.benchmark.layers import ConvLayer, TransposedLayer


def conv2d(layer: ConvLayer, data: Operands, options: Options) -> Call:
    """Convolve by the algorithm."""
    x, (weight,) = in_layout(data.input, options), data.parameters
    window = (layer.stride, layer.padding, 1, layer.groups)
    convolve = partial(fc.conv2d, layout=options.layout, algorithm=options.algorithm)
    return lambda: convolve(x, weight, None, *window)


def baseline(layer: ConvLayer, data: Operands) -> Call:
    """im2col and `matmul`."""
    x, (weight,) = data.input, data.parameters
    window = (layer.stride, layer.padding, layer.groups)
    return lambda: baselines.conv2d(x, weight, *window)


def with_weight(layer: ConvLayer | TransposedLayer, x: Array, rng: np.random.Generator) -> Operands:
    """Add a filter of normal values."""
    return Operands(x, (rng.standard_normal(layer.weight_shape, np.float32),))


KIND = Kind(conv2d, baseline, with_weight)
