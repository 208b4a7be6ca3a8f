"""Adaptive pooling layers of networks, batch 1, and some with arrays larger than any cache."""

from __future__ import annotations

from typing import Any

import pytest
from peers import INSTALLED
from suite import Suite

from fastconv.benchmark.layers import ADAPTIVE_POOLS, AdaptivePoolLayer


@pytest.mark.parametrize("name", ["numpy", "fastconv", *INSTALLED])
@pytest.mark.parametrize("layer", ADAPTIVE_POOLS, ids=lambda layer: layer.name)
def test_adaptive_pool(benchmark: Any, suite: Suite, layer: AdaptivePoolLayer, name: str) -> None:
    suite.run(benchmark, layer, name)
