"""Average pooling on 1, 2 and 3 spatial axes.

A window at ``y*stride - before`` covers the elements ``y*stride - before + i``. Padding counts as zeros in
the sum; whether it counts in the divisor is an argument.
"""

from __future__ import annotations

from typing import SupportsIndex

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays, order, window
from fastconv.functional.checks.annotations import Array, ArrayLike, Padding, Size


def _avg_pool(
    rank: int,
    input: object,
    pool: window.Pool,
    divisor: tuple[object, object],
    layout: object,
    out: Array | None,
) -> Array:
    count_include_pad, divisor_override = divisor
    x = arrays.as_array(input, "input")
    last = arguments.channels_last(layout)
    view = arrays.channels_first(x, rank, last, "input")
    shape, native_window = window.pooling(view.shape, pool)
    include = arguments.flag(count_include_pad, "count_include_pad")
    override = 0
    if divisor_override is not None:
        override = arguments.integer(divisor_override, "divisor_override")
        if override == 0:
            raise ValueError("divisor_override=0 must not be zero")

    dtype = arrays.promoted(x)
    out_shape = arrays.in_layout(shape, x.ndim, last)
    result, plain = arrays.output(out, out_shape, dtype, (x,))
    if shape[0] != 0:
        x = arrays.as_native(x, dtype)
        order.walk(native.avg_pool, x, (plain,), (rank, last), native_window, include, override)
    return result


def avg_pool1d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    *,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array:
    """Average over windows of signals of one spatial axis.

    ``out[n, c, x] = sum over i of padded[n, c, x*stride + i] / divisor``

    Parameters
    ----------
    input : array_like
        ``(N, C, L)`` or ``(C, L)``; channels last with ``layout="NHWC"``.
    kernel_size : int or tuple of int
        As in `avg_pool2d`.
    stride, padding, ceil_mode, count_include_pad, divisor_override, layout, out : optional
        As in `avg_pool2d`, with one spatial axis.

    Returns
    -------
    numpy.ndarray
        As from `avg_pool2d`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `avg_pool2d`.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.avg_pool1d([[1.0, 5.0, 2.0, 4.0]], 2)
    array([[3., 3.]])
    """
    pool = (kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool(1, input, pool, (count_include_pad, divisor_override), layout, out)


def avg_pool2d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    *,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array:
    """Average over windows of images.

    ``out[n, c, y, x] = sum over i, j of padded[n, c, y*stride + i, x*stride + j] / divisor``

    Parameters
    ----------
    input : array_like
        ``(N, C, H, W)`` or ``(C, H, W)``; channels last with ``layout="NHWC"``.
    kernel_size : int or tuple of int
        Elements of a window, an axis.
    stride : int or tuple of int, optional
        Distance between windows; `kernel_size`, if not given.
    padding : int, tuple or str, default 0
        As in `conv2d`, and at most half the kernel on any side.
    ceil_mode : bool, default False
        Round the number of windows up, where the last one starts inside the input or the padding before it.
    count_include_pad : bool, default True
        Divide by the number of elements of the window inside input and padding; if False, inside the input.
    divisor_override : int, optional
        Divide by this number instead; not 0.
    layout : {"NCHW", "NHWC"}, default "NCHW"
        Channels first or last in input and output.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from the input, to be written.

    Returns
    -------
    numpy.ndarray
        ``(N, C, H_out, W_out)``, of dtype ``numpy.result_type(input, numpy.float32)``; sizes as from
        `max_pool2d`.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or the array is masked, complex or not numeric.
    ValueError
        If an argument is out of range, no window fits into the padded input, or `out` cannot be written.
    MemoryError
        If the output does not fit into memory.

    Examples
    --------
    >>> import fastconv as fc
    >>> import numpy as np
    >>> image = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    >>> fc.avg_pool2d(image, 2)
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]], dtype=float32)
    """
    pool = (kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool(2, input, pool, (count_include_pad, divisor_override), layout, out)


def avg_pool3d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    *,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array:
    """Average over windows of volumes.

    ``out[n, c, z, y, x] = sum over h, i, j of
    padded[n, c, z*stride + h, y*stride + i, x*stride + j] / divisor``

    Parameters
    ----------
    input : array_like
        ``(N, C, D, H, W)`` or ``(C, D, H, W)``; channels last with ``layout="NHWC"``.
    kernel_size : int or tuple of int
        As in `avg_pool2d`.
    stride, padding, ceil_mode, count_include_pad, divisor_override, layout, out : optional
        As in `avg_pool2d`, with three spatial axes.

    Returns
    -------
    numpy.ndarray
        As from `avg_pool2d`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `avg_pool2d`.

    Examples
    --------
    >>> import fastconv as fc
    >>> import numpy as np
    >>> fc.avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    array([[[[3.5]]]])
    """
    pool = (kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool(3, input, pool, (count_include_pad, divisor_override), layout, out)
