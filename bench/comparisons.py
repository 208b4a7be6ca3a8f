"""The comparisons that compare.py offers: which layers, which contenders, which targets."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from footprint import import_seconds, peak_memory
from network_means import network_table
from packed import packed_contender
from peers import PEERS, peer_contenders, peers_ready
from targets import (
    Target,
    at_least,
    at_most,
    batch_norm_targets,
    blocked_targets,
    conv_targets,
    depthwise_targets,
    linear_targets,
    pool_targets,
    rearrange_targets,
    statistic_targets,
    transposed_targets,
)

import fastconv as fc
from fastconv._native import core
from fastconv.benchmark import layers as shapes
from fastconv.benchmark.contenders import (
    Operands,
    fastconv_contender,
    has_layouts,
    numpy_by_tap_contender,
    numpy_contender,
    operands,
)
from fastconv.benchmark.interleave import Contender, interleave, require_agreement
from fastconv.benchmark.layers import AnyLayer, ConvLayer, Layer, PoolLayer
from fastconv.benchmark.machine import current_machine, peak_probe
from fastconv.benchmark.report import figure, markdown_table, percent
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
from fastconv.functional.checks import arguments
from fastconv.runtime import native_run

RESNET_AND_VGG = "^(resnet50|vgg16)_"
NETWORKS_OF_3X3 = "^(resnet50|vgg16|yolov2)_"  # ResNet-18's layers of stride 1 are ResNet-50's
EXPLANATION = (
    f"ms: minimum/median. {PEAK_NOTE} "
    "Ratios: medians over the rounds of one run; above 1 fastconv is faster.\n"
)
CAVEAT = (
    "Filters are packed in every call of torch, and of fastconv where it does not say packed; before the "
    "first call of the others. MNN's own choice of Winograd tiles has errors of up to 3e-3 of the largest "
    "value, all others have less than 1e-5."
)
CALLS_OF_OURS: list[Callable[[ConvLayer, Operands], Contender]] = [
    *(partial(fastconv_contender, algorithm=name) for name in ("direct", "auto")),
    *(partial(packed_contender, algorithm=name) for name in ("direct", "auto")),
]
BLOCKED_SECONDS = 0.05
TINY_ROUNDS = 200


def conv(args: argparse.Namespace) -> None:
    """One-off calls on plain arrays."""
    dense = [layer for layer in shapes.CONVOLUTIONS if not layer.depthwise]
    chosen = shapes.matching(dense, args.layers or RESNET_AND_VGG)
    compare_layers(args, in_batches(chosen, args.batch), conv_targets)


def conv_transpose(args: argparse.Namespace) -> None:
    """Transposed convolutions."""
    compare_layers(args, shapes.matching(shapes.TRANSPOSED, args.layers or ""), transposed_targets)


def depthwise(args: argparse.Namespace) -> None:
    """Depthwise convolutions of MobileNetV2."""
    chosen = shapes.matching([layer for layer in shapes.CONVOLUTIONS if layer.depthwise], args.layers or "")
    compare_layers(args, in_batches(chosen, args.batch), depthwise_targets)


def winograd(args: argparse.Namespace) -> None:
    """3x3 convolutions of stride 1: each call of ours beside the peers; most pack filters beforehand."""
    able = [layer for layer in shapes.CONVOLUTIONS if (layer.kernel, layer.stride, layer.groups) == (3, 1, 1)]
    chosen = in_batches(shapes.matching(able, args.layers or NETWORKS_OF_3X3), args.batch)
    results = time_layers(args, chosen, winograd_contenders)
    rivals = [peer.name for peer in PEERS]
    subjects = [name for name in results[0].race.seconds if name not in rivals]
    print_title(args)
    print(EXPLANATION)
    print(f"{CAVEAT}\n")
    for subject in subjects:
        print(f"#### {subject}\n")
        print(results_table([replace(result, subject=subject) for result in results], rivals), end="\n\n")
    print(f"#### Geometric means\n\n{network_table(results, subjects, rivals)}")
    print(f"\n{warning(results)}", end="")


def winograd_contenders(args: argparse.Namespace, layer: ConvLayer, data: Operands) -> list[Contender]:
    """List the calls of ours and the peers; the first is what the others must agree with."""
    ours = [contender(layer, data) for contender in CALLS_OF_OURS]
    return [*ours, *peer_contenders(layer, data, args.threads, args.peers)]


def in_batches(layers: Sequence[ConvLayer], batch: int) -> list[ConvLayer]:
    """The same layers with so many images."""
    if batch == 1:
        return list(layers)
    return [replace(layer, name=f"{layer.name}_batch_{batch}", batch=batch) for layer in layers]


def pool(args: argparse.Namespace) -> None:
    """Maximum and average pooling."""
    compare_layers(args, shapes.matching(shapes.POOLS, args.layers or ""), pool_targets)


def adaptive_pool(args: argparse.Namespace) -> None:
    """Adaptive maximum and average pooling, global pooling among it."""
    compare_layers(args, shapes.matching(shapes.ADAPTIVE_POOLS, args.layers or ""), pool_targets)


def batch_norm(args: argparse.Namespace) -> None:
    """Batch normalisation, with given and with training statistics."""
    compare_layers(args, shapes.matching(shapes.NORMS, args.layers or ""), batch_norm_targets)


def rearrange(args: argparse.Namespace) -> None:
    """Padding, im2col, col2im and unpooling."""
    compare_layers(args, shapes.matching(shapes.REARRANGEMENTS, args.layers or ""), rearrange_targets)


def group_norm(args: argparse.Namespace) -> None:
    """Group and instance normalisation."""
    compare_layers(args, shapes.matching(shapes.GROUP_NORMS, args.layers or ""), statistic_targets)


def linear(args: argparse.Namespace) -> None:
    """Linear layers, the weight given anew in every call."""
    compare_layers(args, shapes.matching(shapes.LINEARS, args.layers or ""), linear_targets)


def layer_norm(args: argparse.Namespace) -> None:
    """Normalisation along rows."""
    compare_layers(args, shapes.matching(shapes.LAYER_NORMS, args.layers or ""), statistic_targets)


def softmax(args: argparse.Namespace) -> None:
    """Softmax and its logarithm, along rows and across channels."""
    compare_layers(args, shapes.matching(shapes.SOFTMAXES, args.layers or ""), statistic_targets)


def compare_layers(
    args: argparse.Namespace, chosen: Sequence[AnyLayer], targets: Callable[[Sequence[Result]], list[Target]]
) -> None:
    """Time every layer's contenders and print the table and what it says about the targets."""
    results = time_layers(args, chosen, layer_contenders)
    print_title(args)
    print(EXPLANATION)
    print(results_table(results))
    print(f"\n{warning(results)}", end="")
    print_targets(targets(results))
    if args.plot:
        from fastconv.benchmark.plot import save_bars

        speedups = {name: [result.speedup(name) for result in results] for name in contender_names(results)}
        labels, shares = [layer.name for layer in chosen], [result.share for result in results]
        save_bars(args.plot, labels, speedups, shares, str(current_machine()))


