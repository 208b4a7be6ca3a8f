"""Transposed convolution on 1, 2 and 3 spatial axes.

    out[n, o, y, x] = activation(bias[o] + sum over c, i, j of input[n, c, v, u] * weight[c, o, i, j])
    over all v*stride + i*dilation == y + before,  u*stride + j*dilation == x + before

It is computed as an ordinary convolution for each phase of the stride: nothing is scattered, no zeros are
inserted.
"""

from __future__ import annotations

from typing import SupportsIndex

from fastconv._native import core as native
from fastconv.functional import candidates
from fastconv.functional.checks import arguments, arrays, window
from fastconv.functional.checks.annotations import Activation, Array, ArrayLike, Padding, Size
from fastconv.runtime import native_run

Operands = tuple[object, object, object]
Options = tuple[object, object, object, Array | None]


def _convolve_transposed(rank: int, operands: Operands, given: window.Transposed, options: Options) -> Array:
    input, weight, bias = operands
    activation, layout, algorithm, out = options

    x = arrays.as_array(input, "input")
    w = arrays.as_array(weight, "weight")
    last = arguments.channels_last(layout)
    x_view = arrays.channels_first(x, rank, last, "input")
    shape, native_window, groups = window.transposed(x_view.shape, w.shape, given)
    algorithm_code = arguments.transposed_algorithm(algorithm, (w.shape[0] // groups, w.shape[1]))
    arguments.check_transposed_winograd(algorithm_code, native_window)
    epilogue = arguments.activation(activation)

    dtype = arrays.promoted(x, w)
    b = arrays.vector(bias, shape[1], dtype, "bias")
    result, plain = arrays.output(out, arrays.in_layout(shape, x.ndim, last), dtype, (x, w, b))
    if shape[0] == 0:
        return result

    prepared = (
        arrays.as_native(x_view, dtype),
        arrays.contiguous(w, dtype),
        arrays.channels_first(plain, rank, last, "out"),
        native_window,
        groups,
        (b, None, *epilogue),
    )
    run = native_run()
    if algorithm_code == arguments.AUTOTUNE:
        algorithm_code = candidates.autotuned(prepared, last, True, run)
    native.conv_transpose(*prepared, algorithm_code, run)
    return result


def conv_transpose1d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    groups: SupportsIndex = 1,
    dilation: Size = 1,
    *,
    activation: Activation | None = None,
    layout: str = "NCHW",
    algorithm: str = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve signals transposed: spread every input element over the output through the filter.

    ``out[n, o, x] = activation(bias[o] + sum over c, i of input[n, c, u] * weight[c, o, i])``
    over all ``u*stride + i*dilation == x + before``

    Parameters
    ----------
    input : array_like
        ``(N, C_in, L)`` or ``(C_in, L)``; channels last with ``layout="NHWC"``.
    weight : array_like
        ``(C_in, C_out/groups, K)``.
    bias, stride, padding, output_padding, groups, dilation : optional
        As in `conv_transpose2d`, with one spatial axis.
    activation, layout, algorithm, out : optional
        As in `conv_transpose2d`.

    Returns
    -------
    numpy.ndarray
        ``(N, C_out, L_out)`` or without the batch axis; channels last with ``layout="NHWC"``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv_transpose2d`.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.conv_transpose1d([[1.0, 2.0, 3.0]], [[[1.0, 10.0]]])
    array([[ 1., 12., 23., 30.]])
    """
    given = (stride, padding, output_padding, dilation, groups)
    return _convolve_transposed(1, (input, weight, bias), given, (activation, layout, algorithm, out))


def conv_transpose2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    groups: SupportsIndex = 1,
    dilation: Size = 1,
    *,
    activation: Activation | None = None,
    layout: str = "NCHW",
    algorithm: str = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve images transposed: spread every input pixel over the output through the filter.

    ``out[n, o, y, x] = activation(bias[o] + sum over c, i, j of input[n, c, v, u] * weight[c, o, i, j])``
    over all ``v*stride + i*dilation == y + before`` and ``u*stride + j*dilation == x + before``

    This is the gradient of `conv2d` with respect to its input. With groups, input channel ``c`` reaches the
    ``C_out/groups`` outputs of its own group.

    Parameters
    ----------
    input : array_like
        ``(N, C_in, H, W)`` or ``(C_in, H, W)``; channels last with ``layout="NHWC"``.
    weight : array_like
        ``(C_in, C_out/groups, K_h, K_w)``, as of the `conv2d` whose gradient this is.
    bias : array_like, optional
        ``(C_out,)``.
    stride : int or tuple of int, default 1
        Distance between the outputs of neighbouring inputs.
    padding : int or tuple, default 0
        Outputs left away on both sides: a number, one an axis, or ``((before, after), ...)``.
    output_padding : int or tuple of int, default 0
        Outputs added behind, fewer than `stride` or `dilation`: they tell apart the sizes that `conv2d` would
        reduce to the same.
    groups : int, default 1
        Divides the input channels.
    dilation : int or tuple of int, default 1
        Distance between the outputs of neighbouring kernel elements.
    activation : str or tuple, optional
        As in `conv2d`.
    layout : {"NCHW", "NHWC"}, default "NCHW"
        Channels first or last in input and output.
    algorithm : str, default "auto"
        ``"auto"`` and ``"autotune"`` as in `conv2d`; ``"direct"``; ``"depthwise"``, for one input and one
        output channel a group; ``"winograd"``, ``"winograd_2x2"`` and ``"winograd_4x4"``, where all outputs
        ``stride*t + r`` of a ``t`` depend on the same 2x2 to 3x3 neighbouring inputs, as with kernel 4,
        stride 2 and padding 1, and a stride is at most 16 outputs, as 4x4. What is not finite spreads over
        their tiles. ``"auto"`` and ``"autotune"`` take them where they are faster, unless `config` forbids.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from the inputs, to be written.

    Returns
    -------
    numpy.ndarray
        ``(N, C_out, H_out, W_out)`` or without the batch axis, channels last with ``layout="NHWC"``;
        ``H_out = (H - 1)*stride + (K_h - 1)*dilation + 1 - before - after + output_padding``.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or an array is masked, complex or not numeric.
    ValueError
        If shapes do not belong together, a number is out of range, no output is left, the algorithm cannot
        do the shape, or `out` cannot be written.
    MemoryError
        If output or workspace do not fit into memory.

    References
    ----------
    .. [1] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016.

    Examples
    --------
    >>> import fastconv as fc
    >>> import numpy as np
    >>> fc.conv_transpose2d(np.array([[[1.0, 2.0]]]), np.array([[[[1.0, 10.0]]]]), stride=2)
    array([[[ 1., 10.,  2., 20.]]])
    """
    given = (stride, padding, output_padding, dilation, groups)
    return _convolve_transposed(2, (input, weight, bias), given, (activation, layout, algorithm, out))


def conv_transpose3d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    groups: SupportsIndex = 1,
    dilation: Size = 1,
    *,
    activation: Activation | None = None,
    layout: str = "NCHW",
    algorithm: str = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve volumes transposed: spread every input element over the output through the filter.

    As `conv_transpose2d`, with three spatial axes.

    Parameters
    ----------
    input : array_like
        ``(N, C_in, D, H, W)`` or ``(C_in, D, H, W)``; channels last with ``layout="NHWC"``.
    weight : array_like
        ``(C_in, C_out/groups, K_d, K_h, K_w)``.
    bias, stride, padding, output_padding, groups, dilation : optional
        As in `conv_transpose2d`, with three spatial axes.
    activation, layout, algorithm, out : optional
        As in `conv_transpose2d`.

    Returns
    -------
    numpy.ndarray
        ``(N, C_out, D_out, H_out, W_out)`` or without the batch axis; channels last with ``layout="NHWC"``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv_transpose2d`.

    Examples
    --------
    >>> import fastconv as fc
    >>> import numpy as np
    >>> fc.conv_transpose3d(np.ones((1, 2, 4, 4, 4)), np.ones((2, 3, 2, 2, 2)), stride=2).shape
    (1, 3, 8, 8, 8)
    """
    given = (stride, padding, output_padding, dilation, groups)
    return _convolve_transposed(3, (input, weight, bias), given, (activation, layout, algorithm, out))
