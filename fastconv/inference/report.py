"""What the steps of a compiled network are, as rows and as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv.graph.maps import Map, Step

Array = np.ndarray[Any, Any]


class Row(NamedTuple):
    """One step. ``output``: channels and spatial sizes; ``mbytes``: of input, filter, residual and output."""

    step: str
    algorithm: str
    output: tuple[int, ...]
    gflop: float
    mbytes: float
    ms: float | None = None
    share_of_peak: float | None = None


class Measured(NamedTuple):
    """Seconds of every step, and the peak in FLOP/s."""

    seconds: Array
    peak: float


HEADS = ("step", "algorithm", "output", "GFLOP", "MB")
MEASURED_HEADS = ("ms", "of peak")


class Report(list[Row]):
    """Rows that are printed as a table, their sums in the last line."""

    def __str__(self) -> str:
        measured = any(row.ms is not None for row in self)
        heads = [*HEADS, *(MEASURED_HEADS if measured else ())]
        cells = [_cells(row, measured) for row in [*self, self.total()]]
        widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
        return "\n".join(
            "  ".join(
                text.ljust(width) if i < 3 else text.rjust(width)
                for i, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in [heads, *cells]
        )

    def total(self) -> Row:
        """Return the sums of all rows."""
        gflop = sum(row.gflop for row in self)
        ms = None if any(row.ms is None for row in self) else sum(row.ms or 0 for row in self)
        at_peak = sum((row.share_of_peak or 0) * (row.ms or 0) for row in self)
        share = at_peak / ms if ms else None
        return Row("total", "", (), gflop, sum(row.mbytes for row in self), ms, share)


def _cells(row: Row, measured: bool) -> list[str]:
    output = " x ".join(map(str, row.output))
    cells = [row.step, row.algorithm, output, f"{row.gflop:.4f}", f"{row.mbytes:.3f}"]
    if measured:
        cells += [
            "" if row.ms is None else f"{row.ms:.4f}",
            f"{row.share_of_peak:.0%}" if row.share_of_peak else "",
        ]
    return cells


def report(
    steps: Sequence[Step], samples: int, dtype: np.dtype[Any], measured: Measured | None = None
) -> Report:
    """Describe steps for so many samples, with their times if they were measured."""
    rows = Report(_row(step, samples, dtype) for step in steps)
    if measured is None:
        return rows
    return Report(
        row._replace(ms=1e3 * seconds, share_of_peak=1e9 * row.gflop / max(seconds, 1e-9) / measured.peak)
        for row, seconds in zip(rows, measured.seconds.tolist(), strict=True)
    )


def _row(step: Step, samples: int, dtype: np.dtype[Any]) -> Row:
    maps = [one for one in (step.input, step.residual, step.output) if one is not None]
    filters = 0 if step.weight is None else step.weight.nbytes
    nbytes = samples * sum(_items(one) * (one.itemsize or dtype.itemsize) for one in maps) + filters
    gflop = step.flops * samples / 1e9
    sizes = step.output.size[-step.rank :] if step.rank else ()
    name = {"plain_conv": "conv", "depthwise": "conv"}.get(step.kind, step.kind).replace("_", " ")
    return Row(name, step.algorithm, (step.output.channels, *sizes), gflop, nbytes / 1e6)


def _items(one: Map) -> int:
    return one.channels * math.prod(one.size)
