"""Numbers, tuples and names: each check returns the canonical form, made of exact built-in types.

Canonical forms are safe keys of a cache, where ``1``, ``1.0`` and ``True`` would be one and the same.
"""

from __future__ import annotations

import math
import operator
import os
from typing import NoReturn

import numpy as np

from fastconv._native import core as native
from fastconv.functional.checks.annotations import DTypeLike

INT64_MAX = 2**63 - 1
PADDING_NAMES = ("valid", "same", "same_upper", "same_lower")

ActivationCode = tuple[int, float, float]

_CODE = {name: code for code, name in enumerate(native.ACTIVATIONS)}
# No native code: the functions put the measured choice in its place.
AUTOTUNE = -1
_ALGORITHM_CODE = {**{name: code for code, name in enumerate(native.ALGORITHMS)}, "autotune": AUTOTUNE}
_WINOGRAD = {code: name for name, code in _ALGORITHM_CODE.items() if name.startswith("winograd")}
NO_ACTIVATION: ActivationCode = (_CODE["none"], 0.0, 0.0)
_NAMED_ACTIVATION: dict[str, ActivationCode] = {
    "relu6": (_CODE["clip"], 0.0, 6.0),
    **{name: (_CODE[name], 0.0, 0.0) for name in ("relu", "silu", "hardswish", "sigmoid", "tanh")},
}


def integer(value: object, name: str, minimum: int = -INT64_MAX) -> int:
    """Return an integer of at least `minimum` that fits into 64 bits."""
    if type(value) is not int:
        # An array of one integer has __index__ too, in older NumPy also a bool, but neither is a size.
        if isinstance(value, (bool, np.bool_, np.ndarray)):
            _reject_integer(value, name)
        try:
            value = int(operator.index(value))  # type: ignore[arg-type]
        except (MemoryError, OSError):
            raise
        except Exception:  # of any kind, from an object's own __index__
            _reject_integer(value, name)
    if not minimum <= value <= INT64_MAX:
        rule = f"at least {minimum} and " if minimum != -INT64_MAX else "above -2**63 and "
        raise ValueError(f"{name}={short(value)} is out of range: it must be {rule}below 2**63")
    return value


