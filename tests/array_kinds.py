"""Kinds of array that hold the same values, and kinds that are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

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
    "masked_in_a_list": lambda x: [np.ma.asarray(x)],
    "masked_in_lists": lambda x: [(np.ma.asarray(x),)],
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
