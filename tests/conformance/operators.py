"""Which operators of torch's database are which functions of the package, and what they do not share.

A row says how many samples the database has for a type; each is compared as it is, and once more with tensors
that are not contiguous. More or fewer samples are a mistake until somebody has looked at them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

RANKS = (1, 2, 3)


class Call(NamedTuple):
    """Arguments of a function, tensors or arrays among them."""

    args: tuple[Any, ...]
    options: dict[str, Any]


class Apart(NamedTuple):
    """Calls that one side takes and the other refuses: why, how many, and which."""

    reason: str
    number: int
    applies: Callable[[Call], bool]


class Operator(NamedTuple):
    """A function, the operator of the database that is the same, and how far apart their results may be."""

    function: str
    name: str
    bound: str
    # For float32 and for float64.
    samples: tuple[int, int]
    errors: int = 0
    variant: str = ""
    # Samples that the package refuses, and error inputs that it takes, both by its interface.
    refused: tuple[Apart, ...] = ()
    taken: tuple[Apart, ...] = ()

    def __str__(self) -> str:
        return f"{self.function}-{self.variant}" if self.variant else self.function


def per_rank(
    function: str, bound: str, samples: tuple[Any, ...], errors: tuple[int, ...] = (0, 0, 0), **more: Any
) -> list[Operator]:
    """Make the rows of a function for 1, 2 and 3 spatial axes."""
    return [
        one(f"{function}{rank}d", bound, count, wrong, **more)
        for rank, count, wrong in zip(RANKS, samples, errors, strict=True)
    ]


def one(
    function: str, bound: str, samples: int | tuple[int, int], errors: int = 0, name: str = "", **more: Any
) -> Operator:
    """Make the row of a function; torch has most of them under the same name."""
    both = (samples, samples) if isinstance(samples, int) else samples
    return Operator(function, name or f"nn.functional.{function}", bound, both, errors, **more)


def floating_bias(call: Call) -> bool:
    """A bias of another type than input and weight."""
    input, _, bias = call.args
    return bool(input.dtype != bias.dtype and bias.dtype.is_floating_point)


def below_zero(option: str) -> Callable[[Call], bool]:
    """A negative number, where the package has a range."""
    return lambda call: option in call.options and call.options[option] < 0


def every(call: Call) -> bool:
    """All samples of a variant."""
    return True


PROMOTED = (Apart("arrays of several types are promoted", 1, floating_bias),)
COMPLEX = (Apart("complex numbers", 42, every),)
RESULT_TYPE = (Apart("dtype= is no argument", 7, every),)
EMPTY_STRIDE = (Apart("an empty stride is no stride", 1, lambda call: call.args[2:3] == ((),)),)
BATCH_NORM = (
    Apart("momentum is from 0 to 1", 3, below_zero("momentum")),
    Apart("an input without channels", 2, lambda call: call.args[0].ndim < 2),
)
INSTANCE_NORM = (Apart("momentum is from 0 to 1", 3, below_zero("momentum")),)
EPSILON = "eps is above 0"

OPERATORS = [
    *per_rank("conv", "sum", (10, 30, 20), (10, 10, 10), taken=PROMOTED),
    *per_rank("conv_transpose", "sum", (10, 12, 10)),
    *per_rank("max_pool", "exact", (864, 1440, 576), (24, 7, 7)),
    one("avg_pool1d", "sum", 9, 2),
    one("avg_pool2d", "sum", 7, 5, refused=EMPTY_STRIDE),
    one("avg_pool3d", "sum", 8, 6),
    *per_rank("adaptive_avg_pool", "sum", (6, 10, 12), (2, 3, 3)),
    *per_rank("adaptive_max_pool", "exact", (8, 24, 20), (2, 3, 3)),
    *per_rank("max_unpool", "exact", (144, 288, 96), (1, 1, 1)),
    *per_rank("max_unpool", "exact", ((16, 16), (20, 20), (8, 10)), variant="grad"),
    one("batch_norm", "largest", 12, refused=BATCH_NORM),
    one("batch_norm", "largest", 12, variant="without_cudnn", refused=BATCH_NORM),
    one("group_norm", "largest", 54, 2, refused=(Apart(EPSILON, 8, below_zero("eps")),)),
    one("layer_norm", "largest", 6, refused=(Apart(EPSILON, 1, below_zero("eps")),)),
    one("instance_norm", "largest", 9, refused=INSTANCE_NORM),
    one("linear", "sum", 18),
    one("relu", "exact", 45),
    one("relu6", "exact", 42),
    one("leaky_relu", "elementwise", 9),
    one("sigmoid", "elementwise", 42, name="sigmoid"),
    one("tanh", "elementwise", 36, name="tanh"),
    one("silu", "elementwise", 42),
    one("silu", "elementwise", 42, variant="complex", refused=COMPLEX),
    one("hardswish", "elementwise", 4),
    one("softmax", "elementwise", 7, name="softmax"),
    one("softmax", "elementwise", 7, name="softmax", variant="with_dtype", refused=RESULT_TYPE),
    one("log_softmax", "largest", 7, name="log_softmax"),
    one("log_softmax", "largest", 7, name="log_softmax", variant="with_dtype", refused=RESULT_TYPE),
    one("pad", "exact", 51, variant="constant"),
    one("pad", "exact", 12, variant="reflect"),
    one("pad", "exact", 12, variant="replicate"),
    one("pad", "exact", 6, variant="replicate_negative"),
    one("pad", "exact", 8, variant="circular"),
    one("unfold", "exact", 163),
    # The database has no fold: it takes what unfold makes of its samples.
    one("fold", "sum", 163, name="nn.functional.unfold", variant="of_unfold"),
]
