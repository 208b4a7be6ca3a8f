"""Tables and summary numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def geometric_mean(values: Iterable[float]) -> float:
    """Mean of ratios; NaN for none."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else float("nan")


def figure(value: float, digits: int = 3) -> str:
    """Significant digits without an exponent; a dash for NaN."""
    if math.isnan(value):
        return "-"
    decimals = digits - 1 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{max(decimals, 0)}f}"


def ratio(value: float) -> str:
    """Such as ``1.52x``."""
    return "-" if math.isnan(value) else f"{value:.2f}x"


def percent(value: float) -> str:
    """Such as ``93 %``."""
    return "-" if math.isnan(value) else f"{100 * value:.0f} %"


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align a table whose first column is text and whose others are numbers."""
    widths = [max(len(row[index]) for row in [headers, *rows]) for index in range(len(headers))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    rule = (
        "|"
        + "|".join("-" * (width + 2) if i == 0 else "-" * (width + 1) + ":" for i, width in enumerate(widths))
        + "|"
    )
    return "\n".join([line(headers), rule, *(line(row) for row in rows)])
