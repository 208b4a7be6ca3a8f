"""Arrays seen in another order of axes than they have in memory give what contiguous ones give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bounds import assert_same_bits
from calls import channels_last
from cases import random_array

import fastconv as fc
from fastconv._native import core
from fastconv.runtime import native_run

Array = np.ndarray[Any, Any]

ORDERS: dict[str, Callable[[Array], Array]] = {
    "channels last": lambda x: np.moveaxis(channels_last(x), -1, 1),
    "crop, channels last": lambda x: np.moveaxis(np.pad(channels_last(x), 3), -1, 1)[3:-3, 3:-3, 3:-3, 3:-3],
    "rows and columns": lambda x: np.ascontiguousarray(x.swapaxes(2, 3)).swapaxes(2, 3),
    "batch last": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0),
    "every second": lambda x: np.repeat(x, 2, 3)[..., ::2],
    "flipped": lambda x: np.ascontiguousarray(x[:, ::-1, ::-1, ::-1])[:, ::-1, ::-1, ::-1],
}
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "pad": lambda x: fc.pad(x, (1, 2, 0, 1)),
    "reflect": lambda x: fc.pad(x, (1, 2, 0, 1), "reflect"),
    "unfold": lambda x: fc.unfold(x, 3, padding=1, stride=2),
    "softmax": lambda x: fc.softmax(x, 1),
    "silu": lambda x: fc.silu(x),
    "batch_norm": lambda x: fc.batch_norm(x, *np.ones((2, x.shape[1]))),
    "batch_norm_training": lambda x: fc.batch_norm(x, None, None, training=True),
    "group_norm": lambda x: fc.group_norm(x, 1),
}
POOLS: dict[str, Callable[..., Any]] = {
    "max": lambda x, **o: fc.max_pool2d(x, 3, 2, 1, **o),
    "dilated": lambda x, **o: fc.max_pool2d(x, 2, 1, 1, 2, **o),
    "average": lambda x, **o: fc.avg_pool2d(x, 3, 2, 1, **o),
    "adaptive": lambda x, **o: fc.adaptive_avg_pool2d(x, (3, 5), **o),
    "global": lambda x, **o: fc.adaptive_avg_pool2d(x, 1, **o),
    "adaptive_max": lambda x, **o: fc.adaptive_max_pool2d(x, (3, 5), **o),
}


@pytest.mark.parametrize("axes", [(0, 3, 1, 2), (3, 2, 1, 0), (0, 2, 3, 1), (1, 0, 3, 2)], ids=str)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 8, 13, 16, 31, 64, 100])
def test_copies_of_any_order(axes: tuple[int, ...], channels: int, dtype: Any, isa: str) -> None:
    """Pieces of 64 by up to 256 items, and what is left of them at both edges."""
    whole = random_array("x", (2, 5, 259, channels), dtype)
    whole.view(np.int32 if whole.itemsize == 4 else np.int64)[0, 0, 0, 0] = -1  # a NaN with bits of its own
    for part in (np.s_[:], np.s_[:, 1:, 2:], np.s_[:, ::-1, ::-1], np.s_[..., ::-1], np.s_[..., 1:]):
        seen = whole[part].transpose(axes)
        if seen.size == 0:
            continue
        for threads in (1, 3):
            with fc.config(num_threads=threads):
                out = np.full(seen.shape, np.nan, dtype)
                core.copy(seen, out, native_run())
                assert out.tobytes() == seen.tobytes()


def test_copies_of_any_number_of_axes(isa: str) -> None:
    x = np.arange(2.0**16).reshape(16, 4, 2, 2, 4, 2, 32)
    for count in range(x.ndim + 1):
        seen = x[(0,) * (x.ndim - count)].transpose()
        out = np.zeros(seen.shape)
        core.copy(seen, out, native_run())
        np.testing.assert_array_equal(out, seen)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(2, 70, 19, 23), (3, 3, 40, 41), (2, 5, 30, 1)], ids=str)
def test_order_in_memory_changes_no_bit(
    shape: tuple[int, ...], function: str, order: str, dtype: Any, isa: str
) -> None:
    x = random_array("x", shape, dtype)
    seen = ORDERS[order](x)
    if function == "reflect" and 1 in shape:
        return
    assert_same_bits(FUNCTIONS[function](seen), FUNCTIONS[function](x))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("shape", [(2, 70, 19, 23), (3, 3, 40, 41), (2, 17, 9, 1)], ids=str)
def test_pools_of_any_order_in_either_layout(
    shape: tuple[int, ...], pool: str, order: str, dtype: Any, isa: str
) -> None:
    x = random_array("x", shape, dtype)
    if pool == "dilated" and 1 in shape:
        return
    expected, seen = POOLS[pool](x), ORDERS[order](x)
    for threads in (1, 3):
        with fc.config(num_threads=threads):
            for y in (
                POOLS[pool](seen),
                np.moveaxis(POOLS[pool](np.moveaxis(seen, 1, -1), layout="NHWC"), -1, 1),
                np.stack([POOLS[pool](sample) for sample in seen]),
            ):
                np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    out = np.full(expected.shape, np.nan, dtype)
    assert POOLS[pool](seen, out=out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
    if "max" in pool or pool == "dilated":
        assert_same_bits(out, expected)
        places = POOLS[pool](x, return_indices=True)[1]
        np.testing.assert_array_equal(POOLS[pool](seen, return_indices=True)[1], places)
        last = POOLS[pool](np.moveaxis(seen, 1, -1), layout="NHWC", return_indices=True)[1]
        np.testing.assert_array_equal(np.moveaxis(last, -1, 1), places)


@pytest.mark.parametrize("order", ORDERS)
def test_unpooling_of_any_order(order: str, dtype: Any, isa: str) -> None:
    x = random_array("x", (2, 33, 20, 22), dtype)
    y, places = fc.max_pool2d(x, 2, return_indices=True)
    expected = fc.max_unpool2d(y, places, 2)
    assert_same_bits(fc.max_unpool2d(ORDERS[order](y), ORDERS[order](places), 2), expected)
    y, places = (np.moveaxis(ORDERS[order](array), 1, -1) for array in (y, places))
    assert_same_bits(np.moveaxis(fc.max_unpool2d(y, places, 2, layout="NHWC"), -1, 1), expected)


def test_copies_of_other_items_are_refused() -> None:
    for dtype, size in ((np.uint8, 4), (np.float16, 4), (np.float32, 5)):
        out = np.zeros(size, dtype)
        with pytest.raises(ValueError, match="4 or 8 bytes"):
            core.copy(np.ones(8, dtype)[::2], out, native_run())
        assert (out == 0).all()
