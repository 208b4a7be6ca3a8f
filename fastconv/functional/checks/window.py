"""The window of a convolution or a pooling: from a caller's arguments to sizes and to the native form.

Calls repeat, so the answer is remembered. A memory takes ``1``, ``1.0`` and ``True`` for the same key: only
exact integers and strings get there directly, all else takes the way through its check.
"""

from __future__ import annotations

from functools import lru_cache

from fastconv.functional.checks import arguments, geometry
from fastconv.functional.checks.geometry import Shape, Window

# As a caller gave them: stride, padding, dilation, groups.
Convolution = tuple[object, object, object, object]
# stride, padding, output_padding, dilation, groups.
Transposed = tuple[object, object, object, object, object]
# kernel_size, stride, padding, dilation, ceil_mode.
Pool = tuple[object, object, object, object, object]


def convolution(input_shape: Shape, weight_shape: Shape, given: Convolution) -> tuple[Shape, Window, int]:
    """Return the output's shape and the window, both channels first, and the number of groups."""
    stride, padding, dilation, groups = given
    kind = type(padding)
    if type(stride) is type(dilation) is type(groups) is int and (kind is int or kind is str):
        return _remembered_convolution(input_shape, weight_shape, given)
    return _convolution(input_shape, weight_shape, given)


def _convolution(input_shape: Shape, weight_shape: Shape, given: Convolution) -> tuple[Shape, Window, int]:
    stride, padding, dilation, groups = given
    rank = len(input_shape) - 2
    count = arguments.integer(groups, "groups", 1)
    shape, window = geometry.convolution(
        input_shape,
        weight_shape,
        arguments.per_axis(stride, rank, "stride", 1),
        arguments.padding(padding, rank),
        arguments.per_axis(dilation, rank, "dilation", 1),
        count,
    )
    return shape, window, count


def transposed(input_shape: Shape, weight_shape: Shape, given: Transposed) -> tuple[Shape, Window, int]:
    """Return the output's shape and the window, both channels first, and the number of groups."""
    if all(type(entry) is int for entry in given):
        return _remembered_transposed(input_shape, weight_shape, given)
    return _transposed(input_shape, weight_shape, given)


def _transposed(input_shape: Shape, weight_shape: Shape, given: Transposed) -> tuple[Shape, Window, int]:
    stride, padding, output_padding, dilation, groups = given
    rank = len(input_shape) - 2
    count = arguments.integer(groups, "groups", 1)
    if isinstance(padding, str):
        name = arguments.short(padding)
        raise ValueError(f"padding={name} is no padding of a transposed convolution: it must be numbers")
    sides = arguments.padding(padding, rank)
    assert not isinstance(sides, str)
    shape, window = geometry.transposed(
        input_shape,
        weight_shape,
        arguments.per_axis(stride, rank, "stride", 1),
        (sides, arguments.per_axis(output_padding, rank, "output_padding", 0)),
        arguments.per_axis(dilation, rank, "dilation", 1),
        count,
    )
    return shape, window, count


def pooling(input_shape: Shape, given: Pool) -> tuple[Shape, Window]:
    """Return the output's shape and the window, both channels first."""
    kernel_size, stride, padding, dilation, ceil_mode = given
    if (
        type(kernel_size) is type(padding) is type(dilation) is int
        and (stride is None or type(stride) is int)
        and type(ceil_mode) is bool
    ):
        return _remembered_pooling(input_shape, given)
    return _pooling(input_shape, given)


def _pooling(input_shape: Shape, given: Pool) -> tuple[Shape, Window]:
    kernel_size, stride, padding, dilation, ceil_mode = given
    rank = len(input_shape) - 2
    kernel = arguments.per_axis(kernel_size, rank, "kernel_size", 1)
    return geometry.pooling(
        input_shape,
        kernel,
        kernel if stride is None else arguments.per_axis(stride, rank, "stride", 1),
        arguments.padding(padding, rank),
        arguments.per_axis(dilation, rank, "dilation", 1),
        arguments.flag(ceil_mode, "ceil_mode"),
    )


_remembered_convolution = lru_cache(maxsize=1024)(_convolution)
_remembered_transposed = lru_cache(maxsize=1024)(_transposed)
_remembered_pooling = lru_cache(maxsize=1024)(_pooling)
