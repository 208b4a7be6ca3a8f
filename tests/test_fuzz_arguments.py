"""100,000 bad calls, drawn at random but the same in every run: each is refused, and nothing is written.

``bad_calls.attempt(function, number)`` makes one of them again.
"""

from __future__ import annotations

from random import Random

import pytest
from fuzz.bad_calls import attempt, finding
from fuzz.valid_calls import GENERATORS

import fastconv as fc

CALLS = 100_000
FUNCTIONS = fc.functional.__all__
REFUSALS = -(-CALLS // len(FUNCTIONS))


def test_every_function_has_a_generator() -> None:
    assert set(GENERATORS) == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_valid_calls_are_valid(function: str) -> None:
    for number in range(200):
        getattr(fc, function)(**GENERATORS[function](Random(number)))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bad_calls_are_refused(function: str) -> None:
    refused = valid = 0
    findings: list[str] = []
    while refused < REFUSALS:
        bad, wrong = finding(attempt(function, refused + valid))
        refused, valid = refused + bad, valid + (not bad)
        if wrong:
            findings.append(f"{refused + valid - 1}: {wrong}")
        assert valid <= REFUSALS, "most calls are valid: nothing is tested"
    if findings:
        pytest.fail("\n".join([f"{len(findings)} calls", *findings[:20]]), pytrace=False)
