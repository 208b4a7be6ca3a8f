"""The package against torch, on random calls: both take the same ones, with the same results."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from conformance.operators import Call
from conformance.random_calls import FAMILIES, Family
from conformance.samples import described, results, torch

CALLS = 1500
REFUSALS = (IndexError, NotImplementedError, RuntimeError, TypeError, ValueError)


def outcome(function: Any, call: Call, refusals: Any) -> tuple[list[Any] | None, str]:
    """Return the results of a call, or None and why it was refused."""
    try:
        return results(function(*call.args, **call.options)), "taken"
    except refusals as error:
        return None, f"refused, {type(error).__name__}: {str(error).splitlines()[0][:100]}"


def difference(ours: list[Any], theirs: list[Any]) -> str:
    """Say how results differ, if they do."""
    for one, other in zip(ours, (tensor.numpy() for tensor in theirs), strict=True):
        if (one.dtype, one.shape) != (other.dtype, other.shape):
            return f"{one.dtype} {one.shape} instead of {other.dtype} {other.shape}"
        # A window without any input has no place of its maximum.
        there = ours[0] > -np.inf if one.dtype.kind == "i" else np.True_
        if not np.allclose(one, other, rtol=1e-13, atol=1e-13) and (one != other)[there & (one == one)].any():
            return f"{one} instead of {other}"
    return ""


def tensors(call: Call) -> Call:
    """Copy the arrays of a call to tensors."""
    args = (torch.tensor(value) if isinstance(value, np.ndarray) else value for value in call.args)
    return Call(tuple(args), call.options)


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_both_take_the_same_calls(family: Family) -> None:
    ours, theirs = getattr(fc, family.function), getattr(torch.nn.functional, family.function)
    findings: list[str] = []
    seen: Counter[str] = Counter()
    for number in range(CALLS):
        call = family.draw(Random(number))
        if any(applies(call) for applies in family.apart):
            seen["apart"] += 1
            continue
        reference = tensors(call)
        expected, they = outcome(theirs, reference, REFUSALS)
        actual, we = outcome(ours, call, (TypeError, ValueError))
        seen[they[:5]] += 1
        if actual is None or expected is None:
            wrong = (actual is None) != (expected is None)
            said = f"torch: {they}; here: {we}" if wrong else ""
        else:
            said = difference(actual, expected)
        if said:
            findings.append(f"{number}: {described(reference)}: {said}")
    if findings:
        pytest.fail("\n".join([f"{len(findings)} of {dict(seen)}", *findings[:20]]), pytrace=False)
    assert seen["taken"] > CALLS / 10
    assert seen["refus"] > CALLS / 50
