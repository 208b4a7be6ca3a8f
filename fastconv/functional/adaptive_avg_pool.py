"""Adaptive average pooling on 1, 2 and 3 spatial axes: as many windows as outputs are wanted.

Window ``o`` of an axis covers the elements ``[floor(o * size / out), ceil((o + 1) * size / out))``: all of
them belong to one or two windows. Where the windows are evenly spaced, as they are when `out` divides `size`,
the result is that of ordinary pooling.
"""

from __future__ import annotations

from fastconv._native import core as native
from fastconv.functional.checks import adaptive, arguments, arrays, order
from fastconv.functional.checks.annotations import Array, ArrayLike, OutputSize


def _adaptive_avg_pool(
    rank: int, input: object, output_size: object, layout: object, out: Array | None
) -> Array:
    x = arrays.as_array(input, "input")
    last = arguments.channels_last(layout)
    view = arrays.channels_first(x, rank, last, "input")
    shape = adaptive.pooling(view.shape, output_size)
    dtype = arrays.promoted(x)
    result, plain = arrays.output(out, arrays.in_layout(shape, x.ndim, last), dtype, (x,))
    if result.size != 0:
        order.walk(native.adaptive_avg_pool, arrays.as_native(x, dtype), (plain,), (rank, last))
    return result


def adaptive_avg_pool1d(
    input: ArrayLike,
    output_size: OutputSize,
    *,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array:
    """Average over as many windows of signals of one spatial axis as outputs are wanted.

    ``out[n, c, x] = mean of input[n, c, x*L // L_out : ceil((x + 1)*L / L_out)]``

    Parameters
    ----------
    input : array_like
        ``(N, C, L)`` or ``(C, L)``; channels last with ``layout="NHWC"``.
    output_size : int or tuple of int or None
        As in `adaptive_avg_pool2d`.
    layout, out : optional
        As in `adaptive_avg_pool2d`, with one spatial axis.

    Returns
    -------
    numpy.ndarray
        As from `adaptive_avg_pool2d`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.adaptive_avg_pool1d([[1.0, 5.0, 2.0, 4.0, 3.0]], 2)
    array([[2.66666667, 3.        ]])
    """
    return _adaptive_avg_pool(1, input, output_size, layout, out)


def adaptive_avg_pool2d(
    input: ArrayLike,
    output_size: OutputSize,
    *,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array:
    """Average over as many windows of images as outputs are wanted.

    ``out[n, c, y, x] = mean of
    input[n, c, y*H // H_out : ceil((y + 1)*H / H_out), x*W // W_out : ceil((x + 1)*W / W_out)]``

    Parameters
    ----------
    input : array_like
        ``(N, C, H, W)`` or ``(C, H, W)``; channels last with ``layout="NHWC"``.
    output_size : int or tuple of int or None
        Outputs, an axis, at least 0; None keeps the size of an axis. More outputs than elements repeat
        elements.
    layout : {"NCHW", "NHWC"}, default "NCHW"
        Channels first or last in input and output.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from the input, to be written.

    Returns
    -------
    numpy.ndarray
        ``(N, C, H_out, W_out)``, of dtype ``numpy.result_type(input, numpy.float32)``.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or the array is masked, complex or not numeric.
    ValueError
        If a size is negative or too large, an axis of the input but the batch is empty, or `out` cannot be
        written.
    MemoryError
        If the output does not fit into memory.

    Examples
    --------
    >>> import fastconv as fc
    >>> import numpy as np
    >>> image = np.arange(15, dtype=np.float32).reshape(1, 3, 5)
    >>> fc.adaptive_avg_pool2d(image, (None, 2))
    array([[[ 1.,  3.],
            [ 6.,  8.],
            [11., 13.]]], dtype=float32)
    """
    return _adaptive_avg_pool(2, input, output_size, layout, out)


def adaptive_avg_pool3d(
    input: ArrayLike,
    output_size: OutputSize,
    *,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array:
    """Average over as many windows of volumes as outputs are wanted.

    ``out[n, c, z, y, x] = mean of input[n, c, z*D // D_out : ceil((z + 1)*D / D_out), ...]``

    Parameters
    ----------
    input : array_like
        ``(N, C, D, H, W)`` or ``(C, D, H, W)``; channels last with ``layout="NHWC"``.
    output_size : int or tuple of int or None
        As in `adaptive_avg_pool2d`.
    layout, out : optional
        As in `adaptive_avg_pool2d`, with three spatial axes.

    Returns
    -------
    numpy.ndarray
        As from `adaptive_avg_pool2d`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import fastconv as fc
    >>> import numpy as np
    >>> fc.adaptive_avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 1)
    array([[[[3.5]]]])
    """
    return _adaptive_avg_pool(3, input, output_size, layout, out)
