"""Files that appear whole or not at all, and the arrays that are written into them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from fastconv.functional.checks import arrays

StateDict = dict[str, np.ndarray[Any, Any]]
Path = str | os.PathLike[str]


def twice(names: Iterable[str]) -> str | None:
    """Return the first name that comes a second time."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def is_text(name: str) -> bool:
    """Whether a name has no surrogates, halves of characters that no encoding of a file can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def checked(state_dict: object) -> StateDict:
    """Return the arrays by name, as plain arrays of real numbers in native byte order."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"state_dict must be a mapping, got {type(state_dict).__name__}")
    found: StateDict = {}
    for name, value in state_dict.items():
        if not isinstance(name, str):
            raise TypeError(f"state_dict has a name of type {type(name).__name__}: it must be a string")
        if not is_text(name):
            raise ValueError(f"state_dict has the name {name!r}: surrogate characters are no text")
        array = arrays.as_array(value, f"state_dict[{name!r}]")
        found[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
    return found


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file beside `path` that takes its place when the block ends well, and else goes away."""
    # A link stays, what it points to is replaced.
    target = os.path.realpath(path)
    draft = f"{target}.{os.urandom(6).hex()}.tmp"
    # Not by tempfile, whose files nobody else may read.
    with open(draft, "xb") as stream:
        try:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        except BaseException:
            stream.close()
            os.unlink(draft)
            raise
    try:
        os.replace(draft, target)
    except BaseException:
        os.unlink(draft)
        raise
