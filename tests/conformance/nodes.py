"""The nodes that ONNX tests its backends with, and what the package makes of each kind of node.

A rule takes a node and returns its outputs, as many as the package has; where ONNX means something else by an
argument, the rule translates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import fastconv as fc

Array = np.ndarray[Any, Any]

# Also for functions that the package does not have yet.
package: Any = fc


class Node(NamedTuple):
    """Inputs, attributes and outputs; an input that is not given is None."""

    name: str
    kind: str
    inputs: tuple[Any, ...]
    attributes: dict[str, Any]
    outputs: tuple[Array, ...]

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return int(self.inputs[0].ndim) - 2

    def per_axis(self, attribute: str, default: int) -> tuple[int, ...]:
        """Return an attribute that has an integer for every spatial axis."""
        return tuple(self.attributes.get(attribute, (default,) * self.rank))

    def function(self, family: str) -> Callable[..., Any]:
        """Return the function of a family for this number of spatial axes."""
        function: Callable[..., Any] = getattr(fc, f"{family}{self.rank}d")
        return function

    def __str__(self) -> str:
        return self.name


def pairs(pads: Any) -> tuple[tuple[int, int], ...]:
    """Turn all beginnings, then all ends into a pair for every axis."""
    half = len(pads) // 2
    return tuple((int(before), int(after)) for before, after in zip(pads[:half], pads[half:], strict=True))


def padding(node: Node) -> Any:
    """Return the padding of a convolution or a pooling."""
    automatic = node.attributes.get("auto_pad", b"NOTSET").decode().lower()
    return pairs(node.attributes.get("pads", (0, 0) * node.rank)) if automatic == "notset" else automatic


def conv(node: Node) -> list[Array]:
    """Convolve."""
    x, weight, *bias = node.inputs
    return [
        node.function("conv")(
            x,
            weight,
            *bias,
            stride=node.per_axis("strides", 1),
            padding=padding(node),
            dilation=node.per_axis("dilations", 1),
            groups=node.attributes.get("group", 1),
        )
    ]


def conv_transpose(node: Node) -> list[Array]:
    """Convolve transposed; what ``output_shape`` and ``auto_pad`` cut off one end only is cut off here."""
    x, weight, *bias = node.inputs
    stride, dilation = node.per_axis("strides", 1), node.per_axis("dilations", 1)
    extra = np.array(node.per_axis("output_padding", 0))
    span = (np.array(weight.shape[2:]) - 1) * dilation + 1
    full = (np.array(x.shape[2:]) - 1) * stride + span + extra
    before, after = np.array(node.attributes.get("pads", (0,) * 2 * node.rank)).reshape(2, -1)
    automatic = node.attributes.get("auto_pad", b"NOTSET")
    wanted = node.attributes.get("output_shape")
    if automatic.startswith(b"SAME"):
        wanted = np.array(x.shape[2:]) * stride
    if wanted is not None:
        extra = extra + np.maximum(np.array(wanted) - full, 0)
        cut = np.maximum(full - wanted, 0)
        before = cut - cut // 2 if automatic == b"SAME_LOWER" else cut // 2
        after = cut - before
    both = np.minimum(before, after)
    y = node.function("conv_transpose")(
        x,
        weight,
        *bias,
        stride=stride,
        padding=tuple(int(size) for size in both),
        output_padding=tuple(int(size) for size in extra),
        groups=node.attributes.get("group", 1),
        dilation=dilation,
    )
    ends = zip(before - both, np.array(y.shape[2:]) - (after - both), strict=True)
    return [y[(..., *(slice(start, stop) for start, stop in ends))]]


def max_pool(node: Node) -> list[Array]:
    """Pool; indices are flat over the whole array, and may count down the columns first."""
    (x,) = node.inputs
    y, places = node.function("max_pool")(
        x,
        node.attributes["kernel_shape"],
        node.per_axis("strides", 1),
        padding(node),
        node.per_axis("dilations", 1),
        bool(node.attributes.get("ceil_mode", 0)),
        return_indices=True,
    )
    spatial = x.shape[2:]
    if node.attributes.get("storage_order", 0):
        places = np.ravel_multi_index(np.unravel_index(places, spatial), spatial, order="F")
    planes = np.arange(x.shape[0] * x.shape[1]).reshape(x.shape[:2] + (1,) * node.rank)
    return [y.astype(x.dtype), places + planes * int(np.prod(spatial))]


def average_pool(node: Node) -> list[Array]:
    """Average; padding counts only where it is asked for."""
    (x,) = node.inputs
    return [
        node.function("avg_pool")(
            x,
            node.attributes["kernel_shape"],
            node.per_axis("strides", 1),
            padding(node),
            bool(node.attributes.get("ceil_mode", 0)),
            bool(node.attributes.get("count_include_pad", 0)),
        )
    ]


def global_pool(family: str) -> Callable[[Node], list[Array]]:
    """Pool whole planes by a window of their size."""
    return lambda node: [node.function(family)(node.inputs[0], node.inputs[0].shape[2:])]


def adaptive_pool(family: str) -> Callable[[Node], list[Array]]:
    """Pool whole planes to an output of one element."""
    return lambda node: [node.function(family)(node.inputs[0], 1)]


def batch_norm(node: Node) -> list[Array]:
    """Normalise; ONNX's momentum is the share of the old value, its variance that of the population."""
    x, scale, shift, mean, var = node.inputs
    eps = node.attributes.get("epsilon", 1e-5)
    if not node.attributes.get("training_mode", 0):
        return [fc.batch_norm(x, mean, var, scale, shift, eps=eps)]
    share = 1 - node.attributes.get("momentum", 0.9)
    running = mean.astype(np.float64), var.astype(np.float64)
    y = fc.batch_norm(x, *running, scale, shift, True, share, eps)
    count = x.size // x.shape[1]
    population = (running[1] - (1 - share) * var) * (count - 1) / count
    return [y, running[0].astype(mean.dtype), (population + (1 - share) * var).astype(var.dtype)]