def time_layers(
    args: argparse.Namespace,
    chosen: Sequence[AnyLayer],
    contenders: Callable[[argparse.Namespace, AnyLayer, Operands], list[Contender]],
) -> list[Result]:
    """Time every layer's contenders beside the hardware's peak."""
    results = []
    with peers_ready(args.threads):
        for index, layer in enumerate(chosen, start=1):
            print(f"[{index}/{len(chosen)}] {layer.name}", file=sys.stderr, flush=True)
            listed = contenders(args, layer, operands(layer))
            probe = peak_probe(traffic=traffic_of(layer))
            results.append(measure(layer, listed, Budget(args.rounds, args.seconds), probe))
    return results


def layer_contenders(args: argparse.Namespace, layer: Layer, data: Operands) -> list[Contender]:
    """List the baselines, fastconv in its variants, and the peers."""
    contenders = [numpy_contender(layer, data), fastconv_contender(layer, data)]
    if isinstance(layer, PoolLayer):
        contenders.append(numpy_by_tap_contender(layer, data))
    if isinstance(layer, ConvLayer):
        wanted = [name for name in args.algorithms.split(",") if name != "auto"]
        contenders += [fastconv_contender(layer, data, algorithm=name) for name in wanted]
    if has_layouts(layer) and not args.no_nhwc:
        contenders.append(fastconv_contender(layer, data, layout="NHWC"))
    return [*contenders, *peer_contenders(layer, data, args.threads, args.peers)]


def tiny(args: argparse.Namespace) -> None:
    """A call so small that only its overhead counts: checks, dispatch, allocation."""
    layer = shapes.TINY
    data = operands(layer)
    x, (weight,), out = data.input, data.parameters, np.empty(layer.output_shape, np.float32)
    contenders = [
        numpy_contender(layer, data),
        Contender("fastconv", lambda: fc.conv2d(x, weight)),
        Contender("fastconv out=", lambda: fc.conv2d(x, weight, out=out)),
    ]
    with peers_ready(args.threads):
        contenders += peer_contenders(layer, data, args.threads, args.peers)
        require_agreement(contenders)
        race = interleave(contenders, rounds=max(args.rounds, TINY_ROUNDS), seconds=args.seconds)
    print_title(args)
    rows = [
        [name, figure(1e6 * race.minimum(name)), figure(1e6 * race.median(name))] for name in race.seconds
    ]
    print(markdown_table([f"{layer.input_shape} * {layer.weight_shape}", "minimum, us", "median, us"], rows))
    print_targets([at_most("a tiny call, us", 1e6 * race.median("fastconv"), 5)])


