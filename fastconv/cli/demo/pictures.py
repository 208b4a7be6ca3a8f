"""Figures of the demo: filters and what they found, activation maps of the stages, timings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fastconv.benchmark.interleave import Array
from fastconv.cli.demo.comparison import Comparison
from fastconv.cli.demo.filters import Filtered
from fastconv.cli.demo.stack import Stage

DPI = 110
BRIGHT = 0.99  # share of the pixels that a picture need not clip
OURS, NUMPY = "#30638e", "#d1495b"


def colours(image: Array) -> Array:
    """``(3, H, W)`` as matplotlib wants it, clipped to 0..1."""
    return np.clip(image.transpose(1, 2, 0), 0, 1)


def show(axes: Any, image: Array, title: str = "", **options: Any) -> None:
    """Draw an image without ticks; grey values unless told otherwise."""
    axes.imshow(image, **({"cmap": "gray"} | options))
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=8)


def symmetric(image: Array, quantile: float = 1.0) -> dict[str, Any]:
    """Options for a signed image: zero is white, and what exceeds the quantile as dark as the quantile."""
    limit = float(np.quantile(np.abs(image), quantile)) or 1.0
    return {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}


def save_filters(path: Path, photographs: Array, filtered: Filtered) -> Path:
    """Draw a row a photograph with edges and blur, then the Gabor bank and its responses."""
    orientations = filtered.gabor_energy.shape[1]
    figure = Figure(figsize=(13, 8.2), layout="constrained")
    parts: Any = figure.subfigures(3, 1, height_ratios=(8, 3, 6))
    upper, middle, lower = parts
    for row, axes in enumerate(upper.subplots(len(photographs), 5)):
        show(axes[0], colours(photographs[row]), "photograph")
        show(axes[1], filtered.luminance[row], "luminance")
        show(axes[2], filtered.edges[row], "Sobel, magnitude", vmax=np.quantile(filtered.edges[row], BRIGHT))
        show(axes[3], filtered.laplacian[row], "Laplacian", **symmetric(filtered.laplacian[row], BRIGHT))
        show(axes[4], colours(filtered.blurred[row]), "Gaussian blur")
    for index, axes in enumerate(middle.subplots(1, len(filtered.gabor_bank))):
        kernel = filtered.gabor_bank[index, 0]
        show(
            axes, kernel, "odd" if index % 2 else f"{180 * index // 2 // orientations}°", **symmetric(kernel)
        )
    middle.suptitle("Gabor filters", fontsize=10)
    grid = lower.subplots(len(photographs), orientations)
    for row, energy in enumerate(filtered.gabor_energy):
        for column in range(orientations):
            show(grid[row, column], energy[column], cmap="magma", vmax=np.quantile(energy, BRIGHT))
    lower.suptitle("energy in every orientation", fontsize=10)
    figure.savefig(path, dpi=DPI)
    return path


def save_stages(path: Path, photographs: Array, stages: Sequence[Stage]) -> Path:
    """Draw every stage's filters and maps, and what the strongest unit of the first photograph sees."""
    columns = 1 + max(len(stage.filters) for stage in stages)
    figure = Figure(figsize=(1.5 * columns, 3.3 * len(stages)), layout="constrained")
    parts: Any = figure.subfigures(len(stages), 1)
    for part, stage in zip(parts, stages, strict=True):
        part.suptitle(str(stage), fontsize=10)
        grid = part.subplots(2, columns)
        for axes in grid.flat:
            axes.set_axis_off()
        top, left, size = strongest_field(stage)
        show(
            grid[0, 0],
            colours(photographs[0, :, top : top + size, left : left + size]),
            "strongest unit sees",
        )
        show(grid[1, 0], colours(photographs[0]), "here")
        frame = Rectangle((left - 0.5, top - 0.5), size, size, fill=False, edgecolor="red", linewidth=1.5)
        grid[1, 0].add_patch(frame)
        for index, kernel in enumerate(stage.filters):
            image = kernel.mean(axis=0)
            options = {} if len(kernel) == 3 else symmetric(image)
            picture = colours(0.5 + kernel / (2 * np.abs(kernel).max())) if len(kernel) == 3 else image
            show(grid[0, index + 1], picture, f"filter {index + 1}", **options)
            show(grid[1, index + 1], stage.maps[0, index], cmap="magma")
    figure.savefig(path, dpi=DPI)
    return path


def strongest_field(stage: Stage) -> tuple[int, int, int]:
    """Top, left and side of the pixels that the largest activation of the first photograph depends on."""
    _, row, column = np.unravel_index(int(stage.maps[0].argmax()), stage.maps[0].shape)
    return int(row) * stage.field.step, int(column) * stage.field.step, stage.field.size


def save_timings(path: Path, made: Sequence[Comparison], machine: str) -> Path:
    """Draw the time of every step in both, on a logarithmic axis, with the ratio beside it."""
    figure = Figure(figsize=(9, 0.5 * len(made) + 1.2), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(made))
    axes.barh(places - 0.2, [1e3 * step.seconds for step in made], 0.4, label="fastconv", color=OURS)
    bars = axes.barh(
        places + 0.2, [1e3 * step.numpy_seconds for step in made], 0.4, label="NumPy", color=NUMPY
    )
    axes.bar_label(bars, [f"{step.speedup:.1f}x" for step in made], padding=3, fontsize=8)
    axes.set(xscale="log", xlabel="ms", yticks=places, title=machine)
    axes.set_yticklabels([step.name for step in made], fontsize=8)
    axes.set_ylim(len(made) - 0.4, -0.6)
    axes.margins(x=0.08)
    axes.legend()
    figure.savefig(path, dpi=DPI)
    return path
