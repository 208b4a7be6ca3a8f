"""Batch normalisation, and its folding into the weights of the layer before.

    out[n, c, ...] = activation((input[n, c, ...] - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c]
        + residual[n, c, ...])

Statistics and parameters are float64 vectors whatever the input's type is.
"""

from __future__ import annotations

import numpy as np

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays, running
from fastconv.functional.checks.annotations import Activation, Array, ArrayLike
from fastconv.runtime import native_run

Vectors = tuple[object, object, object, object]
Numbers = tuple[object, object, object]
Options = tuple[object, object, object, Array | None]

_NAMES = (*running.NAMES, "weight", "bias")


def batch_norm(
    input: ArrayLike,
    running_mean: ArrayLike | None,
    running_var: ArrayLike | None,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    activation: Activation | None = None,
    residual: ArrayLike | None = None,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array:
    """Normalise each channel.

    ``out[n, c, ...] = activation((input[n, c, ...] - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c]
    + residual[n, c, ...])``

    Parameters
    ----------
    input : array_like
        ``(N, C)`` or ``(N, C, *spatial)`` with up to three spatial axes; or channels last.
    running_mean, running_var : array_like or None
        ``(C,)``: mean and variance, when not training. When training they are not read for the result
        but, where given, updated in place, and then have to be arrays of floating-point numbers:
        ``running = (1 - momentum) * running + momentum * batch``, with the unbiased variance.
    weight, bias : array_like, optional
        ``(C,)``: scale and shift; 1 and 0, if not given.
    training : bool, default False
        Normalise with the mean and the biased variance of the input itself.
    momentum : float, default 0.1
        Share of the batch in the running arrays, from 0 to 1.
    eps : float, default 1e-5
        Added to the variance; finite and above 0.
    activation : str or tuple, optional
        Applied to the sum before it is stored; see `conv2d` for the names.
    residual : array_like, optional
        Of the input's shape, added before the activation.
    layout : {"NCHW", "NHWC"}, default "NCHW"
        Channels first or last in input, output and residual.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from all inputs, to be written.

    Returns
    -------
    numpy.ndarray
        Of the input's shape. Its dtype is ``numpy.result_type(input, weight, numpy.float32)``, or without a
        weight ``numpy.result_type(input, numpy.float32)``.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or an array is masked, complex or not numeric.
    ValueError
        If an argument is out of range, shapes do not belong together, a running variance is negative,
        statistics are missing, or an array to be written cannot be. Also if there is only one value a
        channel to train with; an empty batch is allowed and leaves the running arrays as they are.
    MemoryError
        If the output does not fit into memory.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
       Covariate Shift", ICML 2015.

    Examples
    --------
    >>> import fastconv as fc
    >>> import numpy as np
    >>> fc.batch_norm([[1.0, 10.0], [3.0, 30.0]], [2.0, 20.0], [1.0, 100.0]).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> mean = np.zeros(2)
    >>> fc.batch_norm([[1.0, 10.0], [3.0, 30.0]], mean, None, training=True).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> mean
    array([0.2, 2. ])
    """
    return _batch_norm(
        input,
        (running_mean, running_var, weight, bias),
        (training, momentum, eps),
        (activation, residual, layout, out),
    )


def _batch_norm(input: object, given: Vectors, numbers: Numbers, options: Options) -> Array:
    activation, residual, layout, out = options
    x = arrays.as_array(input, "input")
    last = arguments.channels_last(layout)
    view = _view(x, last)
    channels = view.shape[1]
    if 0 in view.shape[1:]:
        raise ValueError(f"input has shape {x.shape}: only the batch may be empty")
    training, momentum, epsilon = _numbers(numbers)
    code = arguments.activation(activation)
    views = tuple(map(arrays.optional, given, _NAMES))
    mean, var, scale, shift = _vectors(views, channels, training)
    r = None if residual is None else arrays.like(residual, x.shape, "residual")
    count = x.size // channels
    if training:
        read = {"input": x, "weight": views[2], "bias": views[3], "residual": r}
        written = running.writeable(*given[:2], channels, read)
        if count == 1:
            raise ValueError(f"input has shape {x.shape}: training needs more than one value a channel")

    dtype = arrays.promoted(x, views[2])
    result, plain = arrays.output(out, x.shape, dtype, (x, r, *views))
    if count == 0:
        return result

    run = native_run()
    x_native = _view(arrays.in_rows(x, dtype), last)
    epilogue = (None, None if r is None else _view(arrays.contiguous(r, dtype), last), *code)
    if mean is not None and var is not None:
        parameters = (mean, var, scale, shift, epsilon)
        native.batch_norm(x_native, _view(plain, last), parameters, epilogue, run)
        return result
    mean, var = np.empty(channels), np.empty(channels)
    own = (scale, shift, epsilon, mean, var)
    native.batch_norm_training(x_native, _view(plain, last), own, epilogue, run)
    # Last: an interrupted call leaves the running arrays as they were.
    running.update(written[0], mean, momentum)
    running.update(written[1], var, momentum, count / (count - 1))
    return result


def _view(array: Array, last: bool) -> Array:
    """View ``(N, C)`` or ``(N, C, *spatial)``, or the same with channels last, as ``(N, C, *spatial)``."""
    if array.ndim == 2:
        return array[:, :, None]
    if not 3 <= array.ndim <= 5:
        raise ValueError(f"input has shape {array.shape}: it must have from 2 to 5 axes")
    return arrays.channels_first(array, array.ndim - 2, last, "input")


def _numbers(numbers: Numbers) -> tuple[bool, float, float]:
    training, momentum, eps = numbers
    share = running.momentum(momentum)
    return arguments.flag(training, "training"), share, arguments.positive(eps, "eps")


def _vectors(views: tuple[Array | None, ...], channels: int, training: bool) -> list[Array | None]:
    """Return mean, variance, scale and shift as float64; the first two are None if training finds them."""
    vectors = arrays.doubles(views, channels, _NAMES)
    running.refuse_negative(vectors[1])
    if training:
        return [None, None, *vectors[2:]]
    for name, vector in zip(running.NAMES, vectors[:2], strict=True):
        if vector is None:
            raise ValueError(f"{name} is None: it must be given unless training is True")
    return vectors


def fold_batch_norm(
    weight: ArrayLike,
    bias: ArrayLike | None,
    running_mean: ArrayLike,
    running_var: ArrayLike,
    bn_weight: ArrayLike | None = None,
    bn_bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> tuple[Array, Array]:
    """Fold a batch normalisation into the convolution or linear layer before it.

    With ``scale[o] = bn_weight[o] / sqrt(running_var[o] + eps)`` it returns ``weight[o, ...] * scale[o]`` and
    ``(bias[o] - running_mean[o]) * scale[o] + bn_bias[o]``, computed in float64.

    Parameters
    ----------
    weight : array_like
        ``(C_out, ...)``.
    bias : array_like or None
        ``(C_out,)``; 0 if None.
    running_mean, running_var : array_like
        ``(C_out,)``.
    bn_weight, bn_bias : array_like or None
        ``(C_out,)``: scale and shift of the normalisation; 1 and 0 if None.
    eps : float, default 1e-5
        What the normalisation adds to the variance; finite and above 0.

    Returns
    -------
    weight : numpy.ndarray
        Of the shape of `weight`; float32 or float64, as ``numpy.result_type(weight, numpy.float32)``.
    bias : numpy.ndarray
        ``(C_out,)``, of the same dtype.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or an array is masked, complex or not numeric.
    ValueError
        If shapes do not belong together, a variance is negative, or `eps` is out of range.

    Examples
    --------
    >>> import fastconv as fc
    >>> weight, bias = fc.fold_batch_norm([[2.0], [4.0]], None, [1.0, 1.0], [3.0, 15.0], eps=1.0)
    >>> weight
    array([[1.],
           [1.]])
    >>> bias
    array([-0.5 , -0.25])
    """
    w = arrays.as_array(weight, "weight")
    if w.ndim == 0 or 0 in w.shape:
        raise ValueError(f"weight has shape {w.shape}: it must be (C_out, ...) without empty axes")
    channels = w.shape[0]
    epsilon = arguments.positive(eps, "eps")
    names = (*running.NAMES, "bn_weight", "bn_bias", "bias")
    given = (running_mean, running_var, bn_weight, bn_bias, bias)
    views = tuple(map(arrays.optional, given, names))
    mean, var, scale, shift, before = arrays.doubles(views, channels, names)
    for name, statistic in zip(running.NAMES, (mean, var), strict=True):
        if statistic is None:
            raise TypeError(f"{name} must be an array, got None")
    assert mean is not None and var is not None
    running.refuse_negative(var)

    dtype = arrays.promoted(w)
    folded, new_bias = arrays.allocate(w.shape, dtype), arrays.allocate((channels,), dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # as in the kernels, which raise no flags
        factor = (1.0 if scale is None else scale) / np.sqrt(var + epsilon)
        column = factor.reshape(channels, *[1] * (w.ndim - 1))
        np.multiply(w, column, out=folded, dtype=np.float64, casting="same_kind")
        new_bias[...] = ((0.0 if before is None else before) - mean) * factor + (
            0.0 if shift is None else shift
        )
    return folded, new_bias
