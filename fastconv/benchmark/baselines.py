"""Operators as one would write them in NumPy, to compare fastconv with.

All take channels-first batches ``(N, C, H, W)`` and keep the dtype, so in float64 they are a reference.
Products go to the BLAS that NumPy is linked with.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray[Any, Any]


class Normalisation(NamedTuple):
    """Vectors of length C."""

    mean: Array
    var: Array
    weight: Array
    bias: Array


def pad_plane(x: Array, before: int, after: int, value: float = 0.0) -> Array:
    """Surround each plane; without padding the array itself."""
    if before == after == 0:
        return x
    n, c, h, w = x.shape
    padded = np.full((n, c, h + before + after, w + before + after), value, x.dtype)
    padded[:, :, before : before + h, before : before + w] = x
    return padded


def windows(x: Array, kernel: tuple[int, int], stride: int) -> Array:
    """View as ``(N, C, H_out, W_out, kernel_h, kernel_w)``."""
    return sliding_window_view(x, kernel, axis=(2, 3))[:, :, ::stride, ::stride]


def conv2d(x: Array, weight: Array, stride: int = 1, padding: int = 0, groups: int = 1) -> Array:
    """Convolve by im2col and a matrix product; depthwise by a multiply-add of shifted planes for each tap."""
    out_channels, in_channels, *kernel = weight.shape
    padded = pad_plane(x, padding, padding)
    if in_channels == 1 and out_channels == groups > 1:
        return _depthwise(padded, weight[:, 0], stride)
    view = windows(padded, (kernel[0], kernel[1]), stride)
    batch, _, height, width = view.shape[:4]
    filters = weight.reshape(groups, out_channels // groups, -1)
    out = np.empty((batch, groups, out_channels // groups, height * width), x.dtype)
    for image, windows_of_image in zip(out, view, strict=True):  # one image's columns at a time fit memory
        columns = windows_of_image.transpose(0, 3, 4, 1, 2).reshape(groups, filters.shape[2], height * width)
        np.matmul(filters, columns, out=image)
    return out.reshape(batch, out_channels, height, width)


def conv_transpose2d(x: Array, weight: Array, stride: int = 1, padding: int = 0) -> Array:
    """Spread by a matrix product, then add every tap's plane at the places that it reaches."""
    batch, in_channels, height, width = x.shape
    _, out_channels, *kernel = weight.shape
    filters = weight.reshape(in_channels, -1).T
    products = np.matmul(filters, x.reshape(batch, in_channels, -1))
    planes = products.reshape(batch, out_channels, *kernel, height, width)
    rows, columns = (height - 1) * stride + 1, (width - 1) * stride + 1
    out = np.zeros((batch, out_channels, rows + kernel[0] - 1, columns + kernel[1] - 1), x.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            out[:, :, i : i + rows : stride, j : j + columns : stride] += planes[:, :, i, j]
    return out[:, :, padding : out.shape[2] - padding, padding : out.shape[3] - padding]


def _depthwise(padded: Array, filters: Array, stride: int) -> Array:
    rows, columns = filters.shape[1:]
    height = (padded.shape[2] - rows) // stride + 1
    width = (padded.shape[3] - columns) // stride + 1
    out = np.zeros((*padded.shape[:2], height, width), padded.dtype)
    product = np.empty_like(out)
    for i in range(rows):
        for j in range(columns):
            shifted = padded[:, :, i : i + height * stride : stride, j : j + width * stride : stride]
            np.multiply(shifted, filters[:, i, j, None, None], out=product)
            out += product
    return out


def pooling_pad(size: int, out: int, kernel: int, stride: int, padding: int) -> tuple[int, int]:
    """Padding before and after, in ceil mode as far as the last window reaches."""
    return padding, max(padding, (out - 1) * stride + kernel - size - padding)


def _pooling_view(
    x: Array, out: int, kernel: int, stride: int, padding: int, fill: float
) -> tuple[Array, tuple[int, int]]:
    """View, and its axes within a window: a reshape where windows tile the plane, else a sliding view."""
    n, c, size, _ = x.shape
    if kernel == stride and padding == 0 and out * kernel == size:
        return x.reshape(n, c, out, kernel, out, kernel), (3, 5)
    padded = pad_plane(x, *pooling_pad(size, out, kernel, stride, padding), fill)
    return windows(padded, (kernel, kernel), stride)[:, :, :out, :out], (4, 5)


def max_pool2d(x: Array, out: int, kernel: int, stride: int, padding: int = 0) -> Array:
    """Take the maximum over a reshaped or sliding view of square windows; ``out`` is the output's size."""
    view, axes = _pooling_view(x, out, kernel, stride, padding, -np.inf)
    return np.asarray(view.max(axis=axes))


def avg_pool2d(x: Array, out: int, kernel: int, stride: int, padding: int = 0) -> Array:
    """Take the mean over a reshaped or sliding view of square windows, padding counted."""
    view, axes = _pooling_view(x, out, kernel, stride, padding, 0.0)
    return np.asarray(view.mean(axis=axes))


def adaptive_pool2d(x: Array, windows: list[tuple[int, int]], *, maximum: bool) -> Array:
    """Reduce one window after another; ``windows`` are those of either axis, start and stop."""
    result = np.empty((*x.shape[:2], len(windows), len(windows)), x.dtype)
    reduce = np.max if maximum else np.mean
    for i, (top, bottom) in enumerate(windows):
        for j, (left, right) in enumerate(windows):
            reduce(x[:, :, top:bottom, left:right], axis=(2, 3), out=result[:, :, i, j])
    return result


def max_pool2d_by_tap(x: Array, out: int, kernel: int, stride: int, padding: int = 0) -> Array:
    """Take the running maximum of shifted, strided planes: less readable than a window view, and faster."""
    padded = pad_plane(x, *pooling_pad(x.shape[2], out, kernel, stride, padding), -np.inf)
    first, *taps = _shifted_planes(padded, out, kernel, stride)
    result = first.copy()
    for plane in taps:
        np.maximum(result, plane, out=result)
    return result


def avg_pool2d_by_tap(x: Array, out: int, kernel: int, stride: int, padding: int = 0) -> Array:
    """Add shifted, strided planes and divide, padding counted."""
    padded = pad_plane(x, *pooling_pad(x.shape[2], out, kernel, stride, padding), 0.0)
    first, *taps = _shifted_planes(padded, out, kernel, stride)
    result = first.copy()
    for plane in taps:
        result += plane
    result /= kernel * kernel
    return result


def _shifted_planes(padded: Array, out: int, kernel: int, stride: int) -> list[Array]:
    reach = (out - 1) * stride + 1
    return [
        padded[:, :, i : i + reach : stride, j : j + reach : stride]
        for i in range(kernel)
        for j in range(kernel)
    ]


def pad(x: Array, padding: int, mode: str = "constant") -> Array:
    """Surround each plane; NumPy calls replicate ``edge`` and circular ``wrap``."""
    pair = (padding, padding)
    kind: Any = {"replicate": "edge", "circular": "wrap"}.get(mode, mode)
    return np.pad(x, ((0, 0), (0, 0), pair, pair), kind)


def unfold(x: Array, kernel: int, padding: int, stride: int) -> Array:
    """Copy a sliding view of square windows into columns."""
    view = windows(pad_plane(x, padding, padding), (kernel, kernel), stride).transpose(0, 1, 4, 5, 2, 3)
    return view.reshape(x.shape[0], x.shape[1] * kernel**2, -1)


def fold(columns: Array, size: int, kernel: int, padding: int, stride: int) -> Array:
    """Add the columns tap by tap to shifted, strided planes."""
    out = (size + 2 * padding - kernel) // stride + 1
    batch, channels = columns.shape[0], columns.shape[1] // kernel**2
    parts = columns.reshape(batch, channels, kernel, kernel, out, out)
    padded = np.zeros((batch, channels, size + 2 * padding, size + 2 * padding), columns.dtype)
    for tap, plane in enumerate(_shifted_planes(padded, out, kernel, stride)):
        plane += parts[:, :, tap // kernel, tap % kernel]
    return np.ascontiguousarray(padded[:, :, padding : padding + size, padding : padding + size])


def max_unpool2d(x: Array, indices: Array, size: int) -> Array:
    """Assign by index to planes of zeros."""
    batch, channels = x.shape[:2]
    out = np.zeros((batch, channels, size * size), x.dtype)
    np.put_along_axis(out, indices.reshape(batch, channels, -1), x.reshape(batch, channels, -1), axis=2)
    return out.reshape(batch, channels, size, size)


def batch_norm(x: Array, statistics: Normalisation, eps: float = 1e-5) -> Array:
    """Scale and shift each channel by broadcasting: ``x * scale + (bias - mean * scale)``."""
    scale = statistics.weight / np.sqrt(statistics.var + x.dtype.type(eps))
    shift = statistics.bias - statistics.mean * scale
    y: Array = x * scale[:, None, None]
    y += shift[:, None, None]
    return y


def batch_norm_training(x: Array, running: Normalisation, momentum: float = 0.1, eps: float = 1e-5) -> Array:
    """Normalise with the batch's own mean and biased variance; update ``running`` in place."""
    axes = (0, 2, 3)
    count = x.size // x.shape[1]
    mean, var = x.mean(axis=axes), x.var(axis=axes)
    running.mean[:] += (mean - running.mean) * momentum
    running.var[:] += (var * (count / (count - 1)) - running.var) * momentum
    return batch_norm(x, Normalisation(mean, var, running.weight, running.bias), eps)


def group_norm(x: Array, groups: int, weight: Array, bias: Array, eps: float = 1e-5) -> Array:
    """Normalise a view with an axis of groups, then scale and shift each channel by broadcasting."""
    parts = x.reshape(x.shape[0], groups, -1)
    y = _standardised(parts, eps).reshape(x.shape)
    y *= weight[:, None, None]
    y += bias[:, None, None]
    return y


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """Multiply by the transposed weight."""
    y: Array = x @ weight.T
    y += bias
    return y


def layer_norm(x: Array, weight: Array, bias: Array, eps: float = 1e-5) -> Array:
    """Normalise along the last axis, then scale and shift."""
    y = _standardised(x, eps)
    y *= weight
    y += bias
    return y


def _standardised(x: Array, eps: float) -> Array:
    y: Array = x - x.mean(axis=-1, keepdims=True)
    y /= np.sqrt(np.square(y).mean(axis=-1, keepdims=True) + x.dtype.type(eps))
    return y


def softmax(x: Array, axis: int) -> Array:
    """Exponentials of the distance to the maximum, over their sum."""
    y = np.exp(x - x.max(axis=axis, keepdims=True))
    y /= y.sum(axis=axis, keepdims=True)
    return np.asarray(y)


def log_softmax(x: Array, axis: int) -> Array:
    """Distance to the maximum, less the logarithm of the sum of its exponentials."""
    y: Array = x - x.max(axis=axis, keepdims=True)
    y -= np.log(np.exp(y).sum(axis=axis, keepdims=True))
    return y
