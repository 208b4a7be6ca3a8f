"""Values that no argument should have, and values that only some arguments should not have.

A call with them may turn out valid. It must not turn out valid and endless: what makes an output larger is
either small or so large that nobody has the memory, and huge arrays come alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class BadIndex:
    """An integer that is none."""

    def __init__(self, result: object) -> None:
        self.result = result

    def __index__(self) -> Any:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class BadArray:
    """An array that cannot be made."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __array__(self, *arguments: object, **options: object) -> Any:
        raise self.error


class Silent(Exception):
    """An error that fails to say what is wrong."""

    def __str__(self) -> str:
        raise KeyError(0)


class BadFloat(float):
    """A number that is none."""

    def __float__(self) -> float:
        raise KeyError(0)

    __repr__ = __str__ = __float__  # type: ignore[assignment]


class BadList(list[Any]):
    """A list that is longer than it says."""

    def __len__(self) -> int:
        return 2


class BadItems(list[Any]):
    """A list that fails to say what it holds."""

    def __iter__(self) -> Any:
        raise KeyError(0)

    __len__ = __repr__ = __iter__


class BadName(str):
    """A name that fails to say what it is."""

    def __eq__(self, other: object) -> bool:
        raise KeyError(0)

    def __hash__(self) -> int:
        raise KeyError(0)

    def __str__(self) -> str:
        raise KeyError(0)

    __repr__ = __str__


class BadCapsule:
    """An array of another device."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(self, **options: object) -> Any:
        raise BufferError("not on the CPU")


def nested(depth: int) -> list[Any]:
    """Return a list in a list in a list."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def endless() -> list[Any]:
    """Return a list that is its own entry."""
    value: list[Any] = []
    value.append(value)
    return value


# Whatever the argument is. Nothing that could be a large size.
ANYTHING: tuple[Any, ...] = (
    *(None, True, False, np.True_, 0, -1, -(2**31), -(2**63), -(10**400), 2.0, -0.0, 1e300),
    *(math.nan, math.inf, -math.inf, 2j, np.float64(2), np.float16(1.5), np.longdouble(2), np.void(b"12")),
    *("", "2", "NHWC ", "relu\0", "x" * 1000, b"same", bytearray(3), memoryview(b"abc")),
    *((), [], {}, {2}, {"a": 1}, (None,), (True,), (2.0,), ("2",), (1,) * 7, [1, None]),
    *(((1, 2, 3),), ((1,), 1), ((0, -1),), [[1], [2, 3]], [1, [2]], [1, "a"]),
    *(nested(20), nested(5000), endless(), range(3), iter([1, 2]), slice(3)),
    *(object(), object, len, Ellipsis, NotImplemented, np.dtype("f4")),
    *(np.datetime64("2024-02-29"), np.timedelta64(3), np.ones(3, np.longdouble)),
    *(np.array(2), np.array([2, 2]), np.array([]), np.array("x"), np.array([None]), np.ma.ones(3)),
    *(np.array([2j]), np.array([(1, 2.0)], "i4,f4"), np.array([b"ab"]), BadCapsule()),
    *(
        BadIndex("2"),
        BadIndex(2.0),
        BadIndex(TypeError("argument")),
        BadIndex(ValueError("argument")),
        BadIndex(KeyError("argument")),
        BadIndex(-7),
    ),
    *(BadArray(ValueError("no array here")), BadArray(KeyError(0)), BadArray(Silent())),
    *(BadFloat(2.0), (1, BadFloat(1.0)), BadList(), BadList([1]), BadList([1, 1, 1])),
    *(BadItems(), BadItems([1]), BadItems([1, 1]), BadItems([[1, 1]]), [BadItems([1, 1])] * 2),
    *(BadName("same"), BadName("NHWC"), BadName("relu"), BadName("reflect"), BadName("")),
)
# Sizes that only make outputs smaller, or none; sizes that make them larger.
ENDS = (2**62, 2**63 - 1, 2**63, 2**64, 10**400, np.int64(2**62), np.uint64(2**63), 7)
SHRINKING: tuple[Any, ...] = (2**31 - 1, 2**31, 2**32 + 1, 2**53, 100, *ENDS)
GROWING: tuple[Any, ...] = (2**50, 2**55, *ENDS)
NAMES = (
    *("same", "valid", "same_upper", "same_lower", "full", "SAME", "NCHW", "NHWC", "nchw"),
    *(
        "auto",
        "autotune",
        "direct",
        "im2col",
        "winograd",
        "winograd_2x2",
        "winograd_4x4",
        "depthwise",
        "fft",
        "reflect",
        "circular",
    ),
    *("relu", "gelu", "conv2d", "conv4d"),
)
ACTIVATIONS: tuple[Any, ...] = (
    *(("clip", 2, 1), ("clip", math.nan, 1), ("clip", 1), ("clip", "a", "b"), ("clip", 0, 10**400)),
    *(("leaky_relu", math.inf), ("leaky_relu",), ("relu",), ["relu", 1], (["clip"], 0, 1), b"relu"),
)
DTYPES: tuple[Any, ...] = (
    *(np.int32, "float16", "O", np.void, "f4,f4", complex, ">f4", "no such type", np.longdouble, "\0"),
    *("f4,(", "f4,,", "(2,)f4", ("f4", -1), [("a", "f4")], [("a", "f4"), ("a", "f4")], {"a": 1}),
)


