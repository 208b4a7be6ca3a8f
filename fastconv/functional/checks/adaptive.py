"""The output of adaptive pooling: from a caller's `output_size` to a shape.

Window o of an axis covers ``[o * size // out, ceil((o + 1) * size / out))``. The compiled module computes
that in 64 bits, with products of up to ``size % out * out``.
"""

from __future__ import annotations

from functools import lru_cache

from fastconv.functional.checks import arguments, geometry
from fastconv.functional.checks.geometry import Shape


def pooling(input_shape: Shape, output_size: object) -> Shape:
    """Return the output's shape, channels first."""
    # A memory takes 1, 1.0 and True for the same key: only exact integers get there directly.
    if type(output_size) is int:
        return _remembered(input_shape, output_size)
    if type(output_size) is tuple and all(size is None or type(size) is int for size in output_size):
        return _remembered(input_shape, output_size)
    return _pooling(input_shape, output_size)


def _pooling(input_shape: Shape, output_size: object) -> Shape:
    geometry.check_input(input_shape)
    sizes = input_shape[2:]
    out = arguments.kept_sizes(output_size, sizes, "output_size")
    shape = (*input_shape[:2], *out)
    geometry.check_elements(input_shape, shape, f"batch and channels {input_shape[:2]} and output_size={out}")
    for axis, (size, count) in enumerate(zip(sizes, out, strict=True)):
        if count and size % count * count > arguments.INT64_MAX:
            raise ValueError(
                f"output_size={count} on spatial axis {axis} is too large for an input of {size} elements: "
                "it times the remainder of their quotient must be below 2**63"
            )
    return shape


_remembered = lru_cache(maxsize=1024)(_pooling)
