"""Random small calls that torch and the package have in common, some of them a little wrong.

What is wrong is off by one: a size, a padding, an axis, the length of a vector, the number of groups.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import numpy as np

from conformance.operators import RANKS, Call

Array = np.ndarray[Any, Any]


class Family(NamedTuple):
    """A function, its calls, and those on which both sides differ by intention."""

    function: str
    draw: Callable[[Random], Call]
    apart: tuple[Callable[[Call], bool], ...] = ()

    def __str__(self) -> str:
        return self.function


def array(rng: Random, *shape: int) -> Array:
    """Return small integers, so that every sum is exact."""
    return np.random.default_rng(rng.getrandbits(32)).integers(-3, 4, shape).astype(np.float64)


def around(rng: Random, value: int) -> int:
    """Return the value, seldom one more or one less."""
    return value + rng.choice((0,) * 30 + (-1, 1))


def sizes(rng: Random, rank: int, low: int, high: int, single: bool = True) -> Any:
    """Return an integer, a tuple of one if it may be single, or one for each axis."""
    count = rng.choice((0, 1 if single else rank, rank, rank + rng.choice((0, 0, 0, 1))))
    entries = tuple(around(rng, rng.randint(low, high)) for _ in range(max(count, 1)))
    return entries if count else entries[0]


def image(rng: Random, channels: int, rank: int, low: int, high: int) -> Array:
    """Return a batch or a sample alone."""
    batch = rng.choice(((), (0,), (1,), (3,)))
    return array(rng, *batch, channels, *(rng.randint(low, high) for _ in range(max(around(rng, rank), 0))))


def conv(rank: int) -> Callable[[Random], Call]:
    """Return calls of a convolution."""

    def draw(rng: Random) -> Call:
        groups, inputs, outputs = rng.randint(1, 3), rng.randint(1, 3), rng.randint(1, 3)
        x = image(rng, max(around(rng, inputs * groups), 1), rank, 1, 7)
        kernel = (rng.randint(1, 4) for _ in range(rank))
        leading = (max(around(rng, outputs * groups), 1), max(around(rng, inputs), 1))
        weight = array(rng, *leading, *kernel)
        bias = rng.choice((None, array(rng, around(rng, leading[0]))))
        padding = rng.choice(("same", "valid", *[sizes(rng, rank, 0, 3)] * 4))
        return Call((x, weight, bias, sizes(rng, rank, 1, 3), padding, sizes(rng, rank, 1, 3), groups), {})

    return draw


def conv_transpose(rank: int) -> Callable[[Random], Call]:
    """Return calls of a transposed convolution."""

    def draw(rng: Random) -> Call:
        groups, inputs, outputs = rng.randint(1, 3), rng.randint(1, 2), rng.randint(1, 3)
        x = image(rng, max(around(rng, inputs * groups), 1), rank, 1, 5)
        weight = array(rng, inputs * groups, outputs, *(rng.randint(1, 4) for _ in range(rank)))
        bias = rng.choice((None, array(rng, around(rng, outputs * groups))))
        shifts = sizes(rng, rank, 0, 2), sizes(rng, rank, 0, 1)
        return Call((x, weight, bias, sizes(rng, rank, 1, 3), *shifts, groups, sizes(rng, rank, 1, 3)), {})

    return draw


def max_pool(rank: int) -> Callable[[Random], Call]:
    """Return calls of a maximum pooling."""

    def draw(rng: Random) -> Call:
        stride = rng.choice((None, sizes(rng, rank, 1, 5)))
        window = sizes(rng, rank, 1, 5), stride, sizes(rng, rank, 0, 2), sizes(rng, rank, 1, 3)
        return Call((image(rng, 2, rank, 1, 9), *window, rng.random() < 0.5, rng.random() < 0.5), {})

    return draw


def avg_pool(rank: int) -> Callable[[Random], Call]:
    """Return calls of an average pooling."""

    def draw(rng: Random) -> Call:
        stride = rng.choice((None, sizes(rng, rank, 1, 5)))
        window = sizes(rng, rank, 1, 5), stride, sizes(rng, rank, 0, 2)
        divisor = () if rank == 1 else (rng.choice((None, None, 3, -2, 0)),)
        flags = rng.random() < 0.5, rng.random() < 0.5
        return Call((image(rng, 2, rank, 1, 9), *window, *flags, *divisor), {})

    return draw


def adaptive_pool(rank: int, indices: bool) -> Callable[[Random], Call]:
    """Return calls of an adaptive pooling."""

    def draw(rng: Random) -> Call:
        flags = (rng.random() < 0.5,) if indices else ()
        return Call((image(rng, 2, rank, 1, 6), sizes(rng, rank, 1, 8, single=False), *flags), {})

    return draw


def batch_norm(rng: Random) -> Call:
    """Return a call of batch_norm."""
    channels = rng.randint(1, 3)
    shape = (rng.choice((0, 1, 3)), channels, *(rng.randint(1, 3) for _ in range(rng.randint(0, 3))))
    vectors = [rng.choice((None, *[abs(array(rng, around(rng, channels)))] * 3)) for _ in range(4)]
    return Call((array(rng, *shape), *vectors, rng.random() < 0.5, rng.choice((0, 0.5, 1)), 0.5), {})


def linear(rng: Random) -> Call:
    """Return a call of linear."""
    features, outputs = rng.randint(1, 5), rng.choice(((), (1,), (4,)))
    x = array(rng, *(rng.randint(0, 3) for _ in range(rng.randint(0, 3))), max(around(rng, features), 1))
    bias = rng.choice((None, array(rng, *(max(around(rng, size), 1) for size in outputs))))
    return Call((x, array(rng, *outputs, features), bias), {})


def pad(rng: Random) -> Call:
    """Return a call of pad."""
    rank = rng.randint(1, 3)
    sides = tuple(rng.randint(-1, 3) for _ in range(around(rng, 2 * rank)))
    mode = rng.choice(("constant", "reflect", "replicate", "circular"))
    return Call((image(rng, 2, rank, 1, 4), sides, mode), {})


def unfold(rng: Random) -> Call:
    """Return a call of unfold."""
    window = (sizes(rng, 2, low, 2, single=False) for low in (1, 1, 0, 1))
    return Call((image(rng, 2, 2, 1, 5), *window), {})


def fold(rng: Random) -> Call:
    """Return a call of fold."""
    kernel, size = (rng.randint(1, 2), rng.randint(1, 2)), (rng.randint(2, 4), rng.randint(2, 4))
    columns = around(rng, (size[0] - kernel[0] + 1) * (size[1] - kernel[1] + 1))
    batch = rng.choice(((), (1,), (3,)))
    return Call((array(rng, *batch, around(rng, 2 * kernel[0] * kernel[1]), columns), size, kernel), {})


def kernel_beyond_input(call: Call) -> bool:
    """Torch's avg_pool3d alone wants the kernel to fit without the padding."""
    kernel, spatial = call.args[1], call.args[0].shape[-3:]
    entries = kernel if isinstance(kernel, tuple) else (kernel,)
    return any(width > size for width, size in zip(entries * (3 // len(entries)), spatial, strict=False))


def one_running_array(call: Call) -> bool:
    """Torch wants both running arrays or none."""
    return (call.args[1] is None) != (call.args[2] is None)


def empty_batch(call: Call) -> bool:
    """Torch does not look at all arguments."""
    return int(call.args[0].size) == 0


def dilation_of_an_empty_batch(call: Call) -> bool:
    """Torch does not look at it."""
    return int(call.args[0].size) == 0 and int(np.min(call.args[5])) < 1


def rows_by_a_vector(call: Call) -> bool:
    """Torch adds a bias to the product with a vector of weights only where the input is a vector too."""
    return call.args[1].ndim == 1 and call.args[2] is not None


def without_channels(rank: int) -> Callable[[Call], bool]:
    """Torch pools adaptively what has no channels."""
    return lambda call: call.args[0].ndim == rank + 1 and len(call.args[0]) == 0


def six_axes(call: Call) -> bool:
    """Torch's adaptive_avg_pool3d takes any number of axes for an output of one element."""
    return int(call.args[0].ndim) > 5


def cropped(call: Call) -> bool:
    """Torch has modes other than constant crop all there is, or copy what is cropped."""
    return call.args[2] != "constant" and min(call.args[1], default=0) < 0


FAMILIES = [
    *(Family(f"conv{rank}d", conv(rank), (dilation_of_an_empty_batch,)) for rank in RANKS),
    *(Family(f"conv_transpose{rank}d", conv_transpose(rank), (empty_batch,)) for rank in RANKS),
    *(Family(f"max_pool{rank}d", max_pool(rank)) for rank in RANKS),
    *(Family(f"avg_pool{rank}d", avg_pool(rank)) for rank in (1, 2)),
    Family("avg_pool3d", avg_pool(3), (kernel_beyond_input,)),
    *(
        Family(f"adaptive_max_pool{rank}d", adaptive_pool(rank, True), (without_channels(rank),))
        for rank in RANKS
    ),
    *(
        Family(f"adaptive_avg_pool{rank}d", adaptive_pool(rank, False), (without_channels(rank), six_axes))
        for rank in RANKS
    ),
    Family("batch_norm", batch_norm, (one_running_array, empty_batch)),
    Family("linear", linear, (rows_by_a_vector,)),
    Family("pad", pad, (cropped,)),
    Family("unfold", unfold),
    Family("fold", fold),
]
