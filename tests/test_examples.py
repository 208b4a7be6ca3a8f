"""The examples in the docstrings run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil

import pytest

import fastconv as fc

MODULES = sorted(module.name for module in pkgutil.walk_packages(fc.__path__, "fastconv."))
# What the extras bring; a module that imports one at its head is tested where it is installed.
OPTIONAL = ("matplotlib", "sklearn", "tqdm")


def load(name: str) -> object:
    """Import a module, or skip if it needs an extra."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in OPTIONAL:
            raise
        pytest.skip(f"needs {error.name}")


@pytest.mark.parametrize("name", ["fastconv", *MODULES])
def test_examples(name: str) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, _ = doctest.testmod(load(name), optionflags=flags)  # type: ignore[arg-type]
    assert failed == 0


@pytest.mark.parametrize("name", [name for name in fc.__all__ if callable(getattr(fc, name))])
def test_everything_public_has_an_example(name: str) -> None:
    examples = doctest.DocTestFinder(recurse=False).find(getattr(fc, name), name)
    assert any(test.examples for test in examples)
