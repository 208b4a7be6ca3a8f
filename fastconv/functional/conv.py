"""Convolution on 1, 2 and 3 spatial axes.

    out[n, o, y, x] = activation(bias[o] + residual[n, o, y, x]
        + sum over c, i, j of weight[o, c, i, j] * padded[n, g*C_in/groups + c, y*stride + i*dilation, ...])

with ``g = o // (C_out/groups)`` and the input padded with zeros. As in every deep-learning library the kernel
is not flipped: this is a cross-correlation.
"""

from __future__ import annotations

from typing import SupportsIndex

from fastconv._native import core as native
from fastconv.functional import candidates
from fastconv.functional.checks import arguments, arrays, window
from fastconv.functional.checks.annotations import Activation, Array, ArrayLike, Padding, Size
from fastconv.runtime import native_run

Operands = tuple[object, object, object]
Options = tuple[object, object, object, object, Array | None]


def _convolve(rank: int, operands: Operands, given: window.Convolution, options: Options) -> Array:
    input, weight, bias = operands
    activation, residual, layout, algorithm, out = options

    x = arrays.as_array(input, "input")
    w = arrays.as_array(weight, "weight")
    last = arguments.channels_last(layout)
    x_view = arrays.channels_first(x, rank, last, "input")
    shape, native_window, groups = window.convolution(x_view.shape, w.shape, given)
    algorithm_code = arguments.algorithm(algorithm, w.shape[1])
    arguments.check_winograd(algorithm_code, native_window)
    epilogue = arguments.activation(activation)

    dtype = arrays.promoted(x, w)
    out_shape = shape if x_view is x else arrays.in_layout(shape, x.ndim, last)
    b = arrays.vector(bias, shape[1], dtype, "bias")
    r = None if residual is None else arrays.like(residual, out_shape, "residual")
    result, plain = arrays.output(out, out_shape, dtype, (x, w, b, r))
    if shape[0] == 0:
        return result

    prepared = (
        arrays.as_native(x_view, dtype),
        arrays.contiguous(w, dtype),
        plain if x_view is x else arrays.channels_first(plain, rank, last, "out"),
        native_window,
        groups,
        (
            b,
            None if r is None else arrays.channels_first(arrays.contiguous(r, dtype), rank, last, "residual"),
            *epilogue,
        ),
    )
    run = native_run()
    if algorithm_code == arguments.AUTOTUNE:
        algorithm_code = candidates.autotuned(prepared, last, False, run)
    native.conv(*prepared, algorithm_code, run)
    return result


