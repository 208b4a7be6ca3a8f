"""How busy other processes keep the machine: what a ratio of multi-threaded calls does not cancel.

A thread pool with as many threads as CPUs loses a whole time slice at every barrier when one CPU is taken,
and pools differ in how badly. Results from a busy machine are therefore marked.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
# Columns of a line of /proc/stat that are not idle: user, nice, system, irq, softirq, steal.
BUSY_COLUMNS = (0, 1, 2, 5, 6, 7)


def busy_elsewhere() -> float:
    """CPU seconds since boot of all but this process and its ended children; NaN where unknown."""
    try:
        columns = STAT.read_text().partition("\n")[0].split()[1:]
        ticks = sum(int(columns[index]) for index in BUSY_COLUMNS)
        return ticks / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])
    except (OSError, ValueError, IndexError, AttributeError):
        return float("nan")


class OtherLoad:
    """Mean number of CPUs that others kept busy since this object was made."""

    def __init__(self) -> None:
        self._busy, self._began = busy_elsewhere(), time.perf_counter()

    def cpus(self) -> float:
        """NaN where it is unknown, or too little time has passed for the system's clock ticks."""
        seconds = time.perf_counter() - self._began
        return max(busy_elsewhere() - self._busy, 0.0) / seconds if seconds > 0.2 else float("nan")
