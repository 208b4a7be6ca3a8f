"""Memory of packed filters: arrays one behind the other, apart, kept as long as they are used."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconv._native import core as native
from fastconv.graph.shelf import MOST_BYTES, Shelf


def address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


@given(
    sizes=st.lists(st.integers(0, 3000), max_size=30),
    nbytes=st.integers(0, 20000),
    kind=st.sampled_from([np.float32, np.float64]),
)
def test_arrays_are_apart_and_aligned(sizes: list[int], nbytes: int, kind: Any) -> None:
    shelf, dtype = Shelf(nbytes), np.dtype(kind)
    made = [shelf.allocate(size, dtype) for size in sizes]
    for number, array in enumerate(made):
        array[:] = number
    for number, array in enumerate(made):
        assert array.shape == (sizes[number],) and array.dtype == dtype
        assert array.size == 0 or address(array) % native.BLOCK_BYTES == 0
        assert (array == number).all()


def test_arrays_follow_each_other() -> None:
    shelf = Shelf(1 << 20)
    first, second = shelf.allocate(17, np.dtype(np.float32)), shelf.allocate(3, np.dtype(np.float32))
    assert address(second) - address(first) == 2 * native.BLOCK_BYTES


@pytest.mark.parametrize("items", [MOST_BYTES // 4, MOST_BYTES // 4 + 1])
def test_arrays_as_large_as_a_block(items: int) -> None:
    shelf = Shelf(1 << 40)
    small, large = shelf.allocate(5, np.dtype(np.float32)), shelf.allocate(items, np.dtype(np.float32))
    small[:] = 1
    large[:] = 2
    assert (small == 1).all() and large.size == items and (large == 2).all()


def test_block_outlives_its_shelf() -> None:
    shelf = Shelf(1 << 20)
    array = shelf.allocate(1000, np.dtype(np.float32))
    array[:] = np.arange(1000)
    del shelf
    gc.collect()
    others = [Shelf(1 << 20).allocate(1000, np.dtype(np.float32)) for _ in range(4)]
    for other in others:
        other[:] = -1
    np.testing.assert_array_equal(array, np.arange(1000))
