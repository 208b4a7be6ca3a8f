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


class Liar(np.ndarray[Any, Any]):
    """An array that says it is larger, of another type and writeable."""

    @property  # type: ignore[misc]
    def shape(self) -> Any:
        return (1000, 1000)

    @property
    def dtype(self) -> Any:
        return np.dtype(np.float32)

    @property
    def flags(self) -> Any:
        return np.ones(1).flags


def test_what_an_out_says_of_itself_is_not_believed() -> None:
    x = np.ones((1000, 1000), np.float32)
    with pytest.raises(ValueError, match=r"out has shape \(4,\)"):
        fc.relu(x, out=np.zeros(4, np.float32).view(Liar))
    with pytest.raises(TypeError, match="out has dtype float16"):
        fc.relu(x, out=np.zeros((1000, 1000), np.float16).view(Liar))
    with pytest.raises(ValueError, match="out is read-only"):
        fc.relu(x, out=np.broadcast_to(np.float32(0), (1000, 1000)).view(Liar))
    with pytest.raises(ValueError, match="running_mean is read-only"):
        fc.batch_norm(x, np.broadcast_to(0.0, 1000).view(Liar), None, training=True)


class Reshaping:
    """An argument whose conversion changes the shape of another one."""

    def __init__(self, other: Array, value: Any) -> None:
        self.other, self.value, self.shape = other, value, other.shape[::-1]

    def _change(self) -> None:
        self.other.shape = self.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        self._change()
        return np.asarray(self.value, np.float32)

    def __index__(self) -> int:
        self._change()
        return int(self.value)


def test_shapes_that_change_while_arguments_are_read() -> None:
    x, w, f = integers(2, 4, 6, 16), integers(5, 4, 3, 3), np.float32
    # `a` makes an argument of a value.
    calls: list[Callable[[Any, Any], Any]] = [
        lambda x, a: fc.conv2d(x, w, a(np.ones(5, f))),
        lambda x, a: fc.conv2d(x, w, residual=a(np.ones((2, 5, 4, 14), f))),
        lambda x, a: fc.conv2d(x, w, stride=a(2)),
        lambda x, a: fc.conv_transpose2d(x, w.transpose(1, 0, 2, 3), a(np.ones(5, f))),
        lambda x, a: fc.max_pool2d(x, a(2)),
        lambda x, a: fc.adaptive_max_pool2d(x, a(3)),
        lambda x, a: fc.batch_norm(x, np.zeros(4), np.ones(4), a(np.ones(4, f))),
        lambda x, a: fc.group_norm(x, 2, a(np.ones(4, f))),
        lambda x, a: fc.softmax(x, a(1)),
        lambda x, a: fc.unfold(x, a(3)),
        lambda x, a: fc.max_unpool2d(x, np.zeros(x.shape, int), a(2)),
    ]
    for call in calls:
        changed = x.copy()
        y = call(changed, lambda value, changed=changed: Reshaping(changed, value))
        assert changed.shape == x.shape[::-1]
        np.testing.assert_array_equal(y, call(x, lambda value: value))


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
@pytest.mark.parametrize("function", ["batch_norm", "instance_norm"])
def test_running_arrays_whose_shape_changes_are_refused_before_anything_is_written(
    function: str, name: str
) -> None:
    x, out = integers(3, 4, 5), np.full((3, 4, 5), 77, np.float32)
    running = {"running_mean": np.zeros(4), "running_var": np.ones(4)}
    residual = Reshaping(running[name], x)
    residual.shape = (2, 2)
    options: dict[str, Any] = {"training": True} if function == "batch_norm" else {}
    with pytest.raises(ValueError, match=f"{name} has shape .2, 2."):
        getattr(fc, function)(x, **running, residual=residual, out=out, **options)
    assert (out == 77).all()
    np.testing.assert_array_equal(running["running_mean"].ravel(), 0)
    np.testing.assert_array_equal(running["running_var"].ravel(), 1)


class Apart(np.ndarray[Any, Any]):
    """An array that says to NumPy's functions that it shares memory with none."""

    def __array_function__(self, *arguments: Any, **options: Any) -> Any:
        return False


def test_what_an_input_says_of_its_memory_is_not_believed() -> None:
    out = np.zeros((2, 4, 8))
    inside = out[0, 0, :4].view(Apart)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: fc.batch_norm(np.ones_like(out), inside, None, training=True, out=out),
        lambda: fc.instance_norm(np.ones_like(out), inside, np.ones(4), out=out),
        lambda: fc.group_norm(np.ones_like(out), 2, inside, out=out),
        lambda: fc.group_norm(np.ones_like(out), 2, None, inside, out=out),
        lambda: fc.conv1d(np.ones((2, 4, 8)), np.ones((4, 4, 1)), inside, out=out),
    )
    for call in calls:
        with pytest.raises(ValueError, match="overlaps"):
            call()
    assert not out.any()


def test_a_wrong_length_is_told_before_memory_is_short() -> None:
    x, three = np.broadcast_to(np.float32(0), (2, 10**12)), np.ones(3)
    calls: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("running_mean", lambda: fc.batch_norm(x, three, three)),
        ("weight", lambda: fc.group_norm(x, 1, three)),
        ("running_mean", lambda: fc.fold_batch_norm(x.T, None, three, three)),
    )
    for name, call in calls:
        with pytest.raises(ValueError, match=f"{name} has shape .3,."):
            call()
