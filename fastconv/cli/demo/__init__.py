"""``python -m fastconv demo``: filter two photographs, run them through a small network, compare with NumPy.

`photographs` loads them, `filters` makes the kernels, `stack` is the network, `comparison` holds every result
against NumPy and its error bound, `pictures` draws what came out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import fastconv as fc
from fastconv.benchmark.machine import current_machine
from fastconv.cli.demo.comparison import Comparisons, comparison_table
from fastconv.cli.demo.filters import filter_photographs
from fastconv.cli.demo.photographs import load_photographs
from fastconv.cli.demo.stack import run_stack
from fastconv.cli.extras import MissingExtra, load

STEPS = 14
EXTRA = "demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("fastconv-demo"),
        metavar="DIR",
        help="for pictures (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", type=int, help="threads of fastconv; NumPy's BLAS keeps its own (default: as set)"
    )
    parser.add_argument("--quick", action="store_true", help="a small part of the photographs, short timings")


def run(args: argparse.Namespace) -> int:
    """Run all steps, print the comparison and save the pictures; 0 if every result is inside its bound."""
    try:
        datasets, tqdm = load("sklearn.datasets", EXTRA), load("tqdm", EXTRA).tqdm
        load("matplotlib", EXTRA)
        # One bound for all: Winograd's algorithm has another.
        settings = fc.config(num_threads=args.threads, winograd=False)
    except (MissingExtra, ValueError) as error:
        print(f"fastconv demo: {error}", file=sys.stderr)
        return 2
    from fastconv.cli.demo import pictures

    with settings, tqdm(total=STEPS, unit="step") as progress:
        machine = str(current_machine())
        comparisons = Comparisons(progress, quick=args.quick)
        photographs = load_photographs(datasets, quick=args.quick)
        filtered = filter_photographs(photographs, comparisons)
        stages = run_stack(photographs, comparisons)
    print(f"fastconv {fc.__version__}, float32, {machine}")
    print(f"{len(photographs)} photographs of {photographs.shape[2]} x {photographs.shape[3]} pixels\n")
    for stage in stages:
        print(stage)
    print("\nms: medians over the rounds; faster: the median of each round's ratio\n")
    print(f"{comparison_table(comparisons.made)}\n")
    args.output.mkdir(parents=True, exist_ok=True)
    for path in (
        pictures.save_filters(args.output / "filters.png", photographs, filtered),
        pictures.save_stages(args.output / "stages.png", photographs, stages),
        pictures.save_timings(args.output / "timings.png", comparisons.made, machine),
    ):
        print(f"picture: {path}")
    outside = [comparison.name for comparison in comparisons.made if not comparison.within]
    print(f"outside the bound: {', '.join(outside)}" if outside else "every result is inside its bound")
    return 1 if outside else 0
