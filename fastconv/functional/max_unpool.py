"""Maximum unpooling on 1, 2 and 3 spatial axes: each maximum goes back to where it was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays, unpool
from fastconv.functional.checks.annotations import Array, ArrayLike, Size
from fastconv.runtime import native_run

Options = tuple[object, Array | None]


def _max_unpool(rank: int, input: object, indices: object, given: unpool.Unpool, options: Options) -> Array:
    layout, out = options
    x = arrays.as_array(input, "input")
    last = arguments.channels_last(layout)
    view = arrays.channels_first(x, rank, last, "input")
    shape = unpool.unpooling(view.shape, given, last)
    places = unpool.indices(indices, x.shape)
    run = native_run()
    unpool.require_places(places, shape[2:], run)

    dtype = arrays.promoted(x)
    out_shape = arrays.in_layout(shape, x.ndim, last)
    result, plain = arrays.output(out, out_shape, dtype, (x, places))
    if shape[0] != 0:
        native.max_unpool(
            arrays.channels_first(arrays.in_rows(x, dtype), rank, last, "input"),
            arrays.channels_first(places, rank, last, "indices"),
            arrays.channels_first(plain, rank, last, "out"),
            run,
        )
    return result


def max_unpool1d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[SupportsIndex] | None = None,
    *,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array:
    """Undo the maximum pooling of signals, as far as the maxima tell.

    ``out[n, c, indices[n, c, i]] = input[n, c, i]``, and 0 elsewhere.

    Parameters
    ----------
    input : array_like
        ``(N, C, L)`` or ``(C, L)``; channels last with ``layout="NHWC"``.
    indices : array_like
        As in `max_unpool2d`.
    kernel_size : int or tuple of int
        As in `max_unpool2d`.
    stride, padding, output_size, layout, out : optional
        As in `max_unpool2d`, with one spatial axis.

    Returns
    -------
    numpy.ndarray
        As from `max_unpool2d`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_unpool2d`.

    Examples
    --------
    >>> import fastconv as fc
    >>> maxima, indices = fc.max_pool1d([[1.0, 5.0, 2.0, 4.0]], 2, return_indices=True)
    >>> fc.max_unpool1d(maxima, indices, 2)
    array([[0., 5., 0., 4.]])
    """
    return _max_unpool(1, input, indices, (kernel_size, stride, padding, output_size), (layout, out))


def max_unpool2d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[SupportsIndex] | None = None,
    *,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array:
    """Undo the maximum pooling of images, as far as the maxima tell.

    ``out[n, c].flat[indices[n, c, y, x]] = input[n, c, y, x]``, and 0 elsewhere. Of equal indices in a plane
    the last one, row by row, counts.

    Parameters
    ----------
    input : array_like
        ``(N, C, H, W)`` or ``(C, H, W)``; channels last with ``layout="NHWC"``.
    indices : array_like
        Integers of the input's shape, ``row * W_out + column`` in the plane of the output, as `max_pool2d`
        returns them.
    kernel_size : int or tuple of int
        Elements of a window, an axis, of the pooling that is undone.
    stride : int or tuple of int, optional
        Its stride; `kernel_size`, if not given.
    padding : int or tuple of int, default 0
        Its padding.
    output_size : tuple of int, optional
        ``(H_out, W_out)`` or, of a batch, the whole shape of the output, as a pooling takes several sizes to
        the same one. Each differs by less than the stride from what is taken if it is not given.
    layout : {"NCHW", "NHWC"}, default "NCHW"
        Channels first or last in input, indices and output.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from input and indices, to be written.

    Returns
    -------
    numpy.ndarray
        ``(N, C, H_out, W_out)``, of dtype ``numpy.result_type(input, numpy.float32)``;
        ``H_out = (H - 1) * stride + kernel_size - 2 * padding``, if `output_size` is not given.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, `indices` holds other than integers, or an array is masked,
        complex or not numeric.
    ValueError
        If an argument is out of range, an index lies outside its plane, shapes do not belong together, or
        `out` cannot be written.
    MemoryError
        If the output does not fit into memory.

    Examples
    --------
    >>> import fastconv as fc
    >>> maxima, indices = fc.max_pool2d([[[1.0, 5.0], [2.0, 4.0]]], 2, return_indices=True)
    >>> fc.max_unpool2d(maxima, indices, 2)
    array([[[0., 5.],
            [0., 0.]]])
    """
    return _max_unpool(2, input, indices, (kernel_size, stride, padding, output_size), (layout, out))


def max_unpool3d(
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[SupportsIndex] | None = None,
    *,
    layout: str = "NCHW",
    out: Array | None = None,
) -> Array:
    """Undo the maximum pooling of volumes, as far as the maxima tell.

    ``out[n, c].flat[indices[n, c, z, y, x]] = input[n, c, z, y, x]``, and 0 elsewhere.

    Parameters
    ----------
    input : array_like
        ``(N, C, D, H, W)`` or ``(C, D, H, W)``; channels last with ``layout="NHWC"``.
    indices : array_like
        As in `max_unpool2d`: ``(depth * H_out + row) * W_out + column``.
    kernel_size : int or tuple of int
        As in `max_unpool2d`.
    stride, padding, output_size, layout, out : optional
        As in `max_unpool2d`, with three spatial axes.

    Returns
    -------
    numpy.ndarray
        As from `max_unpool2d`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_unpool2d`.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.max_unpool3d([[[[7.0]]]], [[[[5]]]], (1, 2, 3))
    array([[[[0., 0., 0.],
             [0., 0., 7.]]]])
    """
    return _max_unpool(3, input, indices, (kernel_size, stride, padding, output_size), (layout, out))
