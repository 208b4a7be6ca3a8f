"""Softmax over classes, attention rows and the channels of segmentation maps."""

from __future__ import annotations

from typing import Any

import pytest
from peers import INSTALLED
from suite import Suite

from fastconv.benchmark.layers import SOFTMAXES, StatisticLayer


@pytest.mark.parametrize("name", ["numpy", "fastconv", *INSTALLED])
@pytest.mark.parametrize("layer", SOFTMAXES, ids=lambda layer: layer.name)
def test_softmax(benchmark: Any, suite: Suite, layer: StatisticLayer, name: str) -> None:
    suite.run(benchmark, layer, name)
