"""A picture of whole networks: how many times longer each package took, a panel a setting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from network_race import NetworkResult
from network_report import by_medians, of_setting, rivals, settings

from fastconv.benchmark.plot import COLOURS

MARKERS = "osD^vP*X"


def save_ratios(path: Path, results: Sequence[NetworkResult]) -> None:
    """Draw a row a network and a mark a package, ratios of medians on a logarithmic axis."""
    found = settings(results)
    networks = list(dict.fromkeys(result.setting.name for result in results))
    names = list(dict.fromkeys(name for result in results for name in rivals(result.race)))
    figure = Figure(figsize=(1.5 + 4.2 * len(found), 1.8 + 0.36 * len(networks)), layout="constrained")
    panels = figure.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
    for panel, (batch, threads) in zip(panels, found, strict=True):
        races = {one.setting.name: one.race for one in of_setting(results, batch, threads)}
        for index, name in enumerate(names):
            ratios = [by_medians(races[one], name) if one in races else np.nan for one in networks]
            panel.plot(
                ratios,
                range(len(networks)),
                MARKERS[index % len(MARKERS)],
                color=COLOURS[index % len(COLOURS)],
                label=name,
                alpha=0.85,
                markersize=6,
            )
        panel.axvline(1, color="black", linewidth=0.8)
        panel.grid(axis="y", alpha=0.3)
        panel.set(xscale="log", title=f"batch {batch}, {threads} thread{'s' if threads != 1 else ''}")
        panel.set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
        panel.minorticks_off()
    panels[0].set_yticks(range(len(networks)), networks)
    panels[0].invert_yaxis()
    figure.supxlabel("time over fastconv's", fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3 * len(found), fontsize=8)
    figure.savefig(path, dpi=130)
