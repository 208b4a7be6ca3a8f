"""Transposed convolutions."""

from __future__ import annotations

import fastconv as fc
from fastconv.benchmark import baselines
from fastconv.benchmark.contenders.conv import with_weight
from fastconv.benchmark.contenders.kind import Call, Kind, Operands, Options, in_layout
from fastconv.benchmark.layers import TransposedLayer


def conv_transpose2d(layer: TransposedLayer, data: Operands, options: Options) -> Call:
    """Spread."""
    x, (weight,) = in_layout(data.input, options), data.parameters
    spread, layout = (layer.stride, layer.padding), options.layout
    return lambda: fc.conv_transpose2d(x, weight, None, *spread, layout=layout)


def baseline(layer: TransposedLayer, data: Operands) -> Call:
    """`matmul` and a sum of windows."""
    x, (weight,) = data.input, data.parameters
    spread = (layer.stride, layer.padding)
    return lambda: baselines.conv_transpose2d(x, weight, *spread)


KIND = Kind(conv_transpose2d, baseline, with_weight)
