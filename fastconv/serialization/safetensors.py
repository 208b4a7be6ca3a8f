"""The safetensors format: arrays by name, without anything that runs when it is read.

    8 bytes          length of the header, little-endian
    header           JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
    data             the arrays, little-endian, C-contiguous, one after the other without gaps

``data_offsets`` count from the end of the header. ``"__metadata__"`` maps strings to strings. The header may
end with spaces. All of it is checked against the file's size before an array is allocated.

References
----------
.. [1] https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import math
import os
from typing import IO, Any, NamedTuple, NoReturn

import numpy as np

from fastconv.serialization.file import StateDict, is_text, twice

MAX_HEADER = 100_000_000
_LENGTH = 8
_METADATA = "__metadata__"
# The item's type in the file. What NumPy has no type for, BF16, is read as integers and widened.
_DTYPES = {
    "BOOL": "|b1",
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "UI" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    "BF16": "<u2",
}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items() if name != "BF16"}


class Entry(NamedTuple):
    """An array in the file: its type there, its shape, and the bytes that it covers."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def write(stream: IO[bytes], state_dict: StateDict) -> None:
    """Write arrays; those of wide items come first, so that each is aligned to its items."""
    if _METADATA in state_dict:
        raise ValueError(f"state_dict has the name {_METADATA!r}, which safetensors reserves")
    header: dict[str, Any] = {}
    ordered = sorted(state_dict.items(), key=lambda item: (-item[1].itemsize, item[0]))
    position = 0
    for name, array in ordered:
        end = position + array.nbytes
        kind = _NAMES[array.dtype.newbyteorder("<")]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH)
    if len(text) > MAX_HEADER:
        raise ValueError(f"state_dict needs a header of {len(text)} bytes: safetensors allows {MAX_HEADER}")
    stream.write(len(text).to_bytes(_LENGTH, "little"))
    stream.write(text)
    for _, array in ordered:
        if array.nbytes:
            stored = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            stream.write(stored.reshape(-1).view(np.uint8).data)


def read(stream: IO[bytes]) -> StateDict:
    """Read the arrays of a file, in the order of its header; ValueError says what is wrong with it."""
    size = os.fstat(stream.fileno()).st_size
    if size < _LENGTH:
        raise ValueError(f"it has {size} bytes, too few for the length of a header")
    length = int.from_bytes(stream.read(_LENGTH), "little")
    if length > min(MAX_HEADER, size - _LENGTH):
        raise ValueError(f"its header of {length} bytes exceeds the file or the limit of {MAX_HEADER}")
    start = _LENGTH + length
    entries = _entries(_parsed(stream.read(length)), size - start)
    found: StateDict = {}
    for entry in entries:
        array = np.empty(entry.shape, _DTYPES[entry.dtype])
        if array.nbytes:
            stream.seek(start + entry.begin)
            _fill(stream, array, entry.name)
        found[entry.name] = _native(array, entry.dtype)
    return found


def _parsed(text: bytes) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise ValueError("its header does not begin with '{'")
    try:
        header = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("its header is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"its header cannot be read: {error}") from None
    assert isinstance(header, dict)
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError(f"its {_METADATA} must map strings to strings")
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if (name := twice(name for name, _ in pairs)) is not None:
        raise ValueError(f"the name {name!r} comes twice")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _entries(header: dict[str, Any], nbytes: int) -> list[Entry]:
    """Check every entry, and that all of them cover the data exactly, without gaps or overlaps."""
    entries = [_entry(name, fields) for name, fields in header.items()]
    position = 0
    for entry in sorted(entries, key=lambda entry: (entry.begin, entry.end)):
        if entry.begin != position:
            what = "overlaps another" if entry.begin < position else "leaves a gap before it"
            raise ValueError(f"{entry.name!r} {what}: it begins at {entry.begin}, not at {position}")
        position = entry.end
    if position != nbytes:
        raise ValueError(f"its arrays have {position} bytes, but there are {nbytes}")
    return entries


def _entry(name: str, fields: object) -> Entry:
    if not is_text(name):
        raise ValueError(f"the name {name!r} has surrogate characters, which are no text")
    if not isinstance(fields, dict) or set(fields) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name!r} must have dtype, shape and data_offsets, and nothing else")
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ValueError(f"{name!r} has dtype {dtype!r}: it must be one of {', '.join(_DTYPES)}")
    for what, numbers in (("shape", shape), ("data_offsets", offsets)):
        if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
            raise ValueError(f"{name!r} has {what} {numbers!r}: it must be a list of sizes below 2**63")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"{name!r} has data_offsets {offsets}: it must be [begin, end]")
    if len(shape) > 32:
        raise ValueError(f"{name!r} has {len(shape)} axes: NumPy allows 32 at least")
    needed, have = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize, offsets[1] - offsets[0]
    if have != needed:
        raise ValueError(f"{name!r} of dtype {dtype} and shape {shape} needs {needed} bytes, but has {have}")
    return Entry(name, dtype, tuple(shape), offsets[0], offsets[1])


def _fill(stream: IO[bytes], array: np.ndarray[Any, Any], name: str) -> None:
    """Read an array's bytes; a file may shrink while it is read."""
    rest = array.reshape(-1).view(np.uint8).data
    while rest:
        count = stream.readinto(rest)  # type: ignore[attr-defined]
        if not count:
            raise ValueError(f"it ends inside {name!r}")
        rest = rest[count:]


def _native(array: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    if dtype == "BF16":
        # bfloat16 is the upper half of float32.
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
