"""Transposed convolutions of a segmentation network, a generator and an upsampling by 32."""

from __future__ import annotations

from typing import Any

import pytest
from peers import INSTALLED
from suite import Suite

from fastconv.benchmark.layers import TRANSPOSED, TransposedLayer


@pytest.mark.parametrize("name", ["numpy", "fastconv", *INSTALLED])
@pytest.mark.parametrize("layer", TRANSPOSED, ids=lambda layer: layer.name)
def test_conv_transpose(benchmark: Any, suite: Suite, layer: TransposedLayer, name: str) -> None:
    suite.run(benchmark, layer, name)
