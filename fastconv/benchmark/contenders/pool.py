"""Pooling with given and with adaptive windows."""

from __future__ import annotations

from typing import Any

import fastconv as fc
from fastconv.benchmark import baselines
from fastconv.benchmark.contenders.kind import Call, Kind, Operands, Options, in_layout
from fastconv.benchmark.interleave import Contender
from fastconv.benchmark.layers import AdaptivePoolLayer, PoolLayer


def pool2d(layer: PoolLayer, data: Operands, options: Options) -> Call:
    """Maximum or average."""
    x, layout = in_layout(data.input, options), options.layout
    sizes = (layer.kernel, layer.stride, layer.padding)
    if layer.mode == "max":
        ceil = layer.ceil_mode
        return lambda: fc.max_pool2d(x, *sizes, ceil_mode=ceil, layout=layout)
    return lambda: fc.avg_pool2d(x, *sizes, layout=layout)


def baseline(layer: PoolLayer, data: Operands) -> Call:
    """A reduction of a view of the windows."""
    pool = baselines.max_pool2d if layer.mode == "max" else baselines.avg_pool2d
    x, sizes = data.input, _sizes(layer)
    return lambda: pool(x, *sizes)


def numpy_by_tap_contender(layer: PoolLayer, data: Operands) -> Contender:
    """Call the less obvious, faster baseline of pooling."""
    pool = baselines.max_pool2d_by_tap if layer.mode == "max" else baselines.avg_pool2d_by_tap
    sizes = _sizes(layer)
    return Contender("numpy by tap", lambda: pool(data.input, *sizes))


def adaptive_pool2d(layer: AdaptivePoolLayer, data: Operands, options: Options) -> Call:
    """Maximum or average to a size."""
    x, layout = in_layout(data.input, options), options.layout
    pool: Any = fc.adaptive_max_pool2d if layer.mode == "max" else fc.adaptive_avg_pool2d
    return lambda: pool(x, layer.out, layout=layout)


def adaptive_baseline(layer: AdaptivePoolLayer, data: Operands) -> Call:
    """A reduction of each window."""
    x, windows, maximum = data.input, layer.windows(), layer.mode == "max"
    return lambda: baselines.adaptive_pool2d(x, windows, maximum=maximum)


def _sizes(layer: PoolLayer) -> tuple[int, int, int, int]:
    return (layer.output_shape[-1], layer.kernel, layer.stride, layer.padding)


KIND = Kind(pool2d, baseline)
ADAPTIVE = Kind(adaptive_pool2d, adaptive_baseline)
