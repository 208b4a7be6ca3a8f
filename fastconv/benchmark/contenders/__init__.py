"""A layer's arrays, and the calls of fastconv and of the NumPy baseline that compute it.

`kind` says what a kind of layer must provide; each other file provides it for its namesake in `layers`.
"""

from __future__ import annotations

import zlib

import numpy as np

from fastconv.benchmark.contenders import conv, conv_transpose, linear, norm, pool, rearrange
from fastconv.benchmark.contenders.kind import Kind, Operands, Options
from fastconv.benchmark.contenders.pool import numpy_by_tap_contender
from fastconv.benchmark.interleave import Contender
from fastconv.benchmark.layers import (
    AdaptivePoolLayer,
    ConvLayer,
    Layer,
    LinearLayer,
    NormLayer,
    PoolLayer,
    RearrangeLayer,
    StatisticLayer,
    TransposedLayer,
)

__all__ = [
    "Operands",
    "fastconv_contender",
    "has_layouts",
    "numpy_by_tap_contender",
    "numpy_contender",
    "operands",
]

KINDS: dict[type, Kind] = {
    ConvLayer: conv.KIND,
    TransposedLayer: conv_transpose.KIND,
    LinearLayer: linear.KIND,
    PoolLayer: pool.KIND,
    AdaptivePoolLayer: pool.ADAPTIVE,
    NormLayer: norm.KIND,
    StatisticLayer: norm.STATISTIC,
    RearrangeLayer: rearrange.KIND,
}


def operands(layer: Layer) -> Operands:
    """Float32 normal values, the same for the same layer in every run."""
    rng = np.random.default_rng(zlib.crc32(layer.name.encode()))
    x = rng.standard_normal(layer.input_shape, np.float32)
    return KINDS[type(layer)].operands(layer, x, rng)


def has_layouts(layer: Layer) -> bool:
    """Whether the function has a `layout`; layer norm and softmax know axes only."""
    return KINDS[type(layer)].has_layouts(layer)


def fastconv_contender(
    layer: Layer, data: Operands, *, layout: str = "NCHW", algorithm: str = "auto"
) -> Contender:
    """Call the public function on a plain array of the layout; packing the filter is part of every call."""
    kind, options = KINDS[type(layer)], Options(layout, algorithm)
    notes = [note for note, usual in zip(options, Options(), strict=True) if note != usual]
    name = " ".join(["fastconv", *notes])
    return Contender(name, kind.fastconv(layer, data, options), kind.view(layer, options))


def numpy_contender(layer: Layer, data: Operands) -> Contender:
    """Call the baseline as `baselines` spells it."""
    return Contender("numpy", KINDS[type(layer)].numpy(layer, data))
