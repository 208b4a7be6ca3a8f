"""The state of a module: its parameters and persistent buffers by name, and their replacement by others.

Everything is checked before the first array is overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastconv.functional.checks import arrays
from fastconv.functional.checks.annotations import Array
from fastconv.nn.parameter import Parameter

if TYPE_CHECKING:
    from fastconv.nn.module import Module


class IncompatibleKeys(NamedTuple):
    """Names that a state dict lacks, and names that it has over."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Entry(NamedTuple):
    """A parameter or buffer, the module that has it under a name, and whether a state dict may lack it."""

    holder: Parameter | Array
    owner: Module
    name: str
    optional: bool

    @property
    def array(self) -> Array:
        """Return the values; RuntimeError if they were released."""
        return self.holder.data if isinstance(self.holder, Parameter) else self.holder

    def put(self, array: Array) -> None:
        """Let the module have another array; buffers keep their type."""
        if isinstance(self.holder, Parameter):
            self.holder.data, self.holder.grad = array, None
        else:
            array = np.require(array, self.holder.dtype, ["ALIGNED", "WRITEABLE"])
            self.owner.register_buffer(self.name, array)


def entries(module: Module, prefix: str = "") -> dict[str, Entry]:
    """Return the parameters and persistent buffers, of each module before its children."""
    found: dict[str, Entry] = {}
    for where, part in module.named_modules(remove_duplicate=False):
        own: dict[str, Parameter | Array | None] = {**part._parameters}
        own.update((name, array) for name, array in part._buffers.items() if name not in part._transient)
        for name, holder in own.items():
            if holder is not None:
                key = f"{prefix}{where}.{name}" if where else f"{prefix}{name}"
                found[key] = Entry(holder, part, name, name in part._may_be_missing)
    return found


def load(module: Module, given: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """Overwrite the arrays of a module by those of the same names, or `assign` these to it."""
    if not isinstance(given, Mapping):
        raise TypeError(f"state_dict must be a mapping, got {type(given).__name__}")
    own = entries(module)
    missing = [name for name, entry in own.items() if name not in given and not entry.optional]
    ignored = tuple(
        f"{where}.{start}" if where else start
        for where, part in module.named_modules()
        for start in part._may_be_left_over
    )
    unexpected = [
        name for name in given if name not in own and not (isinstance(name, str) and name.startswith(ignored))
    ]
    faults: list[str] = []
    if strict:
        faults += _listed("Missing", missing) + _listed("Unexpected", unexpected)
    fitting: list[tuple[Entry, Array]] = []
    for name, entry in own.items():
        if name in given:
            array = arrays.as_array(given[name], f"state_dict[{name!r}]")
            faults += _unfit(name, array, entry, assign)
            fitting.append((entry, array))
    if faults:
        raise ValueError(
            "\n\t".join([f"Error(s) in loading state_dict for {type(module).__name__}:", *faults])
        )
    for entry, array in fitting:
        values = array.reshape(entry.holder.shape)
        if assign:
            entry.put(values)
        else:
            entry.array[...] = values
    return IncompatibleKeys(missing, unexpected)


def _listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    return [f"{what} key(s) in state_dict: " + ", ".join(f'"{name}"' for name in names) + ". "]


def _unfit(name: str, array: Array, entry: Entry, assign: bool) -> list[str]:
    """Say why an array cannot come to its place. One value may have an axis more, as in old files."""
    shape = entry.holder.shape
    if array.shape != shape and not (shape == () and array.shape == (1,)):
        return [
            f"size mismatch for {name}: copying a param with shape {array.shape} from checkpoint, "
            f"the shape in current model is {shape}."
        ]
    if not assign and not entry.array.flags.writeable:
        return [f"{name} is read-only in current model."]
    return []