def blocked(args: argparse.Namespace) -> None:
    """The register kernel alone: filter packed, arrays in blocks; beside the peak of the same rounds."""
    dense = [layer for layer in shapes.CONVOLUTIONS if layer.groups == 1]
    chosen = shapes.matching(dense, args.layers or RESNET_AND_VGG)
    shares, rows = {}, []
    for layer in chosen:
        print(layer.name, file=sys.stderr, flush=True)
        speeds, peaks = blocked_speeds(layer, args.rounds, args.seconds)
        shares[layer.name] = statistics.median(s / p for s, p in zip(speeds, peaks, strict=True))
        cells = (max(speeds), statistics.median(speeds), statistics.median(peaks))
        best = max(speeds) / max(peaks)
        rows.append(
            [
                layer.name,
                *(figure(cell / 1e9, 4) for cell in cells),
                percent(best),
                percent(shares[layer.name]),
            ]
        )
    print_title(args)
    heads = ["best GFLOP/s", "median GFLOP/s", "peak GFLOP/s", "best of best peak", "of the round's peak"]
    print(markdown_table(["layer", *heads], rows))
    stems = {layer.name for layer in chosen if layer.in_channels <= 4}
    print_targets(blocked_targets(shares, stems, core.ISA_NAMES[native_run()[0]]))


def blocked_speeds(layer: ConvLayer, rounds: int, seconds: float) -> tuple[list[float], list[float]]:
    """FLOP/s of the kernel and of the peak, alternately, at most ``seconds`` in all."""
    run = native_run()
    probe = peak_probe(BLOCKED_SECONDS)
    window = ((layer.kernel,) * 2, (layer.stride,) * 2, (layer.padding,) * 4, (1, 1))
    epilogue, direct = (None, None, *arguments.activation(None)), core.ALGORITHMS.index("direct")
    data = operands(layer)
    x, (weight,), out = data.input, data.parameters, np.empty(layer.output_shape, np.float32)
    speeds, peaks = [], []
    for _ in range(max(3, min(rounds, int(seconds / (2 * BLOCKED_SECONDS))))):
        peaks.append(probe().flops)
        once = core.bench_blocked_conv(x, weight, out, window, epilogue, direct, run, BLOCKED_SECONDS)
        speeds.append(layer.flops / once)
    return speeds, peaks


def import_time(args: argparse.Namespace) -> None:
    """Seconds that ``import fastconv`` takes once NumPy is imported."""
    seconds = import_seconds(args.rounds)
    print_title(args)
    rows = [
        ["import fastconv after numpy", figure(1e3 * min(seconds)), figure(1e3 * statistics.median(seconds))]
    ]
    print(markdown_table([f"{len(seconds)} new processes", "minimum, ms", "median, ms"], rows))
    print_targets([at_most("import, ms beyond NumPy's", 1e3 * statistics.median(seconds), 20)])


def memory(args: argparse.Namespace) -> None:
    """Peak memory of one call in a new process, over that with the input and the filter in place."""
    chosen = shapes.matching(shapes.CONVOLUTIONS, args.layers or RESNET_AND_VGG)
    rows, spare = [], []
    for layer in chosen:
        used = peak_memory(layer, args.threads, args.isa)
        rows.append(
            [layer.name, *(f"{nbytes / 2**20:.1f}" for nbytes in (used.peak, used.output, used.allowed))]
        )
        spare.append(used.allowed - used.peak)
    print_title(args)
    print("Beyond the caller's input and filter; allowed: output, one packed filter and 2 MB a thread.\n")
    print(markdown_table(["layer", "peak, MiB", "output, MiB", "allowed, MiB"], rows))
    print_targets([at_least("least spare memory, MiB", min(spare) / 2**20, 0)])


def print_title(args: argparse.Namespace) -> None:
    """Say what was measured, and on what."""
    print(f"\n### {args.what}: fastconv {fc.__version__}, float32, {current_machine()}\n")


def print_targets(targets: Sequence[Target]) -> None:
    """Print a line a target."""
    print()
    for target in targets:
        print(f"- {target}")


COMPARISONS: dict[str, Callable[[argparse.Namespace], None]] = {
    "conv": conv,
    "depthwise": depthwise,
    "conv_transpose": conv_transpose,
    "pool": pool,
    "adaptive_pool": adaptive_pool,
    "batch_norm": batch_norm,
    "rearrange": rearrange,
    "winograd": winograd,
    "group_norm": group_norm,
    "linear": linear,
    "layer_norm": layer_norm,
    "softmax": softmax,
    "tiny": tiny,
    "blocked": blocked,
    "import": import_time,
    "memory": memory,
}
