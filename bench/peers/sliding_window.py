"""The window of a graph's node as other packages want it: padding by ends, rounding of sizes."""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.graph import Node

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class SlidingWindow:
    """Sizes by spatial axis. ``ceil``: whether the last window of an axis goes beyond the padded input."""

    kernel: Sizes
    stride: Sizes
    before: Sizes
    after: Sizes
    dilation: Sizes
    ceil: bool = False
    output_padding: Sizes = ()

    @property
    def padding(self) -> Sizes | None:
        """The same at both ends; None if it differs."""
        return self.before if self.before == self.after else None


def sliding_window(node: Node) -> SlidingWindow:
    """Return the window of a convolution or a pooling.

    A graph leaves out a stride over which nothing moves, and others would find more outputs without it.
    """
    kernel, stride, sides, dilation = node.attributes["window"]
    before, after = sides[::2], sides[1::2]
    padded = [n + b + a for n, b, a in zip(node.inputs[0].spatial, before, after, strict=True)]
    out = node.output.spatial
    stride = tuple(s if size > 1 else max(s, n) for s, size, n in zip(stride, out, padded, strict=True))
    ends = [
        (size - 1) * s + d * (k - 1) + 1 for size, s, d, k in zip(out, stride, dilation, kernel, strict=True)
    ]
    ceil = any(end > n for end, n in zip(ends, padded, strict=True))
    return SlidingWindow(tuple(kernel), stride, before, after, tuple(dilation), ceil)


def spread_window(node: Node) -> SlidingWindow:
    """Return the window of a transposed convolution."""
    kernel, stride, sides, dilation = node.attributes["window"]
    before, after = sides[::2], sides[1::2]
    taken = zip(node.inputs[0].spatial, kernel, stride, dilation, before, after, strict=True)
    found = [(n - 1) * s + d * (k - 1) + 1 - b - a for n, k, s, d, b, a in taken]
    extra = tuple(size - n for size, n in zip(node.output.spatial, found, strict=True))
    return SlidingWindow(tuple(kernel), tuple(stride), before, after, tuple(dilation), output_padding=extra)
