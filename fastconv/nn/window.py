"""Arguments of a window: checked, and kept in the form in which they were given, as PyTorch does."""

from __future__ import annotations

from typing import Any

from fastconv.functional.checks import arguments


def plain(value: Any) -> Any:
    """Return numbers of NumPy as Python's, one by one in tuples and lists; all have been checked."""
    if isinstance(value, (tuple, list)):
        entries = [plain(entry) for entry in value]
        return entries if isinstance(value, list) else tuple(entries)
    return value if value is None or isinstance(value, str) else int(value)


def size(value: object, rank: int, name: str) -> Any:
    """Check a size of at least 1 for each axis, and keep its form."""
    arguments.per_axis(value, rank, name, 1)
    return plain(value)


def padding(value: object, rank: int) -> Any:
    """Check a padding, and keep its form."""
    arguments.padding(value, rank)
    return plain(value)


def even(sizes: Any) -> Any:
    """Return one number for a tuple of equal ones: with numbers a function remembers what it has checked."""
    first = sizes[0] if type(sizes) is tuple and sizes else None
    return first if type(first) is int and sizes == (first,) * len(sizes) else sizes
