"""A picture of a compiled network: how long each step takes, how close to the peak. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

COLOURS = (
    "#30638e",
    "#d1495b",
    "#66a182",
    "#edae49",
    "#5f4b8b",
    "#a8763e",
    "#4ea5d9",
    "#e07a9b",
    "#2f4b26",
    "#8d96a3",
)
MOST_HEIGHT = 60  # inches


def save_steps(path: str, rows: Sequence[Any]) -> None:
    """Draw a row a step, a colour for each kind of step and algorithm."""
    kinds = ["chain" if "+" in row.step else f"{row.step} {row.algorithm}".strip() for row in rows]
    colours = {kind: COLOURS[index % len(COLOURS)] for index, kind in enumerate(dict.fromkeys(kinds))}
    figure = Figure(figsize=(10, min(1.8 + 0.2 * len(rows), MOST_HEIGHT)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for kind, colour in colours.items():
        places = [place for place, other in enumerate(kinds) if other == kind]
        left.barh(places, [rows[place].ms for place in places], 0.8, color=colour, label=kind)
        shares = [100 * (rows[place].share_of_peak or 0) for place in places]
        right.barh(places, shares, 0.8, color=colour)
    outputs = [" x ".join(map(str, row.output)) for row in rows]
    left.set_yticks(range(len(rows)), outputs, fontsize=7)
    left.set_ylim(len(rows) - 0.4, -0.6)
    left.set(xlabel="ms", ylabel="output")
    figure.legend(*left.get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=4)
    right.axvline(100, color="black", linewidth=0.8)
    right.set(xlabel="% of the peak of multiply-adds", xlim=(0, None))
    figure.suptitle(f"{len(rows)} steps, {sum(row.ms for row in rows):.3g} ms", fontsize=11)
    figure.savefig(path, dpi=130)
