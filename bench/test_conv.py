"""Convolution layers of ResNet-50, VGG-16, MobileNetV2, GoogLeNet, LeNet-5 and YOLOv2, batch 1."""

from __future__ import annotations

from typing import Any

import pytest
from peers import INSTALLED
from suite import Suite

from fastconv.benchmark.layers import CONVOLUTIONS, TINY, ConvLayer

CONTENDERS = ["numpy", "fastconv", "fastconv NHWC", *INSTALLED]


@pytest.mark.parametrize("name", CONTENDERS)
@pytest.mark.parametrize("layer", [*CONVOLUTIONS, TINY], ids=lambda layer: layer.name)
def test_conv(benchmark: Any, suite: Suite, layer: ConvLayer, name: str) -> None:
    suite.run(benchmark, layer, name)
