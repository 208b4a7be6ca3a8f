"""Layer normalisation of transformers and ConvNeXt, and of batches of them."""

from __future__ import annotations

from typing import Any

import pytest
from peers import INSTALLED
from suite import Suite

from fastconv.benchmark.layers import LAYER_NORMS, StatisticLayer


@pytest.mark.parametrize("name", ["numpy", "fastconv", *INSTALLED])
@pytest.mark.parametrize("layer", LAYER_NORMS, ids=lambda layer: layer.name)
def test_layer_norm(benchmark: Any, suite: Suite, layer: StatisticLayer, name: str) -> None:
    suite.run(benchmark, layer, name)
