"""Elementwise activation functions, on arrays of any shape."""

from __future__ import annotations

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays
from fastconv.functional.checks.annotations import Array, ArrayLike
from fastconv.runtime import native_run


def _apply(code: arguments.ActivationCode, input: object, out: Array | None) -> Array:
    x = arrays.as_array(input, "input")
    dtype = arrays.promoted(x)
    result, plain = arrays.output(out, x.shape, dtype, (x,))
    if x.size:
        native.activation(arrays.contiguous(x, dtype), plain, (None, None, *code), native_run())
    return result


def relu(input: ArrayLike, *, out: Array | None = None) -> Array:
    """Return ``max(x, 0)`` of each element; NaN stays NaN.

    Parameters
    ----------
    input : array_like
        Any shape.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from the input, to be written.

    Returns
    -------
    numpy.ndarray
        Of the input's shape and of dtype ``numpy.result_type(input, numpy.float32)``.

    Raises
    ------
    TypeError, ValueError
        If the input holds no real numbers, or `out` cannot be written.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.relu([-1.0, 0.5, 2.0])
    array([0. , 0.5, 2. ])
    """
    return _apply(arguments.activation("relu"), input, out)


def relu6(input: ArrayLike, *, out: Array | None = None) -> Array:
    """Return ``min(max(x, 0), 6)`` of each element; NaN stays NaN.

    Parameters
    ----------
    input : array_like
        Any shape.
    out : numpy.ndarray, optional
        As in `relu`.

    Returns
    -------
    numpy.ndarray
        As from `relu`.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.relu6([-1.0, 0.5, 8.0])
    array([0. , 0.5, 6. ])
    """
    return _apply(arguments.activation("relu6"), input, out)


def leaky_relu(input: ArrayLike, negative_slope: float = 0.01, *, out: Array | None = None) -> Array:
    """Return ``x`` where it is positive, else ``negative_slope * x``.

    Parameters
    ----------
    input : array_like
        Any shape.
    negative_slope : float, default 0.01
        Finite.
    out : numpy.ndarray, optional
        As in `relu`.

    Returns
    -------
    numpy.ndarray
        As from `relu`.

    Raises
    ------
    TypeError, ValueError
        As from `relu`; also if the slope is no finite number.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.leaky_relu([-2.0, 0.5], 0.25)
    array([-0.5,  0.5])
    """
    slope = arguments.finite(negative_slope, "negative_slope")
    return _apply(arguments.activation(("leaky_relu", slope)), input, out)


def sigmoid(input: ArrayLike, *, out: Array | None = None) -> Array:
    """Return ``1 / (1 + exp(-x))`` of each element.

    Parameters
    ----------
    input : array_like
        Any shape.
    out : numpy.ndarray, optional
        As in `relu`.

    Returns
    -------
    numpy.ndarray
        As from `relu`.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.sigmoid([0.0])
    array([0.5])
    """
    return _apply(arguments.activation("sigmoid"), input, out)


def tanh(input: ArrayLike, *, out: Array | None = None) -> Array:
    """Return the hyperbolic tangent of each element.

    Parameters
    ----------
    input : array_like
        Any shape.
    out : numpy.ndarray, optional
        As in `relu`.

    Returns
    -------
    numpy.ndarray
        As from `relu`.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.tanh([0.0, 1.0]).round(6)
    array([0.      , 0.761594])
    """
    return _apply(arguments.activation("tanh"), input, out)


def silu(input: ArrayLike, *, out: Array | None = None) -> Array:
    """Return ``x / (1 + exp(-x))`` of each element, also called swish.

    Parameters
    ----------
    input : array_like
        Any shape.
    out : numpy.ndarray, optional
        As in `relu`.

    Returns
    -------
    numpy.ndarray
        As from `relu`.

    References
    ----------
    .. [1] S. Elfwing, E. Uchibe, K. Doya, "Sigmoid-Weighted Linear Units for Neural Network Function
       Approximation in Reinforcement Learning", Neural Networks 107, 2018.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.silu([0.0, 1.0]).round(6)
    array([0.      , 0.731059])
    """
    return _apply(arguments.activation("silu"), input, out)


def hardswish(input: ArrayLike, *, out: Array | None = None) -> Array:
    """Return ``x * min(max(x + 3, 0), 6) / 6`` of each element.

    Parameters
    ----------
    input : array_like
        Any shape.
    out : numpy.ndarray, optional
        As in `relu`.

    Returns
    -------
    numpy.ndarray
        As from `relu`.

    References
    ----------
    .. [1] A. Howard et al., "Searching for MobileNetV3", ICCV 2019.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.hardswish([-4.0, 0.0, 1.5, 4.0])
    array([-0.   ,  0.   ,  1.125,  4.   ])
    """
    return _apply(arguments.activation("hardswish"), input, out)
