"""Activation functions as modules."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np

from fastconv import functional
from fastconv.functional.checks import arguments
from fastconv.functional.checks.annotations import Array, ArrayLike
from fastconv.nn.module import Module


class _InplaceActivation(Module):
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = arguments.flag(inplace, "inplace")

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU(_InplaceActivation):
    """Return ``max(x, 0)`` of each element; NaN stays NaN.

    Parameters
    ----------
    inplace : bool, default False
        Accepted and shown as in PyTorch; the input is never changed.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.ReLU()([-1.0, 0.5, 2.0])
    array([0. , 0.5, 2. ])
    """

    def forward(self, input: ArrayLike) -> Array:
        """Apply `fastconv.relu`."""
        return functional.relu(input)


class ReLU6(_InplaceActivation):
    """Return ``min(max(x, 0), 6)`` of each element; NaN stays NaN.

    Parameters
    ----------
    inplace : bool, default False
        As in `ReLU`.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.ReLU6()([-1.0, 0.5, 8.0])
    array([0. , 0.5, 6. ])
    """

    min_val = 0.0
    max_val = 6.0

    def forward(self, input: ArrayLike) -> Array:
        """Apply `fastconv.relu6`."""
        return functional.relu6(input)


class LeakyReLU(Module):
    """Return ``x`` where it is positive, else ``negative_slope * x``.

    Parameters
    ----------
    negative_slope : float, default 0.01
        Finite.
    inplace : bool, default False
        As in `ReLU`.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.LeakyReLU(0.25)([-2.0, 0.5])
    array([-0.5,  0.5])
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        arguments.finite(negative_slope, "negative_slope")
        self.negative_slope = negative_slope
        self.inplace = arguments.flag(inplace, "inplace")

    def forward(self, input: ArrayLike) -> Array:
        """Apply `fastconv.leaky_relu`."""
        return functional.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class Sigmoid(Module):
    """Return ``1 / (1 + exp(-x))`` of each element.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Sigmoid()([0.0])
    array([0.5])
    """

    def forward(self, input: ArrayLike) -> Array:
        """Apply `fastconv.sigmoid`."""
        return functional.sigmoid(input)


class Tanh(Module):
    """Return the hyperbolic tangent of each element.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Tanh()([0.0, 1.0]).round(6)
    array([0.      , 0.761594])
    """

    def forward(self, input: ArrayLike) -> Array:
        """Apply `fastconv.tanh`."""
        return functional.tanh(input)


class SiLU(_InplaceActivation):
    """Return ``x / (1 + exp(-x))`` of each element.

    Parameters
    ----------
    inplace : bool, default False
        As in `ReLU`.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.SiLU()([0.0, 1.0]).round(6)
    array([0.      , 0.731059])
    """

    def forward(self, input: ArrayLike) -> Array:
        """Apply `fastconv.silu`."""
        return functional.silu(input)


class Hardswish(Module):
    """Return ``x * min(max(x + 3, 0), 6) / 6`` of each element.

    Parameters
    ----------
    inplace : bool, default False
        As in `ReLU`.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Hardswish()([0.0, 1.5, 4.0])
    array([0.   , 1.125, 4.   ])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = arguments.flag(inplace, "inplace")

    def forward(self, input: ArrayLike) -> Array:
        """Apply `fastconv.hardswish`."""
        return functional.hardswish(input)


class Softmax(Module):
    """Make the elements along an axis positive with the sum 1.

    ``out[i] = exp(input[i]) / sum over j of exp(input[j])``

    Parameters
    ----------
    dim : int, optional
        The axis. Without one it is axis 0 of an input of 0, 1 or 3 axes and axis 1 of others, as in PyTorch.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Softmax(dim=1)([[1.0, 1.0]])
    array([[0.5, 0.5]])
    """

    def __init__(self, dim: SupportsIndex | None = None) -> None:
        super().__init__()
        self.dim = None if dim is None else arguments.integer(dim, "dim")

    def forward(self, input: ArrayLike) -> Array:
        """Apply `fastconv.softmax`."""
        dim = self.dim
        if dim is None:
            dim = 0 if np.ndim(input) in (0, 1, 3) else 1
        return functional.softmax(input, dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