def instance_norm(node: Node) -> list[Array]:
    """Normalise every plane."""
    x, scale, shift = node.inputs
    return [package.instance_norm(x, weight=scale, bias=shift, eps=node.attributes.get("epsilon", 1e-5))]


def group_norm(node: Node) -> list[Array]:
    """Normalise the channels of each group together."""
    x, scale, shift = node.inputs
    groups, eps = node.attributes["num_groups"], node.attributes.get("epsilon", 1e-5)
    return [package.group_norm(x, groups, scale, shift, eps)]


def layer_norm(node: Node) -> list[Array]:
    """Normalise all axes from one on; the package does not return mean and deviation."""
    x, scale, shift = node.inputs
    shape = x.shape[node.attributes.get("axis", -1) :]
    return [package.layer_norm(x, shape, scale, shift, node.attributes.get("epsilon", 1e-5))]


def max_unpool(node: Node) -> list[Array]:
    """Put values back; indices are those of the default output, also where another is asked for."""
    x, places, *shape = node.inputs
    kernel, stride = np.array(node.attributes["kernel_shape"]), np.array(node.per_axis("strides", 1))
    usual = tuple(int(size) for size in (np.array(x.shape[2:]) - 1) * stride + kernel)
    wanted = tuple(int(size) for size in shape[0][2:]) if shape else usual
    places = np.ravel_multi_index(np.unravel_index(places, usual), wanted)
    return [node.function("max_unpool")(x, places, tuple(kernel), tuple(stride), 0, wanted)]


def pad(node: Node) -> list[Array]:
    """Pad any axes; the package counts them from the last one."""
    x, *given = node.inputs
    pads, value, axes = (*given, None, None, None)[:3]
    pads = node.attributes.get("pads") if pads is None else pads
    value = node.attributes.get("value", 0.0) if value is None else float(value)
    sides = dict.fromkeys(range(x.ndim), (0, 0))
    sides |= dict(
        zip(
            (int(axis) % x.ndim for axis in (range(x.ndim) if axes is None else axes)),
            pairs(pads),
            strict=True,
        )
    )
    mode = {"constant": "constant", "edge": "replicate", "reflect": "reflect", "wrap": "circular"}[
        node.attributes.get("mode", b"constant").decode()
    ]
    flat = [side for axis in reversed(range(x.ndim)) for side in sides[axis]]
    if mode != "constant":
        assert not any(flat[2 * node.rank :])
        flat = flat[: 2 * node.rank]
    return [package.pad(x, tuple(flat), mode, value).astype(x.dtype)]


def fold(node: Node) -> list[Array]:
    """Add columns up to an image."""
    x, image, block = node.inputs
    before, after = np.array(node.attributes.get("pads", (0, 0, 0, 0))).reshape(2, -1)
    np.testing.assert_array_equal(before, after)
    dilation, stride = (tuple(node.attributes.get(name, (1, 1))) for name in ("dilations", "strides"))
    return [
        package.fold(
            x,
            *(tuple(int(size) for size in sizes) for sizes in (image, block)),
            dilation,
            tuple(int(side) for side in before),
            stride,
        )
    ]


def linear(node: Node) -> list[Array]:
    """Multiply matrices: factors and transpositions are applied before, a bias is a vector."""
    a, b, *c = node.inputs
    a = a.T if node.attributes.get("transA", 0) else a
    b = b if node.attributes.get("transB", 0) else b.T
    bias = [np.broadcast_to(node.attributes.get("beta", 1.0) * c[0].squeeze(), b.shape[0])] if c else []
    return [fc.linear(a, np.float32(node.attributes.get("alpha", 1.0)) * b, *bias)]


def along_axis(function: str) -> Callable[[Node], list[Array]]:
    """Apply a function along the last axis or another one."""
    return lambda node: [getattr(fc, function)(node.inputs[0], axis=node.attributes.get("axis", -1))]


def elementwise(function: str) -> Callable[[Node], list[Array]]:
    """Apply an activation."""
    return lambda node: [getattr(fc, function)(node.inputs[0])]


def leaky_relu(node: Node) -> list[Array]:
    """Apply leaky_relu."""
    return [fc.leaky_relu(node.inputs[0], node.attributes.get("alpha", 0.01))]