def per_axis(value: object, rank: int, name: str, minimum: int) -> tuple[int, ...]:
    """Return one integer for each spatial axis from an integer, or a tuple or list of 1 or `rank` of them."""
    if type(value) is int and minimum <= value <= INT64_MAX:
        return (value,) * rank
    if not isinstance(value, (tuple, list)):
        return (integer(value, name, minimum),) * rank
    given = items(value)
    if len(given) not in (1, rank):
        raise ValueError(
            f"{name}={short(value)} has {len(given)} entries: it must be an integer or have {rank}"
        )
    entries = tuple(integer(entry, name, minimum) for entry in given)
    return entries * (rank // len(entries))


def kept_sizes(value: object, sizes: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Return one size for each axis as `per_axis` does; an entry None keeps that of `sizes`."""
    if value is None:
        raise TypeError(f"{name} must be an integer, or a tuple of integers and None, got None")
    if not isinstance(value, (tuple, list)):
        return per_axis(value, len(sizes), name, 0)
    given = items(value)
    entries = per_axis([0 if entry is None else entry for entry in given], len(sizes), name, 0)
    kept = [entry is None for entry in given] * (len(sizes) // len(given))
    return tuple(size if keep else entry for size, keep, entry in zip(sizes, kept, entries, strict=True))


def shape(value: object, name: str) -> tuple[int, ...]:
    """Return a shape of a tuple or list of integers."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} must be a tuple of integers, got {short(value)}")
    return tuple(integer(entry, name, 0) for entry in items(value))


def padding(value: object, rank: int) -> str | tuple[int, ...]:
    """Return one of PADDING_NAMES, or ``(before_0, after_0, before_1, ...)`` with an entry a side."""
    if type(value) is int and 0 <= value <= INT64_MAX:
        return (value,) * (2 * rank)
    if isinstance(value, str):
        name = text(value)
        if name not in PADDING_NAMES:
            raise ValueError(f"padding={short(name)} is unknown: names are {', '.join(PADDING_NAMES)}")
        return name
    if isinstance(value, (tuple, list)) and any(isinstance(entry, (tuple, list)) for entry in items(value)):
        return _pairs(value, rank)
    return tuple(side for entry in per_axis(value, rank, "padding", 0) for side in (entry, entry))


def _pairs(value: tuple[object, ...] | list[object], rank: int) -> tuple[int, ...]:
    sides: list[int] = []
    for pair in items(value):
        both = items(pair) if isinstance(pair, (tuple, list)) else ()
        if len(both) != 2:
            raise ValueError(f"padding={short(value)} must have a pair (before, after) for every axis")
        sides.extend(integer(side, "padding", 0) for side in both)
    pairs = len(sides) // 2
    if pairs not in (1, rank):
        raise ValueError(f"padding={short(value)} has {pairs} pairs: it must have {rank}")
    return tuple(sides) * (rank // pairs)


def flag(value: object, name: str) -> bool:
    """Return a bool; nothing else stands for one."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {short(value)}")
    return bool(value)


def floating(value: object, name: str) -> float:
    """Return a real number, NaN and infinities included."""
    if type(value) is float:
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a real number, got {short(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name}={short(value)} is too large for a float") from None
    except Exception:  # of any kind, from a subclass's own __float__
        raise TypeError(f"{name} must be a real number, got a value of type {type(value).__name__}") from None


def real(value: object, name: str) -> float:
    """Return a real number that is not NaN."""
    number = floating(value, name)
    if math.isnan(number):
        raise ValueError(f"{name} is NaN: it must be a number")
    return number


def positive(value: object, name: str) -> float:
    """Return a finite number above zero."""
    number = real(value, name)
    if not 0.0 < number < math.inf:
        raise ValueError(f"{name}={number} is out of range: it must be finite and above 0")
    return number


def finite(value: object, name: str) -> float:
    """Return a finite number."""
    number = real(value, name)
    if math.isinf(number):
        raise ValueError(f"{name}={number} must be finite")
    return number


def path(value: object, name: str) -> str:
    """Return the name of a file."""
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str or an os.PathLike of one, got {short(value)}")
    if not text or "\0" in text:
        raise ValueError(f"{name}={short(value)} must not be empty and not have null characters")
    return text


def itemsize(dtype: DTypeLike, name: str) -> int:
    """Return the bytes of an item of float32 or float64, however NumPy lets them be named."""
    try:
        # None is NumPy's word for float64, here it is a mistake.
        kind = np.dtype(np.void if dtype is None else dtype)
    except Exception:  # of many kinds: NumPy parses some names as Python
        kind = np.dtype(np.void)
    if kind not in (np.float32, np.float64):
        raise TypeError(f"{name}={short(dtype)} must be float32 or float64")
    return kind.itemsize


def activation(value: object) -> ActivationCode:
    """Return the native code of an activation and its two parameters."""
    if value is None:
        return NO_ACTIVATION
    if isinstance(value, str):
        if text(value) in _NAMED_ACTIVATION:
            return _NAMED_ACTIVATION[text(value)]
    elif isinstance(value, (tuple, list)):
        given = items(value)
        name = text(given[0]) if given and isinstance(given[0], str) else None
        if len(given) == 3 and name == "clip":
            low, high = real(given[1], "activation"), real(given[2], "activation")
            if low > high:
                raise ValueError(f"activation={short(value)} must have its lower bound first")
            return (_CODE["clip"], low, high)
        if len(given) == 2 and name == "leaky_relu":
            return (_CODE["leaky_relu"], finite(given[1], "activation"), 0.0)
    else:
        raise TypeError(f"activation must be None, a name or a tuple, got {short(value)}")
    names = ", ".join(repr(name) for name in _NAMED_ACTIVATION)
    raise ValueError(
        f"activation={short(value)} is unknown: it must be None, {names}, ('clip', low, high) "
        "or ('leaky_relu', slope)"
    )


def algorithm(value: object, group_channels: int) -> int:
    """Return the native code of an algorithm, or AUTOTUNE, for a weight of so many channels a group."""
    if not isinstance(value, str):
        raise TypeError(f"algorithm must be a name, got {short(value)}")
    value = text(value)
    code = _ALGORITHM_CODE.get(value)
    if code is None:
        raise ValueError(
            f"algorithm={short(value)} is not available in this version, "
            f"which has {', '.join(_ALGORITHM_CODE)}"
        )
    if value == "depthwise" and group_channels != 1:
        raise ValueError(
            f"algorithm='depthwise' needs one input channel a group, but weight.shape[1] is {group_channels}"
        )
    return code


def check_winograd(code: int, window: tuple[tuple[int, ...], ...]) -> None:
    """Refuse the Winograd algorithm for a window (kernel, stride, padding, dilation) that it cannot do."""
    kernel, stride, _, dilation = window
    if code in _WINOGRAD and (
        kernel[-2:] != (3, 3) or max(kernel[:-2], default=1) > 1 or {*stride[-2:], *dilation[-2:]} != {1}
    ):
        raise ValueError(
            f"algorithm={_WINOGRAD[code]!r} does 3x3 kernels with stride and dilation 1, "
            f"not kernel {kernel} with stride {stride} and dilation {dilation}"
        )


def check_transposed_winograd(code: int, window: tuple[tuple[int, ...], ...]) -> None:
    """Refuse the Winograd algorithm for the window of a transposed convolution that it cannot do."""
    if code in _WINOGRAD and not _has_small_phases(*window):
        kernel, stride, _, dilation = window
        raise ValueError(
            f"algorithm={_WINOGRAD[code]!r} does transposed convolutions of planes whose outputs each depend "
            f"on 2x2 to 3x3 neighbouring inputs, not kernel {kernel} with stride {stride} and dilation "
            f"{dilation}"
        )


def _has_small_phases(
    kernel: tuple[int, ...], stride: tuple[int, ...], sides: tuple[int, ...], dilation: tuple[int, ...]
) -> bool:
    """Whether every output belongs to a phase of the stride, and all read the same 2 or 3 inputs an axis."""
    spans = [
        ((taps - 1) * apart - before) // step - -before // step + 1
        for taps, step, before, apart in zip(kernel, stride, sides[::2], dilation, strict=True)
    ]
    covered = all(
        taps >= step and math.gcd(step, apart) == 1
        for taps, step, apart in zip(kernel, stride, dilation, strict=True)
    )
    planes = len(kernel) > 1 and {*kernel[:-2], *stride[:-2]} <= {1}
    return planes and covered and {*spans[-2:]} <= {2, 3} and math.prod(stride) <= native.MOST_TILE_PHASES


def transposed_algorithm(value: object, group_channels: tuple[int, int]) -> int:
    """Return the native code of an algorithm for a transposed convolution, by channels a group in and out."""
    code = algorithm(value, 1)
    assert isinstance(value, str)
    name = text(value)
    if name == "im2col":
        raise ValueError(f"algorithm={name!r} does no transposed convolution")
    if name == "depthwise" and group_channels != (1, 1):
        raise ValueError(
            f"algorithm='depthwise' needs one channel a group, but groups have {group_channels[0]} input and "
            f"{group_channels[1]} output channels"
        )
    return code


def channels_last(layout: object) -> bool:
    """Return whether the layout is ``"NHWC"``."""
    if type(layout) is str and layout == "NCHW":
        return False
    if not isinstance(layout, str):
        raise TypeError(f"layout must be a name, got {short(layout)}")
    layout = text(layout)
    if layout not in ("NCHW", "NHWC"):
        raise ValueError(f"layout={short(layout)} is unknown: it must be 'NCHW' or 'NHWC'")
    return layout == "NHWC"


def items(value: tuple[object, ...] | list[object]) -> tuple[object, ...]:
    """Return what a tuple or a list holds, whatever a subclass says of its length and items."""
    return tuple(list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value))


def text(value: str) -> str:
    """Return a plain string of the same characters."""
    return str.__str__(value)


def message(error: BaseException) -> str:
    """Return what an error says of itself."""
    try:
        return str(error)
    except Exception:  # of any kind, from its own __str__
        return type(error).__name__


def _reject_integer(value: object, name: str) -> NoReturn:
    raise TypeError(f"{name} must be an integer, got {short(value)}")


def short(value: object) -> str:
    """Return a description of bounded length; the repr of an array or a huge integer has none."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    try:
        described = isinstance(value, (type(None), int, float, np.generic, str, tuple, list))
        told = repr(value) if described else ""
    except Exception:  # more digits than Python prints, entries in entries in entries, an entry's own error
        told = ""
    return told if 0 < len(told) <= 60 else f"a value of type {type(value).__name__}"
