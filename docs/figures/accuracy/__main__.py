"""Measure how far convolutions are from exact ones, tabulate and draw it: ``python docs/figures/accuracy``.

Writes ``accuracy-*.svg`` and ``accuracy-*.md`` into the folder above. The numbers depend on the instruction
set, in the last digits on NumPy's, and on nothing else of the machine. float64 is compared with
``np.longdouble``, which must be wider.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import fastconv as fc

FIGURES = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(FIGURES.parents[1] / "tests"))

import drawing  # noqa: E402
import measure  # noqa: E402
import oracle  # noqa: E402
import tables  # noqa: E402
from cases import DISTRIBUTIONS  # noqa: E402

Array = np.ndarray[Any, Any]

ISA = "avx2"
SUMS = (1, 4, 16, 64, 256, 1024, 4096)
CHANNELS = (16, 32, 64, 128, 256, 512, 1024)
DEPTHS = (1, 2, 4, 8, 16)


def write(name: str, text: str) -> None:
    """Write a table."""
    (FIGURES / f"accuracy-{name}.md").write_text(text, encoding="utf-8")


def path(name: str) -> Path:
    """Where a figure belongs."""
    return FIGURES / f"accuracy-{name}.svg"


def sums() -> None:
    """Measure direct convolutions over the number of products."""
    rows = [measure.errors(values, channels, "direct") for values in drawing.COLOURS for channels in SUMS]
    write("sums", tables.sums(rows))
    drawing.sums(rows, path("sums"))


def algorithms() -> None:
    """Measure every algorithm over channels and values."""
    rows = [
        measure.errors(values, channels, algorithm)
        for values in DISTRIBUTIONS
        for algorithm in measure.ALGORITHMS
        for channels in CHANNELS
    ]
    drawing.algorithms(rows, CHANNELS, path("algorithms"))
    many = [
        measure.errors(values, 256, algorithm, batch=4)
        for values in DISTRIBUTIONS
        for algorithm in measure.ALGORITHMS
    ]
    write("algorithms", tables.algorithms(many))


def types() -> None:
    """Measure both types."""
    if np.finfo(np.longdouble).eps >= np.finfo(np.float64).eps:
        raise SystemExit("np.longdouble is no wider than float64 here")
    write(
        "types",
        tables.types(
            (measure.errors("normal", 64, name), measure.errors("normal", 64, name, dtype=np.float64))
            for name in measure.ALGORITHMS
        ),
    )


def native(x: Array, w: Array, groups: int, algorithm: str) -> Array:
    """Convolve by an algorithm of fastconv."""
    return fc.conv2d(x, w, padding=1, groups=groups, algorithm=algorithm)


def filtered(x: Array, w: Array, groups: int, points: tuple[float, ...]) -> Array:
    """Convolve by Winograd's algorithm in NumPy."""
    return oracle.winograd_conv(points, x, w, 1)


def stacks() -> dict[str, list[float]]:
    """Measure stacks of convolutions."""
    rows = {
        name: measure.stack_errors(DEPTHS, partial(native, algorithm=name), name == "depthwise")
        for name in measure.ALGORITHMS
    }
    for name in measure.NOT_OFFERED:
        rows[name] = measure.stack_errors(DEPTHS, partial(filtered, points=measure.FILTERING[name]))
    write("depths", tables.depths(DEPTHS, rows))
    return rows


def points() -> None:
    """Measure Winograd's algorithm at several points, and stacks."""
    predicted = {name: measure.predicted_ratio(at) for name, at in measure.FILTERING.items()}
    growth = {name: measure.growth_of_ones(at) for name, at in measure.FILTERING.items()}
    ratios = {
        name: [measure.measured_ratio(at, channels) for channels in CHANNELS]
        for name, at in measure.FILTERING.items()
    }
    write("points", tables.points(growth, predicted, CHANNELS, ratios))
    drawing.depths(DEPTHS, stacks(), CHANNELS, ratios, predicted, path("depths"))


def main() -> None:
    """Measure, tabulate and draw all."""
    with fc.config(isa=ISA):
        sums()
        algorithms()
        types()
        points()


if __name__ == "__main__":
    main()
