"""A layer's arrays, and the calls of fastconv and of the NumPy baseline that compute it."""

from __future__ import annotations

import zlib
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import fastconv as fc
from fastconv.benchmark import baselines
from fastconv.benchmark.baselines import Normalisation
from fastconv.benchmark.interleave import Array, Contender
from fastconv.benchmark.layers import AdaptivePoolLayer, ConvLayer, Layer, NormLayer, PoolLayer


class Operands(NamedTuple):
    """Arrays of a layer; ``parameters`` are a convolution's ``(weight,)`` or a `Normalisation`."""

    input: Array
    parameters: tuple[Array, ...] = ()


def operands(layer: Layer) -> Operands:
    """Float32 normal values, the same for the same layer in every run."""
    rng = np.random.default_rng(zlib.crc32(layer.name.encode()))
    x = rng.standard_normal(layer.input_shape, np.float32)
    if isinstance(layer, ConvLayer):
        return Operands(x, (rng.standard_normal(layer.weight_shape, np.float32),))
    if isinstance(layer, NormLayer):
        vectors = rng.uniform(0.5, 1.5, (len(Normalisation._fields), layer.channels)).astype(np.float32)
        return Operands(x, Normalisation(*vectors))
    return Operands(x)


def channels_first(y: Any) -> Array:
    """View a channels-last result as channels first."""
    return np.moveaxis(np.asarray(y), -1, 1)


def fastconv_contender(
    layer: Layer, data: Operands, *, layout: str = "NCHW", algorithm: str = "auto"
) -> Contender:
    """Call the public function on a plain array of the layout; packing the filter is part of every call."""
    notes = [note for note, usual in ((layout, "NCHW"), (algorithm, "auto")) if note != usual]
    name = " ".join(["fastconv", *notes])
    view = channels_first if layout == "NHWC" else np.asarray
    x = np.ascontiguousarray(np.moveaxis(data.input, 1, -1)) if layout == "NHWC" else data.input
    if isinstance(layer, ConvLayer):
        (weight,) = data.parameters
        window = (layer.stride, layer.padding, 1, layer.groups)
        convolve = partial(fc.conv2d, layout=layout, algorithm=algorithm)
        return Contender(name, lambda: convolve(x, weight, None, *window), view)
    if isinstance(layer, PoolLayer):
        sizes = (layer.kernel, layer.stride, layer.padding)
        if layer.mode == "max":
            ceil = layer.ceil_mode
            return Contender(name, lambda: fc.max_pool2d(x, *sizes, ceil_mode=ceil, layout=layout), view)
        return Contender(name, lambda: fc.avg_pool2d(x, *sizes, layout=layout), view)
    if isinstance(layer, AdaptivePoolLayer):
        adaptive: Any = fc.adaptive_max_pool2d if layer.mode == "max" else fc.adaptive_avg_pool2d
        return Contender(name, lambda: adaptive(x, layer.out, layout=layout), view)
    training, parameters = layer.training, copied(data)
    return Contender(name, lambda: fc.batch_norm(x, *parameters, training, layout=layout), view)


def numpy_contender(layer: Layer, data: Operands) -> Contender:
    """Call the baseline as `baselines` spells it."""
    x = data.input
    if isinstance(layer, ConvLayer):
        (weight,) = data.parameters
        window = (layer.stride, layer.padding, layer.groups)
        return Contender("numpy", lambda: baselines.conv2d(x, weight, *window))
    if isinstance(layer, PoolLayer):
        pool = baselines.max_pool2d if layer.mode == "max" else baselines.avg_pool2d
        sizes = _pool_sizes(layer)
        return Contender("numpy", lambda: pool(x, *sizes))
    if isinstance(layer, AdaptivePoolLayer):
        windows, maximum = layer.windows(), layer.mode == "max"
        return Contender("numpy", lambda: baselines.adaptive_pool2d(x, windows, maximum=maximum))
    normalise = baselines.batch_norm_training if layer.training else baselines.batch_norm
    parameters = copied(data)
    return Contender("numpy", lambda: normalise(x, parameters))


def numpy_by_tap_contender(layer: PoolLayer, data: Operands) -> Contender:
    """Call the less obvious, faster baseline of pooling."""
    pool = baselines.max_pool2d_by_tap if layer.mode == "max" else baselines.avg_pool2d_by_tap
    sizes = _pool_sizes(layer)
    return Contender("numpy by tap", lambda: pool(data.input, *sizes))


def copied(data: Operands) -> Normalisation:
    """Vectors of the contender's own, for training updates them."""
    return Normalisation(*(vector.copy() for vector in data.parameters))


def _pool_sizes(layer: PoolLayer) -> tuple[int, int, int, int]:
    return (layer.output_shape[-1], layer.kernel, layer.stride, layer.padding)
