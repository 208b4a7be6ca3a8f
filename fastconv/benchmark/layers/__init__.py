"""Shapes that are timed: the distinct layers of published networks, and some that exceed any cache.

A layer knows its arrays' shapes, its floating-point operations (a multiply-add is two) and the bytes that a
perfect implementation moves: every input, weight and output element once, in float32.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from fastconv.benchmark.layers.conv import CONVOLUTIONS, LENET5, TINY, VGG16, ConvLayer
from fastconv.benchmark.layers.conv_transpose import TRANSPOSED, TransposedLayer
from fastconv.benchmark.layers.item import ITEMSIZE
from fastconv.benchmark.layers.linear import LINEARS, LinearLayer
from fastconv.benchmark.layers.norm import (
    GROUP_NORMS,
    LAYER_NORMS,
    NORMS,
    SOFTMAXES,
    NormLayer,
    StatisticLayer,
)
from fastconv.benchmark.layers.pool import ADAPTIVE_POOLS, POOLS, AdaptivePoolLayer, PoolLayer
from fastconv.benchmark.layers.rearrange import REARRANGEMENTS, RearrangeLayer

__all__ = [
    "ADAPTIVE_POOLS",
    "CONVOLUTIONS",
    "EVERY_LAYER",
    "GROUP_NORMS",
    "ITEMSIZE",
    "LAYER_NORMS",
    "LENET5",
    "LINEARS",
    "NORMS",
    "POOLS",
    "REARRANGEMENTS",
    "SOFTMAXES",
    "TINY",
    "TRANSPOSED",
    "VGG16",
    "AdaptivePoolLayer",
    "AnyLayer",
    "ConvLayer",
    "Layer",
    "LinearLayer",
    "NormLayer",
    "PoolLayer",
    "RearrangeLayer",
    "StatisticLayer",
    "TransposedLayer",
    "matching",
]

Layer = (
    ConvLayer
    | TransposedLayer
    | LinearLayer
    | PoolLayer
    | AdaptivePoolLayer
    | NormLayer
    | StatisticLayer
    | RearrangeLayer
)
AnyLayer = TypeVar("AnyLayer", bound=Layer)

EVERY_LAYER: tuple[Layer, ...] = (
    *CONVOLUTIONS,
    *TRANSPOSED,
    *LINEARS,
    *POOLS,
    *ADAPTIVE_POOLS,
    *NORMS,
    *GROUP_NORMS,
    *LAYER_NORMS,
    *SOFTMAXES,
    *REARRANGEMENTS,
)


def matching(layers: Sequence[AnyLayer], pattern: str) -> list[AnyLayer]:
    """Layers whose name the regular expression finds; none, or no expression, is a ValueError."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    found = [layer for layer in layers if expression.search(layer.name)]
    if not found:
        raise ValueError(
            f"no layer matches {pattern!r}; there are: {', '.join(layer.name for layer in layers)}"
        )
    return found
