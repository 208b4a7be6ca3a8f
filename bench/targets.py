"""What the results are meant to reach, and whether they do."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from fastconv.benchmark.report import figure, geometric_mean
from fastconv.benchmark.results import Result


@dataclass(frozen=True)
class Target:
    """One line under a table."""

    text: str
    value: float
    limit: float
    reached: bool
    detail: str = ""

    def __str__(self) -> str:
        verdict = "reached" if self.reached else "MISSED"
        return f"{self.text}: {figure(self.value)} (target {figure(self.limit)}) {verdict}{self.detail}"


def at_least(text: str, value: float, limit: float, detail: str = "") -> Target:
    """Target that larger values reach."""
    return Target(text, value, limit, value >= limit, detail)


def at_most(text: str, value: float, limit: float, detail: str = "") -> Target:
    """Target that smaller values reach."""
    return Target(text, value, limit, value <= limit, detail)


def conv_targets(results: Sequence[Result]) -> list[Target]:
    """Dense convolutions: NumPy, torch in both layouts, and our own channels-last call."""
    return [
        *mean_speedup(results, "numpy", 10),
        *mean_speedup(results, "torch", 1.6),
        *every_layer(results, "torch", 1.0),
        *mean_speedup(results, "torch channels_last", 1.0),
        *channels_last_as_fast(results),
    ]


def depthwise_targets(results: Sequence[Result]) -> list[Target]:
    """Depthwise convolutions: torch channels_last, which is the faster of its two."""
    return [*mean_speedup(results, "torch channels_last", 1.5), *channels_last_as_fast(results)]


def transposed_targets(results: Sequence[Result]) -> list[Target]:
    """Transposed convolutions: torch in both layouts, and our own channels-last call."""
    return [
        *mean_speedup(results, "torch", 1.5),
        *mean_speedup(results, "torch channels_last", 1.5),
        *channels_last_as_fast(results),
    ]


def pool_targets(results: Sequence[Result]) -> list[Target]:
    """Pooling: NumPy as one would write it, torch in both layouts, the bandwidth on large arrays."""
    return [
        *mean_speedup(results, "numpy", 5),
        *mean_speedup(results, "torch", 2),
        *mean_speedup(results, "torch channels_last", 1.2),
        *bandwidth_on_large_arrays(results),
    ]


# Batch normalisation is held to the same.
batch_norm_targets: Callable[[Sequence[Result]], list[Target]] = pool_targets


def rearrange_targets(results: Sequence[Result]) -> list[Target]:
    """Moving data: NumPy, torch in both layouts, the bandwidth on large arrays."""
    return [
        *mean_speedup(results, "numpy", 2),
        *mean_speedup(results, "torch", 1.2),
        *mean_speedup(results, "torch channels_last", 1.2),
        *bandwidth_on_large_arrays(results),
    ]


def linear_targets(results: Sequence[Result]) -> list[Target]:
    """Linear layers: NumPy and torch."""
    return [*mean_speedup(results, "numpy", 1), *mean_speedup(results, "torch", 1)]


def statistic_targets(results: Sequence[Result]) -> list[Target]:
    """Statistics of a part of each sample: NumPy, torch, and the bandwidth on large arrays."""
    return [
        *mean_speedup(results, "numpy", 5),
        *mean_speedup(results, "torch", 1.2),
        *mean_speedup(results, "torch channels_last", 1.2),
        *bandwidth_on_large_arrays(results),
    ]


def blocked_targets(shares: Mapping[str, float], stems: Collection[str], isa: str) -> list[Target]:
    """Shares of the peak by layer; ``stems`` names the layers whose 3 channels leave lanes empty."""
    middle = statistics.median(shares.values())
    if isa == "avx2":
        return [at_least("median share of the peak", middle, 0.88)]
    first = [share for name, share in shares.items() if name in stems]
    others = [share for name, share in shares.items() if name not in stems]
    return [
        at_least("median share of the peak", middle, 0.93),
        *([at_least("least share, 3-channel layers apart", min(others), 0.80)] if others else []),
        *([at_least("least share of 3-channel layers", min(first), 0.65)] if first else []),
    ]


def mean_speedup(results: Sequence[Result], other: str, limit: float) -> list[Target]:
    """Geometric mean over the layers that the other computes."""
    values = [result.speedup(other) for result in results if other in result.race.seconds]
    return [at_least(f"geometric mean vs {other}", geometric_mean(values), limit)] if values else []


def every_layer(results: Sequence[Result], other: str, limit: float) -> list[Target]:
    """Least speedup, and the layers that miss the limit."""
    values = {result.layer.name: result.speedup(other) for result in results if other in result.race.seconds}
    missed = [f"{name} {figure(value)}" for name, value in values.items() if value < limit]
    return [at_least(f"least vs {other}", min(values.values()), limit, listing(missed))] if values else []


def channels_last_as_fast(results: Sequence[Result]) -> list[Target]:
    """NHWC takes at most 10 % longer: geometric mean of NCHW's speedup over it."""
    values = [result.speedup("fastconv NHWC") for result in results if "fastconv NHWC" in result.race.seconds]
    return [at_most("time of NHWC over NCHW, geometric mean", geometric_mean(values), 1.1)] if values else []


def bandwidth_on_large_arrays(results: Sequence[Result], limit: float = 0.8) -> list[Target]:
    """Least share of the bandwidth over the arrays that no cache holds."""
    shares = {result.layer.name: result.share for result in results if result.layer.name.startswith("large_")}
    missed = [f"{name} {figure(share)}" for name, share in shares.items() if share < limit]
    return (
        [at_least("least share of bandwidth, large arrays", min(shares.values()), limit, listing(missed))]
        if shares
        else []
    )


def listing(names: Sequence[str]) -> str:
    """Append names, if any."""
    return f": {', '.join(names)}" if names else ""
