"""Tables of whole networks: a row a network, a table a setting of batch and threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from network_footprint import Footprint
from network_race import NetworkResult

from fastconv.benchmark.interleave import Race
from fastconv.benchmark.report import figure, geometric_mean, markdown_table, percent, ratio
from fastconv.benchmark.results import SUBJECT

MEAN = "geometric mean"


def rivals(race: Race) -> list[str]:
    """Name the packages that took part beside fastconv."""
    return [name for name in race.seconds if name != SUBJECT]


def by_medians(race: Race, other: str) -> float:
    """How many times longer another took, by medians; NaN where it did not take part."""
    return race.speedup(SUBJECT, other) if other in race.seconds else float("nan")


def by_minima(race: Race, other: str) -> float:
    """How many times longer another took, by least times; NaN where it did not take part."""
    return race.minimum(other) / race.minimum(SUBJECT) if other in race.seconds else float("nan")


def best(race: Race, measure: Callable[[Race, str], float]) -> tuple[float, str]:
    """Return the ratio to the fastest other package and its name; NaN if there is none."""
    return min(((measure(race, name), name) for name in rivals(race)), default=(float("nan"), ""))


def known(values: Iterable[float]) -> float:
    """Geometric mean of those that are known."""
    return geometric_mean(value for value in values if not math.isnan(value))


def settings(results: Sequence[NetworkResult]) -> list[tuple[int, int]]:
    """Batches and numbers of threads that there are results of, in order."""
    return sorted({(result.setting.batch, result.setting.threads) for result in results})


def of_setting(results: Sequence[NetworkResult], batch: int, threads: int) -> list[NetworkResult]:
    """Return the results of one setting."""
    return [
        result for result in results if (result.setting.batch, result.setting.threads) == (batch, threads)
    ]


def ratio_table(results: Sequence[NetworkResult]) -> str:
    """Format Markdown: times of fastconv, and how many times longer the best and all others took."""
    others = list(dict.fromkeys(name for result in results for name in rivals(result.race)))
    rows = [[*_times(result), *_ratios(result.race, others)] for result in results]
    means = [
        known(best(result.race, measure)[0] for result in results) for measure in (by_medians, by_minima)
    ]
    means += [known(by_medians(result.race, name) for result in results) for name in others]
    rows.append([MEAN, "", "", "", *map(ratio, means)])
    heads = ["network", "ms", "of peak", "rounds", "vs best", "vs best, minima"]
    return markdown_table([*heads, *(f"vs {name}" for name in others)], rows)


def _times(result: NetworkResult) -> list[str]:
    race = result.race
    share = race.share(SUBJECT, 1e9 * result.gflop, "flops")
    rounds = f"{race.rounds}{f' (-{race.dropped})' if race.dropped else ''}{' noisy' if race.noisy else ''}"
    seconds = f"{figure(1e3 * race.median(SUBJECT))} ({figure(1e3 * race.minimum(SUBJECT))})"
    return [result.setting.name, seconds, percent(share), rounds]


def _ratios(race: Race, others: Sequence[str]) -> list[str]:
    leading = [best(race, measure) for measure in (by_medians, by_minima)]
    return [
        *(f"{ratio(value)} {name}".rstrip() for value, name in leading),
        *(ratio(by_medians(race, name)) for name in others),
    ]


def step_table(results: Sequence[NetworkResult]) -> str:
    """Format Markdown: the share of an inference that its steps account for, and seconds of compiling."""
    found = settings(results)
    rows = []
    for name in dict.fromkeys(result.setting.name for result in results):
        cells = {(r.setting.batch, r.setting.threads): r for r in results if r.setting.name == name}
        shares = [percent(cells[one].in_steps) if one in cells else "-" for one in found]
        compiling = [f"{cells[one].compile_seconds:.2f}" if one in cells else "-" for one in found]
        rows.append([name, *shares, *compiling])
    labels = [f"batch {batch}, {threads} threads" for batch, threads in found]
    return markdown_table(
        ["network", *(f"in steps: {one}" for one in labels), *(f"compile, s: {one}" for one in labels)], rows
    )


def remarks(results: Sequence[NetworkResult]) -> list[str]:
    """Say how far outputs were apart, who failed and why, and how busy the machine was."""
    lines = []
    for name in dict.fromkeys(name for result in results for name in result.differences):
        largest = max(result.differences.get(name, 0.0) for result in results)
        lines.append(f"{name}: outputs differ by {largest:.0e} of the largest value at most")
    lines += [
        f"{result.setting}: {name} is missing: {why}"
        for result in results
        for name, why in result.failures.items()
    ]
    loads = [load for result in results if not math.isnan(load := result.race.other_load)]
    if loads:
        lines.append(
            f"other processes used {sum(loads) / len(loads):.2f} CPUs on average, {max(loads):.2f} at most"
        )
    return lines


def footprint_tables(footprints: Sequence[Footprint]) -> dict[str, str]:
    """Format Markdown, a table a quantity: a row a network, a column a package."""
    quantities: dict[str, Callable[[Footprint], float]] = {
        "Loading until a call can be made, ms": lambda one: 1e3 * one.load,
        "The first call, ms": lambda one: 1e3 * one.first_call,
        "Peak memory beyond the imports, MiB": lambda one: one.peak / 2**20,
        "Peak memory of the process, MiB": lambda one: one.whole / 2**20,
    }
    tables = {"Import, ms": _import_table(footprints)}
    names = list(dict.fromkeys(one.package for one in footprints))
    for title, quantity in quantities.items():
        rows = []
        for network in dict.fromkeys(one.network for one in footprints):
            cells = {one.package: one for one in footprints if one.network == network}
            row = [figure(quantity(cells[name])) if name in cells else "-" for name in names]
            rows.append([network, *row])
        tables[title] = markdown_table(["network", *names], rows)
    return tables


def _import_table(footprints: Sequence[Footprint]) -> str:
    names = list(dict.fromkeys(one.package for one in footprints))
    seconds = {name: [one.imports for one in footprints if one.package == name] for name in names}
    rows = [
        [name, figure(1e3 * min(values)), figure(1e3 * sorted(values)[len(values) // 2])]
        for name, values in seconds.items()
    ]
    return markdown_table(["package", "minimum", "median"], rows)
