"""Geometric means over the layers of networks, for each call of ours."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from fastconv.benchmark.report import geometric_mean, markdown_table, ratio
from fastconv.benchmark.results import Result

# What the names of a network's layers begin with.
NETWORKS = {"VGG-16": "vgg16_", "ResNet-50": "resnet50_", "YOLOv2": "yolov2_"}


def network_table(results: Sequence[Result], subjects: Sequence[str], rivals: Collection[str]) -> str:
    """Format Markdown: a row a network and subject, a column for the best rival and for each of them."""
    present = [name for name in rivals if any(name in result.race.seconds for result in results)]
    rows = []
    for network, prefix in NETWORKS.items():
        layers = [result for result in results if result.layer.name.startswith(prefix)]
        for subject in subjects if layers else ():
            seen = [replace(result, subject=subject) for result in layers]
            best = mean([result.speedup_over_best(rivals) for result in seen])
            means = [mean([result.speedup(name) for result in seen]) for name in present]
            rows.append([f"{network} ({len(layers)}), {subject}", *map(ratio, [best, *means])])
    return markdown_table(["network (layers), call", "vs best", *(f"vs {name}" for name in present)], rows)


def mean(values: Sequence[float]) -> float:
    """Geometric mean of those that are known."""
    return geometric_mean(value for value in values if not math.isnan(value))
