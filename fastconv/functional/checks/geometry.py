"""Output sizes of convolution and pooling, and the window in the form that the compiled module takes.

On one axis, with ``span = (kernel - 1) * dilation + 1`` and ``padded = size + before + after``::

    out = (padded - span) // stride + 1

and of a transposed convolution ``out = (size - 1) * stride + span - before - after + output_padding``.

Pure functions of tuples of exact integers, which is why they may be remembered. Python's integers do not
overflow; what the compiled module gets is bounded so that its 64-bit products cannot either.
"""

from __future__ import annotations

import math
from functools import lru_cache

Shape = tuple[int, ...]
Window = tuple[Shape, Shape, Shape, Shape]
Padding = str | tuple[int, ...]

# 2**55 float64 elements, with channels rounded up from 1 to a block of 8, are 2**61 bytes.
MAX_ELEMENTS = 2**55
_MAX_MULTIPLICATIONS = 2**61


@lru_cache(maxsize=1024)
def convolution(
    input_shape: Shape, weight_shape: Shape, stride: Shape, padding: Padding, dilation: Shape, groups: int
) -> tuple[Shape, Window]:
    """Check a convolution; return its output's shape and its window, both channels first."""
    rank = len(input_shape) - 2
    if len(weight_shape) != rank + 2:
        raise ValueError(
            f"weight has shape {weight_shape}: it must have {rank + 2} axes, (C_out, C_in/groups, *kernel)"
        )
    check_input(input_shape)
    if min(weight_shape) == 0:
        raise ValueError(f"weight has shape {weight_shape}: no axis may be empty")
    batch, channels, *sizes = input_shape
    out_channels, group_channels, *kernel = weight_shape
    if channels != group_channels * groups:
        raise ValueError(
            f"input has {channels} channels: weight of shape {weight_shape} with groups={groups} "
            f"takes {group_channels * groups}"
        )
    if out_channels % groups:
        raise ValueError(f"groups={groups} must divide the {out_channels} output channels of weight")

    sides = _resolve(padding, tuple(sizes), tuple(kernel), stride, dilation)
    out: list[int] = []
    for axis, size in enumerate(sizes):
        span = (kernel[axis] - 1) * dilation[axis] + 1
        padded = size + sides[2 * axis] + sides[2 * axis + 1]
        if span > padded:
            raise ValueError(
                f"weight spans {span} elements on spatial axis {axis} (kernel {kernel[axis]}, dilation "
                f"{dilation[axis]}): it must fit into the padded input's {padded}"
            )
        out.append((padded - span) // stride[axis] + 1)
    shape = (batch, out_channels, *out)
    _check_bounds(input_shape, sides, shape, f"weight of shape {weight_shape} and padding={sides}")
    if math.prod(shape) * math.prod(weight_shape[1:]) > _MAX_MULTIPLICATIONS:
        raise ValueError(f"input {input_shape} and weight {weight_shape} need more than 2**61 products")
    return shape, _window(tuple(kernel), stride, sides, dilation, out)


@lru_cache(maxsize=1024)
def transposed(
    input_shape: Shape,
    weight_shape: Shape,
    stride: Shape,
    padding: tuple[Shape, Shape],
    dilation: Shape,
    groups: int,
) -> tuple[Shape, Window]:
    """Check a transposed convolution, its `padding` the sides and what `output_padding` adds behind."""
    rank = len(input_shape) - 2
    if len(weight_shape) != rank + 2:
        raise ValueError(
            f"weight has shape {weight_shape}: it must have {rank + 2} axes, (C_in, C_out/groups, *kernel)"
        )
    check_input(input_shape)
    if min(weight_shape) == 0:
        raise ValueError(f"weight has shape {weight_shape}: no axis may be empty")
    if input_shape[1] != weight_shape[0]:
        raise ValueError(
            f"input has {input_shape[1]} channels: weight of shape {weight_shape} takes {weight_shape[0]}"
        )
    if weight_shape[0] % groups:
        raise ValueError(f"groups={groups} must divide the {weight_shape[0]} input channels")
    sides, extra = padding
    kernel = weight_shape[2:]
    out: list[int] = []
    for axis, size in enumerate(input_shape[2:]):
        if extra[axis] >= max(stride[axis], dilation[axis]):
            raise ValueError(
                f"output_padding={extra[axis]} on spatial axis {axis} must be below stride {stride[axis]} "
                f"or dilation {dilation[axis]}"
            )
        full = (size - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 + extra[axis]
        if full > MAX_ELEMENTS:
            raise ValueError(
                f"stride={stride[axis]} and dilation={dilation[axis]} spread spatial axis {axis} over {full} "
                f"elements: it must be at most 2**55"
            )
        before, after = sides[2 * axis : 2 * axis + 2]
        if before + after >= full:
            raise ValueError(
                f"padding of {before} and {after} on spatial axis {axis} leaves nothing of {full} elements"
            )
        out.append(full - before - after)
    shape = (input_shape[0], weight_shape[1] * groups, *out)
    check_elements(
        input_shape, shape, f"stride={stride}, dilation={dilation} and weight of shape {weight_shape}"
    )
    if math.prod(input_shape) * math.prod(weight_shape[1:]) > _MAX_MULTIPLICATIONS:
        raise ValueError(f"input {input_shape} and weight {weight_shape} need more than 2**61 products")
    return shape, (kernel, stride, sides, dilation)


@lru_cache(maxsize=1024)
def pooling(
    input_shape: Shape, kernel: Shape, stride: Shape, padding: Padding, dilation: Shape, ceil_mode: bool
) -> tuple[Shape, Window]:
    """Check a pooling; return its output's shape and its window, both channels first.

    With `ceil_mode` the quotient is rounded up, unless the last window would start in the padding behind.
    """
    check_input(input_shape)
    sizes = input_shape[2:]
    sides = _resolve(padding, sizes, kernel, stride, dilation)
    out: list[int] = []
    clipped: list[int] = []
    for axis, size in enumerate(sizes):
        before, after = sides[2 * axis], sides[2 * axis + 1]
        if max(before, after) > kernel[axis] // 2:
            raise ValueError(
                f"padding of {before} and {after} on spatial axis {axis} must be at most half of "
                f"kernel_size={kernel[axis]}"
            )
        padded = size + before + after
        span = (kernel[axis] - 1) * dilation[axis] + 1
        extra = stride[axis] - 1 if ceil_mode else 0
        count = (padded - span + extra) // stride[axis] + 1
        if ceil_mode and (count - 1) * stride[axis] >= size + before:
            count -= 1
        if count < 1:
            raise ValueError(
                f"kernel_size={kernel[axis]} with dilation {dilation[axis]} spans {span} elements on spatial "
                f"axis {axis}: it must fit into the padded input's {padded}"
            )
        out.append(count)
        # A single window of ceil_mode may reach far behind the padded input, where nothing counts.
        clipped.append(min(kernel[axis], (padded - 1) // dilation[axis] + 1))
    shape = (*input_shape[:2], *out)
    _check_bounds(input_shape, sides, shape, f"kernel_size={kernel} and padding={sides}")
    return shape, _window(tuple(clipped), stride, sides, dilation, out)


@lru_cache(maxsize=1024)
def blocks(
    image_shape: Shape, kernel: Shape, stride: Shape, padding: Padding, dilation: Shape, name: str
) -> tuple[Shape, Window]:
    """Check a window that slides over images of the sizes of `name`; return its places and the window."""
    if min(image_shape[1:]) == 0:
        raise ValueError(f"{name} has shape {image_shape} (channels first): only the batch may be empty")
    if math.prod(image_shape) > MAX_ELEMENTS:
        raise ValueError(f"{name}: images of shape {image_shape} must have at most 2**55 elements")
    sides = _resolve(padding, image_shape[2:], kernel, stride, dilation)
    out: list[int] = []
    for axis, size in enumerate(image_shape[2:]):
        span = (kernel[axis] - 1) * dilation[axis] + 1
        padded = size + sides[2 * axis] + sides[2 * axis + 1]
        if span > padded:
            raise ValueError(
                f"kernel_size={kernel[axis]} with dilation {dilation[axis]} spans {span} elements on spatial "
                f"axis {axis}: it must fit into the padded {name}'s {padded}"
            )
        out.append((padded - span) // stride[axis] + 1)
    made_by = f"kernel_size={kernel} and padding={sides}"
    _check_bounds(image_shape, sides, (*image_shape[:2], *kernel, *out), made_by)
    return tuple(out), _window(kernel, stride, sides, dilation, out)


@lru_cache(maxsize=1024)
def unpooling(sizes: Shape, kernel: Shape, stride: Shape, padding: Shape, wanted: Shape | None) -> Shape:
    """Return the sizes of what was pooled to `sizes`: `wanted`, if a pooling could have come from it.

    Each differs by less than the stride from ``(size - 1) * stride + kernel - 2 * padding``, the default.
    """
    result: list[int] = []
    for axis, size in enumerate(sizes):
        default = (size - 1) * stride[axis] + kernel[axis] - 2 * padding[axis]
        chosen = default if wanted is None else wanted[axis]
        if default < (1 if wanted is None else 2 - stride[axis]):
            raise ValueError(
                f"padding={padding[axis]} leaves {default} elements on spatial axis {axis}, {size} windows "
                f"with stride {stride[axis]}: there must be at least one"
            )
        if abs(chosen - default) >= stride[axis]:
            raise ValueError(
                f"output_size has {chosen} elements on spatial axis {axis}: with stride={stride[axis]} and "
                f"padding={padding[axis]} it must have more than {default - stride[axis]} and less than "
                f"{default + stride[axis]}"
            )
        if chosen < 1:
            raise ValueError(
                f"output_size has {chosen} elements on spatial axis {axis}: it must have at least one"
            )
        result.append(chosen)
    return tuple(result)


def check_input(shape: Shape) -> None:
    """Require elements in every axis but the batch."""
    if min(shape[1:]) == 0:
        raise ValueError(f"input has shape {shape} (channels first): only the batch may be empty")


def _check_bounds(input_shape: Shape, sides: Shape, shape: Shape, made_by: str) -> None:
    padded = [size + sum(sides[2 * axis : 2 * axis + 2]) for axis, size in enumerate(input_shape[2:])]
    if math.prod(input_shape) <= MAX_ELEMENTS < math.prod(input_shape[:2]) * math.prod(padded):
        raise ValueError(
            f"padding={sides} pads an input of shape {input_shape} (channels first) to more than 2**55 "
            "elements"
        )
    check_elements(input_shape, shape, made_by)


def check_elements(input_shape: Shape, shape: Shape, made_by: str) -> None:
    """Bound the elements of the input and of the output that the arguments `made_by` give."""
    if math.prod(input_shape) > MAX_ELEMENTS:
        raise ValueError(
            f"input has shape {input_shape} (channels first): it must have at most 2**55 elements"
        )
    if math.prod(shape) > MAX_ELEMENTS:
        raise MemoryError(
            f"{made_by} give an output of shape {shape} (channels first): it must have at most 2**55 elements"
        )


def _resolve(padding: Padding, sizes: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Shape:
    """Return the padding of each side of each axis."""
    if not isinstance(padding, str):
        return padding
    if padding == "same" and max(stride) > 1:
        raise ValueError(
            f"padding='same' needs stride 1, got stride={stride}: 'same_upper' and 'same_lower' do not"
        )
    sides: list[int] = []
    for size, width, step, spread in zip(sizes, kernel, stride, dilation, strict=True):
        total = 0
        if padding != "valid":
            span = (width - 1) * spread + 1
            total = max((-(-size // step) - 1) * step + span - size, 0)
        half = total // 2
        sides += (total - half, half) if padding == "same_lower" else (half, total - half)
    return tuple(sides)


def _window(kernel: Shape, stride: Shape, sides: Shape, dilation: Shape, out: list[int]) -> Window:
    """Drop strides and dilations that are never taken, and with them the huge ones."""
    return (
        kernel,
        tuple(step if count > 1 else 1 for step, count in zip(stride, out, strict=True)),
        sides,
        tuple(spread if width > 1 else 1 for spread, width in zip(dilation, kernel, strict=True)),
    )
