"""Time several ways to compute one thing side by side, so that their ratio survives a noisy machine.

    round 1:  probe  B B b b b   A A a a a   C C c c c      capital: untimed, small: timed
    round 2:  probe  A A a a a   C C c c c   B B b b b      another order every round

A neighbour's load or a change of frequency that lasts longer than a round hits every contender alike, and the
ratio of a round cancels it: ratios are medians of per-round ratios, not quotients of medians. The probe is a
fixed piece of work; a round in which it ran clearly slower than in the best round is not counted.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from fastconv.benchmark.load import OtherLoad

Array = np.ndarray[Any, Any]

TOLERANCE = 1e-4
MIN_ROUNDS = 3
SHORTEST_SAMPLE = 2e-3
MOST_CALLS = 1000
LONG_CALL = 50e-3  # a cold start is lost in it
PROBE_FLOOR = 0.9
SETTLE_SECONDS = 0.25
MOST_OTHER_LOAD = 0.15


class Peak(NamedTuple):
    """What the hardware did in one probe, a second: float32 operations, bytes read plus written."""

    flops: float
    moved: float


class Traffic(NamedTuple):
    """How many lines of memory are read for how many that are written."""

    reads: int
    writes: int


Probe = Callable[[], Peak]
Clock = Callable[[], float]
Bound = Literal["flops", "moved"]  # which of the two a layer cannot exceed


@dataclass(frozen=True)
class Contender:
    """A call that is timed, and how to see its result as a channels-first array.

    ``tolerance`` is how far the result may be from another's, relative to the largest value.
    """

    name: str
    call: Callable[[], Any]
    view: Callable[[Any], Array] = np.asarray
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Race:
    """Seconds a call of each contender, one entry a counted round, and the probes of those rounds.

    ``dropped`` counts the other rounds; ``other_load`` is the mean number of CPUs that other processes used.
    """

    seconds: dict[str, list[float]]
    peaks: list[Peak] = field(default_factory=list)
    dropped: int = 0
    other_load: float = float("nan")

    @property
    def rounds(self) -> int:
        """Counted rounds."""
        return len(next(iter(self.seconds.values())))

    @property
    def noisy(self) -> bool:
        """Whether other processes were busy, or so many probes slow that disturbed rounds cannot be told."""
        unsteady = bool(self.peaks) and not self.dropped and min(_speeds(self.peaks)) < PROBE_FLOOR
        return unsteady or self.other_load > MOST_OTHER_LOAD

    def median(self, name: str) -> float:
        """Median seconds a call."""
        return statistics.median(self.seconds[name])

    def minimum(self, name: str) -> float:
        """Least seconds a call."""
        return min(self.seconds[name])

    def speedup(self, name: str, over: str) -> float:
        """How many times faster ``name`` is than ``over``: the median of per-round ratios."""
        pairs = zip(self.seconds[over], self.seconds[name], strict=True)
        return statistics.median(slow / fast for slow, fast in pairs)

    def share(self, name: str, work: float, bound: Bound) -> float:
        """Median over rounds of the speed relative to that round's probe; NaN without probes."""
        if not self.peaks:
            return float("nan")
        limits: list[float] = [getattr(peak, bound) for peak in self.peaks]
        return statistics.median(work / s / p for s, p in zip(self.seconds[name], limits, strict=True))


def require_agreement(contenders: Sequence[Contender]) -> None:
    """Require every result to equal the first's within the contender's tolerance, else ValueError.

    This tells two computations apart, not a good from a bad rounding: precision is what tests are for.
    """
    first, *others = contenders
    expected = first.view(first.call())
    scale = float(np.abs(expected).max(initial=0.0))
    for contender in others:
        actual = contender.view(contender.call())
        if actual.shape != expected.shape:
            raise ValueError(f"{contender.name} returns {actual.shape}, {first.name} {expected.shape}")
        error = float(np.abs(actual - expected).max(initial=0.0))
        if not error <= contender.tolerance * scale:
            raise ValueError(
                f"{contender.name} differs from {first.name} by {error:.3g}, the largest value is {scale:.3g}"
            )


