"""What ``algorithm="autotune"`` remembers: keep it in a file, look at it, forget it.

    {"format": "fastconv tuning", "version": 1, "entries": [
     {"function": "conv2d", "input_shape": [1, 64, 56, 56], ..., "threads": 2, "algorithm": "direct"}]}

An entry has the arguments of `explain` and the settings that the choice was measured under.
"""

from __future__ import annotations

import os
import time
from typing import Any

from fastconv._native import core as native
from fastconv.autotune import table
from fastconv.functional.candidates import Convolution
from fastconv.functional.checks import arguments, arrays, window
from fastconv.functional.checks.geometry import Shape, Window
from fastconv.runtime import MAX_THREADS

__all__ = ["clear", "entries", "load", "save"]

FORMAT = "fastconv tuning"
VERSION = 1
_RANKS = {f"{name}{rank}d": rank for name in ("conv", "conv_transpose") for rank in (1, 2, 3)}
_ITEMSIZES = {"float32": 4, "float64": 8}
_FIELDS = (
    *("function", "input_shape", "weight_shape", "stride", "padding", "dilation", "groups"),
    *("layout", "dtype", "isa", "threads", "winograd", "algorithm"),
)
_TRANSPOSED_FIELDS = (*_FIELDS, "output_padding")


def entries() -> list[dict[str, Any]]:
    """Return the remembered choices.

    Returns
    -------
    list of dict
        An entry a problem, those used last at the end, 4096 at most: ``function``, ``input_shape`` (in the
        layout, with the batch), ``weight_shape``, ``stride``, ``padding`` (a pair an axis), ``dilation``,
        ``groups``, ``layout``, ``dtype``, ``isa``, ``threads``, ``winograd`` (whether it might be chosen),
        ``algorithm``, and of transposed convolutions ``output_padding``. To change them changes nothing.

    Examples
    --------
    >>> import fastconv as fc
    >>> import numpy as np
    >>> fc.tuning.clear()
    >>> y = fc.conv1d(np.ones((1, 4, 99)), np.ones((8, 4, 3)), algorithm="autotune")
    >>> entry = fc.tuning.entries()[0]
    >>> entry["function"], entry["input_shape"], entry["dtype"]
    ('conv1d', (1, 4, 99), 'float64')
    """
    return [_entry(problem, native.ALGORITHMS[code]) for problem, code in table.choices().items()]


def clear() -> None:
    """Forget all choices: the next call of each problem measures again.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.tuning.clear()
    >>> fc.tuning.entries()
    []
    """
    table.forget()


def save(path: str | os.PathLike[str]) -> None:
    """Write the remembered choices to a file of JSON, an entry a line.

    Parameters
    ----------
    path : str or os.PathLike
        A file that is there is replaced.

    Raises
    ------
    TypeError, ValueError
        If `path` is no path.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Read it back.

    Examples
    --------
    >>> import fastconv as fc
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "tuning.json")
    ...     fc.tuning.save(path)
    ...     fc.tuning.load(path)
    """
    import json

    name = arguments.path(path, "path")
    head = f'"format": {json.dumps(FORMAT)}, "version": {VERSION}'
    lines = ",\n ".join(json.dumps(entry) for entry in entries())
    beside = f"{name}.{os.getpid()}.{time.monotonic_ns()}"
    try:
        with open(beside, "w", encoding="utf-8") as file:
            file.write(f'{{{head}, "entries": [\n {lines}]}}\n')
        os.replace(beside, name)  # whole or not at all
    except BaseException:
        if os.path.exists(beside):
            os.remove(beside)
        raise


def load(path: str | os.PathLike[str]) -> None:
    """Add the choices of a file to the remembered ones, in the place of those for the same problems.

    Choices for an instruction set that is not here are kept for `save`, and never used.

    Parameters
    ----------
    path : str or os.PathLike
        A file that `save` wrote, here or on another machine.

    Raises
    ------
    TypeError
        If `path` is no path.
    ValueError
        If the file is no such file, or an entry is wrong or names an algorithm that cannot do its problem.
        The message says which; nothing is added.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import fastconv as fc
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "tuning.json")
    ...     with open(path, "w") as file:
    ...         _ = file.write('{"format": "fastconv tuning", "version": 7}')
    ...     fc.tuning.load(path)
    Traceback (most recent call last):
        ...
    ValueError: ...tuning.json has version 7: this fastconv reads version 1
    """
    name = arguments.path(path, "path")
    with open(name, "rb") as file:
        data = file.read()
    choices: dict[table.Problem, int] = {}
    for index, entry in enumerate(_listed(data, name)):
        try:
            problem, code = _choice(entry)
            if problem in choices:
                raise ValueError("its problem is that of an entry before it")
        except (TypeError, ValueError, MemoryError) as error:
            raise ValueError(f"{name}, entry {index}: {error}") from None
        choices[problem] = code
    table.add(choices)


