"""The package against torch, on the samples that torch's operator database tests torch with."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import fastconv as fc
from conformance import samples
from conformance.operators import OPERATORS, Apart, Call, Operator

EITHER = (TypeError, ValueError)
COMPLEX = {"float32": "complex64", "float64": "complex128"}


def apart(call: Call, kinds: tuple[Apart, ...]) -> Apart | None:
    """Find the reason why a call is not for both sides."""
    return next((kind for kind in kinds if kind.applies(call)), None)


def report(failures: list[str]) -> None:
    """Fail with the first of them, a line each."""
    if failures:
        pytest.fail("\n".join([f"{len(failures)} calls", *failures[:20]]), pytrace=False)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", OPERATORS, ids=str)
def test_samples(row: Operator, dtype: str) -> None:
    ours: Any = getattr(fc, row.function)
    failures: list[str] = []
    refused: Counter[str] = Counter()
    agreed = 0
    for call in samples.calls(row, COMPLEX[dtype] if row.variant == "complex" else dtype):
        given = samples.as_arrays(call)
        try:
            if reason := apart(call, row.refused):
                refused[reason.reason] += 1
                with pytest.raises(EITHER):
                    ours(*given.args, **given.options)
            else:
                agreed += 1
                samples.assert_agree(row, call, ours)
        except (Exception, pytest.fail.Exception) as error:
            failures.append(f"{samples.described(call)}: {type(error).__name__}: {error}")
    report(failures)
    # Each is there twice, the second time not contiguous.
    assert refused == {kind.reason: 2 * kind.number for kind in row.refused}
    assert agreed == 2 * (row.samples[dtype == "float64"] - sum(kind.number for kind in row.refused))


@pytest.mark.parametrize("row", [row for row in OPERATORS if row.errors], ids=str)
def test_error_inputs(row: Operator) -> None:
    ours: Any = getattr(fc, row.function)
    failures: list[str] = []
    taken: Counter[str] = Counter()
    calls = [samples.call_of(error.sample_input) for error in samples.operator_of(row).error_inputs("cpu")]
    for call in calls:
        given = samples.as_arrays(call)
        try:
            if reason := apart(call, row.taken):
                taken[reason.reason] += 1
                ours(*given.args, **given.options)
            else:
                with pytest.raises(EITHER):
                    ours(*given.args, **given.options)
        except (Exception, pytest.fail.Exception) as error:
            failures.append(f"{samples.described(call)}: {type(error).__name__}: {error}")
    report(failures)
    assert len(calls) == row.errors
    assert taken == {kind.reason: kind.number for kind in row.taken}


def test_every_function_of_the_database_is_compared() -> None:
    names = {op.name.rpartition(".")[2] for op in samples.database.op_db}
    compared = {row.function for row in OPERATORS}
    assert {name for name in fc.functional.__all__ if name in names} <= compared
