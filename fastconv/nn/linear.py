"""The linear map as a module."""

from __future__ import annotations

import math
from typing import SupportsIndex

import numpy as np

from fastconv import functional
from fastconv.functional.checks import arguments
from fastconv.functional.checks.annotations import Array, ArrayLike, DTypeLike
from fastconv.nn import init
from fastconv.nn.module import Module
from fastconv.nn.parameter import Parameter, array_of


class Linear(Module):
    """Apply a linear map to the last axis.

    ``out[..., o] = bias[o] + sum over i of weight[o, i] * input[..., i]``

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last axis of input and output.
    bias : bool, default True
        Whether a number is added to each output.
    dtype : {float32, float64}, default float32
        Type of weight and bias.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from; different every time, if not given.

    Attributes
    ----------
    weight : Parameter
        ``(out_features, in_features)``; at first uniform up to ``1 / sqrt(in_features)`` to both sides of 0.
    bias : Parameter or None
        ``(out_features,)``; at first as the weight.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    See Also
    --------
    fastconv.linear : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> linear = nn.Linear(4, 2)
    >>> linear
    Linear(in_features=4, out_features=2, bias=True)
    >>> linear(np.ones((3, 4))).shape
    (3, 2)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: SupportsIndex,
        out_features: SupportsIndex,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: init.Seed = None,
    ) -> None:
        super().__init__()
        self.in_features = arguments.integer(in_features, "in_features", 1)
        self.out_features = arguments.integer(out_features, "out_features", 1)
        with_bias = arguments.flag(bias, "bias")
        kind = np.dtype(f"f{arguments.itemsize(dtype, 'dtype')}")
        self.weight = Parameter(np.empty((self.out_features, self.in_features), kind))
        self.register_parameter("bias", Parameter(np.empty(self.out_features, kind)) if with_bias else None)
        self.reset_parameters(rng)

    def reset_parameters(self, rng: init.Seed = None) -> None:
        """Draw weight and bias anew, uniformly up to ``1 / sqrt(in_features)`` to both sides of 0."""
        rng = init.generator(rng)
        init.kaiming_uniform_(self.weight, math.sqrt(5), rng=rng)
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform_(self.bias, -bound, bound, rng)

    def forward(self, input: ArrayLike) -> Array:
        """Map ``(..., in_features)`` to ``(..., out_features)``."""
        return functional.linear(input, self.weight.data, array_of(self.bias))

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )
