"""What the steps of a compiled network are, as rows and as a table."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv.graph.chains import chains
from fastconv.graph.maps import Map, Step

Array = np.ndarray[Any, Any]


class Row(NamedTuple):
    """One step, or several that are computed together, which ``step`` and ``algorithm`` join by plus signs.

    ``output``: channels and spatial sizes; ``mbytes``: of input, filters, residual and output.
    """

    step: str
    algorithm: str
    output: tuple[int, ...]
    gflop: float
    mbytes: float
    ms: float | None = None
    share_of_peak: float | None = None


class Measured(NamedTuple):
    """Seconds of every step, the peak in FLOP/s, and the share of a call that its steps took."""

    seconds: Array
    peak: float
    in_steps: float


HEADS = ("step", "algorithm", "output", "GFLOP", "MB")
MEASURED_HEADS = ("ms", "of peak")


class Report(list[Row]):
    """Rows that are printed as a table, their sums in the last line.

    ``in_steps``: what part of a call's time its steps took, the median of the measured calls; None in
    a summary. The rest is checks, the output's memory and what is between the steps.
    """

    in_steps: float | None = None

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

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the time of each step and its share of the peak, and write the picture into a file.

        A row a step, the first on top: ``ms`` on the left, ``100 * share_of_peak`` on the right, where a line
        marks the peak. Steps without arithmetic have no share; Winograd's algorithm can be beyond the peak.

        Parameters
        ----------
        path : str or path
            The ending of its name says the format: ``.png``, ``.svg``, ``.pdf`` or another of matplotlib's.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `path` is no path.
        ValueError
            If the rows have no times, as those of `Compiled.summary`, or matplotlib does not know the format.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np
        >>> import fastconv as fc
        >>> net = fc.compile(fc.models.lenet5(), (1, 1, 28, 28))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "lenet5.png")
        ...     net.profile(np.zeros((1, 1, 28, 28))).plot(path)  # doctest: +SKIP
        """
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"path must be a string or a path, got {type(path).__name__}")
        if not self or any(row.ms is None for row in self):
            raise ValueError("there are no times to plot: only the rows of Compiled.profile have them")
        try:
            # Imported when it is needed: nothing else of inference does.
            from fastconv.inference import plot
        except ModuleNotFoundError as error:
            message = 'a plot needs matplotlib, as in pip install "fastconv[demo]"'
            raise ImportError(message, name=error.name) from error
        plot.save_steps(os.fspath(path), self)

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
    """Describe steps for so many samples, with their times if they were measured; a row for each chain."""
    rows = Report()
    for first, chain in chains(steps):
        row = _row(chain, samples, dtype)
        if measured is not None:
            seconds = float(measured.seconds[first])
            share = 1e9 * row.gflop / max(seconds, 1e-9) / measured.peak
            row = row._replace(ms=1e3 * seconds, share_of_peak=share)
        rows.append(row)
    if measured is not None:
        rows.in_steps = measured.in_steps
    return rows


def _row(chain: Sequence[Step], samples: int, dtype: np.dtype[Any]) -> Row:
    first, last = chain[0], chain[-1]
    maps = [one for one in (first.input, last.residual, last.output) if one is not None]
    filters = sum(step.weight.nbytes for step in chain if step.weight is not None)
    nbytes = samples * sum(_items(one) * (one.itemsize or dtype.itemsize) for one in maps) + filters
    gflop = sum(step.flops for step in chain) * samples / 1e9
    sizes = last.output.size[-last.rank :] if last.rank else ()
    names = [{"plain_conv": "conv", "depthwise": "conv"}.get(s.kind, s.kind).replace("_", " ") for s in chain]
    algorithms = [step.algorithm for step in chain if step.algorithm]
    return Row(" + ".join(names), " + ".join(algorithms), (last.output.channels, *sizes), gflop, nbytes / 1e6)


def _items(one: Map) -> int:
    return one.channels * math.prod(one.size)
