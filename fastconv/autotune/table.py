"""Which algorithm was the fastest for which problem, in this process.

A problem is measured by the first thread that asks. Threads that ask for the same one meanwhile wait for it,
those that ask for another do not. A choice enters the table when it is made: a measurement that is stopped
leaves no trace.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

Shape = tuple[int, ...]


class Problem(NamedTuple):
    """What a choice depends on: shapes channels first, the native form of the window, settings."""

    input_shape: Shape
    weight_shape: Shape
    window: tuple[Shape, Shape, Shape, Shape]
    groups: int
    channels_last: bool
    itemsize: int
    isa: str
    threads: int
    winograd: bool


# Algorithms are native codes. One call of a method of a dict is atomic, so neither needs a lock of its own.
_choices: dict[Problem, int] = {}
# Reentrant: a signal's handler runs inside a measurement, and may convolve.
_measuring: dict[Problem, AbstractContextManager[object]] = {}

if hasattr(os, "register_at_fork"):
    # In a child nobody is left to release what another thread of its parent held.
    os.register_at_fork(after_in_child=_measuring.clear)

# Of a Problem, or of a plain tuple of its entries.
remembered: Callable[[tuple[object, ...]], int | None] = _choices.get  # type: ignore[assignment]


def settle(problem: Problem, measure: Callable[[], int]) -> int:
    """Return the remembered choice, or remember what `measure` returns."""
    import threading  # most programs do without

    lock = _measuring.setdefault(problem, threading.RLock())
    try:
        with lock:
            choice = _choices.get(problem)
            if choice is None:
                choice = _choices[problem] = measure()
            return choice
    finally:
        _measuring.pop(problem, None)


def choices() -> dict[Problem, int]:
    """Return a copy of the table."""
    return _choices.copy()


def add(choices: dict[Problem, int]) -> None:
    """Add choices, in the place of those for the same problems."""
    _choices.update(choices)


def forget() -> None:
    """Empty the table."""
    _choices.clear()
