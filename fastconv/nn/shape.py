"""Modules that change a shape or nothing."""

from __future__ import annotations

import math
from typing import Any, SupportsIndex

from fastconv.functional.checks import arguments, arrays
from fastconv.functional.checks.annotations import Array, ArrayLike
from fastconv.nn.module import Module


class Flatten(Module):
    """Make one axis of several.

    Parameters
    ----------
    start_dim, end_dim : int, default 1 and -1
        First and last of the axes that become one. A view of the input is returned where it can be.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer; and in a call, if the input has no such axes, or the last lies before
        the first.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> flatten = nn.Flatten()
    >>> flatten
    Flatten(start_dim=1, end_dim=-1)
    >>> flatten(np.ones((2, 3, 4, 5))).shape
    (2, 60)
    """

    def __init__(self, start_dim: SupportsIndex = 1, end_dim: SupportsIndex = -1) -> None:
        super().__init__()
        self.start_dim = arguments.integer(start_dim, "start_dim")
        self.end_dim = arguments.integer(end_dim, "end_dim")

    def forward(self, input: ArrayLike) -> Array:
        """Flatten an array."""
        x = arrays.as_array(input, "input")
        axes = max(x.ndim, 1)
        for name, axis in (("start_dim", self.start_dim), ("end_dim", self.end_dim)):
            if not -axes <= axis < axes:
                raise ValueError(f"{name}={axis} is out of range: input has shape {x.shape}")
        first, last = self.start_dim % axes, self.end_dim % axes
        if first > last:
            raise ValueError(
                f"end_dim={self.end_dim} comes before start_dim={self.start_dim}: input has shape {x.shape}"
            )
        # A size of -1 would be ambiguous in an empty array.
        size = math.prod(x.shape[first : last + 1])
        return x.reshape(*x.shape[:first], size, *x.shape[last + 1 :])

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Identity(Module):
    """Return the input.

    Parameters
    ----------
    *args, **kwargs
        Taken and forgotten, so that it can stand in the place of any module.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.Identity(54, unused=True)([1.0, 2.0])
    array([1., 2.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: ArrayLike) -> Array:
        """Return the input as an array, not copied."""
        return arrays.as_array(input, "input")
