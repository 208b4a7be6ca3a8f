"""Samples of torch's operator database as calls of torch and of the package, and the comparison of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from bounds import assert_within, summation

from conformance.operators import Call, Operator

torch = pytest.importorskip("torch")
database = pytest.importorskip("torch.testing._internal.common_methods_invocations")
common = pytest.importorskip("torch.testing._internal.common_utils")

# The samples are tiny: threads would only wait for each other.
torch.set_num_threads(1)

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]

# Both sides round, so each constant is there twice. Of the sum of the absolute values; the longest sum has 27
# channels of 3 x 3 x 3 elements. Of the value itself. Of the largest value, or of 1.
SUM = 2 * (summation(27 * 27) + 2)
ELEMENTWISE = 2 * 8
LARGEST = 2 * 32


def changed(call: Call, change: Callable[[Any], Any]) -> Call:
    """Change every tensor of a call."""
    options = {
        name: change(value) if torch.is_tensor(value) else value for name, value in call.options.items()
    }
    return Call(tuple(change(value) if torch.is_tensor(value) else value for value in call.args), options)


def described(call: Call) -> str:
    """Show the arguments, tensors by type, shape and strides."""

    def text(value: Any) -> str:
        if not torch.is_tensor(value):
            return repr(value)
        return f"{str(value.dtype).removeprefix('torch.')}{tuple(value.shape)} by {value.stride()}"

    parts = [text(value) for value in call.args]
    return ", ".join(parts + [f"{name}={text(value)}" for name, value in call.options.items()])


def as_arrays(call: Call) -> Call:
    """Return the call of the package: arrays on the memory of the tensors."""

    def plain(value: Any) -> Any:
        if torch.is_tensor(value):
            return value.detach().numpy()
        return tuple(value) if isinstance(value, torch.Size) else value

    options = {name: plain(value) for name, value in call.options.items()}
    return Call(tuple(plain(value) for value in call.args), options)


@cache
def operator_of(row: Operator) -> Any:
    """Look the operator of a row up."""
    variant = "" if row.variant == "of_unfold" else row.variant
    (found,) = (op for op in database.op_db if (op.name, op.variant_test_name) == (row.name, variant))
    return found


def function_of(row: Operator) -> Function:
    """Return the function of torch."""
    function: Function = torch.nn.functional.fold if row.function == "fold" else operator_of(row).op
    return function


def calls(row: Operator, dtype: str) -> Iterator[Call]:
    """Yield the samples of an operator, and each once more with tensors that are not contiguous."""
    op = operator_of(row)
    torch.manual_seed(20240229)
    # Its own seeds would depend on the name of the test.
    lists = [op.sample_inputs("cpu", getattr(torch, dtype), set_seed=False)]
    if op.reference_inputs_func is not None:
        lists.append(op.reference_inputs("cpu", getattr(torch, dtype), set_seed=False))
    for samples in lists:
        for sample in samples:
            call = call_of(sample)
            if row.function == "fold":
                columns = op.op(*call.args, **call.options)
                call = Call((columns, tuple(call.args[0].shape[2:]), *call.args[1:]), call.options)
            yield call
            yield changed(call, common.noncontiguous_like)


def call_of(sample: Any) -> Call:
    """Take the arguments out of a sample."""
    return Call((sample.input, *sample.args), dict(sample.kwargs))


def bound_of(row: Operator, call: Call, expected: Array) -> Any:
    """Return how far apart two results may be."""
    if row.bound == "exact" or expected.dtype.kind != "f" or not expected.size:
        return 0.0
    eps = np.finfo(expected.dtype).eps
    if row.bound == "sum":
        sizes = changed(call, lambda tensor: tensor.abs().double())
        return SUM * eps * abs(function_of(row)(*sizes.args, **sizes.options).numpy())
    if row.bound == "elementwise":
        return ELEMENTWISE * eps * abs(expected) + np.finfo(expected.dtype).tiny
    return LARGEST * eps * max(1.0, abs(expected).max())


def results(value: Any) -> list[Any]:
    """List what a call returned."""
    return list(value) if isinstance(value, tuple) else [value]


def arrays_in(call: Call) -> list[Array]:
    """List the arrays among the arguments."""
    return [value for value in (*call.args, *call.options.values()) if isinstance(value, np.ndarray)]


def assert_agree(row: Operator, call: Call, ours: Function) -> None:
    """Require equal types, shapes and indices, values within the bound, arguments left alike."""
    reference, given = changed(call, torch.clone), as_arrays(call)
    expected = results(function_of(row)(*reference.args, **reference.options))
    actual = results(ours(*given.args, **given.options))
    assert len(actual) == len(expected)
    for one, other in zip(actual, [tensor.numpy() for tensor in expected], strict=True):
        assert one.dtype == other.dtype
        assert_within(one, other, bound_of(row, reference, other))
    for one, other in zip(arrays_in(given), arrays_in(as_arrays(reference)), strict=True):
        eps = 0.0 if one.dtype.kind == "i" else np.finfo(one.dtype).eps
        np.testing.assert_allclose(one, other, rtol=LARGEST * eps)
