"""Calls made bad: a valid one with some of its arguments replaced, exchanged, dropped or invented."""

from __future__ import annotations

import inspect
from random import Random
from typing import Any, NamedTuple

import numpy as np

import fastconv as fc
from fuzz import hostile_values
from fuzz.valid_calls import GENERATORS, Arguments

SENTINEL = -77.0
# What a refused call must leave as it is; more than any array here has that is not a broadcast one.
MAX_SNAPSHOT = 2**16
# What a message names, if not an argument of the function: Python's words, and the array that has the shape.
OTHER_CAUSES = ("argument", "output", "input", "weight")


class Attempt(NamedTuple):
    """A function, and the arguments of a call that is probably bad."""

    function: str
    arguments: Arguments

    def __str__(self) -> str:
        given = ", ".join(f"{name}={shown(value)}" for name, value in self.arguments.items())
        return f"{self.function}({given})"


def shown(value: Any) -> str:
    """Show a value, an array by type, shape and strides, within a line."""
    if isinstance(value, np.ndarray):
        return f"<{type(value).__name__} {value.dtype} {value.shape} by {value.strides}>"
    try:
        text = repr(value)
    except Exception:  # some are there to raise any
        text = f"<{type(value).__name__}>"
    return text if len(text) < 100 else f"{text[:60]}..."


PARAMETERS = {
    name: tuple(inspect.signature(getattr(fc, name)).parameters) for name in GENERATORS if hasattr(fc, name)
}


def with_output(function: str, arguments: Arguments) -> Arguments:
    """Make the valid call; add an output for it that holds the sentinel."""
    result = getattr(fc, function)(**arguments)
    values = result[0] if isinstance(result, tuple) else result
    return {**arguments, "out": np.full(values.shape, SENTINEL, values.dtype)}


def hostile(rng: Random, function: str, name: str, arguments: Arguments) -> Any:
    """Draw a value for an argument: of its own, of any other, or any."""
    value = arguments.get(name)
    kind = rng.random()
    if kind < 0.25:
        return rng.choice(hostile_values.ANYTHING)
    if name == "out":
        return hostile_values.of_out(rng, value, arguments)
    if name in hostile_values.ARRAYS:
        return hostile_values.of_array(rng, value)
    if (function[:-2], name) in hostile_values.ENLARGING:
        return hostile_values.LARGER(rng)
    return hostile_values.OWN[name](rng)


def bounded(arguments: Arguments, valid: Arguments) -> Arguments:
    """Leave out `measure` where shapes are not those of the valid call: it runs whatever it gets."""
    measure = arguments.get("measure")
    changed = any(arguments.get(name) is not valid.get(name) for name in ("input_shape", "weight_shape"))
    if changed and isinstance(measure, (bool, np.bool_)):
        return {name: value for name, value in arguments.items() if name != "measure"}
    return arguments


def attempt(function: str, number: int) -> Attempt:
    """Return one of the bad calls of a function, the same for the same number."""
    rng = Random(f"{function} {number}")
    valid = GENERATORS[function](rng)
    arguments = dict(valid)
    names = PARAMETERS[function]
    if "out" in names and rng.random() < 0.5:
        arguments = with_output(function, arguments)
    kind = rng.random()
    if kind < 0.03:
        arguments.pop(rng.choice(sorted(arguments)))
    elif kind < 0.04:
        arguments["inputs"] = arguments.get("input")
    elif kind < 0.08:
        one, other = rng.choice(names), rng.choice(sorted(arguments))
        arguments[one], arguments[other] = arguments[other], arguments.get(one)
    elif kind < 0.13 and function not in hostile_values.NOT_HUGE:
        arrays = [name for name in arguments if name != "out" and isinstance(arguments[name], np.ndarray)]
        if arrays:
            name = rng.choice(arrays)
            arguments[name] = hostile_values.huge(rng, arguments[name])
    else:
        count = rng.choice((1, 1, 1, 1, 2, 2, 3))
        for name in rng.sample(names, min(count, len(names))):
            arguments[name] = hostile(rng, function, name, arguments)
    return Attempt(function, bounded(arguments, valid))


def snapshot(arguments: Arguments) -> list[tuple[str, bytes]]:
    """Copy what is in the arrays among the arguments."""
    return [
        (name, value.tobytes())
        for name, value in arguments.items()
        if isinstance(value, np.ndarray) and value.size <= MAX_SNAPSHOT
    ]


def finding(tried: Attempt) -> tuple[bool, str]:
    """Call; return whether it was refused, and what is wrong with that, if anything is."""
    before = snapshot(tried.arguments)
    try:
        getattr(fc, tried.function)(**tried.arguments)
    except (TypeError, ValueError, MemoryError) as error:
        if snapshot(tried.arguments) != before:
            return True, f"{tried}: an array was written before {type(error).__name__}: {error}"
        names = (*PARAMETERS[tried.function], *OTHER_CAUSES)
        if not isinstance(error, MemoryError) and not any(name in str(error) for name in names):
            return True, f"{tried}: no argument is named in {type(error).__name__}: {error}"
        return True, ""
    except Exception as error:
        return True, f"{tried}: {type(error).__name__}: {error}"
    return False, ""
