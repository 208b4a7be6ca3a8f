"""NumPy's npz: a zip archive of npy files, of which those with pickled objects are refused."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from typing import IO, Any

import numpy as np

from fastconv.serialization.file import StateDict, twice

_SUFFIX = ".npy"
# Deflate makes at most 1032 bytes of one.
_MAX_RATIO = 1032
# What zipfile raises on damage, on encryption, and on methods of compression that it does not know.
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError)
_READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def write(stream: IO[bytes], state_dict: StateDict) -> None:
    """Write arrays, not compressed, as `numpy.savez` does, whose names cannot be all strings."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in state_dict.items():
            if "\0" in name:
                raise ValueError(f"state_dict has the name {name!r}: npz allows no null character")
            info = zipfile.ZipInfo(name + _SUFFIX)
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def read(stream: IO[bytes]) -> StateDict:
    """Read the arrays of an archive; ValueError says what is wrong with it."""
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            if (name := twice(info.filename for info in members)) is not None:
                raise ValueError(f"the name {name!r} comes twice")
            return {info.filename.removesuffix(_SUFFIX): _array(archive, info) for info in members}
    except UnicodeDecodeError as error:
        raise ValueError(f"it has a name that is no text: {error}") from None
    except _DAMAGE as error:
        raise ValueError(f"it is no archive that can be read: {error}") from None


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray[Any, Any]:
    name = info.filename
    if not name.endswith(_SUFFIX):
        raise ValueError(f"{name!r} does not end with {_SUFFIX}")
    stored = info.compress_type == zipfile.ZIP_STORED
    if not stored and info.compress_type != zipfile.ZIP_DEFLATED:
        raise ValueError(f"{name!r} is compressed by an unknown method, {info.compress_type}")
    if not 0 <= info.header_offset < archive.start_dir:
        raise ValueError(f"{name!r} begins outside of the archive, at {info.header_offset}")
    largest = info.compress_size * (1 if stored else _MAX_RATIO)
    if info.file_size > largest:
        raise ValueError(f"{name!r} cannot have {info.file_size} bytes: it is stored in {info.compress_size}")
    with archive.open(info) as member:
        try:
            version = np.lib.format.read_magic(member)
            if version not in _READ_HEADER:
                raise ValueError(f"version {version} is unknown")
            shape, fortran, dtype = _READ_HEADER[version](member)
        except (
            ValueError,
            TypeError,
            SyntaxError,
            tokenize.TokenError,
            MemoryError,
            RecursionError,
        ) as error:
            raise ValueError(f"{name!r} has no header that can be read: {error}") from None
        if dtype.kind not in "biuf" or dtype.itemsize > 8:
            raise ValueError(f"{name!r} has dtype {dtype}: it must hold real numbers")
        needed = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or needed != info.file_size - member.tell():
            raise ValueError(
                f"{name!r} of dtype {dtype} and shape {shape} needs {needed} bytes, "
                f"but has {info.file_size - member.tell()}"
            )
        data = bytearray(member.read())
    if len(data) != needed:
        raise ValueError(f"{name!r} needs {needed} bytes, but has {len(data)}")
    array = np.frombuffer(data, dtype) if needed else np.empty(0, dtype)
    array = array.reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)
