"""Group, instance and layer normalisation: statistics of each sample, the same in training and in inference.

    out = activation((input - mean) / sqrt(var + eps) * weight + bias + residual)

with mean and biased variance over a group of channels, over one channel, or over the last axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays, running
from fastconv.functional.checks.annotations import Activation, Array, ArrayLike
from fastconv.functional.norm import batch_norm
from fastconv.runtime import native_run

Sizes = tuple[int, int, int]
Scaling = tuple[object, object, object]
Options = tuple[object, object, bool, Array | None]
Moments = tuple[Array | None, Array | None]


def group_norm(
    input: ArrayLike,
    num_groups: int,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
    *,
    activation: Activation | None = None,
    residual: ArrayLike | None = None,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array:
    """Normalise each group of channels of each sample.

    ``out[n, c, ...] = activation((input[n, c, ...] - mean[n, g]) / sqrt(var[n, g] + eps) * weight[c]
    + bias[c] + residual[n, c, ...])`` with mean and biased variance of the group ``g`` that ``c`` belongs to.

    Parameters
    ----------
    input : array_like
        ``(N, C)`` or ``(N, C, *spatial)`` with up to three spatial axes; or channels last.
    num_groups : int
        Divides C.
    weight, bias : array_like, optional
        ``(C,)``: scale and shift; 1 and 0, if not given.
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
        If an argument is out of range, shapes do not belong together, or `out` cannot be written. Also if
        there is only one value a group in the whole batch; an empty batch is allowed.
    MemoryError
        If the output does not fit into memory.

    References
    ----------
    .. [1] Y. Wu, K. He, "Group Normalization", ECCV 2018.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.group_norm([[1.0, 3.0, 10.0, 30.0]], 2).round(3)
    array([[-1.,  1., -1.,  1.]])
    """
    last = arguments.channels_last(layout)
    x = arrays.as_array(input, "input")
    sizes = _sizes(x, last)
    groups = arguments.integer(num_groups, "num_groups", 1)
    if sizes[1] % groups:
        raise ValueError(f"num_groups={groups} must divide the {sizes[1]} channels of input")
    if x.size // groups == 1:
        raise ValueError(f"input has shape {x.shape}: it needs more than one value a group")
    options = (activation, residual, last, out)
    return _normalise(x, (*sizes, groups), (weight, bias, eps), options, (None, None))


def instance_norm(
    input: ArrayLike,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    activation: Activation | None = None,
    residual: ArrayLike | None = None,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array:
    """Normalise each channel of each sample.

    ``out[n, c, ...] = activation((input[n, c, ...] - mean[n, c]) / sqrt(var[n, c] + eps) * weight[c]
    + bias[c] + residual[n, c, ...])`` with mean and biased variance over the spatial axes.

    Parameters
    ----------
    input : array_like
        ``(N, C, *spatial)`` with up to three spatial axes; or channels last.
    running_mean, running_var : array_like, optional
        ``(C,)``, both or neither. With `use_input_stats` they are updated in place, and then have to be
        arrays of floating-point numbers: ``running = (1 - momentum) * running + momentum * batch``, where
        the batch's is the average over its samples of the mean, and of the unbiased variance. Otherwise
        they are what the input is normalised with, as in `batch_norm`.
    weight, bias : array_like, optional
        ``(C,)``: scale and shift; 1 and 0, if not given.
    use_input_stats : bool, default True
        Normalise with statistics of the input itself.
    momentum : float, default 0.1
        Share of the batch in the running arrays, from 0 to 1.
    eps : float, default 1e-5
        Added to the variance; finite and above 0.
    activation, residual, layout, out : optional
        As in `group_norm`.

    Returns
    -------
    numpy.ndarray
        As from `group_norm`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As from `group_norm` and `batch_norm`; ValueError also if there is only one value a channel in each
        sample, if one running array is given without the other, or neither and `use_input_stats` is False.
        An empty batch is allowed and leaves the running arrays as they are.

    References
    ----------
    .. [1] D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance Normalization: The Missing Ingredient for Fast
       Stylization", 2016.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.instance_norm([[[1.0, 3.0], [10.0, 30.0]]]).round(3)
    array([[[-1.,  1.],
            [-1.,  1.]]])
    """
    own = arguments.flag(use_input_stats, "use_input_stats")
    given = (running_mean, running_var)
    if not own or (given[0] is None) != (given[1] is None):
        for name, array in zip(running.NAMES, given, strict=True):
            if array is None:
                rule = "given with the other one" if own else "given unless use_input_stats is True"
                raise ValueError(f"{name} is None: it must be {rule}")
    last, share = arguments.channels_last(layout), running.momentum(momentum)
    if not own:
        return batch_norm(
            input, *given, weight, bias, False, share, eps,
            activation=activation, residual=residual, layout=layout, out=out,
        )  # fmt: skip
    x = arrays.as_array(input, "input")
    batch, channels, pixels = sizes = _sizes(x, last)
    if pixels == 1:
        raise ValueError(f"input has shape {x.shape}: it needs more than one value a channel in each sample")
    views = tuple(map(arrays.optional, given, running.NAMES))
    running.refuse_negative(arrays.doubles(views, channels, running.NAMES)[1])
    scale, shift = arrays.optional(weight, "weight"), arrays.optional(bias, "bias")
    added = arrays.optional(residual, "residual")
    read = {"input": x, "weight": scale, "bias": shift, "residual": added}
    written = running.writeable(*given, channels, read)
    shape = (batch, channels)
    moments = (None, None) if written[0] is None else (np.empty(shape), np.empty(shape))
    options = (activation, added, last, out)
    y = _normalise(x, (*sizes, channels), (scale, shift, eps), options, moments, views)
    mean, var = moments
    if batch and mean is not None and var is not None:
        # Last: an interrupted call leaves the running arrays as they were.
        running.update(written[0], mean.mean(axis=0), share)
        running.update(written[1], var.mean(axis=0), share, pixels / (pixels - 1))
    return y


def _sizes(x: Array, last: bool) -> Sizes:
    """Return the sizes of batch, channels and all spatial axes together."""
    if not 2 <= x.ndim <= 5:
        raise ValueError(f"input has shape {x.shape}: it must have from 2 to 5 axes")
    if 0 in x.shape[1:]:
        raise ValueError(f"input has shape {x.shape}: only the batch may be empty")
    channels = x.shape[-1 if last else 1]
    return x.shape[0], channels, math.prod(x.shape[1:]) // channels


def _normalise(
    x: Array,
    sizes: tuple[int, int, int, int],
    scaling: Scaling,
    options: Options,
    moments: Moments,
    reads: Sequence[Array | None] = (),
) -> Array:
    """Check the rest, normalise, and fill the moments; ``sizes = (batch, channels, pixels, groups)``."""
    batch, channels, pixels, groups = sizes
    weight, bias = arrays.optional(scaling[0], "weight"), arrays.optional(scaling[1], "bias")
    activation, residual, last, out = options
    epsilon = arguments.positive(scaling[2], "eps")
    code = arguments.activation(activation)
    scale, shift = arrays.doubles((weight, bias), channels, ("weight", "bias"))
    dtype = arrays.promoted(x, weight)
    r = None if residual is None else arrays.like(residual, x.shape, "residual")
    result, plain = arrays.output(out, x.shape, dtype, (x, r, weight, bias, *reads))
    if batch:
        native.group_norm(
            arrays.contiguous(x, dtype),
            plain,
            (batch, channels, groups, pixels, dtype.itemsize, last),
            (scale, shift, epsilon, *moments),
            (None, None if r is None else arrays.contiguous(r, dtype), *code),
            native_run(),
        )
    return result


def layer_norm(
    input: ArrayLike,
    normalized_shape: tuple[int, ...],
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
    *,
    out: Array | None = None,
) -> Array:
    """Normalise over the last axes.

    ``out[i, j] = (input[i, j] - mean[i]) / sqrt(var[i] + eps) * weight[j] + bias[j]``, where ``j`` runs over
    the last axes, of `normalized_shape`, ``i`` over those before, and the variance is the biased one.

    Parameters
    ----------
    input : array_like
        ``(*, *normalized_shape)``.
    normalized_shape : tuple of int
        Sizes of the last axes, one at least.
    weight, bias : array_like, optional
        Of shape `normalized_shape`: scale and shift; 1 and 0, if not given.
    eps : float, default 1e-5
        Added to the variance; finite and above 0.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from all inputs, to be written.

    Returns
    -------
    numpy.ndarray
        Of the input's shape, which may be empty. Its dtype is that of `group_norm`.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or an array is masked, complex or not numeric.
    ValueError
        If an argument is out of range, shapes do not belong together, or `out` cannot be written.
    MemoryError
        If the output does not fit into memory.

    References
    ----------
    .. [1] J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer Normalization", 2016.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.layer_norm([[1.0, 3.0], [10.0, 30.0]], (2,), bias=[0.0, 1.0]).round(3)
    array([[-1.,  2.],
           [-1.,  2.]])
    """
    x = arrays.as_array(input, "input")
    shape = arguments.shape(normalized_shape, "normalized_shape")
    if not shape:
        raise ValueError("normalized_shape=() must have an entry at least")
    if x.shape[max(x.ndim - len(shape), 0) :] != shape:
        raise ValueError(f"input has shape {x.shape}: its last axes must be normalized_shape={shape}")
    epsilon = arguments.positive(eps, "eps")
    scale = _items(weight, shape, "weight")
    shift = _items(bias, shape, "bias")
    dtype = arrays.promoted(x, scale)
    result, plain = arrays.output(out, x.shape, dtype, (x, scale, shift))
    if x.size:
        items = math.prod(shape)
        native.layer_norm(
            arrays.contiguous(x, dtype),
            plain,
            (x.size // items, items, dtype.itemsize),
            (
                None if scale is None else arrays.contiguous(scale, dtype),
                None if shift is None else arrays.contiguous(shift, dtype),
                epsilon,
            ),
            native_run(),
        )
    return result


def _items(value: object, shape: tuple[int, ...], name: str) -> Array | None:
    """Return an array with an entry for each item of a row."""
    if value is None:
        return None
    array = arrays.as_array(value, name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}: it must be of normalized_shape={shape}")
    return array
