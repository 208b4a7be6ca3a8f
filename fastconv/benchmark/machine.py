"""What a measurement ran on: CPU, instruction set, threads, and the peak measured beside it."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from fastconv._native import core
from fastconv.benchmark.interleave import Peak, Probe, Traffic
from fastconv.runtime import native_run

PROBE_SECONDS = 0.01
COPYING = Traffic(1, 1)


@dataclass(frozen=True)
class Machine:
    """Labels of a table of results."""

    cpu: str
    isa: str
    threads: int

    def __str__(self) -> str:
        return f"{self.cpu}, {self.isa}, {self.threads} thread{'s' if self.threads != 1 else ''}"


def current_machine() -> Machine:
    """Describe what a call made now runs on."""
    isa, threads, _ = native_run()
    return Machine(cpu_name(), core.ISA_NAMES[isa], threads)


def cpu_name() -> str:
    """Model name, as the operating system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_probe(seconds: float = PROBE_SECONDS, traffic: Traffic = COPYING) -> Probe:
    """Return a probe that measures the peak of the current instruction set and threads for that long."""
    isa, threads, _ = native_run()
    return lambda: Peak(*core.measure_peak(isa, threads, seconds, *traffic))
