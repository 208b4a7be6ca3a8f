"""Packages that only some commands need, and what to say when they are missing."""

from __future__ import annotations

import importlib
from typing import Any


class MissingExtra(Exception):
    """An optional package is not installed; the text says how to get it."""


def load(module: str, extra: str) -> Any:
    """Import a module that the named extra of fastconv installs; raises MissingExtra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtra(
            f'{package} cannot be imported ({error}); pip install "fastconv[{extra}]"'
        ) from None
