"""The tables of docs/accuracy.md, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from measure import Array, Errors

VALUES = {
    "normal": "normal",
    "relu": "normal, then ReLU",
    "large_mean": "10 + normal",
    "image": "from 0 to 1",
    "positive": "from 0 to 1, weights too",
}


def table(header: str, rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """Lay out rows under a header; all columns but the first ``left`` are numbers."""
    columns = header.count("|") + 1
    rule = "|".join(["---"] * left + ["---:"] * (columns - left))
    body = "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)
    return f"| {header} |\n|{rule}|\n{body}"


def sums(rows: Iterable[Errors]) -> str:
    """Tabulate quantiles over the number of products."""
    return table(
        "values | products | median | 99 % below | largest | c",
        (
            (
                VALUES[row.values],
                row.terms,
                *(f"{value:.3f}" for value in np.percentile(row.relative, (50, 99, 100))),
                f"{row.constant:.1f}",
            )
            for row in rows
        ),
    )


def algorithms(rows: Sequence[Errors]) -> str:
    """Tabulate every algorithm by values, and its root mean square beside that of direct."""
    direct = {row.values: row for row in rows if row.algorithm == "direct"}
    return table(
        "values | algorithm | products | rms | 99.9 % below | largest | rms over direct's | adds up | c "
        "| of the bound",
        (
            (
                VALUES[row.values],
                row.algorithm,
                row.terms,
                f"{row.rms:.3f}",
                f"{np.percentile(row.relative, 99.9):.2f}",
                f"{row.relative.max():.2f}",
                "" if row.algorithm == "depthwise" else f"{beside(row, direct[row.values]):.2f}",
                f"{row.growth.mean():.1f} ({row.growth.max():.1f})",
                f"{row.constant:.1f}",
                f"{row.used:.1%}",
            )
            for row in rows
        ),
        left=2,
    )


def beside(row: Errors, direct: Errors) -> float:
    """Divide the root mean squares of the absolute errors."""
    return float(np.sqrt(np.mean(row.absolute**2) / np.mean(direct.absolute**2)))


def types(pairs: Iterable[tuple[Errors, Errors]]) -> str:
    """Tabulate float32 and float64 side by side."""
    return table(
        "algorithm | rms, float32 | float64 | largest, float32 | float64 | c, float32 | float64",
        (
            (
                single.algorithm,
                *(f"{row.rms:.3f}" for row in (single, double)),
                *(f"{row.relative.max():.2f}" for row in (single, double)),
                *(f"{row.constant:.1f}" for row in (single, double)),
            )
            for single, double in pairs
        ),
    )


def depths(names: Sequence[int], rows: dict[str, list[float]]) -> str:
    """Tabulate errors of stacks in millionths of the output's root mean square."""
    return table(
        f"algorithm | {' | '.join(f'{depth} deep' for depth in names)}",
        ((name, *(f"{1e6 * value:.2f}" for value in row)) for name, row in rows.items()),
    )


def points(
    growth: dict[str, Array],
    predicted: dict[str, float],
    channels: Sequence[int],
    ratios: dict[str, list[float]],
) -> str:
    """Tabulate what tiles of one size at some points add up, and their errors beside direct's."""
    chosen = [channels.index(count) for count in (16, 64, 256, 1024)]
    return table(
        "tiles, points with both signs | products an output | adds up, mean | most "
        "| rms over direct's, predicted | 16 channels | 64 | 256 | 1024",
        (
            (
                name,
                f"{(added.shape[0] + 2) ** 2 / added.size:.2f}",
                f"{added.mean():.1f}",
                f"{added.max():.1f}",
                f"{predicted[name]:.2f}",
                *(f"{ratios[name][index]:.2f}" for index in chosen),
            )
            for name, added in growth.items()
        ),
    )
