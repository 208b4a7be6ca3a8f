"""Linear layers of networks, by one row and by many."""

from __future__ import annotations

from typing import Any

import pytest
from peers import INSTALLED
from suite import Suite

from fastconv.benchmark.layers import LINEARS, LinearLayer


@pytest.mark.parametrize("name", ["numpy", "fastconv", *INSTALLED])
@pytest.mark.parametrize("layer", LINEARS, ids=lambda layer: layer.name)
def test_linear(benchmark: Any, suite: Suite, layer: LinearLayer, name: str) -> None:
    suite.run(benchmark, layer, name)
