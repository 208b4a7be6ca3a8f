"""Every kind of array gives what the plain array gives, or is refused by name.

Values are small integers, so results are exact: any kind, promoted to any type, must give equal values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from array_calls import ARGUMENTS, FUNCTIONS, call_of, integers
from array_kinds import REFUSED, SAME_VALUES, Converter, Exporter
from cases import random_array

import fastconv as fc

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize("kind", SAME_VALUES)
@pytest.mark.parametrize(("function", "name"), ARGUMENTS, ids=lambda value: str(value))
def test_kind_of_array_changes_no_value(function: str, name: str, kind: str) -> None:
    call, arrays, options = call_of(function)
    changed = {**arrays, name: SAME_VALUES[kind](arrays[name])}
    y = call(**changed, **options)
    kinds = [
        value.dtype if isinstance(value, np.ndarray) else np.asarray(value).dtype
        for value in (
            np.from_dlpack(given) if isinstance(given, Exporter) else given
            for given in (changed["input"], changed.get("weight", changed["input"]))
        )
    ]
    dtype = np.result_type(*kinds, np.float32)
    assert type(y) is np.ndarray
    assert y.dtype == dtype
    plain = {key: value.astype(dtype) for key, value in arrays.items()}
    np.testing.assert_array_equal(y, call(**plain, **options))
    np.testing.assert_array_equal(np.asarray(arrays[name]), integers(*arrays[name].shape))


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize(("function", "name"), ARGUMENTS, ids=lambda value: str(value))
def test_refused_kind_of_array_is_named(function: str, name: str, kind: str) -> None:
    call, arrays, options = call_of(function)
    with pytest.raises(TypeError, match=name):
        call(**{**arrays, name: REFUSED[kind](arrays[name])}, **options)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is float64 here")
@pytest.mark.parametrize(("function", "name"), ARGUMENTS, ids=lambda value: str(value))
def test_extended_precision_is_refused(function: str, name: str) -> None:
    call, arrays, options = call_of(function)
    with pytest.raises(TypeError, match=f"{name}.*float64"):
        call(**{**arrays, name: arrays[name].astype(np.longdouble)}, **options)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bools_count_as_zero_and_one(function: str) -> None:
    call, arrays, options = call_of(function)
    x = arrays["input"] > 1
    plain = call(**{**arrays, "input": x.astype(np.float32)}, **options)
    np.testing.assert_array_equal(call(**{**arrays, "input": x}, **options), plain)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_broadcast_input_is_read_through_its_zero_strides(function: str) -> None:
    call, arrays, options = call_of(function)
    view = np.broadcast_to(arrays["input"][..., :1], arrays["input"].shape)
    plain = call(**{**arrays, "input": view.copy()}, **options)
    np.testing.assert_array_equal(call(**{**arrays, "input": view}, **options), plain)


def test_memory_map(tmp_path: Path) -> None:
    x, w = integers(1, 2, 6, 6), integers(3, 2, 3, 3)
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=x.shape)
    mapped[...] = x
    out = np.memmap(tmp_path / "y", np.float32, "w+", shape=(1, 3, 4, 4))
    assert fc.conv2d(mapped, w, out=out) is out
    np.testing.assert_array_equal(out, fc.conv2d(x, w))
    assert type(fc.conv2d(mapped, w)) is np.ndarray


@pytest.mark.parametrize("scalar", [-2, 2.5, np.float32(1.5), np.int8(-1), True])
def test_scalars_are_arrays_without_axes(scalar: Any) -> None:
    y = fc.relu(scalar)
    assert type(y) is np.ndarray
    assert y.shape == ()
    assert y.dtype == np.result_type(np.asarray(scalar).dtype, np.float32)
    assert y == max(scalar, 0)


class Recursive:
    """Its conversion to an array asks for its conversion to an array."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return fc.relu(self)


class Elsewhere:
    """Claims memory on a device that is not the CPU."""

    def __dlpack__(self, **options: Any) -> Any:
        raise BufferError("memory of a GPU")

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)


class Itself:
    """Its conversion converts it once more, in NumPy."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self)


@pytest.mark.parametrize("kind", [Recursive, Itself])
def test_recursion_through_the_array_protocol_is_an_error(kind: Any) -> None:
    told = f"^input of type {kind.__name__} cannot be read as an array on the CPU: .*recursion"
    with pytest.raises(TypeError, match=told):
        fc.relu(kind())


class Failing:
    """Its conversion fails, whatever it is converted to."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        raise self.error("no such thing")

    def __index__(self) -> int:
        raise self.error("no such thing")


@pytest.mark.parametrize(
    "error", [ArithmeticError, AttributeError, KeyError, LookupError, RuntimeError, TypeError]
)
def test_errors_of_an_objects_own_conversion(error: type[Exception]) -> None:
    x, w = np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3))
    with pytest.raises(TypeError, match=r"weight of type Failing cannot be read as an array.*no such thing"):
        fc.conv2d(x, Failing(error))
    with pytest.raises(TypeError, match="stride must be an integer, got a value of type Failing"):
        fc.conv2d(x, w, stride=Failing(error))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
def test_errors_that_are_not_the_objects_pass(error: type[BaseException]) -> None:
    with pytest.raises(error, match="no such thing"):
        fc.relu(Failing(error))


def test_object_whose_conversion_gives_no_array() -> None:
    with pytest.raises((TypeError, ValueError), match="input"):
        fc.relu(Converter("no array"))  # type: ignore[arg-type]


def test_dlpack_producer_elsewhere() -> None:
    with pytest.raises(TypeError, match=r"input.*CPU"):
        fc.relu(Elsewhere())  # type: ignore[arg-type]


def test_ragged_lists() -> None:
    with pytest.raises(ValueError, match="input"):
        fc.relu([[1.0], [1.0, 2.0]])


VOLUMES = [(d, h, w) for d in (1, 2, 4) for h in (1, 2, 4) for w in (1, 2, 4)]


@pytest.mark.parametrize("size", VOLUMES, ids=str)
def test_crops_whose_rows_do_not_follow(size: tuple[int, int, int], isa: str) -> None:
    """The stride of an axis of one item says nothing about where the next slice is."""
    d, h, w = size
    whole = random_array("x", (2, 3, d + 1, h + 2, w + 3), np.float32)
    weight, mean, var = random_array("w", (5, 3, 1, 1, 1), np.float32), np.zeros(3), np.ones(3)
    for view in (
        whole[:, :, :d, :h, :w],
        whole[:, :, :d, 1 : 1 + h, :w],
        whole[:, :, :d, :h, ::2],
        np.broadcast_to(whole[:, :, :1, :h, :w], (2, 3, d, h, w)),
        np.broadcast_to(whole[:, :, :d, :h, :1], (2, 3, d, h, w)),
        whole.transpose(0, 1, 4, 3, 2)[:, :, :w, :h, :d],
    ):
        copy = np.ascontiguousarray(view)
        np.testing.assert_array_equal(fc.conv3d(view, weight), fc.conv3d(copy, weight))
        np.testing.assert_array_equal(fc.batch_norm(view, mean, var), fc.batch_norm(copy, mean, var))
        trained = fc.batch_norm(view, None, None, training=True)
        np.testing.assert_allclose(trained, fc.batch_norm(copy, None, None, training=True), atol=1e-5)
        np.testing.assert_array_equal(fc.max_pool3d(view, 1), copy)
        average = fc.avg_pool3d(view, view.shape[2:])
        np.testing.assert_allclose(average, fc.avg_pool3d(copy, view.shape[2:]), atol=1e-6)
