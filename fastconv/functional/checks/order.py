"""The order of axes in which pools walk: that of the input in memory, whatever the caller's layout is.

A channels-last image seen channels first is pooled channels last, and what comes out, which is smaller, is
turned. An input in neither order is copied first.
"""

from __future__ import annotations

from collections.abc import Callable

from fastconv._native import core
from fastconv.functional.checks import arrays
from fastconv.functional.checks.annotations import Array
from fastconv.runtime import native_run


def walk(
    kernel: Callable[..., None],
    x: Array,
    outputs: tuple[Array | None, ...],
    layout: tuple[int, bool],
    *options: object,
) -> None:
    """Call ``kernel(x, *outputs, *options, run)`` with arrays as ``(N, C, *spatial)`` in one order of axes.

    `layout`: how many axes are spatial, and whether channels are last, in `x` and the contiguous `outputs`.
    """
    rank, last = layout
    view = arrays.channels_first(x, rank, last, "input")
    if not arrays.has_rows(x):
        if arrays.has_rows(view if last else _channels_last(view)):
            _walk_turned(kernel, view, outputs, layout, *options)
            return
        view = arrays.channels_first(arrays.in_rows(x, x.dtype), rank, last, "input")
    seen = [None if out is None else arrays.channels_first(out, rank, last, "out") for out in outputs]
    kernel(view, *seen, *options, native_run())


def _walk_turned(
    kernel: Callable[..., None],
    view: Array,
    outputs: tuple[Array | None, ...],
    layout: tuple[int, bool],
    *options: object,
) -> None:
    """Do what `walk` does with new arrays in the other order for outputs, and copy these."""
    rank, last = layout
    run = native_run()
    seen = [None if out is None else arrays.channels_first(out, rank, last, "out") for out in outputs]
    turned = [None if out is None else _in_other_order(out, last) for out in seen]
    kernel(view, *turned, *options, run)
    for written, out in zip(turned, outputs, strict=True):
        if written is not None and out is not None:
            core.copy(_channels_last(written) if last else written, out, run)


def _channels_last(view: Array) -> Array:
    return view.transpose(0, *range(2, view.ndim), 1)


def _in_other_order(view: Array, last: bool) -> Array:
    """Return a new array like `view`, ``(N, C, *spatial)``, its channels in memory last if not `last`."""
    if last:
        return arrays.allocate(view.shape, view.dtype)
    fresh = arrays.allocate(_channels_last(view).shape, view.dtype)
    return arrays.channels_first(fresh, view.ndim - 2, True, "out")
