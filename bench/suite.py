"""How a test times one contender of a layer, and what it notes beside the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from peers import peer_contenders

from fastconv.benchmark.contenders import Operands, fastconv_contender, numpy_contender, operands
from fastconv.benchmark.interleave import (
    Contender,
    Peak,
    Race,
    calls_per_sample,
    require_agreement,
    sample,
    settle,
)
from fastconv.benchmark.layers import ConvLayer, Layer
from fastconv.benchmark.machine import current_machine, peak_probe
from fastconv.benchmark.results import SUBJECT, Result, traffic_of

MOST_ROUNDS = 1000


class Suite:
    """Time the contenders of one layer after another; arrays are made once a layer."""

    def __init__(self, seconds: float, threads: int) -> None:
        self.seconds, self.threads = seconds, threads
        self.layer: Layer | None = None
        self.contenders: dict[str, Contender] = {}

    def prepare(self, layer: Layer) -> None:
        """Make a layer's arrays and contenders, and compare their results."""
        if layer == self.layer:
            return
        data = operands(layer)
        baseline, subject = numpy_contender(layer, data), fastconv_contender(layer, data)
        contenders = [baseline, subject, *variants(layer, data), *peer_contenders(layer, data, self.threads)]
        require_agreement(contenders)
        self.layer, self.contenders = layer, {contender.name: contender for contender in contenders}

    def run(self, benchmark: Any, layer: Layer, name: str) -> None:
        """Time one contender and note speed, share of the peak, instruction set, threads and CPU."""
        self.prepare(layer)
        if name not in self.contenders:
            pytest.skip(f"{name} does not compute this layer")
        call = self.contenders[name].call
        settle()
        peak = peak_probe(traffic=traffic_of(layer))()
        benchmark.group = layer.name
        rounds, iterations = self.rounds_and_iterations(call)
        benchmark.pedantic(call, rounds=rounds, iterations=iterations, warmup_rounds=1)
        machine = current_machine()
        info = {"contender": name, "isa": machine.isa, "threads": machine.threads, "cpu": machine.cpu}
        if benchmark.stats is not None:  # None under --benchmark-disable
            info |= speeds(layer, benchmark.stats.stats.median, peak)
        benchmark.extra_info.update(info)

    def rounds_and_iterations(self, call: Callable[[], Any]) -> tuple[int, int]:
        """Fill the time with rounds, of several calls where one is too short for the clock."""
        iterations = calls_per_sample(call)
        return min(max(int(self.seconds / (sample(call, 1) * iterations)), 3), MOST_ROUNDS), iterations


def variants(layer: Layer, data: Operands) -> list[Contender]:
    """Contenders of our own beside the plain call."""
    return [fastconv_contender(layer, data, layout="NHWC")] if isinstance(layer, ConvLayer) else []


def speeds(layer: Layer, seconds: float, peak: Peak) -> dict[str, float | str]:
    """Arithmetic speed of a convolution, traffic of anything else, and its share of what bounds it."""
    result = Result(layer, Race({SUBJECT: [seconds]}, [peak]))
    name = "gflops" if result.arithmetic else "gbytes_per_second"
    return {name: result.work / seconds / 1e9, "share_of_peak": result.share, "peak": result.ceiling}
