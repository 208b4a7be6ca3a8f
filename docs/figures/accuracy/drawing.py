"""The figures of docs/accuracy.md, as SVG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from measure import NOT_OFFERED, Errors
from tables import VALUES

# Letters stay letters, names stay the same: a small file that changes with its numbers only.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "fastconv", "font.size": 9})

COLOURS = {"normal": "#30638e", "positive": "#d1495b"}
ALGORITHMS = {
    "direct": "#30638e",
    "im2col": "#7fb7be",
    "depthwise": "#edae49",
    "winograd_2x2": "#4f8a5b",
    "winograd_4x4": "#d1495b",
}
FILTERING = {
    "F(2x2), 0 1": "#4f8a5b",
    "F(4x4), 0 5/8 3/2": "#d1495b",
    "F(4x4), 0 1 2": "#8d6a9f",
    "F(6x6), 0 1/2 1 2": "#3d3d3d",
}
SHARES = {50: ":", 99: "--", 100: "-"}
NAMES = {50: "median", 99: "99 % below", 100: "largest"}
UNIT = "error in eps (|x| conv |w|)"


def tail(errors: Errors) -> tuple[Any, Any]:
    """Return errors and the share of outputs above each, at 40 points, which draw the same curve as all."""
    values = np.sort(errors.relative.ravel())
    share = 1 - np.arange(values.size) / values.size
    picked = np.unique(np.geomspace(1, values.size, 40).astype(int)) * -1
    return values[picked], share[picked]


def save(figure: Figure, path: Path) -> None:
    """Write a figure with a grid in every plot, coordinates in hundredths of a point."""
    for axes in figure.axes:
        axes.grid(alpha=0.3)
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    short = re.sub(r"(\d\.\d\d)\d+", r"\1", text.getvalue())
    path.write_text(re.sub(r" +$", "", short, flags=re.MULTILINE), encoding="utf-8")


def sums(rows: Sequence[Errors], path: Path) -> None:
    """Draw quantiles over the number of products, and the distribution for 256 channels."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for values, colour in COLOURS.items():
        chosen = [row for row in rows if row.values == values]
        terms = [row.terms for row in chosen]
        for share, style in SHARES.items():
            quantiles = [np.percentile(row.relative, share) for row in chosen]
            left.plot(terms, quantiles, style, color=colour, label=f"{VALUES[values]}, {NAMES[share]}")
        longest = next(row for row in chosen if row.terms == 9 * 256)
        right.plot(*tail(longest), color=colour, label=VALUES[values])
    left.plot(terms, [row.constant for row in chosen], color="black", label="bound")
    left.set(xscale="log", yscale="log", xlabel="products K in one output", ylabel=UNIT)
    left.set(title="3x3 convolution")
    left.set_ylim(top=2e4)
    left.legend(fontsize=7, loc="upper left", ncols=2)
    right.set(yscale="log", xlabel=UNIT, ylabel="share of outputs above it")
    right.set(title="256 channels, K = 2304")
    right.legend(fontsize=7)
    save(figure, path)


def algorithms(rows: Sequence[Errors], channels: Sequence[int], path: Path) -> None:
    """Draw every algorithm, one column for each kind of values: over the channels, and distributions."""
    kinds = list(dict.fromkeys(row.values for row in rows))
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    grid = figure.subplots(2, len(kinds), sharey="row")
    for (upper, lower), values in zip(grid.T, kinds, strict=True):
        for algorithm, colour in ALGORITHMS.items():
            chosen = [row for row in rows if (row.values, row.algorithm) == (values, algorithm)]
            upper.plot(channels, [row.rms for row in chosen], color=colour, label=algorithm)
            upper.plot(channels, [row.relative.max() for row in chosen], ":", color=colour)
            lower.plot(*tail(chosen[channels.index(256)]), color=colour)
        upper.set(xscale="log", yscale="log", title=VALUES[values], xlabel="channels")
        upper.set_xticks(channels, map(str, channels), fontsize=7)
        upper.minorticks_off()
        lower.set(xscale="log", yscale="log", xlabel=UNIT, xlim=(0.05, 10))
        lower.minorticks_off()
    grid[0, 0].set_ylabel("rms (line), largest (dots)")
    grid[1, 0].set_ylabel("share above, 256 channels")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    save(figure, path)


def depths(
    names: Sequence[int],
    stacks: dict[str, list[float]],
    channels: Sequence[int],
    ratios: dict[str, list[float]],
    predicted: dict[str, float],
    path: Path,
) -> None:
    """Draw the errors of stacks over their depth, and what the points of Winograd's algorithm do."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = ALGORITHMS | FILTERING
    for name, row in stacks.items():
        left.plot(names, row, "--" if name in NOT_OFFERED else "-", color=colours[name], label=name)
    left.set(xscale="log", yscale="log", xlabel="convolutions in a row", title="Stacks of 64 channels")
    left.set_ylabel("rms of the error / rms of the output")
    left.set_xticks(names, map(str, names))
    left.minorticks_off()
    left.set_ylim(bottom=8e-9)
    left.legend(fontsize=7, loc="lower right", ncols=2)
    for name, ratio in ratios.items():
        right.plot(channels, ratio, color=FILTERING[name], label=name)
        right.axhline(predicted[name], color=FILTERING[name], linestyle=":", linewidth=1)
    right.set(xscale="log", yscale="log", xlabel="channels", title="Winograd's points, NumPy float32")
    right.set_ylabel("rms over that of direct")
    right.set_xticks(channels, map(str, channels))
    right.set_yticks((0.5, 1, 2, 5, 10), ("0.5", "1", "2", "5", "10"))
    right.minorticks_off()
    right.set_ylim(top=25)
    right.legend(fontsize=7, loc="upper right", ncols=2)
    save(figure, path)
