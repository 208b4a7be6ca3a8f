"""Group and instance normalisation, on ResNet-50's shapes and on larger arrays."""

from __future__ import annotations

from typing import Any

import pytest
from peers import INSTALLED
from suite import Suite

from fastconv.benchmark.layers import GROUP_NORMS, StatisticLayer


@pytest.mark.parametrize("name", ["numpy", "fastconv", *INSTALLED])
@pytest.mark.parametrize("layer", GROUP_NORMS, ids=lambda layer: layer.name)
def test_group_norm(benchmark: Any, suite: Suite, layer: StatisticLayer, name: str) -> None:
    suite.run(benchmark, layer, name)
