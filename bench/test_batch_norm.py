"""Batch normalisation with given and with training statistics, on ResNet-50's shapes and on larger arrays."""

from __future__ import annotations

from typing import Any

import pytest
from peers import INSTALLED
from suite import Suite

from fastconv.benchmark.layers import NORMS, NormLayer


@pytest.mark.parametrize("name", ["numpy", "fastconv", *INSTALLED])
@pytest.mark.parametrize("layer", NORMS, ids=lambda layer: layer.name)
def test_batch_norm(benchmark: Any, suite: Suite, layer: NormLayer, name: str) -> None:
    suite.run(benchmark, layer, name)
