"""Counts that a model is built from; its layers check the rest."""

from __future__ import annotations

import operator


def count(value: object, name: str) -> int:
    """Return an integer of at least 1."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = int(operator.index(value))  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer, got a value of type {type(value).__name__}") from None
    if number < 1:
        raise ValueError(f"{name}={number} is out of range: it must be at least 1")
    return number
