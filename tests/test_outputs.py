"""What is written: new arrays, `out` and running statistics; and what is refused before anything is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from array_calls import ARGUMENTS, CONVOLUTIONS, FUNCTIONS, POOLS, REARRANGING, call_of, integers
from array_kinds import SAME_VALUES, every_second, fortran, read_only, unaligned

import fastconv as fc

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_output_is_a_fresh_aligned_contiguous_array(function: str) -> None:
    call, arrays, options = call_of(function)
    before = {name: array.copy() for name, array in arrays.items()}
    y = call(**arrays, **options)
    assert type(y) is np.ndarray
    assert y.flags.c_contiguous and y.flags.writeable
    assert y.ctypes.data % 64 == 0
    assert not any(np.shares_memory(y, array) for array in arrays.values())
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, before[name])


BAD_OUT: dict[str, tuple[Callable[[Array], Any], Any]] = {
    "read_only": (read_only, ValueError),
    "longer": (lambda y: np.zeros((*y.shape[:-1], y.shape[-1] + 1), y.dtype), ValueError),
    "flat": (lambda y: np.zeros(y.size, y.dtype), ValueError),
    "extra_axis": (lambda y: y[None].copy(), ValueError),
    "float64": (lambda y: y.astype(np.float64), TypeError),
    "int32": (lambda y: y.astype(np.int32), TypeError),
    "big_endian": (lambda y: y.astype(">f4"), TypeError),
    "fortran": (fortran, ValueError),
    "every_second": (every_second, ValueError),
    "unaligned": (unaligned, ValueError),
    "list": (lambda y: y.tolist(), TypeError),
    "masked": (np.ma.asarray, TypeError),
    "tuple_of_arrays": (lambda y: (y,), TypeError),
}


@pytest.mark.parametrize("kind", BAD_OUT)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_bad_out_is_refused_and_not_written(function: str, kind: str) -> None:
    call, arrays, options = call_of(function)
    make, error = BAD_OUT[kind]
    out = make(np.full_like(call(**arrays, **options), 77.0))
    before = np.array(out)
    with pytest.raises(error, match="out"):
        call(**arrays, **options, out=out)
    np.testing.assert_array_equal(np.array(out), before)


@pytest.mark.parametrize(("function", "name"), ARGUMENTS, ids=lambda value: str(value))
def test_out_that_overlaps_an_input_is_refused(function: str, name: str) -> None:
    call, arrays, options = call_of(function)
    y = call(**arrays, **options)
    array = arrays[name]
    memory = np.zeros(array.size + y.size, np.float32)
    inside, out = memory[: array.size].reshape(array.shape), memory[array.size - 1 : -1].reshape(y.shape)
    inside[...] = array
    before = memory.copy()
    with pytest.raises(ValueError, match="out overlaps"):
        call(**{**arrays, name: inside}, **options, out=out)
    np.testing.assert_array_equal(memory, before)
    apart = memory[array.size :].reshape(y.shape)
    assert call(**{**arrays, name: inside}, **options, out=apart) is apart
    np.testing.assert_array_equal(apart, y)


def test_out_between_the_rows_of_an_input_is_apart() -> None:
    memory = np.zeros((8, 10), np.float32)
    x = memory[:, :3]
    x[...] = integers(8, 3) - 1
    out = memory[4, 3:].reshape(1, 7)[:, :3]
    row = memory[4, 4:7]
    assert fc.relu(x[4], out=row) is row
    np.testing.assert_array_equal(row, np.maximum(x[4], 0))
    assert fc.relu(x[:1], out=out) is out


def test_training_writes_running_arrays_of_any_kind() -> None:
    x = integers(3, 4, 5)
    mean, var = np.zeros(4, np.float32), np.ones(4, np.float32)
    fc.batch_norm(x, mean, var, training=True, momentum=0.5)
    for kind in ("every_second", "reversed", "unaligned", "big_endian", "float64", "float16", "subclass"):
        means, variances = (SAME_VALUES[kind](np.float32(value) * np.ones(4, np.float32)) for value in (0, 1))
        fc.batch_norm(x, means, variances, training=True, momentum=0.5)
        np.testing.assert_allclose(means, mean, rtol=1e-3)
        np.testing.assert_allclose(variances, var, rtol=1e-3)


@pytest.mark.parametrize("name", ["input", "weight", "bias", "residual"])
@pytest.mark.parametrize("written", ["running_mean", "running_var"])
@pytest.mark.parametrize("function", ["batch_norm", "instance_norm"])
def test_running_arrays_over_what_is_read_are_refused(function: str, written: str, name: str) -> None:
    arrays: dict[str, Any] = {"input": integers(3, 4, 5), "residual": integers(3, 4, 5)}
    arrays |= {key: np.ones(4, np.float32) for key in ("running_mean", "running_var", "weight", "bias")}
    arrays[written] = arrays[name].reshape(-1)[-4:]
    before = {key: array.copy() for key, array in arrays.items()}
    options: dict[str, Any] = {"training": True} if function == "batch_norm" else {}
    with pytest.raises(ValueError, match=f"{written} overlaps the memory of {name}"):
        getattr(fc, function)(**arrays, **options)
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, before[key])


def test_running_arrays_that_share_memory_are_refused() -> None:
    both = np.ones(6)
    with pytest.raises(ValueError, match="running_mean overlaps"):
        fc.batch_norm(integers(3, 4, 5), both[:4], both[2:], training=True)
    with pytest.raises(ValueError, match="out overlaps"):
        out = np.ones((3, 4, 5), np.float32)
        fc.batch_norm(integers(3, 4, 5), out[0, :, 0], None, training=True, out=out)
    np.testing.assert_array_equal(both, 1)


@pytest.mark.parametrize("function", [*CONVOLUTIONS, *POOLS, *REARRANGING[:3]])
def test_output_larger_than_memory_is_a_memory_error(function: str) -> None:
    call, arrays, options = call_of(function)
    arrays.pop("residual", None)
    x = np.broadcast_to(arrays["input"][:1], (2**44, *arrays["input"].shape[1:]))
    with pytest.raises(MemoryError):
        call(**{**arrays, "input": x}, **options)
