"""Fit the costs of src/plan/cost.c to measured times, and say how good the choices are.

    python bench/calibrate.py --isa avx2

Every algorithm computes the layers of the benchmarks and square 3x3 convolutions besides, alone and in
batches, on one thread; time is the processor's, so that a busy machine disturbs little. Costs, which are not
negative, are fitted to the least relative error (by scipy, of the extra "peers").
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls

import fastconv as fc
from fastconv._native import core
from fastconv.benchmark import layers as shapes
from fastconv.benchmark.layers import ConvLayer
from fastconv.benchmark.report import figure, markdown_table
from fastconv.functional.checks import window
from fastconv.runtime import native_run

Array = np.ndarray[Any, Any]

BATCHES = (1, 8)
CHANNELS = (16, 32, 64, 96, 128, 192, 256, 384, 512)
SIZES = (7, 10, 14, 20, 28, 40, 56, 112)
MOST_FLOPS = 3e9
ROUNDS = 40
CHOSEN = ("direct", "winograd_2x2", "winograd_4x4")


class Measured(NamedTuple):
    """One algorithm on one layer: nanoseconds, the amounts of work of its plan, and what that predicts."""

    layer: str
    algorithm: str
    nanoseconds: float
    work: dict[str, float]
    recorded: float


def layers() -> Iterator[ConvLayer]:
    """All layers of the benchmarks and a grid of 3x3 ones, in batches."""
    for batch in BATCHES:
        for layer in shapes.CONVOLUTIONS:
            yield replace(layer, batch=batch)
        for channels in CHANNELS:
            for size in SIZES:
                yield ConvLayer(f"{channels}_{size}", channels, channels, size, 3, 1, 1, batch=batch)


def work_of(layer: ConvLayer, algorithm: str) -> dict[str, Any]:
    """Return what the native plan says."""
    given = (layer.stride, layer.padding, 1, layer.groups)
    shape, native_window, groups = window.convolution(layer.input_shape, layer.weight_shape, given)
    code = core.ALGORITHMS.index(algorithm)
    sizes = (layer.input_shape, layer.weight_shape, shape)
    return core.conv_plan(sizes, (4, False), native_window, groups, code, False, native_run())


def measure(layer: ConvLayer, seconds: float) -> Iterator[Measured]:
    """Time every algorithm that can compute the layer, in turn."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(layer.input_shape, dtype=np.float32)
    w = rng.standard_normal(layer.weight_shape, dtype=np.float32)
    algorithms = work_of(layer, "auto")["able"]
    times: dict[str, list[int]] = {name: [] for name in algorithms}
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 3 or (rounds < ROUNDS and time.perf_counter() < end):
        for name in algorithms:
            start = time.process_time_ns()
            fc.conv2d(x, w, None, layer.stride, layer.padding, 1, layer.groups, algorithm=name)
            times[name].append(time.process_time_ns() - start)
        rounds += 1
    for name in algorithms:
        plan = work_of(layer, name)
        taken = float(np.percentile(times[name], 25))
        yield Measured(f"{layer.name} x {layer.batch}", name, taken, plan["work"], plan["predicted_seconds"])


def fit(measured: list[Measured]) -> tuple[dict[str, float], Array]:
    """Return the cost of every amount (and of a call), and the predicted times."""
    amounts = np.array([[*item.work.values(), 1.0] for item in measured])
    times = np.array([item.nanoseconds for item in measured])
    scale = np.maximum(amounts.max(0), 1)  # so that the solver's own tolerance fits all
    costs, _ = nnls(amounts / scale / times[:, None], np.ones_like(times), maxiter=1000)
    return dict(zip([*measured[0].work, "call"], costs / scale, strict=True)), amounts @ (costs / scale)


def losses(measured: list[Measured], predicted: Array) -> dict[str, float]:
    """For each layer, the time of the algorithm of the least predicted time over the least time."""
    layers: dict[str, list[tuple[float, float]]] = {}
    for item, guess in zip(measured, predicted, strict=True):
        if item.algorithm in CHOSEN:
            layers.setdefault(item.layer, []).append((guess, item.nanoseconds))
    return {
        name: min(pairs)[1] / min(taken for _, taken in pairs)
        for name, pairs in layers.items()
        if len(pairs) > 1
    }


def main() -> None:
    """Measure, fit, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--isa", help="instruction set (default: the best)")
    parser.add_argument("--seconds", type=float, default=0.5, help="a layer (default: %(default)s)")
    parser.add_argument(
        "--most-flops", type=float, default=MOST_FLOPS, help="of a layer (default: %(default)s)"
    )
    args = parser.parse_args()
    with fc.config(num_threads=1, isa=args.isa):
        chosen = {(layer.input_shape, layer.weight_shape, layer.stride): layer for layer in layers()}
        measured = [
            item
            for layer in chosen.values()
            if layer.flops <= args.most_flops
            for item in measure(layer, args.seconds)
        ]
    costs, predicted = fit(measured)
    print(markdown_table(["amount", "nanoseconds"], [[name, figure(cost)] for name, cost in costs.items()]))
    ratios = predicted / np.array([item.nanoseconds for item in measured])
    rows = []
    for name in dict.fromkeys(item.algorithm for item in measured):
        of_it = ratios[[item.algorithm == name for item in measured]]
        rows.append([name, str(len(of_it)), *(figure(q) for q in np.percentile(of_it, (5, 50, 95)))])
    print(markdown_table(["predicted / measured", "layers", "5 %", "median", "95 %"], rows))
    print_losses("fitted", measured, predicted)
    print_losses("recorded", measured, np.array([item.recorded for item in measured]))


def print_losses(costs: str, measured: list[Measured], predicted: Array) -> None:
    """Say which choices cost more than they should."""
    lost = losses(measured, predicted)
    worse = {name: round(loss, 2) for name, loss in lost.items() if loss > 1.05}
    print(f"- {costs} costs: {len(worse)} of {len(lost)} choices take over 5 % longer than the best: {worse}")


if __name__ == "__main__":
    main()
