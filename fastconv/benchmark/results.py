"""Measured layers and the table made of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fastconv.benchmark.interleave import (
    Bound,
    Contender,
    Probe,
    Race,
    Traffic,
    interleave,
    require_agreement,
)
from fastconv.benchmark.layers import ITEMSIZE, ConvLayer, Layer, LinearLayer, TransposedLayer
from fastconv.benchmark.report import figure, geometric_mean, markdown_table, percent, ratio

SUBJECT = "fastconv"
FINEST_TRAFFIC = 4  # a stream's smaller number of lines, at the most
ONE_WAY = 20  # times as many lines of one kind as of the other: then there are none of the other
ARITHMETIC_ROWS = 8  # of a linear layer: few rows take the time of reading the weight
PEAK_NOTE = (
    "of peak: share of what the next column names, measured in the same rounds. "
    "multiply-adds: without any memory; stream r:w: bytes read plus written in large arrays by a loop that "
    "reads r lines for w that it writes past the caches, as the layer does."
)


@dataclass(frozen=True)
class Budget:
    """How long to time one layer: rounds, and seconds after which no further round begins."""

    rounds: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """A layer and the race of its contenders, one of which, the subject, is compared with the others."""

    layer: Layer
    race: Race
    subject: str = SUBJECT

    @property
    def arithmetic(self) -> bool:
        """Whether arithmetic rules the layer; else memory does."""
        if isinstance(self.layer, LinearLayer):
            return self.layer.rows >= ARITHMETIC_ROWS
        return isinstance(self.layer, ConvLayer | TransposedLayer)

    @property
    def bound(self) -> Bound:
        """What the layer cannot exceed."""
        return "flops" if self.arithmetic else "moved"

    @property
    def ceiling(self) -> str:
        """Name what the layer cannot exceed."""
        return "multiply-adds" if self.arithmetic else "stream {}:{}".format(*traffic_of(self.layer))

    @property
    def work(self) -> int:
        """Of one call, what its bound counts: floating-point operations, or bytes read and written."""
        return self.layer.flops if self.arithmetic else self.layer.nbytes

    @property
    def unit(self) -> str:
        """What the speed counts."""
        return "GFLOP/s" if self.arithmetic else "GB/s"

    @property
    def share(self) -> float:
        """Share of the bound that was measured in the same rounds."""
        return self.race.share(self.subject, self.work, self.bound)

    @property
    def others(self) -> list[str]:
        """Contenders that the subject is compared with."""
        return [name for name in self.race.seconds if name != self.subject]

    def speedup(self, other: str) -> float:
        """How many times faster the subject is; NaN where the other did not take part."""
        return self.race.speedup(self.subject, other) if other in self.race.seconds else float("nan")

    def best(self, rivals: Collection[str]) -> str | None:
        """Name the rival over which the subject's speedup is least; None if no rival took part."""
        present = [name for name in self.others if name in rivals]
        return min(present, key=self.speedup, default=None)

    def speedup_over_best(self, rivals: Collection[str]) -> float:
        """How many times faster the subject is than the best rival; NaN if no rival took part."""
        best = self.best(rivals)
        return self.speedup(best) if best else float("nan")


def traffic_of(layer: Layer) -> Traffic:
    """Lines that a layer reads for how many it writes, in small numbers."""
    written = ITEMSIZE * math.prod(layer.output_shape)
    read = layer.nbytes - written
    if max(read, written) >= ONE_WAY * min(read, written):
        return Traffic(int(read > written), int(written >= read))
    parts = Fraction(max(read, written), min(read, written)).limit_denominator(FINEST_TRAFFIC)
    more, less = parts.numerator, parts.denominator
    return Traffic(more, less) if read > written else Traffic(less, more)


def measure(layer: Layer, contenders: Sequence[Contender], budget: Budget, probe: Probe | None) -> Result:
    """Compare the contenders' results, then time them."""
    require_agreement(contenders)
    return Result(layer, interleave(contenders, rounds=budget.rounds, seconds=budget.seconds, probe=probe))


def contender_names(results: Sequence[Result]) -> list[str]:
    """All others, in order of appearance."""
    return list(dict.fromkeys(name for result in results for name in result.others))


def results_table(results: Sequence[Result], rivals: Collection[str] = ()) -> str:
    """Format Markdown: a row a layer, and the geometric mean and the least of every ratio.

    With ``rivals``, one more column has the ratio to the best of them, and its name.
    """
    others = contender_names(results)
    rows = [[*_row(result), *_ratios(result, others, rivals)] for result in results]
    columns = [[result.speedup_over_best(rivals) for result in results]] if rivals else []
    columns += [[result.speedup(name) for result in results] for name in others]
    ratios = [[value for value in values if not math.isnan(value)] for values in columns]
    blank = [""] * 5
    rows.append(["geometric mean", *blank, *(ratio(geometric_mean(values)) for values in ratios)])
    rows.append(["least", *blank, *(ratio(min(values, default=float("nan"))) for values in ratios)])
    speed = "/".join(dict.fromkeys(result.unit for result in results))
    heads = [*(["vs best"] if rivals else []), *(f"vs {name}" for name in others)]
    return markdown_table(["layer", "rounds", "ms", speed, "of peak", "peak of", *heads], rows)


def warning(results: Sequence[Result]) -> str:
    """Say which share of the layers was timed on a busy machine; empty if none was."""
    noisy = [result for result in results if result.race.noisy]
    if not noisy:
        return ""
    load = max((result.race.other_load for result in noisy if result.race.other_load > 0), default=0.0)
    return (
        f"WARNING: {len(noisy)} of {len(results)} layers were timed while other work kept the machine busy "
        f"(up to {load:.1f} CPUs) or its speed changed: their ratios mean little.\n"
    )


def _row(result: Result) -> list[str]:
    race = result.race
    seconds = race.median(result.subject)
    rounds = f"{race.rounds}{f' (-{race.dropped})' if race.dropped else ''}{' noisy' if race.noisy else ''}"
    return [
        result.layer.name,
        rounds,
        f"{figure(1e3 * race.minimum(result.subject))}/{figure(1e3 * seconds)}",
        figure(result.work / seconds / 1e9),
        percent(result.share),
        result.ceiling,
    ]


def _ratios(result: Result, others: Sequence[str], rivals: Collection[str]) -> list[str]:
    best = f"{ratio(result.speedup_over_best(rivals))} {result.best(rivals) or ''}".rstrip()
    return [*([best] if rivals else []), *(ratio(result.speedup(name)) for name in others)]
