"""State dicts in files, by the ending of the file's name; nothing that is read is ever run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fastconv.functional.checks.annotations import Array, ArrayLike
from fastconv.serialization.file import Path, checked, replacing

__all__ = ["load", "save"]


def _format(path: Path) -> Any:
    """Return the module that reads and writes files of this name."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise TypeError(f"path must be a string or a path, got {type(path).__name__}")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise ValueError(
            f"path={os.fspath(path)!r} has surrogate characters: no file can have this name"
        ) from None
    ending = os.path.splitext(os.fspath(path))[1]
    # Imported when they are needed: json and zipfile take longer than the rest of the package.
    if ending == ".safetensors":
        from fastconv.serialization import safetensors

        return safetensors
    if ending == ".npz":
        from fastconv.serialization import npz

        return npz
    raise ValueError(f"path={os.fspath(path)!r} must end with .safetensors or .npz")


def save(path: Path, state_dict: Mapping[str, ArrayLike]) -> None:
    """Write a state dict into a file, which then is there whole or not at all.

    Parameters
    ----------
    path : str or path
        Ends with ``.safetensors`` or ``.npz``. A file of this name is replaced, when all is written.
    state_dict : mapping of str to array_like
        Arrays by name, as `Module.state_dict` returns them. Real numbers of any type that NumPy has up to
        64 bits; they are not converted.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or an array is masked, complex or not numeric.
    ValueError
        If the name of the file has another ending, or the format cannot have a name of `state_dict`.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Read it again.

    Notes
    -----
    safetensors [1]_ is a header of JSON and the bytes of the arrays; it is what other libraries exchange
    weights in. npz is NumPy's own, a zip archive, here not compressed.

    References
    ----------
    .. [1] https://huggingface.co/docs/safetensors

    Examples
    --------
    >>> import os, tempfile
    >>> import fastconv as fc
    >>> from fastconv import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "linear.safetensors")
    ...     fc.save(path, nn.Linear(3, 2).state_dict())
    ...     fc.load(path)["weight"].shape
    (2, 3)
    """
    form = _format(path)
    arrays = checked(state_dict)
    with replacing(path) as stream:
        form.write(stream, arrays)


def load(path: Path) -> dict[str, Array]:
    """Read a state dict from a file.

    Parameters
    ----------
    path : str or path
        A file of safetensors or npz, whose name ends so. Nothing of it is run, and everything that it says of
        sizes is checked before memory is taken.

    Returns
    -------
    dict of str to numpy.ndarray
        Arrays by name, in the file's order, each with memory of its own. Types are those of the file, but
        bfloat16, which NumPy does not have, becomes float32.

    Raises
    ------
    TypeError
        If `path` is no path.
    ValueError
        If the name has another ending, or the file is damaged, has pickled objects or unknown types.
    OSError
        If the file cannot be read.

    See Also
    --------
    save : Write it.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import fastconv as fc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "numbers.npz")
    ...     np.savez(path, a=np.arange(3), b=np.float32(0.5))
    ...     fc.load(path)
    {'a': array([0, 1, 2]), 'b': array(0.5, dtype=float32)}
    """
    form = _format(path)
    with open(path, "rb") as stream:
        try:
            arrays: dict[str, Array] = form.read(stream)
        except ValueError as error:
            raise ValueError(f"path={os.fspath(path)!r} cannot be loaded: {error}") from None
    return arrays