def conv1d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: SupportsIndex = 1,
    *,
    activation: Activation | None = None,
    residual: ArrayLike | None = None,
    layout: str = "NCHW",
    algorithm: str = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve signals of one spatial axis.

    ``out[n, o, x] = activation(bias[o] + residual[n, o, x] + sum over c, i of
    weight[o, c, i] * padded[n, c, x*stride + i*dilation])``

    Parameters
    ----------
    input : array_like
        ``(N, C_in, L)`` or ``(C_in, L)``; channels last with ``layout="NHWC"``.
    weight : array_like
        ``(C_out, C_in/groups, K)``.
    bias, stride, padding, dilation, groups : optional
        As in `conv2d`, with one spatial axis.
    activation, residual, layout, algorithm, out : optional
        As in `conv2d`.

    Returns
    -------
    numpy.ndarray
        ``(N, C_out, L_out)`` or ``(C_out, L_out)``; channels last with ``layout="NHWC"``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.conv1d([[1.0, 2.0, 4.0, 8.0]], [[[-1.0, 1.0]]])
    array([[1., 2., 4.]])
    """
    options = (activation, residual, layout, algorithm, out)
    return _convolve(1, (input, weight, bias), (stride, padding, dilation, groups), options)


def conv2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: SupportsIndex = 1,
    *,
    activation: Activation | None = None,
    residual: ArrayLike | None = None,
    layout: str = "NCHW",
    algorithm: str = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve images.

    ``out[n, o, y, x] = activation(bias[o] + residual[n, o, y, x] + sum over c, i, j of
    weight[o, c, i, j] * padded[n, c, y*stride + i*dilation, x*stride + j*dilation])``

    The sum runs over the input channels of the group of ``o``. The kernel is not flipped, as in PyTorch.

    Parameters
    ----------
    input : array_like
        ``(N, C_in, H, W)`` or ``(C_in, H, W)``; ``(N, H, W, C_in)`` or ``(H, W, C_in)`` if so laid out.
    weight : array_like
        ``(C_out, C_in/groups, K_h, K_w)``, in either layout.
    bias : array_like, optional
        ``(C_out,)``.
    stride : int or tuple of int, default 1
        Distance in elements between windows; at least 1.
    padding : int, tuple or str, default 0
        Zeros round each spatial axis: a number for all sides, a number an axis, pairs
        ``((before, after), ...)``, or one of

        * ``"valid"``: none;
        * ``"same"``: output as large as the input; needs stride 1; an odd element goes to the end;
        * ``"same_upper"``, ``"same_lower"``: ``ceil(size / stride)`` outputs, an odd element at the end or
          at the beginning.
    dilation : int or tuple of int, default 1
        Distance in elements between the elements of one window; at least 1.
    groups : int, default 1
        Number of groups of channels that are convolved apart; divides ``C_in`` and ``C_out``.
    activation : str or tuple, optional
        ``"relu"``, ``"relu6"``, ``"silu"``, ``"hardswish"``, ``"sigmoid"``, ``"tanh"``,
        ``("clip", low, high)`` or ``("leaky_relu", slope)``, applied to the sum before it is stored.
    residual : array_like, optional
        Of the output's shape, added before the activation.
    layout : {"NCHW", "NHWC"}, default "NCHW"
        Channels first or last in input, output and residual.
    algorithm : str, default "auto"
        One of

        * ``"auto"``: the least predicted time, which may be another algorithm's for another batch size;
          `explain` tells which;
        * ``"autotune"``: the least measured time. The first call of a problem runs what could be the fastest
          a few times on the arrays of the call; later ones take what was found (see `tuning.save`). A problem
          is shapes, window, groups, layout, dtype, instruction set, threads and ``config(winograd=...)``;
        * ``"direct"``, ``"im2col"``; ``"depthwise"``, for one input channel a group;
        * ``"winograd"``: 3x3 windows of stride and dilation 1, in tiles [3]_. ``"winograd_4x4"`` has a
          quarter of the products and about twice the rounding error, ``"winograd_2x2"`` four ninths of them
          and less error than ``"direct"``. What is not finite spreads over its tiles. ``"auto"`` and
          ``"autotune"`` take it where it is faster, unless `config` forbids.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from all inputs, to be written.

    Returns
    -------
    numpy.ndarray
        ``(N, C_out, H_out, W_out)``, or without the batch axis as the input; channels last with
        ``layout="NHWC"``; ``H_out = (H + before + after - (K_h - 1)*dilation - 1) // stride + 1``. Of dtype
        ``numpy.result_type(input, weight, numpy.float32)``, float32 or float64. It is `out`, if given.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or an array is masked, complex or not numeric.
    ValueError
        If an argument is out of range, shapes do not belong together, the kernel does not fit into the padded
        input, `out` cannot be written, or the algorithm cannot do the shape.
    MemoryError
        If the output or the workspace does not fit into memory.

    Notes
    -----
    float32 results differ from exact ones by at most ``c * eps * (|input| conv |weight|)``, with a small
    constant ``c`` that depends on the algorithm; those of ``"winograd"`` relative to what it adds up, which
    is more. They have the same bits for any number of threads, except with ``"autotune"``, and with a named
    algorithm also for a sample alone or in a batch.

    References
    ----------
    .. [1] E. Georganas et al., "Anatomy of High-Performance Deep Learning Convolutions on SIMD
       Architectures", SC 2018.
    .. [2] J. Zhang, F. Franchetti, T. M. Low, "High Performance Zero-Memory Overhead Direct Convolutions",
       ICML 2018.
    .. [3] A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.

    Examples
    --------
    >>> import fastconv as fc
    >>> import numpy as np
    >>> image = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> difference = np.array([[[[-1, 0, 1]]]], dtype=np.float32)
    >>> fc.conv2d(image, difference)[0, 0]
    array([[2., 2.],
           [2., 2.],
           [2., 2.],
           [2., 2.]], dtype=float32)
    >>> fc.conv2d(image, difference, bias=[-20], padding="same", activation="relu").shape
    (1, 1, 4, 4)
    """
    options = (activation, residual, layout, algorithm, out)
    return _convolve(2, (input, weight, bias), (stride, padding, dilation, groups), options)


def conv3d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: SupportsIndex = 1,
    *,
    activation: Activation | None = None,
    residual: ArrayLike | None = None,
    layout: str = "NCHW",
    algorithm: str = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve volumes.

    ``out[n, o, z, y, x] = activation(bias[o] + residual[n, o, z, y, x] + sum over c, h, i, j of
    weight[o, c, h, i, j] * padded[n, c, z*stride + h*dilation, y*stride + i*dilation, ...])``

    Parameters
    ----------
    input : array_like
        ``(N, C_in, D, H, W)`` or ``(C_in, D, H, W)``; channels last with ``layout="NHWC"``.
    weight : array_like
        ``(C_out, C_in/groups, K_d, K_h, K_w)``.
    bias, stride, padding, dilation, groups : optional
        As in `conv2d`, with three spatial axes.
    activation, residual, layout, algorithm, out : optional
        As in `conv2d`.

    Returns
    -------
    numpy.ndarray
        ``(N, C_out, D_out, H_out, W_out)`` or without the batch axis; channels last with ``layout="NHWC"``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d`.

    Examples
    --------
    >>> import fastconv as fc
    >>> import numpy as np
    >>> fc.conv3d(np.ones((1, 2, 4, 4, 4)), np.ones((3, 2, 2, 2, 2)), stride=2).shape
    (1, 3, 2, 2, 2)
    """
    options = (activation, residual, layout, algorithm, out)
    return _convolve(3, (input, weight, bias), (stride, padding, dilation, groups), options)
