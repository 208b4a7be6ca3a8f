"""Padding, im2col, col2im and unpooling."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastconv as fc
from fastconv.benchmark import baselines
from fastconv.benchmark.contenders.kind import (
    Call,
    Kind,
    Operands,
    Options,
    View,
    channels_first,
    channels_last,
)
from fastconv.benchmark.interleave import Array
from fastconv.benchmark.layers import RearrangeLayer


def rearranging(package: Any, layer: RearrangeLayer, data: Operands) -> Call:
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


def in_either_layout(layer: RearrangeLayer, data: Operands, options: Options) -> Call:
    """Call on channels-last images; what has no such form gets a view of them, columns are columns."""
    if options.layout == "NCHW" or layer.kind == "fold":
        return rearranging(fc, layer, data)
    x, *indices = map(channels_last, (data.input, *data.parameters))
    if layer.kind == "max_unpool":
        sizes = (layer.kernel, layer.stride)
        return lambda: fc.max_unpool2d(x, indices[0], *sizes, layout="NHWC")
    if gives_channels_last(layer):
        sides = (0, 0, *(layer.padding,) * 4)
        return lambda: fc.pad(x, sides)
    return rearranging(fc, layer, Operands(channels_first(x)))


def gives_channels_last(layer: RearrangeLayer) -> bool:
    """Whether channels-last images become channels-last images."""
    return layer.kind == "max_unpool" or (layer.kind == "pad" and layer.mode == "constant")


def from_either_layout(layer: RearrangeLayer, options: Options) -> View:
    """See images as channels first, leave columns alone."""
    return channels_first if options.layout == "NHWC" and gives_channels_last(layer) else np.asarray


def baseline(layer: RearrangeLayer, data: Operands) -> Call:
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


def with_indices(layer: RearrangeLayer, x: Array, rng: np.random.Generator) -> Operands:
    """Give unpooling what a pooling leaves."""
    if layer.kind != "max_unpool":
        return Operands(x)
    images = rng.standard_normal(layer.output_shape, np.float32)
    maxima, indices = fc.max_pool2d(images, layer.kernel, layer.stride, return_indices=True)
    return Operands(maxima, (indices,))


KIND = Kind(in_either_layout, baseline, with_indices, from_either_layout)
