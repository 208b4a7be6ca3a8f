"""Pooling layers of four networks, batch 1, and some with arrays larger than any cache."""

from __future__ import annotations

from typing import Any

import pytest
from peers import INSTALLED
from suite import Suite

from fastconv.benchmark.layers import POOLS, PoolLayer


@pytest.mark.parametrize("name", ["numpy", "fastconv", *INSTALLED])
@pytest.mark.parametrize("layer", POOLS, ids=lambda layer: layer.name)
def test_pool(benchmark: Any, suite: Suite, layer: PoolLayer, name: str) -> None:
    suite.run(benchmark, layer, name)