def _listed(data: bytes, name: str) -> list[object]:
    """Return the entries of a file, of which nothing is known yet."""
    import json

    try:
        content = json.loads(data)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{name} holds no JSON: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{name} is no file of tuning.save: its format must be {FORMAT!r}")
    version = content.get("version")
    if type(version) is not int or version != VERSION:
        raise ValueError(f"{name} has version {_shown(version)}: this fastconv reads version {VERSION}")
    listed = content.get("entries")
    if not isinstance(listed, list):
        raise ValueError(f"{name} must have a list of entries, got {_shown(listed)}")
    return listed


def _choice(entry: object) -> tuple[table.Problem, int]:
    """Check an entry of a file."""
    if not isinstance(entry, dict):
        raise TypeError(f"it must be an object, got {_shown(entry)}")
    transposed = str(entry.get("function")).startswith("conv_transpose")
    fields = _TRANSPOSED_FIELDS if transposed else _FIELDS
    for field in (*fields, *entry):
        if field not in entry:
            raise ValueError(f"{field} is missing")
        if field not in fields:
            raise ValueError(f"{_shown(field)} is no field of an entry")
    rank = _named(entry, "function", _RANKS)
    itemsize = _named(entry, "dtype", _ITEMSIZES)
    last = arguments.channels_last(entry["layout"])
    shape = arguments.shape(entry["input_shape"], "input_shape")
    if len(shape) != rank + 2:
        raise ValueError(f"input_shape={shape} must have {rank + 2} entries")
    if shape[0] == 0:
        raise ValueError(f"input_shape={shape} has an empty batch: there is nothing to choose")
    first = arrays.shape_channels_first(shape, rank, last, "input_shape")
    weight = arguments.shape(entry["weight_shape"], "weight_shape")
    names = ("stride", "padding", *(["output_padding"] if transposed else []), "dilation", "groups")
    check = window.transposed if transposed else window.convolution
    out, native_window, groups = check(first, weight, tuple(entry[name] for name in names))
    threads = arguments.integer(entry["threads"], "threads", 1)
    if threads > MAX_THREADS:
        raise ValueError(f"threads={threads} must be at most {MAX_THREADS}")
    winograd = arguments.flag(entry["winograd"], "winograd")
    isa, algorithm = entry["isa"], entry["algorithm"]
    # Any name will do, so that a file can pass through machines and versions that lack the instruction set.
    if not isinstance(isa, str) or not (isa.isascii() and isa.isidentifier()):
        raise ValueError(f"isa={_shown(isa)} must be the name of an instruction set")
    conv = Convolution((first, weight, out), itemsize, last, native_window, groups, transposed)
    able = conv.able(winograd, (0, threads, winograd))
    if algorithm not in able:
        raise ValueError(f"algorithm={_shown(algorithm)} cannot do it: it must be one of {', '.join(able)}")
    settings = (isa, threads, winograd)
    shapes = (first, weight, out if transposed else None)
    problem = table.Problem(*shapes, native_window, groups, last, itemsize, *settings)
    return problem, native.ALGORITHMS.index(algorithm)


def _entry(problem: table.Problem, algorithm: str) -> dict[str, Any]:
    _, stride, sides, dilation = problem.window
    rank = len(stride)
    values = (
        f"conv{'' if problem.output_shape is None else '_transpose'}{rank}d",
        arrays.in_layout(problem.input_shape, rank + 2, problem.channels_last),
        problem.weight_shape,
        stride,
        tuple(zip(sides[::2], sides[1::2], strict=True)),
        dilation,
        problem.groups,
        "NHWC" if problem.channels_last else "NCHW",
        f"float{8 * problem.itemsize}",
        *problem[-3:],
        algorithm,
    )
    entry: dict[str, Any] = dict(zip(_FIELDS, values, strict=True))
    if problem.output_shape is not None:
        entry["output_padding"] = _output_padding(
            problem.input_shape[2:], problem.output_shape[2:], problem.window
        )
    return entry


def _output_padding(inputs: Shape, outputs: Shape, window: Window) -> Shape:
    """Return what a transposed convolution adds behind: by how much it is larger than its window says."""
    kernel, stride, sides, dilation = window
    return tuple(
        outputs[axis]
        + sides[2 * axis]
        + sides[2 * axis + 1]
        - (inputs[axis] - 1) * stride[axis]
        - (kernel[axis] - 1) * dilation[axis]
        - 1
        for axis in range(len(kernel))
    )


def _named(entry: dict[str, object], field: str, values: dict[str, int]) -> int:
    name = entry[field]
    if not isinstance(name, str) or name not in values:
        raise ValueError(f"{field}={_shown(name)} is unknown: it must be one of {', '.join(values)}")
    return values[name]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}..."
