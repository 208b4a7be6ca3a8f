"""``python -m fastconv bench``: time a selection of layers against NumPy, print a table, draw a plot.

It needs neither a checkout nor other frameworks; ``bench/compare.py`` of the sources compares with those.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import fastconv as fc
from fastconv.benchmark import layers as shapes
from fastconv.benchmark.contenders import fastconv_contender, numpy_contender, operands
from fastconv.benchmark.layers import Layer
from fastconv.benchmark.machine import current_machine, peak_probe
from fastconv.benchmark.results import (
    PEAK_NOTE,
    Budget,
    Result,
    contender_names,
    measure,
    results_table,
    traffic_of,
    warning,
)

SELECTION = (
    "^(resnet50_conv1_7x7s2_224|resnet50_conv[2-5]_3x3_.*|resnet50_conv3_3x3s2_56|resnet50_conv4_(widen|narrow)_.*"
    "|vgg16_conv1_2_.*|mobilenetv2_depthwise_(96|144|960)_3x3(s2)?_(112|56|7)|googlenet_3a_5x5_28|lenet5_c3_.*"
    "|vgg16_max_2x2_224|resnet50_max_3x3s2_112|lenet5_avg_.*_28|vgg16_adaptive_avg_20to7|resnet50_inference_256_56"
    "|resnet50_training_256_56|unet_256to128_.*|dcgan_256to128_4x4s2_16)$"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--layers", metavar="REGEX", default=SELECTION, help="time these layers instead of a selection"
    )
    parser.add_argument("--list", action="store_true", help="list all layers and stop")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="budget for one layer (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=30, help="most rounds for one layer (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, help="threads of fastconv; NumPy's BLAS keeps its own (default: as set)"
    )
    parser.add_argument("--isa", help="instruction set of fastconv (default: as set)")
    parser.add_argument(
        "--plot",
        type=Path,
        default=Path("fastconv-bench.png"),
        metavar="FILE",
        help="picture (default: %(default)s)",
    )
    parser.add_argument("--no-plot", action="store_true", help="write no picture")


def run(args: argparse.Namespace) -> int:
    """Time, print and draw; return the exit code."""
    if args.list:
        print("\n".join(layer.name for layer in shapes.EVERY_LAYER))
        return 0
    try:
        chosen = select(args.layers)
        settings = fc.config(num_threads=args.threads, isa=args.isa)
    except ValueError as error:
        print(f"fastconv bench: {error}", file=sys.stderr)
        return 2
    with settings:
        machine = str(current_machine())
        results = time_layers(chosen, Budget(args.rounds, args.seconds))
    print(f"fastconv {fc.__version__}, float32, {machine}")
    print(f"ms: minimum/median of a call. {PEAK_NOTE}\n")
    print(warning(results), end="")
    for arithmetic in (True, False):
        part = [result for result in results if result.arithmetic is arithmetic]
        if part:
            print(results_table(part), end="\n\n")
    if not args.no_plot:
        draw(args.plot, results, machine)
    return 0


def select(pattern: str) -> list[Layer]:
    """Layers of any kind whose name the regular expression finds."""
    return shapes.matching(shapes.EVERY_LAYER, pattern)


def time_layers(chosen: Sequence[Layer], budget: Budget) -> list[Result]:
    """Measure each layer beside the NumPy baseline and the hardware's peak."""
    results = []
    for index, layer in enumerate(chosen, start=1):
        print(f"[{index}/{len(chosen)}] {layer.name}", file=sys.stderr, flush=True)
        data = operands(layer)
        contenders = [numpy_contender(layer, data), fastconv_contender(layer, data)]
        results.append(measure(layer, contenders, budget, peak_probe(traffic=traffic_of(layer))))
    return results


def draw(path: Path, results: Sequence[Result], machine: str) -> None:
    """Write the picture, or say what is missing for it."""
    if importlib.util.find_spec("matplotlib") is None:
        print('no picture: it needs matplotlib, as in pip install "fastconv[demo]"')
        return
    from fastconv.benchmark.plot import save_bars

    labels = [result.layer.name for result in results]
    speedups = {name: [result.speedup(name) for result in results] for name in contender_names(results)}
    save_bars(
        path, labels, speedups, [result.share for result in results], f"fastconv {fc.__version__}: {machine}"
    )
    print(f"picture: {path}")
