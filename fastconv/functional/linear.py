"""Fully connected layer.

    out[..., o] = activation(bias[o] + sum over i of weight[o, i] * input[..., i])

Rows of many features and the weight are read as they are, along the features of both.
"""

from __future__ import annotations

import math

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays
from fastconv.functional.checks.annotations import Activation, Array, ArrayLike
from fastconv.runtime import native_run


def linear(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    activation: Activation | None = None,
    out: Array | None = None,
) -> Array:
    """Apply a linear map to the last axis.

    ``out[..., o] = activation(bias[o] + sum over i of weight[o, i] * input[..., i])``

    Parameters
    ----------
    input : array_like
        ``(..., in_features)``.
    weight : array_like
        ``(out_features, in_features)``, or ``(in_features,)`` for a single output without an axis of its own.
    bias : array_like, optional
        ``(out_features,)``, or a scalar for a weight of one axis.
    activation : str or tuple, optional
        Applied to the sum before it is stored; see `conv2d` for the names.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from all inputs, to be written.

    Returns
    -------
    numpy.ndarray
        ``(..., out_features)``, of dtype ``numpy.result_type(input, weight, numpy.float32)``.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or an array is masked, complex or not numeric.
    ValueError
        If shapes do not belong together, there are no features, or `out` cannot be written.
    MemoryError
        If the output does not fit into memory.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.linear([[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [0.0, -1.0], [2.0, 0.0]], [0.0, 1.0, 0.0])
    array([[ 3., -1.,  2.],
           [ 7., -3.,  6.]])
    """
    x = arrays.as_array(input, "input")
    w = arrays.as_array(weight, "weight")
    if w.ndim not in (1, 2) or 0 in w.shape:
        raise ValueError(
            f"weight has shape {w.shape}: it must be (out_features, in_features) or (in_features,), not empty"
        )
    if x.ndim == 0 or x.shape[-1] != w.shape[-1]:
        raise ValueError(f"input has shape {x.shape}: its last axis must be the {w.shape[-1]} of weight")
    lead, outputs = x.shape[:-1], w.shape[:-1]
    rows, channels = math.prod(lead), math.prod(outputs)
    epilogue = arguments.activation(activation)

    dtype = arrays.promoted(x, w)
    if bias is not None:
        bias = arrays.as_array(bias, "bias")
        if bias.shape != outputs:
            raise ValueError(f"bias has shape {bias.shape}: it must be {outputs}, an entry an output")
        bias = bias.reshape(channels)
    b = arrays.vector(bias, channels, dtype, "bias")
    result, plain = arrays.output(out, lead + outputs, dtype, (x, w, b))
    if rows == 0:
        return result

    x = arrays.in_rows(x if x.ndim == 2 else x.reshape(rows, -1), dtype)
    native.linear(
        x,
        arrays.contiguous(w, dtype).reshape(channels, -1),
        plain,
        (b, None, *epilogue),
        native_run(),
    )
    return result