def of_sizes(rng: Random, values: tuple[Any, ...]) -> Any:
    """Return a size, or a tuple of them and of small ones."""
    if rng.random() < 0.5:
        return rng.choice(values)
    entries = [rng.choice((rng.choice(values), rng.randint(-1, 3), 1)) for _ in range(rng.randint(0, 4))]
    if rng.random() < 0.2:
        entries = [(entry, rng.randint(-1, 3)) for entry in entries]
    return rng.choice((tuple, list))(entries)


def of_reals(rng: Random) -> Any:
    """Return a number out of some range."""
    return rng.choice((0, -1e-9, 1.0000001, -1, 2, math.nan, math.inf, -math.inf, 10**400, np.float32(-1)))


def reshaped(rng: Random, array: Array) -> Array:
    """Return the array with another shape."""
    shape = list(array.shape)
    change = rng.randrange(5)
    if change == 0 or not shape:
        shape.insert(rng.randint(0, len(shape)), rng.choice((1, 1, 2, 0)))
    elif change == 1:
        del shape[rng.randrange(len(shape))]
    elif change == 2:
        rng.shuffle(shape)
    else:
        axis = rng.randrange(len(shape))
        shape[axis] = rng.choice((0, 1, shape[axis] + 1, max(shape[axis] - 1, 0), 13))
    return np.resize(array, shape) if array.size else np.ones(shape, np.float32)


def retyped(rng: Random, array: Array) -> Any:
    """Return the array with items, or of a class, that are not taken."""
    masked = np.ma.masked_array(array, array > 2)
    retyped = [array.astype(kind) for kind in ("c8", "c16", "O", "S4", "U4", "g", "m8[s]")]
    return rng.choice((masked, *retyped, -array, array * np.nan, array.astype(">f8"), array.astype(int)))


def huge(rng: Random, array: Array) -> Array:
    """Return an array of tiny memory and an enormous axis."""
    shape = list(array.shape) or [1]
    shape[rng.randrange(len(shape))] = 2**50
    try:
        return np.broadcast_to(np.float32(1), shape)
    except ValueError:
        return np.broadcast_to(np.float32(1), (2**50, *shape[1:2]))


def of_array(rng: Random, array: Any) -> Any:
    """Return an array in the place of another one, never a huge one."""
    if not isinstance(array, np.ndarray):
        array = np.ones(sizes_of_nothing(rng), np.float32)
    return rng.choice((reshaped, retyped))(rng, array)


def sizes_of_nothing(rng: Random) -> tuple[int, ...]:
    """Return any small shape."""
    return tuple(rng.randint(0, 3) for _ in range(rng.randint(0, 6)))


def of_out(rng: Random, out: Any, arguments: dict[str, Any]) -> Any:
    """Return an output that cannot be written, or not with this result."""
    if not isinstance(out, np.ndarray):
        return rng.choice(ANYTHING)
    read_only = out.view()
    read_only.flags.writeable = False
    strided = np.repeat(out[..., None], 2, -1)[..., 0]
    unaligned = np.zeros(out.nbytes + 1, np.uint8)[1:].view(out.dtype).reshape(out.shape)
    inputs = [value for value in arguments.values() if isinstance(value, np.ndarray)]
    swapped = out.astype(out.dtype.newbyteorder())
    return rng.choice(
        (read_only, strided, unaligned, reshaped(rng, out), retyped(rng, out), out.tolist(), swapped, *inputs)
    )


SIZES: Callable[[Random], Any] = lambda rng: of_sizes(rng, SHRINKING)  # noqa: E731
LARGER: Callable[[Random], Any] = lambda rng: of_sizes(rng, GROWING)  # noqa: E731
FLAGS: Callable[[Random], Any] = lambda rng: rng.choice((0, 1, None, "True", np.bool_(1)))  # noqa: E731
WORDS: Callable[[Random], Any] = lambda rng: rng.choice(NAMES)  # noqa: E731

# Argument -> its own hostile values; an array's depend on the array.
OWN: dict[str, Callable[[Random], Any]] = {
    **dict.fromkeys(("kernel_size", "stride", "dilation", "groups", "num_groups", "axis"), SIZES),
    **dict.fromkeys(("divisor_override", "normalized_shape", "weight_shape", "input_shape"), SIZES),
    **dict.fromkeys(("padding", "output_padding", "output_size", "pad"), LARGER),
    **dict.fromkeys(
        ("ceil_mode", "count_include_pad", "return_indices", "training", "use_input_stats", "measure"), FLAGS
    ),
    **dict.fromkeys(("eps", "momentum", "negative_slope", "value"), of_reals),
    **dict.fromkeys(("layout", "algorithm", "mode", "function"), WORDS),
    "activation": lambda rng: rng.choice((*ACTIVATIONS, *NAMES)),
    "dtype": lambda rng: rng.choice(DTYPES),
}
# Family and argument: here they make the output larger.
ENLARGING = {
    *(("conv_transpose", name) for name in ("stride", "dilation")),
    *(("max_unpool", name) for name in ("stride", "kernel_size")),
}
ARRAYS = (
    *("input", "weight", "bias", "residual", "indices", "running_mean", "running_var"),
    *("bn_weight", "bn_bias"),
)
# The output would be small, and its computation endless.
NOT_HUGE = tuple(f"adaptive_{kind}_pool{rank}d" for kind in ("avg", "max") for rank in (1, 2, 3))
