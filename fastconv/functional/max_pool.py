"""Maximum pooling on 1, 2 and 3 spatial axes.

A window at ``y*stride - before`` covers the elements ``y*stride - before + i*dilation``; padding never wins.
"""

from __future__ import annotations

from typing import Literal, overload

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays, order, window
from fastconv.functional.checks.annotations import Array, ArrayLike, Padding, Size


def _max_pool(
    rank: int, input: object, pool: window.Pool, return_indices: object, layout: object, out: Array | None
) -> Array | tuple[Array, Array]:
    x = arrays.as_array(input, "input")
    last = arguments.channels_last(layout)
    view = arrays.channels_first(x, rank, last, "input")
    shape, native_window = window.pooling(view.shape, pool)
    wanted = arguments.flag(return_indices, "return_indices")

    dtype = arrays.promoted(x)
    out_shape = arrays.in_layout(shape, x.ndim, last)
    result, plain = arrays.output(out, out_shape, dtype, (x,))
    indices = arrays.allocate(out_shape, arrays.INT64) if wanted else None
    if shape[0] != 0:
        x = arrays.as_native(x, dtype)
        order.walk(native.max_pool, x, (plain, indices), (rank, last), native_window)
    return result if indices is None else (result, indices)


@overload
def max_pool1d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = ...,
    padding: Padding = ...,
    dilation: Size = ...,
    ceil_mode: bool = ...,
    return_indices: Literal[False] = ...,
    *,
    layout: str = ...,
    out: Array | None = ...,
) -> Array: ...
@overload
def max_pool1d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = ...,
    padding: Padding = ...,
    dilation: Size = ...,
    ceil_mode: bool = ...,
    *,
    return_indices: Literal[True],
    layout: str = ...,
    out: Array | None = ...,
) -> tuple[Array, Array]: ...
@overload
def max_pool1d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = ...,
    padding: Padding = ...,
    dilation: Size = ...,
    ceil_mode: bool = ...,
    return_indices: bool = ...,
    *,
    layout: str = ...,
    out: Array | None = ...,
) -> Array | tuple[Array, Array]: ...
def max_pool1d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array | tuple[Array, Array]:
    """Take the maximum over windows of signals of one spatial axis.

    ``out[n, c, x] = max over i of input[n, c, x*stride - before + i*dilation]``

    Parameters
    ----------
    input : array_like
        ``(N, C, L)`` or ``(C, L)``; channels last with ``layout="NHWC"``.
    kernel_size : int or tuple of int
        As in `max_pool2d`.
    stride, padding, dilation, ceil_mode, return_indices, layout, out : optional
        As in `max_pool2d`, with one spatial axis.

    Returns
    -------
    numpy.ndarray or tuple of numpy.ndarray
        As from `max_pool2d`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_pool2d`.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.max_pool1d([[1.0, 5.0, 2.0, 4.0, 3.0]], 2, ceil_mode=True)
    array([[5., 4., 3.]])
    """
    pool = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool(1, input, pool, return_indices, layout, out)


@overload
def max_pool2d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = ...,
    padding: Padding = ...,
    dilation: Size = ...,
    ceil_mode: bool = ...,
    return_indices: Literal[False] = ...,
    *,
    layout: str = ...,
    out: Array | None = ...,
) -> Array: ...
@overload
def max_pool2d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = ...,
    padding: Padding = ...,
    dilation: Size = ...,
    ceil_mode: bool = ...,
    *,
    return_indices: Literal[True],
    layout: str = ...,
    out: Array | None = ...,
) -> tuple[Array, Array]: ...
@overload
def max_pool2d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = ...,
    padding: Padding = ...,
    dilation: Size = ...,
    ceil_mode: bool = ...,
    return_indices: bool = ...,
    *,
    layout: str = ...,
    out: Array | None = ...,
) -> Array | tuple[Array, Array]: ...
def max_pool2d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array | tuple[Array, Array]:
    """Take the maximum over windows of images.

    ``out[n, c, y, x] = max over i, j of
    input[n, c, y*stride - before + i*dilation, x*stride - before + j*dilation]``

    NaN wins over every number. Padding never wins.

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
    dilation : int or tuple of int, default 1
        Distance between the elements of one window.
    ceil_mode : bool, default False
        Round the number of windows up, where the last one starts inside the input or the padding before it.
    return_indices : bool, default False
        Also return where the maxima are.
    layout : {"NCHW", "NHWC"}, default "NCHW"
        Channels first or last in input and outputs.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from the input, to be written.

    Returns
    -------
    numpy.ndarray or tuple of numpy.ndarray
        The maxima, ``(N, C, H_out, W_out)``, of dtype ``numpy.result_type(input, numpy.float32)``;
        ``H_out = (H + before + after - (K_h - 1)*dilation - 1) // stride + 1``. With `return_indices` also an
        int64 array of the same shape: ``row * W + column`` of each maximum in its plane of the input. Among
        equals the first one counts, among several NaNs the last.

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
    >>> values, indices = fc.max_pool2d(image, 2, return_indices=True)
    >>> values
    array([[[ 5.,  7.],
            [13., 15.]]], dtype=float32)
    >>> indices
    array([[[ 5,  7],
            [13, 15]]])
    """
    pool = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool(2, input, pool, return_indices, layout, out)


@overload
def max_pool3d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = ...,
    padding: Padding = ...,
    dilation: Size = ...,
    ceil_mode: bool = ...,
    return_indices: Literal[False] = ...,
    *,
    layout: str = ...,
    out: Array | None = ...,
) -> Array: ...
@overload
def max_pool3d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = ...,
    padding: Padding = ...,
    dilation: Size = ...,
    ceil_mode: bool = ...,
    *,
    return_indices: Literal[True],
    layout: str = ...,
    out: Array | None = ...,
) -> tuple[Array, Array]: ...
@overload
def max_pool3d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = ...,
    padding: Padding = ...,
    dilation: Size = ...,
    ceil_mode: bool = ...,
    return_indices: bool = ...,
    *,
    layout: str = ...,
    out: Array | None = ...,
) -> Array | tuple[Array, Array]: ...
def max_pool3d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array | tuple[Array, Array]:
    """Take the maximum over windows of volumes.

    ``out[n, c, z, y, x] = max over h, i, j of input[n, c, z*stride - before + h*dilation, ...]``

    Parameters
    ----------
    input : array_like
        ``(N, C, D, H, W)`` or ``(C, D, H, W)``; channels last with ``layout="NHWC"``.
    kernel_size : int or tuple of int
        As in `max_pool2d`.
    stride, padding, dilation, ceil_mode, return_indices, layout, out : optional
        As in `max_pool2d`, with three spatial axes.

    Returns
    -------
    numpy.ndarray or tuple of numpy.ndarray
        As from `max_pool2d`; an index is ``(depth * H + row) * W + column``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_pool2d`.

    Examples
    --------
    >>> import fastconv as fc
    >>> import numpy as np
    >>> fc.max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    array([[[[7.]]]])
    """
    pool = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool(3, input, pool, return_indices, layout, out)
