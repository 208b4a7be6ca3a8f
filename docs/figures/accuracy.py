"""Measure how far float32 convolutions are from float64, and draw it: ``python docs/figures/accuracy.py``.

Writes accuracy.svg and accuracy.md beside this file. An error is counted in ``eps * (|x| conv |w|)``, like
the bound in tests/bounds.py. The numbers depend on the instruction set and on nothing else of the machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure

import fastconv as fc

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

import bounds  # noqa: E402
import oracle  # noqa: E402

Array = np.ndarray[Any, Any]

ISA = "avx2"
CHANNELS = (1, 4, 16, 64, 256, 1024, 4096)
SIDE = 16
FILTERS = 32
EPS = float(np.finfo(np.float32).eps)
SHARES = (50, 99, 100)
COLOURS = {"normal": "#30638e", "positive": "#d1495b"}
DATA = {"normal": "normal values", "positive": "values from 0 to 1"}


class Row(NamedTuple):
    """Errors of all elements of one convolution, and the bound on them."""

    data: str
    channels: int
    terms: int
    errors: Array
    bound: float

    @property
    def quantiles(self) -> list[float]:
        """Median, 99th percentile and maximum."""
        return [float(value) for value in np.percentile(self.errors, SHARES)]


def arrays(data: str, channels: int) -> tuple[Array, Array]:
    """Return input and weight; values from 0 to 1 make every partial sum round at its full size."""
    rng = np.random.default_rng(channels)
    draw: Any = rng.standard_normal if data == "normal" else rng.random
    return (
        draw((1, channels, SIDE, SIDE), dtype=np.float32),
        draw((FILTERS, channels, 3, 3), dtype=np.float32),
    )


def measure(data: str, channels: int, algorithm: str = "direct") -> Row:
    """Compare one 3x3 convolution with the oracle."""
    x, w = arrays(data, channels)
    actual = fc.conv2d(x, w, padding=1, algorithm=algorithm)
    exact, size = oracle.conv(x, w, padding=1), oracle.conv(np.abs(x), np.abs(w), padding=1)
    terms = 9 * channels
    errors = np.abs(actual - exact) / (EPS * size)
    return Row(data, channels, terms, errors.ravel(), bounds.CONVOLUTION[algorithm](terms))


def table(rows: list[Row]) -> str:
    """Return the quantiles as a table of Markdown."""
    lines = [
        "| values | channels | products | median | 99 % below | largest | bound |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        numbers = " | ".join(f"{value:.3f}" for value in row.quantiles)
        lines.append(f"| {DATA[row.data]} | {row.channels} | {row.terms} | {numbers} | {row.bound:.1f} |")
    return "\n".join(lines) + "\n"


def draw(rows: list[Row], path: Path) -> None:
    """Draw quantiles over the number of products, and the distribution for 256 channels."""
    # Letters stay letters, names stay the same: a small file that changes with its numbers only.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "fastconv", "font.size": 9})
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for data, colour in COLOURS.items():
        chosen = [row for row in rows if row.data == data]
        terms = [row.terms for row in chosen]
        for index, style in enumerate((":", "--", "-")):
            label = f"{DATA[data]}, {('median', '99 % below', 'largest')[index]}"
            left.plot(terms, [row.quantiles[index] for row in chosen], style, color=colour, label=label)
        errors = np.sort(next(row.errors for row in chosen if row.channels == 256))
        left_over = 1 - np.arange(errors.size) / errors.size
        # 60 points draw the same curve as all.
        picked = np.unique(np.geomspace(1, errors.size, 60).astype(int)) * -1
        right.plot(errors[picked], left_over[picked], color=colour, label=DATA[data])
    terms = [row.terms for row in rows if row.data == "normal"]
    left.plot(terms, [row.bound for row in rows if row.data == "normal"], color="black", label="bound")
    left.set(xscale="log", yscale="log", xlabel="products K in one output", title="3x3 convolution")
    left.set(ylabel="error in eps (|x| conv |w|)")
    left.set_ylim(top=2e4)
    left.legend(fontsize=7, loc="upper left", ncols=2)
    right.set(yscale="log", xlabel="error in eps (|x| conv |w|)", ylabel="share of outputs above it")
    right.set(title="256 channels, K = 2304")
    right.legend(fontsize=7)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure, write the table and draw."""
    with fc.config(isa=ISA):
        rows = [measure(data, channels) for data in COLOURS for channels in CHANNELS]
    (HERE / "accuracy.md").write_text(table(rows), encoding="utf-8")
    draw(rows, HERE / "accuracy.svg")


if __name__ == "__main__":
    main()
