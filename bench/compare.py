"""Compare fastconv with NumPy and installed peers, side by side in one run, and print Markdown.

    python bench/compare.py conv --threads 2 --rounds 50
    python bench/compare.py conv --layers mobilenetv2 --algorithms auto,im2col
    python bench/compare.py winograd --threads 1 --batch 8
    python bench/compare.py blocked --isa avx2

Every table is followed by the targets that it decides. The numbers in RESULTS.md were made by these commands.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# NumPy's BLAS reads its thread count once, at import: make the process anew with it.
BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")

WHAT = [
    "conv", "depthwise", "conv_transpose", "pool", "adaptive_pool", "batch_norm", "group_norm",
    "linear", "layer_norm", "softmax", "rearrange", "winograd", "tiny", "blocked", "import", "memory",
]  # fmt: skip


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "what",
        choices=WHAT,
        help="which comparison",
    )
    parser.add_argument("--rounds", type=int, default=50, help="most rounds a layer (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="budget a layer (default: %(default)s)")
    parser.add_argument(
        "--threads", type=int, default=2, help="threads of all contenders (default: %(default)s)"
    )
    parser.add_argument("--isa", help="instruction set of fastconv (default: the best)")
    parser.add_argument("--layers", metavar="REGEX", help="layers, instead of those the targets speak of")
    parser.add_argument(
        "--batch",
        type=int,
        default=1,
        help="images of conv, depthwise, winograd (default: %(default)s)",
    )
    parser.add_argument("--algorithms", default="auto", help="time fastconv with these, separated by commas")
    parser.add_argument("--no-nhwc", action="store_true", help="leave out the channels-last call of fastconv")
    parser.add_argument("--peers", default="", metavar="TEXT", help="only peers whose name contains the text")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the table as well")
    return parser.parse_args(arguments)


def main() -> int:
    """Run one comparison."""
    args = parse()
    wanted = {name: str(args.threads) for name in BLAS_VARIABLES}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.environ.update(wanted)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    from comparisons import COMPARISONS

    import fastconv as fc
    from fastconv.benchmark.load import OtherLoad

    load = OtherLoad()
    with fc.config(num_threads=args.threads, isa=args.isa):
        COMPARISONS[args.what](args)
    print(f"- other processes used {load.cpus():.2f} CPUs on average")
    return 0


if __name__ == "__main__":
    sys.exit(main())
