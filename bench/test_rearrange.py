"""Padding, im2col, col2im and unpooling of published networks, and some with arrays larger than any cache."""

from __future__ import annotations

from typing import Any

import pytest
from peers import INSTALLED
from suite import Suite

from fastconv.benchmark.layers import REARRANGEMENTS, RearrangeLayer


@pytest.mark.parametrize("name", ["numpy", "fastconv", *INSTALLED])
@pytest.mark.parametrize("layer", REARRANGEMENTS, ids=lambda layer: layer.name)
def test_rearrange(benchmark: Any, suite: Suite, layer: RearrangeLayer, name: str) -> None:
    suite.run(benchmark, layer, name)
