"""Which algorithm was the fastest for which problem, in this process.

A problem is measured by the first thread that asks. Threads that ask for the same one meanwhile wait for it,
those that ask for another do not. A choice enters the table when it is made: a measurement that is stopped
leaves no trace. Where there are too many, the one that was not asked for the longest leaves.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import NamedTuple

Shape = tuple[int, ...]


class Problem(NamedTuple):
    """What a choice depends on: shapes channels first, the native form of the window, settings."""

    input_shape: Shape
    weight_shape: Shape
    output_shape: Shape | None  # of a transposed convolution, whose window leaves it open; None of others
    window: tuple[Shape, Shape, Shape, Shape]
    groups: int
    channels_last: bool
    itemsize: int
    isa: str
    threads: int
    winograd: bool


MOST_CHOICES = 4096

# Algorithms are native codes; what was asked for last stands last. One call of a method of a dict is atomic,
# so neither needs a lock of its own.
_choices: OrderedDict[tuple[object, ...], int] = OrderedDict()
# Reentrant: a signal's handler runs inside a measurement, and may convolve.
_measuring: dict[Problem, AbstractContextManager[object]] = {}

if hasattr(os, "register_at_fork"):
    # In a child nobody is left to release what another thread of its parent held.
    os.register_at_fork(after_in_child=_measuring.clear)


def remembered(problem: tuple[object, ...]) -> int | None:
    """Return the choice for a Problem, or for a plain tuple of its entries, if there is one."""
    choice = _choices.get(problem)
    if choice is not None:
        with suppress(KeyError):  # another thread may have forgotten it
            _choices.move_to_end(problem)
    return choice


def settle(problem: Problem, measure: Callable[[], int]) -> int:
    """Return the remembered choice, or remember what `measure` returns."""
    import threading  # most programs do without

    lock = _measuring.setdefault(problem, threading.RLock())
    try:
        with lock:
            choice = remembered(problem)
            if choice is None:
                choice = measure()
                add({problem: choice})
            return choice
    finally:
        _measuring.pop(problem, None)


def choices() -> dict[Problem, int]:
    """Return a copy of the table, what was asked for last at its end."""
    return dict(_choices)  # type: ignore[arg-type]


def add(choices: dict[Problem, int]) -> None:
    """Add choices, in the place of those for the same problems, and keep the last of too many."""
    _choices.update(choices)  # type: ignore[arg-type]
    with suppress(KeyError):  # another thread may have forgotten all of them
        while len(_choices) > MOST_CHOICES:
            _choices.popitem(last=False)


def forget() -> None:
    """Empty the table."""
    _choices.clear()
