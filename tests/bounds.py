"""How far a result may be from the oracle, with the reason for every constant.

``eps`` is the distance from 1 to the next number of the type, so one rounding costs ``eps / 2``.
A sum of K terms in any order costs at most K roundings of partial sums (``K / 2`` eps); independent
roundings make it a walk whose standard deviation is ``sqrt(K) / 6`` even when all terms have one
sign, so six of them are ``sqrt(K)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Activation = str | tuple[Any, ...] | None


def summation(terms: int) -> float:
    """Cost in eps of adding ``terms`` numbers, relative to the sum of their absolute values."""
    return float(min(terms / 2, np.sqrt(terms)))


# algorithm -> c(K) of |y - ref| <= c eps (conv(|x|, |w|) + |bias| + |residual|). A product is rounded by
# itself and then at most K - 1 times in sums, or, with FMA, at most K times in sums: K roundings either way.
# 1 is for adding bias and residual. One line an algorithm, though these share their reasons.
CONVOLUTION: dict[str, Callable[[int], float]] = {
    "direct": lambda terms: summation(terms) + 1,
    "im2col": lambda terms: summation(terms) + 1,
    "depthwise": lambda terms: summation(terms) + 1,
    "auto": lambda terms: summation(terms) + 1,
}

# tile size -> roundings on the longest way through one transform of the input, of the outputs (both without
# FMA) and of the filter (in double whatever the type). Each is done twice: to columns, then to rows.
TRANSFORMS = {2: (1, 2, 2), 4: (4, 5, 5)}


def winograd_bound(tile: int, channels: int, dtype: Any) -> float:
    """``c`` of ``|y - ref| <= c eps (|A'| [sum of (|G| |w| |G'|) (|B'| |x| |B|)] |A| + ...)``.

    The sum is over input channels; the rest is ``|bias| + |residual|``, whose additions cost 1. A filter in
    double is rounded once when it becomes float32; in float64 its own roundings count.
    """
    into, out, filters = (2 * roundings for roundings in TRANSFORMS[tile])
    return summation(channels) + (into + out + (1 if dtype == np.float32 else filters)) / 2 + 1


# The sum of a window, 1/2 for rounding 1 / divisor and 1/2 for the product with it.
AVERAGE: Callable[[int], float] = lambda terms: summation(terms) + 1  # noqa: E731

# Of |x - mean| |scale| + |bias| + |residual|, half an eps each: the mean's high and low part, the rounded
# scale and its weight, the product, the two additions.
BATCH_NORM = 3.5

# The same, and half an eps each: the product with the weight, the sum with the mean's low part.
LAYER_NORM = 4.5

# Beside |x - m|, whose rounding the exponential multiplies: an exponential to 1 ulp of its own and one in the
# sum, the sum of K terms, a product with a rounded reciprocal; or the logarithm to 2 ulps and a difference.
SOFTMAX: Callable[[int], float] = lambda terms: summation(terms) + 6  # noqa: E731

# activation -> (Lipschitz constant, ulps of its own). None: a comparison. clip: its parameters are rounded.
# leaky_relu: one product with a rounded slope. hardswish: x + 3, 1/6 and two products at half an eps each,
# doubled because an ulp may be half an eps of the value. The others: an exponential to 1 ulp, a sum and a
# quotient at half, doubled likewise; silu has one product more.
ACTIVATION: dict[str, tuple[float, float]] = {
    "relu": (1, 0),
    "relu6": (1, 0),
    "clip": (1, 0.5),
    "leaky_relu": (1, 1),
    "hardswish": (1.5, 4),
    "sigmoid": (0.25, 4),
    "tanh": (1, 4),
    "silu": (1.1, 5),
}


def activation_name(activation: Activation) -> str | None:
    """Name without parameters."""
    return activation[0] if isinstance(activation, tuple) else activation


def after_activation(activation: Activation, bound: Array, reference: Array, eps: float) -> Array:
    """Widen a bound on the argument to one on the activated ``reference``."""
    name = activation_name(activation)
    if name is None:
        return bound
    slope, ulps = ACTIVATION[name]
    return slope * bound + ulps * eps * np.abs(reference)


def eps_of(dtype: Any) -> float:
    """``eps``, doubled for float64 because the oracle, float64 itself, rounds as often."""
    eps = float(np.finfo(dtype).eps)
    return 2 * eps if np.dtype(dtype) == np.float64 else eps


def assert_within(actual: Array, reference: Array, bound: Array | float) -> None:
    """Require shape, NaN and infinities of the reference, and all other elements within the bound."""
    assert actual.shape == reference.shape
    finite = np.isfinite(reference)
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(reference), err_msg="places of NaN")
    np.testing.assert_array_equal(actual[np.isinf(reference)], reference[np.isinf(reference)])
    with np.errstate(invalid="ignore", over="ignore"):
        excess = np.where(finite, np.abs(actual - reference), 0) - np.broadcast_to(bound, reference.shape)
    excess = np.where(finite, excess, -np.inf)
    if excess.size and (worst := np.unravel_index(np.argmax(excess), excess.shape)) and excess[worst] > 0:
        allowed = np.broadcast_to(bound, excess.shape)[worst]
        raise AssertionError(
            f"{int((excess > 0).sum())} of {excess.size} elements out of bounds, worst at {worst}: "
            f"{actual[worst]!r} instead of {reference[worst]!r}, bound {allowed:.3g}"
        )


def assert_same_bits(actual: Array, expected: Array) -> None:
    """Require equal shape, type and bits, the sign of zero included."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    if actual.tobytes() != expected.tobytes():
        bits = f"u{actual.itemsize}"
        differ = np.ascontiguousarray(actual).view(bits) != np.ascontiguousarray(expected).view(bits)
        first = tuple(int(i) for i in np.argwhere(differ)[0])
        raise AssertionError(
            f"{int(differ.sum())} of {differ.size} elements differ, first at {first}: "
            f"{actual[first]!r} instead of {expected[first]!r}"
        )
