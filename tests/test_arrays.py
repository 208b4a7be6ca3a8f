"""Every kind of array gives what the plain array gives, or is refused by name; outputs are as promised.

Values are small integers, so results are exact: any kind, promoted to any type, must give equal values.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from array_calls import ARGUMENTS, CONVOLUTIONS, FUNCTIONS, POOLS, call_of, integers
from cases import random_array

import fastconv as fc

Array = np.ndarray[Any, Any]


class Labelled(np.ndarray[Any, Any]):
    """A subclass that adds nothing."""


class Exporter:
    """A producer of the DLPack protocol and nothing else."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class Converter:
    """An object with `__array__` and nothing else."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.array


def fortran(x: Array) -> Array:
    """Lay out with the first axis fastest."""
    return np.asfortranarray(x)


def every_second(x: Array) -> Array:
    """View every second item of a larger array along each axis."""
    larger = np.full([2 * size for size in x.shape], np.nan, x.dtype)
    view = larger[tuple(slice(1, None, 2) for _ in x.shape)]
    view[...] = x
    return view


def reversed_axes(x: Array) -> Array:
    """View with a negative stride along each axis."""
    backwards = tuple(slice(None, None, -1) for _ in x.shape)
    return np.ascontiguousarray(x[backwards])[backwards]


def unaligned(x: Array) -> Array:
    """View memory that starts at an odd address."""
    memory = bytearray(x.nbytes + 1)
    view = np.ndarray(x.shape, x.dtype, memory, offset=1)
    view[...] = x
    return view


def field(x: Array) -> Array:
    """View a field of packed records, 12 bytes apart for float32."""
    records = np.zeros(x.shape, [("value", x.dtype), ("rest", "V8")])
    records["value"] = x
    return records["value"]


def read_only(x: Array) -> Array:
    """Copy and lock."""
    copy = x.copy()
    copy.flags.writeable = False
    return copy


def with_metadata(x: Array) -> Array:
    """Give the dtype metadata; it is another object than numpy's own."""
    return x.astype(np.dtype(x.dtype, metadata={"unit": "m"}))


SAME_VALUES: dict[str, Callable[[Array], Any]] = {
    "fortran": fortran,
    "every_second": every_second,
    "reversed": reversed_axes,
    "moved_axes": lambda x: np.ascontiguousarray(np.moveaxis(x, 0, -1)).transpose(-1, *range(x.ndim - 1)),
    "unaligned": unaligned,
    "field_of_records": field,
    "read_only": read_only,
    "metadata": with_metadata,
    "big_endian": lambda x: x.astype(">f4"),
    "big_endian_float64": lambda x: x.astype(">f8"),
    "subclass": lambda x: x.view(Labelled),
    "dlpack": Exporter,
    "array_protocol": Converter,
    "nested_lists": lambda x: x.tolist(),
    "float16": lambda x: x.astype(np.float16),
    "float64": lambda x: x.astype(np.float64),
    "int8": lambda x: x.astype(np.int8),
    "uint16": lambda x: x.astype(np.uint16),
    "int64": lambda x: x.astype(np.int64),
    "uint64": lambda x: x.astype(np.uint64),
}

REFUSED: dict[str, Callable[[Array], Any]] = {
    "masked": np.ma.asarray,
    "complex": lambda x: x.astype(complex),
    "object": lambda x: x.astype(object),
    "strings": lambda x: x.astype(str),
    "bytes": lambda x: x.astype("S4"),
    "dates": lambda x: x.astype("M8[s]"),
    "records": lambda x: np.zeros(x.shape, [("a", "f4")]),
    "dictionary": lambda x: {"a": x},
    "large_integers": lambda x: (x.astype(int).astype(object) + 2**70).tolist(),
    "class": lambda x: np.ndarray,
}


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


def test_recursion_through_the_array_protocol_is_an_error() -> None:
    with pytest.raises(RecursionError):
        fc.relu(Recursive())


def test_object_whose_conversion_gives_no_array() -> None:
    with pytest.raises((TypeError, ValueError), match="input"):
        fc.relu(Converter("no array"))  # type: ignore[arg-type]


def test_dlpack_producer_elsewhere() -> None:
    with pytest.raises(TypeError, match=r"input.*CPU"):
        fc.relu(Elsewhere())  # type: ignore[arg-type]


def test_ragged_lists() -> None:
    with pytest.raises(ValueError, match="input"):
        fc.relu([[1.0], [1.0, 2.0]])


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


def read_only_like(y: Array) -> Array:
    """Make an `out` that cannot be written."""
    return read_only(y)


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


def test_running_arrays_that_share_memory_are_refused() -> None:
    both = np.ones(6)
    with pytest.raises(ValueError, match="running_mean overlaps"):
        fc.batch_norm(integers(3, 4, 5), both[:4], both[2:], training=True)
    with pytest.raises(ValueError, match="out overlaps"):
        out = np.ones((3, 4, 5), np.float32)
        fc.batch_norm(integers(3, 4, 5), out[0, :, 0], None, training=True, out=out)
    np.testing.assert_array_equal(both, 1)


@pytest.mark.parametrize("function", [*CONVOLUTIONS, *POOLS])
def test_output_larger_than_memory_is_a_memory_error(function: str) -> None:
    call, arrays, options = call_of(function)
    arrays.pop("residual", None)
    x = np.broadcast_to(arrays["input"][:1], (2**44, *arrays["input"].shape[1:]))
    with pytest.raises(MemoryError):
        call(**{**arrays, "input": x}, **options)


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
