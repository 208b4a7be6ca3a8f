"""A layer's arrays, and the calls of fastconv and of the NumPy baseline that compute it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import fastconv as fc
from fastconv.benchmark import baselines
from fastconv.benchmark.baselines import Normalisation
from fastconv.benchmark.interleave import Array, Contender
from fastconv.benchmark.layers import (
    AdaptivePoolLayer,
    ConvLayer,
    Layer,
    NormLayer,
    PoolLayer,
    RearrangeLayer,
    StatisticLayer,
    TransposedLayer,
)


class Operands(NamedTuple):
    """Arrays of a layer; ``parameters``: weights and biases, ``(indices,)`` or a `Normalisation`."""

    input: Array
    parameters: tuple[Array, ...] = ()


def operands(layer: Layer) -> Operands:
    """Float32 normal values, the same for the same layer in every run."""
    rng = np.random.default_rng(zlib.crc32(layer.name.encode()))
    x = rng.standard_normal(layer.input_shape, np.float32)
    if isinstance(layer, ConvLayer | TransposedLayer):
        return Operands(x, (rng.standard_normal(layer.weight_shape, np.float32),))
    if isinstance(layer, NormLayer):
        vectors = rng.uniform(0.5, 1.5, (len(Normalisation._fields), layer.channels)).astype(np.float32)
        return Operands(x, Normalisation(*vectors))
    if isinstance(layer, RearrangeLayer) and layer.kind == "max_unpool":
        images = rng.standard_normal(layer.output_shape, np.float32)
        maxima, indices = fc.max_pool2d(images, layer.kernel, layer.stride, return_indices=True)
        return Operands(maxima, (indices,))
    if isinstance(layer, StatisticLayer) and layer.parameter_shape:
        return Operands(x, tuple(rng.uniform(0.5, 1.5, (2, *layer.parameter_shape)).astype(np.float32)))
    return Operands(x)


def channels_first(y: Any) -> Array:
    """View a channels-last result as channels first."""
    return np.moveaxis(np.asarray(y), -1, 1)


def has_layouts(layer: Layer) -> bool:
    """Whether the function has a `layout`; layer norm and softmax know axes only."""
    return not isinstance(layer, StatisticLayer) or layer.operation == "group_norm"


def fastconv_contender(
    layer: Layer, data: Operands, *, layout: str = "NCHW", algorithm: str = "auto"
) -> Contender:
    """Call the public function on a plain array of the layout; packing the filter is part of every call."""
    notes = [note for note, usual in ((layout, "NCHW"), (algorithm, "auto")) if note != usual]
    name = " ".join(["fastconv", *notes])
    if isinstance(layer, RearrangeLayer):
        last = layout == "NHWC"
        return (
            rearranging_channels_last(name, layer, data)
            if last
            else Contender(name, rearranging(fc, layer, data))
        )
    view = channels_first if layout == "NHWC" else np.asarray
    x = np.ascontiguousarray(np.moveaxis(data.input, 1, -1)) if layout == "NHWC" else data.input
    if isinstance(layer, ConvLayer):
        (weight,) = data.parameters
        window = (layer.stride, layer.padding, 1, layer.groups)
        convolve = partial(fc.conv2d, layout=layout, algorithm=algorithm)
        return Contender(name, lambda: convolve(x, weight, None, *window), view)
    if isinstance(layer, TransposedLayer):
        (weight,) = data.parameters
        spread = (layer.stride, layer.padding)
        return Contender(name, lambda: fc.conv_transpose2d(x, weight, None, *spread, layout=layout), view)
    if isinstance(layer, PoolLayer):
        sizes = (layer.kernel, layer.stride, layer.padding)
        if layer.mode == "max":
            ceil = layer.ceil_mode
            return Contender(name, lambda: fc.max_pool2d(x, *sizes, ceil_mode=ceil, layout=layout), view)
        return Contender(name, lambda: fc.avg_pool2d(x, *sizes, layout=layout), view)
    if isinstance(layer, StatisticLayer):
        return Contender(name, _statistic_call(layer, x, data.parameters, layout), view)
    if isinstance(layer, AdaptivePoolLayer):
        adaptive: Any = fc.adaptive_max_pool2d if layer.mode == "max" else fc.adaptive_avg_pool2d
        return Contender(name, lambda: adaptive(x, layer.out, layout=layout), view)
    training, parameters = layer.training, copied(data)
    return Contender(name, lambda: fc.batch_norm(x, *parameters, training, layout=layout), view)


def _statistic_call(
    layer: StatisticLayer, x: Array, parameters: tuple[Array, ...], layout: str
) -> Callable[[], Array]:
    function: Any = getattr(fc, layer.operation)
    if layer.operation == "group_norm":
        return lambda: function(x, layer.groups, *parameters, layout=layout)
    part = layer.parameter_shape or layer.axis
    return lambda: function(x, part, *parameters)


def numpy_contender(layer: Layer, data: Operands) -> Contender:
    """Call the baseline as `baselines` spells it."""
    x = data.input
    if isinstance(layer, ConvLayer):
        (weight,) = data.parameters
        window = (layer.stride, layer.padding, layer.groups)
        return Contender("numpy", lambda: baselines.conv2d(x, weight, *window))
    if isinstance(layer, TransposedLayer):
        (weight,) = data.parameters
        spread = (layer.stride, layer.padding)
        return Contender("numpy", lambda: baselines.conv_transpose2d(x, weight, *spread))
    if isinstance(layer, PoolLayer):
        pool = baselines.max_pool2d if layer.mode == "max" else baselines.avg_pool2d
        sizes = _pool_sizes(layer)
        return Contender("numpy", lambda: pool(x, *sizes))
    if isinstance(layer, RearrangeLayer):
        return Contender("numpy", rearranging_in_numpy(layer, data))
    if isinstance(layer, StatisticLayer):
        function, parameters = getattr(baselines, layer.operation), data.parameters
        if layer.operation == "group_norm":
            return Contender("numpy", lambda: function(x, layer.groups, *parameters))
        return Contender("numpy", lambda: function(x, *parameters or (layer.axis,)))
    if isinstance(layer, AdaptivePoolLayer):
        windows, maximum = layer.windows(), layer.mode == "max"
        return Contender("numpy", lambda: baselines.adaptive_pool2d(x, windows, maximum=maximum))
    normalise = baselines.batch_norm_training if layer.training else baselines.batch_norm
    own = copied(data)
    return Contender("numpy", lambda: normalise(x, own))


def rearranging(package: Any, layer: RearrangeLayer, data: Operands) -> Callable[[], Any]:
    """Call a function that fastconv and torch spell alike."""
    window = (layer.kernel, 1, layer.padding, layer.stride)
    x, size = data.input, layer.image_shape[2:]
    if layer.kind == "pad":
        return lambda: package.pad(x, (layer.padding,) * 4, layer.mode)
    if layer.kind == "unfold":
        return lambda: package.unfold(x, *window)
    if layer.kind == "fold":
        return lambda: package.fold(x, size, *window)
    (indices,) = data.parameters
    return lambda: package.max_unpool2d(x, indices, layer.kernel, layer.stride)


def rearranging_channels_last(name: str, layer: RearrangeLayer, data: Operands) -> Contender:
    """Call on channels-last images; what has no such form gets a view of them, columns are columns."""
    if layer.kind == "fold":
        return Contender(name, rearranging(fc, layer, data))
    x, *indices = (np.ascontiguousarray(np.moveaxis(a, 1, -1)) for a in (data.input, *data.parameters))
    if layer.kind == "max_unpool":
        sizes = (layer.kernel, layer.stride)
        return Contender(name, lambda: fc.max_unpool2d(x, indices[0], *sizes, layout="NHWC"), channels_first)
    if layer.mode == "constant" and layer.kind == "pad":
        sides = (0, 0, *(layer.padding,) * 4)
        return Contender(name, lambda: fc.pad(x, sides), channels_first)
    return Contender(name, rearranging(fc, layer, Operands(channels_first(x))))


def rearranging_in_numpy(layer: RearrangeLayer, data: Operands) -> Callable[[], Array]:
    """Call the baseline of the kind."""
    x, window = data.input, (layer.kernel, layer.padding, layer.stride)
    if layer.kind == "pad":
        return lambda: baselines.pad(x, layer.padding, layer.mode)
    if layer.kind == "unfold":
        return lambda: baselines.unfold(x, *window)
    if layer.kind == "fold":
        return lambda: baselines.fold(x, layer.size, *window)
    (indices,) = data.parameters
    return lambda: baselines.max_unpool2d(x, indices, layer.size)


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
