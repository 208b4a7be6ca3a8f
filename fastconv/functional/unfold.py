"""im2col and col2im: the windows of images as columns, and the sum of such columns."""

from __future__ import annotations

import math

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays, geometry
from fastconv.functional.checks.annotations import Array, ArrayLike, Padding, Size
from fastconv.functional.checks.geometry import Shape, Window
from fastconv.runtime import native_run

# kernel_size, dilation, padding, stride.
Given = tuple[object, object, object, object]


def _blocks(image_shape: Shape, given: Given, name: str) -> tuple[Shape, Window]:
    kernel_size, dilation, padding, stride = given
    return geometry.blocks(
        image_shape,
        arguments.per_axis(kernel_size, 2, "kernel_size", 1),
        arguments.per_axis(stride, 2, "stride", 1),
        arguments.padding(padding, 2),
        arguments.per_axis(dilation, 2, "dilation", 1),
        name,
    )


def unfold(
    input: ArrayLike,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Padding = 0,
    stride: Size = 1,
    *,
    out: Array | None = None,
) -> Array:
    """Copy every window of images into a column (im2col).

    ``out[n, (c*K_h + i)*K_w + j, y*W_out + x] = input[n, c, y*stride - before + i*dilation,
    x*stride - before + j*dilation]``, and 0 outside the image.

    A matrix product with these columns is a convolution: ``conv2d(x, w)`` is
    ``w.reshape(C_out, -1) @ unfold(x, kernel_size)``, in another shape.

    Parameters
    ----------
    input : array_like
        ``(N, C, H, W)`` or ``(C, H, W)``.
    kernel_size : int or tuple of int
        ``(K_h, K_w)``, or one number for both.
    dilation : int or tuple of int, default 1
        Distance between the elements of one window.
    padding : int, tuple or str, default 0
        As in `conv2d`.
    stride : int or tuple of int, default 1
        Distance between windows.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from the input, to be written.

    Returns
    -------
    numpy.ndarray
        ``(N, C*K_h*K_w, L)`` or ``(C*K_h*K_w, L)``, of dtype ``numpy.result_type(input, numpy.float32)``;
        ``L = H_out * W_out`` and ``H_out = (H + before + after - (K_h - 1)*dilation - 1) // stride + 1``.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or the array is masked, complex or not numeric.
    ValueError
        If an argument is out of range, no window fits into the padded input, or `out` cannot be written.
    MemoryError
        If the output does not fit into memory.

    See Also
    --------
    fold : The sum of columns, its adjoint.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.unfold([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]], 2)
    array([[1., 2.],
           [2., 3.],
           [4., 5.],
           [5., 6.]])
    """
    x = arrays.as_array(input, "input")
    view = arrays.channels_first(x, 2, False, "input")
    blocks, window = _blocks(view.shape, (kernel_size, dilation, padding, stride), "input")
    rows, places = view.shape[1] * math.prod(window[0]), math.prod(blocks)
    shape = (view.shape[0], rows, places) if x.ndim == 4 else (rows, places)
    dtype = arrays.promoted(x)
    result, plain = arrays.output(out, shape, dtype, (x,))
    if result.size != 0:
        native.unfold(arrays.in_rows(view, dtype), plain, window, (blocks[0], blocks[1]), native_run())
    return result


def fold(
    input: ArrayLike,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Padding = 0,
    stride: Size = 1,
    *,
    out: Array | None = None,
) -> Array:
    """Add the windows that are columns to images (col2im).

    ``out[n, c, v, u]`` is the sum of ``input[n, (c*K_h + i)*K_w + j, y*W_out + x]`` over all i, j, y, x, in
    this order, with ``y*stride - before + i*dilation == v`` and ``x*stride - before + j*dilation == u``.

    It is the adjoint of `unfold`, not its inverse: ``fold(unfold(x))`` is `x` times the number of windows at
    each pixel.

    Parameters
    ----------
    input : array_like
        ``(N, C*K_h*K_w, L)`` or ``(C*K_h*K_w, L)``, where L is the number of windows that `unfold` finds in
        images of `output_size`.
    output_size : int or tuple of int
        ``(H, W)`` of the images, or one number for both.
    kernel_size : int or tuple of int
        As in `unfold`.
    dilation, padding, stride : optional
        As in `unfold`.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from the input, to be written.

    Returns
    -------
    numpy.ndarray
        ``(N, C, H, W)`` or ``(C, H, W)``, of dtype ``numpy.result_type(input, numpy.float32)``.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or the array is masked, complex or not numeric.
    ValueError
        If an argument is out of range, the input's shape is not that of such columns, no window fits into the
        padded images, or `out` cannot be written.
    MemoryError
        If the output does not fit into memory.

    See Also
    --------
    unfold : The columns of images.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.fold([[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]], (2, 3), 2)
    array([[[ 1.,  4.,  3.],
            [ 4., 10.,  6.]]])
    """
    x = arrays.as_array(input, "input")
    view = arrays.channels_first(x, 1, False, "input")
    sizes = arguments.per_axis(output_size, 2, "output_size", 1)
    kernel = arguments.per_axis(kernel_size, 2, "kernel_size", 1)
    taps = math.prod(kernel)
    if view.shape[1] == 0 or view.shape[1] % taps:
        raise ValueError(
            f"input has shape {x.shape}: its columns must be of C * {taps} elements for kernel_size={kernel}"
        )
    shape = (view.shape[0], view.shape[1] // taps, *sizes)
    blocks, window = _blocks(shape, (kernel, dilation, padding, stride), "output_size")
    if view.shape[2] != math.prod(blocks):
        raise ValueError(
            f"input has shape {x.shape}: images of output_size={sizes} have {blocks[0]} * {blocks[1]} windows"
        )
    dtype = arrays.promoted(x)
    result, plain = arrays.output(out, shape if x.ndim == 3 else shape[1:], dtype, (x,))
    if shape[0] != 0:
        images = arrays.channels_first(plain, 2, False, "out")
        native.fold(arrays.in_rows(view, dtype), images, window, (blocks[0], blocks[1]), native_run())
    return result