def settle(limit: float = SETTLE_SECONDS) -> None:
    """Sleep until no thread of this process computes.

    Thread pools spin for a while after their last task, waiting for the next one: a library that was just
    timed would take a core away from the one whose turn it is.
    """
    deadline = time.perf_counter() + limit
    while time.perf_counter() < deadline:
        computed, slept = time.process_time(), time.perf_counter()
        time.sleep(0.0005)
        if time.process_time() - computed < 0.3 * (time.perf_counter() - slept):
            return


def sample(call: Callable[[], Any], calls: int, clock: Clock = time.perf_counter) -> float:
    """Seconds a call, averaged over several in a row."""
    start = clock()
    for _ in range(calls):
        call()
    return (clock() - start) / calls


def calls_per_sample(call: Callable[[], Any]) -> int:
    """Warm up and choose how many calls last long enough for the clock."""
    call()
    seconds = sample(call, 1)
    if seconds < LONG_CALL:
        seconds = min(seconds, sample(call, 1), sample(call, 1))
    if seconds < SHORTEST_SAMPLE:  # of a short call most is disturbance, unless there are several in a row
        seconds = min(sample(call, 10) for _ in range(5))
    return int(min(max(SHORTEST_SAMPLE / max(seconds, 1e-9), 1), MOST_CALLS))


@contextmanager
def collection_paused() -> Iterator[None]:
    """Keep the garbage collector out of the samples."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def interleave(
    contenders: Sequence[Contender],
    *,
    rounds: int,
    seconds: float,
    probe: Probe | None = None,
    quiet: bool = True,
    clock: Clock = time.perf_counter,
) -> Race:
    """Time all contenders in every round.

    Parameters
    ----------
    contenders : sequence of Contender
        At least one; names are different.
    rounds : int
        Rounds to make.
    seconds : float
        Budget: once it is spent and `MIN_ROUNDS` are made, no further round begins.
    probe : callable, optional
        Measures the hardware once a round.
    quiet : bool, default True
        Wait before every contender until the threads of the one before it sleep.
    clock : callable, default time.perf_counter
        What to time by. ``time.process_time`` does not count what other processes take, and tells calls of
        one thread apart on a machine that is never idle; of several threads it says little.

    Returns
    -------
    Race
        The samples of the counted rounds.
    """
    calls, pause = {}, SETTLE_SECONDS if quiet else 0
    for contender in contenders:
        settle(pause)
        calls[contender.name] = calls_per_sample(contender.call)
    seen: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    peaks: list[Peak] = []
    order = list(contenders)
    shuffle = random.Random(0).shuffle
    deadline = time.perf_counter() + seconds
    load = OtherLoad()
    with collection_paused():
        for finished in range(max(rounds, 1)):
            if finished >= MIN_ROUNDS and time.perf_counter() > deadline:
                break
            if probe is not None:
                settle(pause)
                peaks.append(probe())
            shuffle(order)
            for contender in order:
                settle(pause)
                samples = seen[contender.name]
                if not samples or samples[-1] < LONG_CALL:
                    contender.call()  # wakes its threads and brings its data back into the cache
                samples.append(sample(contender.call, calls[contender.name], clock))
    return _without_disturbed_rounds(seen, peaks, load.cpus())


def _speeds(peaks: Sequence[Peak]) -> list[float]:
    best = max(peak.flops for peak in peaks)
    return [peak.flops / best for peak in peaks]


def _without_disturbed_rounds(seen: dict[str, list[float]], peaks: list[Peak], other_load: float) -> Race:
    """Leave out rounds with a slow probe, unless that would leave fewer than half."""
    keep = [index for index, speed in enumerate(_speeds(peaks)) if speed >= PROBE_FLOOR] if peaks else []
    if 2 * len(keep) < len(peaks) or len(keep) < min(MIN_ROUNDS, len(peaks)) or len(keep) == len(peaks):
        return Race(seen, peaks, 0, other_load)
    counted = {name: [values[index] for index in keep] for name, values in seen.items()}
    return Race(counted, [peaks[index] for index in keep], len(peaks) - len(keep), other_load)
