"""Initial values: functions with a _ at the end overwrite a parameter by draws or a constant and return it.

With ``fan_in`` and ``fan_out`` the numbers of inputs that reach one output and of outputs that one input
reaches, `kaiming_normal_` draws with a deviation of ``gain / sqrt(fan)`` and `kaiming_uniform_` up to
``gain * sqrt(3 / fan)``, which keep the variance of a layer's output that of its input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import numpy as np

from fastconv.functional.checks import arguments
from fastconv.nn.parameter import Parameter

__all__ = [
    "constant_",
    "fan_in_and_out",
    "generator",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "skip_init",
    "uniform_",
]

_skipping: ContextVar[bool] = ContextVar("skipping", default=False)

# A string: numpy.random takes longer to import than all of this package, and few need it.
Seed: TypeAlias = "np.random.Generator | int | None"


def generator(rng: Seed) -> np.random.Generator:
    """Return a generator of random numbers from one, from a seed, or from the system's entropy for None.

    Parameters
    ----------
    rng : numpy.random.Generator, int or None
        What every `rng` of this package takes. A generator is used, and so changed; None is different
        every time.

    Raises
    ------
    TypeError, ValueError
        If it is anything else, or a negative seed.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None:
        return np.random.default_rng()
    try:
        return np.random.default_rng(arguments.integer(rng, "rng", 0))
    except TypeError:
        kind = type(rng).__name__
        raise TypeError(f"rng must be a numpy.random.Generator, a seed or None, got {kind}") from None


@contextmanager
def skip_init() -> Iterator[None]:
    """Draw no values for the modules that are made in a ``with`` statement: they will be loaded.

    Weights and biases of convolutions and linear layers are what memory holds, and take none before they are
    loaded. Meanwhile the functions that overwrite parameters do nothing, also if they are called by name, in
    this thread or task and in what inherits its context.

    Examples
    --------
    >>> import fastconv as fc
    >>> from fastconv import nn
    >>> trained = fc.models.lenet5().state_dict()
    >>> with nn.init.skip_init():
    ...     model = fc.models.lenet5()
    >>> model.load_state_dict(trained, assign=True)
    <All keys matched successfully>
    """
    before = _skipping.set(True)
    try:
        yield
    finally:
        _skipping.reset(before)


def constant_(parameter: Parameter, value: float) -> Parameter:
    """Set every value to the same number."""
    if not _skipping.get():
        parameter.data[...] = value
    return parameter


def uniform_(parameter: Parameter, low: float, high: float, rng: Seed = None) -> Parameter:
    """Draw uniformly from `low` to `high`."""
    return _drawn(parameter, generator(rng).random, high - low, low)


def normal_(parameter: Parameter, mean: float, std: float, rng: Seed = None) -> Parameter:
    """Draw from the normal distribution of this mean and deviation."""
    return _drawn(parameter, generator(rng).standard_normal, std, mean)


def _drawn(parameter: Parameter, draw: Callable[..., Any], scale: float, shift: float) -> Parameter:
    """Overwrite a parameter with draws, scaled and shifted: in place, if its values are in order."""
    if _skipping.get():
        return parameter
    data = parameter.data
    if data.flags.c_contiguous:
        draw(dtype=data.dtype, out=data)
    else:
        data[...] = draw(data.shape, data.dtype)
    data *= scale
    data += shift
    return parameter


def fan_in_and_out(parameter: Parameter) -> tuple[int, int]:
    """Return how many inputs reach an output, and how many outputs an input, of ``(out, in, ...)``."""
    if parameter.ndim < 2:
        raise ValueError(f"a parameter of shape {parameter.shape} has no fan: it must have 2 axes at least")
    field = math.prod(parameter.shape[2:])
    return parameter.shape[1] * field, parameter.shape[0] * field


def kaiming_uniform_(
    parameter: Parameter, a: float = 0.0, mode: str = "fan_in", rng: Seed = None
) -> Parameter:
    """Draw uniformly up to ``sqrt(6 / ((1 + a*a) * fan))`` to both sides of 0.

    Parameters
    ----------
    parameter : Parameter
        A weight ``(out, in, ...)``.
    a : float, default 0
        Slope below 0 of the leaky ReLU that follows.
    mode : {"fan_in", "fan_out"}, default "fan_in"
        Whether to keep the variance of the outputs or that of the gradients.
    rng : numpy.random.Generator or int, optional
        Where the draws come from.

    References
    ----------
    .. [1] K. He et al., "Delving Deep into Rectifiers", ICCV 2015.
    """
    bound = math.sqrt(3.0) * _deviation(parameter, a, mode)
    return uniform_(parameter, -bound, bound, rng)


def kaiming_normal_(
    parameter: Parameter, a: float = 0.0, mode: str = "fan_in", rng: Seed = None
) -> Parameter:
    """Draw normally with a deviation of ``sqrt(2 / ((1 + a*a) * fan))``; else as `kaiming_uniform_`."""
    return normal_(parameter, 0.0, _deviation(parameter, a, mode), rng)


def _deviation(parameter: Parameter, a: float, mode: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode={mode!r} is unknown: it must be 'fan_in' or 'fan_out'")
    fan = fan_in_and_out(parameter)[mode == "fan_out"]
    return math.sqrt(2.0 / ((1.0 + a * a) * fan))
