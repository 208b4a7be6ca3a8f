"""What a module learns: an array, with the gradient that a backward pass leaves beside it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.functional.checks import arguments, arrays
from fastconv.functional.checks.annotations import Array, ArrayLike


class Parameter:
    """An array that a module learns.

    Assigned to an attribute of a `Module` it becomes one of the module's parameters. NumPy and every function
    of fastconv take it for the array that it holds.

    Parameters
    ----------
    data : array_like
        Its values. A writeable float32 or float64 array is kept, not copied; anything else is copied, and
        converted to ``numpy.result_type(data, numpy.float32)``.
    requires_grad : bool, default True
        Whether it is to be learned.

    Attributes
    ----------
    data : numpy.ndarray
        The values; what is assigned is treated like the argument. RuntimeError if they were released.
    grad : numpy.ndarray or None
        The gradient, of the shape of ``data``; None until there is one.
    requires_grad : bool
        The argument.

    Raises
    ------
    TypeError, ValueError
        If ``data`` holds no real numbers, or ``requires_grad`` is no bool.

    Examples
    --------
    >>> from fastconv import nn
    >>> scale = nn.Parameter([1.0, 2.0])
    >>> scale.data *= 3
    >>> scale
    Parameter containing:
    array([3., 6.])
    """

    __slots__ = ("__weakref__", "_data", "_released", "grad", "requires_grad")

    _data: Array | None
    _released: tuple[tuple[int, ...], np.dtype[Any]]  # shape and type, where there is no data

    def __init__(self, data: ArrayLike, requires_grad: bool = True) -> None:
        self.data = data
        self.grad: Array | None = None
        self.requires_grad = arguments.flag(requires_grad, "requires_grad")

    @property
    def data(self) -> Array:
        if self._data is None:
            raise RuntimeError(
                "the values of this parameter were released, as by compile(..., release=True): "
                "assign others to its data, or load them with assign=True"
            )
        return self._data

    @data.setter
    def data(self, value: ArrayLike) -> None:
        array = arrays.as_array(value, "data")
        native = arrays.as_native(array, arrays.promoted(array))
        self._data = native if native.flags.writeable else native.copy()

    def release(self) -> None:
        """Let go of the values, and the gradient; their memory is free when nobody else holds it."""
        self._released = (self.shape, self.dtype)
        self._data = self.grad = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return self._released[0] if self._data is None else self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes of the values."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, float32 or float64."""
        return self._released[1] if self._data is None else self._data.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        values = self.data
        array = values if dtype is None else values.astype(dtype, copy=False)
        if array is values:
            return array.copy() if copy else array
        if copy is False:
            raise ValueError(f"values of {values.dtype} cannot be {array.dtype} without a copy")
        return array

    def __repr__(self) -> str:
        return "Parameter, released" if self._data is None else f"Parameter containing:\n{self._data!r}"


def array_of(parameter: Parameter | None) -> Array | None:
    """Return the values of a parameter, None for None."""
    return None if parameter is None else parameter.data
