"""The algorithms that can do a convolution: which, their predicted times, and the choice by measured ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from fastconv._native import core as native
from fastconv.autotune import race, table
from fastconv.functional.checks.annotations import Array
from fastconv.functional.checks.geometry import Shape, Window

_ISA_NAMES = native.ISA_NAMES

Run = tuple[int, int, bool]
Epilogue = tuple[Array | None, Array | None, int, float, float]
# Input, weight, output, window, groups, epilogue: the arguments of the native functions before the algorithm.
Operands = tuple[Array, Array, Array, Window, int, Epilogue]

ROUNDS = 9
SECONDS = 0.1  # after which a choice is made with what was seen
HOPELESS = 4.0  # times the least predicted time: not worth one run


class Convolution(NamedTuple):
    """A convolution without its data; shapes of input, weight and output, channels first."""

    shapes: tuple[Shape, Shape, Shape]
    itemsize: int
    channels_last: bool
    window: Window
    groups: int
    transposed: bool = False

    def plan(self, algorithm: str, run: Run) -> dict[str, Any]:
        """Return what would run, and the amounts of its work."""
        return native.conv_plan(
            self.shapes,
            (self.itemsize, self.channels_last),
            self.window,
            self.groups,
            native.ALGORITHMS.index(algorithm),
            self.transposed,
            run,
        )

    def problem(self, run: Run) -> table.Problem:
        """Return the key of its measured choice."""
        isa, threads, winograd = run
        x, w, y = self.shapes
        shapes = (x, w, y if self.transposed else None)
        settings = (_ISA_NAMES[isa], threads, winograd)
        return table.Problem(*shapes, self.window, self.groups, self.channels_last, self.itemsize, *settings)

    @property
    def function(self) -> Callable[..., None]:
        """The native function that does it."""
        return native.conv_transpose if self.transposed else native.conv

    def able(self, winograd: bool, run: Run) -> list[str]:
        """Return the names of what can do it, Winograd's only if wanted."""
        names: list[str] = self.plan("direct", run)["able"]
        unable = "depthwise" if self.transposed and self.shapes[1][1] != 1 else ""
        return [name for name in names if name != unable and (winograd or not name.startswith("winograd"))]

    def predicted(self, names: Iterable[str], run: Run) -> dict[str, float]:
        """Return the predicted seconds of each, the least first."""
        seconds: dict[str, float] = {name: self.plan(name, run)["predicted_seconds"] for name in names}
        return dict(sorted(seconds.items(), key=lambda item: item[1]))


def calls(
    conv: Convolution, operands: Operands, names: Iterable[str], run: Run
) -> dict[str, Callable[[], None]]:
    """Return the call of each algorithm."""
    return {name: partial(conv.function, *operands, native.ALGORITHMS.index(name), run) for name in names}


def remembered(conv: Convolution, run: Run) -> int:
    """Return the code of the algorithm that is remembered as the fastest, or that of ``"auto"``."""
    choice = table.remembered(conv.problem(run))
    return native.ALGORITHMS.index("auto") if choice is None else choice


def autotuned(operands: Operands, channels_last: bool, transposed: bool, run: Run) -> int:
    """Return the code of the algorithm remembered as the fastest; measure on the operands if none is."""
    x, w, out, window, groups, _ = operands
    isa, threads, winograd = run
    # The entries of a Problem in a plain tuple are the same key, sooner made.
    shapes = (x.shape, w.shape, out.shape if transposed else None)
    key = (*shapes, window, groups, channels_last, x.itemsize, _ISA_NAMES[isa], threads, winograd)
    choice = table.remembered(key)
    if choice is None:
        conv = Convolution(
            (x.shape, w.shape, out.shape), x.itemsize, channels_last, window, groups, transposed
        )
        choice = table.settle(conv.problem(run), partial(_fastest, conv, operands, run))
    return choice


def _fastest(conv: Convolution, operands: Operands, run: Run) -> int:
    predicted = conv.predicted(conv.able(run[2], run), run)
    limit = HOPELESS * min(predicted.values())
    names = [name for name, seconds in predicted.items() if seconds <= limit]
    if len(names) > 1:
        seconds = race.race(calls(conv, operands, names, run), ROUNDS, SECONDS)
        names = sorted(seconds, key=seconds.__getitem__)
    return native.ALGORITHMS.index(names[0])
