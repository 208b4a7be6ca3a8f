"""The pages under docs/: the reference has every public name once, and no page says what nobody measured."""

from __future__ import annotations

import importlib
import re
from operator import attrgetter
from pathlib import Path
from types import ModuleType

import bounds
import contents
import numpy as np
import pytest

import fastconv as fc

ROOT = Path(__file__).resolve().parent.parent
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
FIGURES = ROOT / "docs" / "figures"
# A row of errors over the number of products: products, median, 99th percentile, largest, constant.
SUMS = re.compile(r"\| (\d+) \| [\d.]+ \| [\d.]+ \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)
# One of errors by algorithm: name, products, five columns, constant, share of the bound.
ALGORITHMS = re.compile(r"\| (\w+) \| (\d+) \|(?:[^|]*\|){5} ([\d.]+) \| ([\d.]+)% \|$", re.MULTILINE)
ENTRY = re.compile(r"^   ([\w.]+)$", re.MULTILINE)


def package(*names: str) -> ModuleType:
    """Make a package that exports functions of these names."""
    module = ModuleType("made_up")
    module.__dict__.update({"__all__": list(names), **dict.fromkeys(names, len)})
    return module


def entries(page: str) -> list[str]:
    """Return the names that the tables of a page of the reference list."""
    return [name for table in page.split(".. autosummary::")[1:] for name in ENTRY.findall(table)]


def numbers_of_its_own(page: str, source: str) -> set[str]:
    """Return the numbers of a page that are not in its source."""
    return set(NUMBER.findall(page)) - set(NUMBER.findall(source))


@pytest.mark.parametrize("name", sorted({*contents.public_names(fc), *contents.public_names(fc.functional)}))
def test_every_public_name_has_one_group(name: str) -> None:
    assert attrgetter(name)(fc), f"{name} is in fastconv.functional and not in fastconv"
    assert len(contents.homes(name)) == 1, f"{name} belongs to {contents.homes(name) or 'no group'}"


@pytest.mark.parametrize("page", contents.REFERENCE, ids=lambda page: page.package)
def test_reference_lists_every_public_name_once(page: contents.Page) -> None:
    package = importlib.import_module(page.package)
    names = contents.public_names(package)
    assert sorted(entries(contents.reference(package, page))) == sorted(names)
    assert [name for name in names if len(contents.homes(name, page.groups)) != 1] == []


def test_reference_leads_to_its_other_pages() -> None:
    assert "   nn\n   nn.init\n   models\n" in contents.reference(fc)


def test_new_function_of_a_known_kind_is_in_the_reference() -> None:
    assert entries(contents.reference(package("conv_transpose2d", "softmax"))) == [
        "conv_transpose2d",
        "softmax",
    ]


def test_new_kind_of_function_is_noticed() -> None:
    assert contents.homes("fourier2d") == []


def test_performance_has_no_number_of_its_own() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    results = (ROOT / "bench" / "RESULTS.md").read_text(encoding="utf-8")
    assert numbers_of_its_own(page, results) == set()


def test_number_of_its_own_is_noticed() -> None:
    assert numbers_of_its_own("2.5 times, 1,024 channels", "of 1,024 channels 2 took 5.2") == {"2.5"}


def test_table_of_sums_has_the_bound_that_tests_hold() -> None:
    rows = SUMS.findall((FIGURES / "accuracy-sums.md").read_text(encoding="utf-8"))
    assert len(rows) == 14
    for terms, largest, constant in rows:
        assert constant == f"{bounds.CONVOLUTION['direct'](int(terms)):.1f}"
        assert float(largest) < float(constant)


def test_table_of_algorithms_has_the_bounds_that_tests_hold() -> None:
    rows = ALGORITHMS.findall((FIGURES / "accuracy-algorithms.md").read_text(encoding="utf-8"))
    assert len(rows) == 20
    for algorithm, terms, constant, used in rows:
        if algorithm.startswith("winograd"):
            expected = bounds.winograd_bound(int(algorithm[-1]), int(terms) // 9, np.float32)
        else:
            expected = bounds.CONVOLUTION[algorithm](int(terms))
        assert constant == f"{expected:.1f}"
        assert float(used) < 100
