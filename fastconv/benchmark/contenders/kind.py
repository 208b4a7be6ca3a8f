"""What the benchmarks need to know of a kind of layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastconv.benchmark.interleave import Array

Call = Callable[[], Any]
View = Callable[[Any], Array]


class Operands(NamedTuple):
    """Arrays of a layer; ``parameters``: weights and biases, ``(indices,)`` or a `Normalisation`."""

    input: Array
    parameters: tuple[Array, ...] = ()


class Options(NamedTuple):
    """How fastconv is called."""

    layout: str = "NCHW"
    algorithm: str = "auto"


def channels_first(y: Any) -> Array:
    """View a channels-last result as channels first."""
    return np.moveaxis(np.asarray(y), -1, 1)


def channels_last(x: Array) -> Array:
    """Copy channels-first data to channels last."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def in_layout(x: Array, options: Options) -> Array:
    """Return channels-first data in the layout of a call."""
    return channels_last(x) if options.layout == "NHWC" else x


def from_layout(layer: Any, options: Options) -> View:
    """Return what sees a result in the layout of a call as channels first."""
    return channels_first if options.layout == "NHWC" else np.asarray


def input_alone(layer: Any, x: Array, rng: np.random.Generator) -> Operands:
    """Operands of a layer without parameters."""
    return Operands(x)


def always(layer: Any) -> bool:
    """Whatever the layer."""
    return True


@dataclass(frozen=True)
class Kind:
    """Calls of the layers of one kind; layers are of that kind, operands as ``operands`` completes them.

    Attributes
    ----------
    fastconv
        From a layer, its channels-first operands and options: the call of the public function.
    numpy
        From a layer and its operands: the call of the baseline.
    operands
        From a layer, normal values of its input's shape and random numbers: the operands.
    view
        From a layer and options: what sees a result of the call as channels first.
    has_layouts
        Whether the public function has a `layout`.
    """

    fastconv: Callable[[Any, Operands, Options], Call]
    numpy: Callable[[Any, Operands], Call]
    operands: Callable[[Any, Array, np.random.Generator], Operands] = input_alone
    view: Callable[[Any, Options], View] = from_layout
    has_layouts: Callable[[Any], bool] = always
