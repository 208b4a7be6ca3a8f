"""Batch norm; group norm, layer norm and softmax, which take statistics of a part of each sample."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastconv as fc
from fastconv.benchmark import baselines
from fastconv.benchmark.baselines import Normalisation
from fastconv.benchmark.contenders.kind import Call, Kind, Operands, Options, in_layout
from fastconv.benchmark.interleave import Array
from fastconv.benchmark.layers import NormLayer, StatisticLayer


def batch_norm(layer: NormLayer, data: Operands, options: Options) -> Call:
    """Normalise by given or by the batch's statistics."""
    x, layout = in_layout(data.input, options), options.layout
    training, parameters = layer.training, copied(data)
    return lambda: fc.batch_norm(x, *parameters, training, layout=layout)


def batch_norm_baseline(layer: NormLayer, data: Operands) -> Call:
    """Broadcast."""
    normalise = baselines.batch_norm_training if layer.training else baselines.batch_norm
    x, own = data.input, copied(data)
    return lambda: normalise(x, own)


def with_vectors(layer: NormLayer, x: Array, rng: np.random.Generator) -> Operands:
    """Add statistics, weight and bias."""
    vectors = rng.uniform(0.5, 1.5, (len(Normalisation._fields), layer.channels)).astype(np.float32)
    return Operands(x, Normalisation(*vectors))


def copied(data: Operands) -> Normalisation:
    """Vectors of the contender's own, for training updates them."""
    return Normalisation(*(vector.copy() for vector in data.parameters))


def statistic(layer: StatisticLayer, data: Operands, options: Options) -> Call:
    """Call the operation with what it calls its part of a sample."""
    function: Any = getattr(fc, layer.operation)
    x, parameters, layout = in_layout(data.input, options), data.parameters, options.layout
    if layer.operation == "group_norm":
        return lambda: function(x, layer.groups, *parameters, layout=layout)
    part = layer.parameter_shape or layer.axis
    return lambda: function(x, part, *parameters)


def statistic_baseline(layer: StatisticLayer, data: Operands) -> Call:
    """Broadcast."""
    function, x, parameters = getattr(baselines, layer.operation), data.input, data.parameters
    if layer.operation == "group_norm":
        return lambda: function(x, layer.groups, *parameters)
    return lambda: function(x, *parameters or (layer.axis,))


def with_weight_and_bias(layer: StatisticLayer, x: Array, rng: np.random.Generator) -> Operands:
    """Add both, where the operation has them."""
    if not layer.parameter_shape:
        return Operands(x)
    return Operands(x, tuple(rng.uniform(0.5, 1.5, (2, *layer.parameter_shape)).astype(np.float32)))


def knows_channels(layer: StatisticLayer) -> bool:
    """Whether the operation is told which axis holds the channels."""
    return layer.operation == "group_norm"


KIND = Kind(batch_norm, batch_norm_baseline, with_vectors)
STATISTIC = Kind(statistic, statistic_baseline, with_weight_and_bias, has_layouts=knows_channels)
