"""Time calls that do the same, in turns, so that what disturbs the machine disturbs all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

Clock = Callable[[], float]

LONG_CALL = 50e-3  # seconds; a cold start is lost in it
CLEARLY_SLOWER = 1.5
FIRST_ROUNDS = 3  # one slow sample may be another process's

# Looked up at each call: tests put their own in its place.
clock: Clock = perf_counter


def race(calls: Mapping[str, Callable[[], object]], rounds: int, seconds: float) -> dict[str, float]:
    """Return the median seconds of each call.

    All start cold, which counts for long calls only. Then there are `rounds`, or fewer once `seconds` are
    over; what was clearly slower than the best in the first ones takes no part in the others. A call without
    the memory it needs is left out, unless none has it.
    """
    samples: dict[str, list[float]] = {name: [] for name in calls}
    racing = list(calls)
    deadline = clock() + seconds
    for turn in range(1 + rounds):
        for name in tuple(racing):
            try:
                took = _seconds_of(calls[name])
            except MemoryError:
                del samples[name]
                racing.remove(name)
                if not samples:
                    raise
                continue
            if turn > 0 or took >= LONG_CALL:
                samples[name].append(took)
        if all(samples.values()) and clock() > deadline:
            break
        limit = CLEARLY_SLOWER * min((min(s) for s in samples.values() if s), default=0.0)
        racing = [name for name in racing if len(samples[name]) < FIRST_ROUNDS or min(samples[name]) <= limit]
    return {name: _median(took) for name, took in samples.items()}


def _seconds_of(call: Callable[[], object]) -> float:
    started = clock()
    call()
    return clock() - started


def _median(values: list[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2
