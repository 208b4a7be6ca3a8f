"""A picture of results: how many times faster, and how close to the hardware's limit. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

COLOURS = ("#30638e", "#d1495b", "#edae49", "#66a182", "#8d96a3", "#5f4b8b")


def save_bars(
    path: Path,
    labels: Sequence[str],
    speedups: Mapping[str, Sequence[float]],
    shares: Sequence[float],
    title: str,
) -> None:
    """Draw a row a layer: speed relative to every other contender (logarithmic), and share of the peak.

    ``speedups`` maps the other's name to ratios in the order of ``labels``; a NaN leaves its bar out.
    """
    figure = Figure(figsize=(11, 1.6 + 0.24 * len(labels) * max(len(speedups), 1)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    places = np.arange(len(labels))
    height = 0.8 / max(len(speedups), 1)
    for index, (name, ratios) in enumerate(speedups.items()):
        offset = (index - (len(speedups) - 1) / 2) * height
        bars = left.barh(places + offset, ratios, height, label=name, color=COLOURS[index % len(COLOURS)])
        left.bar_label(bars, [f"{r:.1f}" if np.isfinite(r) else "" for r in ratios], padding=2, fontsize=7)
    left.set(xscale="log", xlabel="times faster than", yticks=places)
    left.set_yticklabels(labels, fontsize=8)
    left.axvline(1, color="black", linewidth=0.8)
    left.set_ylim(len(labels) - 0.4, -0.6)
    left.margins(x=0.12)
    left.legend(fontsize=8)
    right.barh(places, 100 * np.asarray(shares), 0.7, color=COLOURS[3])
    right.axvline(100, color="black", linewidth=0.8)
    right.set(xlabel="% of the peak measured in the same run", xlim=(0, None))
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=130)
