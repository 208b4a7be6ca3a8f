"""The examples in the docstrings, in the README and on the pages of docs/ run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import re
from operator import attrgetter
from pathlib import Path
from types import ModuleType

import contents
import numpy as np
import pytest

import fastconv as fc
from fastconv import models, nn

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(module.name for module in pkgutil.walk_packages(fc.__path__, "fastconv."))
# What the extras bring; a module that imports one at its head is tested where it is installed.
OPTIONAL = ("matplotlib", "sklearn", "tqdm")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FENCE = re.compile(r"^```.*$", re.MULTILINE)
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def load(name: str) -> object:
    """Import a module, or skip if it needs an extra."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in OPTIONAL:
            raise
        pytest.skip(f"needs {error.name}")


def failures(text: str, name: str) -> int:
    """Run the examples of a page in one session; of Markdown's fences only the lines' numbers are left."""
    test = doctest.DocTestParser().get_doctest(FENCE.sub("", text), {}, name, name, 0)
    with np.printoptions():
        return doctest.DocTestRunner(optionflags=FLAGS).run(test).failed


@pytest.mark.parametrize("name", ["fastconv", *MODULES])
def test_examples(name: str) -> None:
    failed, _ = doctest.testmod(load(name), optionflags=FLAGS)  # type: ignore[arg-type]
    assert failed == 0


@pytest.mark.parametrize(
    ("package", "name"),
    [
        pytest.param(package, name, id=f"{package.__name__}.{name}")
        for package in (fc, nn, models)
        for name in contents.public_names(package)
    ],
)
def test_everything_public_has_an_example(package: ModuleType, name: str) -> None:
    examples = doctest.DocTestFinder(recurse=False).find(attrgetter(name)(package), name)
    assert any(test.examples for test in examples)


@pytest.mark.parametrize("page", contents.pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not PYTHON_BLOCK.findall(text), "an example that nothing runs: write it with >>>"
    assert failures(text, str(page)) == 0


def test_wrong_example_of_a_page_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert failures("# Page\n\n```pycon\n>>> 1 + 1\n3\n```\n\n```pycon\n>>> 2\n2\n```\n", "page.md") == 1
    assert 'File "page.md", line 4' in capsys.readouterr().out


def test_readme() -> None:
    blocks = PYTHON_BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
