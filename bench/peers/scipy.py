"""SciPy: ``scipy.signal.correlate2d``, a pair of planes a call."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from fastconv.benchmark.contenders import Operands
from fastconv.benchmark.interleave import Array
from fastconv.benchmark.layers import ConvLayer
from peers.peer import Call, Peer

# It is asked for small numbers of pairs only.
MOST_PLANE_PAIRS = 128


def conv(layer: ConvLayer, data: Operands, threads: int) -> Call | None:
    """Correlate plane by plane: stride 1, few pairs of planes."""
    (weight,) = data.parameters
    if layer.stride != 1 or layer.batch * layer.out_channels * weight.shape[1] > MOST_PLANE_PAIRS:
        return None
    signal: Any = importlib.import_module("scipy.signal")
    pad = (layer.padding, layer.padding)
    x = np.pad(data.input, ((0, 0), (0, 0), pad, pad))
    per_group = layer.out_channels // layer.groups

    def plane(image: Array, out_channel: int) -> Array:
        first = out_channel // per_group * weight.shape[1]
        planes = zip(image[first:], weight[out_channel], strict=False)
        return np.asarray(sum(signal.correlate2d(source, taps, "valid") for source, taps in planes))

    def call() -> Array:
        return np.stack([[plane(image, channel) for channel in range(layer.out_channels)] for image in x])

    return call


PEER = Peer("scipy.signal", ("scipy",), {ConvLayer: conv})
