"""Softmax and its logarithm, along any axis of arrays of any shape."""

from __future__ import annotations

import math

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays
from fastconv.functional.checks.annotations import Array, ArrayLike
from fastconv.runtime import native_run


def softmax(input: ArrayLike, axis: int = -1, *, out: Array | None = None) -> Array:
    """Return ``exp(x) / sum(exp(x))`` along an axis.

    Computed as ``exp(x - m) / sum(exp(x - m))`` with the maximum ``m``, so that nothing overflows. The
    relative error is at most ``eps * (m - x + K / 2 + 6)`` in sums of K terms, and in practice far below the
    part with K; exponentials below the smallest normal number count as 0.

    Parameters
    ----------
    input : array_like
        Any shape.
    axis : int, default -1
        Along which the results add up to 1; counted from the end if negative.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from the input, to be written.

    Returns
    -------
    numpy.ndarray
        Of the input's shape and of dtype ``numpy.result_type(input, numpy.float32)``. Where ``x`` is -inf it
        is 0; NaN all along the axis where there is NaN, inf, or nothing but -inf.

    Raises
    ------
    TypeError, ValueError
        If the input holds no real numbers, has no such axis, or `out` cannot be written.
    MemoryError
        If the output does not fit into memory.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.softmax([[0.0, 0.0], [1.0, -1.0]]).round(6)
    array([[0.5     , 0.5     ],
           [0.880797, 0.119203]])
    """
    return _softmax(input, axis, out, logarithm=False)


def log_softmax(input: ArrayLike, axis: int = -1, *, out: Array | None = None) -> Array:
    """Return ``x - log(sum(exp(x)))`` along an axis.

    Computed as ``x - m - log(sum(exp(x - m)))`` with the maximum ``m``. The error is at most
    ``eps * (m - x + K / 2 + 6)``.

    Parameters
    ----------
    input, axis, out
        As in `softmax`.

    Returns
    -------
    numpy.ndarray
        As from `softmax`; -inf where ``x`` is.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As from `softmax`.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.log_softmax([1.0, -1.0]).round(6)
    array([-0.126928, -2.126928])
    """
    return _softmax(input, axis, out, logarithm=True)


def _softmax(input: object, axis: object, out: Array | None, *, logarithm: bool) -> Array:
    x = arrays.as_array(input, "input")
    along = arguments.integer(axis, "axis")
    # A scalar is a vector of one item.
    shape = x.shape or (1,)
    if not -len(shape) <= along < len(shape):
        raise ValueError(f"axis={along} is out of range for an input of shape {x.shape}")
    along %= len(shape)
    dtype = arrays.promoted(x)
    result, plain = arrays.output(out, x.shape, dtype, (x,))
    if x.size:
        outer, inner = math.prod(shape[:along]), math.prod(shape[along + 1 :])
        sizes = (outer, shape[along], inner, dtype.itemsize)
        native.softmax(arrays.contiguous(x, dtype), plain, sizes, logarithm, native_run())
    return result
