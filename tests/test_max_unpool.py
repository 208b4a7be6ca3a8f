"""Maximum unpooling against the oracle: places, duplicates, bad indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import assert_same_bits
from calls import ISAS, channels_first, channels_last, max_pool
from cases import POOL_CASES, PoolCase, random_array
from hypothesis import given
from hypothesis import strategies as st

import fastconv as fc
from fastconv._native import core
from fastconv.runtime import native_run

Array = np.ndarray[Any, Any]

# Unpooling knows neither dilation nor windows that ceil_mode adds; all maxima must lie in the input.
CASES = [
    case for case in POOL_CASES if case.dilation == 1 and not case.ceil_mode and np.prod(case.input) < 3e5
]


def unpool(x: Array, *arguments: Any, **options: Any) -> Array:
    """Call the unpooling of the input's rank."""
    result: Array = (fc.max_unpool1d, fc.max_unpool2d, fc.max_unpool3d)[x.ndim - 3](x, *arguments, **options)
    return result


def unpool_last(x: Array, indices: Array, *arguments: Any, **options: Any) -> Array:
    """Call it on channels-last copies, and return the result channels first."""
    return channels_first(
        unpool(channels_last(x), channels_last(indices), *arguments, layout="NHWC", **options)
    )


def places(shape: tuple[int, ...], plane: int, seed: int = 5) -> Array:
    """Return indices anywhere in the plane, with many duplicates."""
    return np.random.default_rng(seed).integers(0, plane, shape)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_maxima_go_back_to_where_they_were(case: PoolCase, dtype: Any, isa: str) -> None:
    x = random_array(case.name, case.input, dtype)
    y, indices = max_pool(case, x, return_indices=True)
    size = case.input[2:]
    expected = oracle.max_unpool(y, indices, size)
    window: tuple[Any, ...] = (case.kernel, case.stride, case.padding)
    for threads in (1, 3):
        with fc.config(num_threads=threads):
            for result in (unpool(y, indices, *window, size), unpool_last(y, indices, *window, size)):
                assert_same_bits(result, expected)
            assert_same_bits(unpool(y, indices, *window, case.input), expected)
    again, _ = max_pool(case, np.where(expected == 0, -np.inf, expected).astype(dtype), return_indices=True)
    np.testing.assert_array_equal(again, y)


SHAPES = [
    *((1, 3, w) for w in range(1, 20)),
    *((2, c, 3, 4) for c in range(1, 34)),
    (1, 1, 1, 1),
    (2, 3, 2, 3, 4),
    (1, 5, 1, 1, 7),
    (3, 2, 7, 1),
    (4, 40, 20, 19),
    (1, 1, 300, 301),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_last_of_equal_places_counts(shape: tuple[int, ...], dtype: Any, isa: str) -> None:
    x = random_array("x", shape, dtype)
    size = tuple(2 * n for n in shape[2:])
    indices = places(shape, int(np.prod(size)))
    expected = oracle.max_unpool(x, indices, size)
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            assert_same_bits(unpool(x, indices, 2), expected)
            assert_same_bits(unpool_last(x, indices, 2), expected)
    out = np.full(expected.shape, np.nan, dtype)
    assert unpool(x, indices, 2, out=out) is out
    assert_same_bits(out, expected)
    same = np.zeros(shape, np.int64)
    last = x.reshape(*shape[:2], -1)[..., -1]
    np.testing.assert_array_equal(unpool(x, same, 2).reshape(*shape[:2], -1)[..., 0], last)
    np.testing.assert_array_equal(unpool_last(x, same, 2).reshape(*shape[:2], -1)[..., 0], last)


@pytest.mark.parametrize(
    "shape", [(2, 40, 113, 57), (3, 700, 14, 15), (1, 1, 1100, 1000), (9, 3, 200, 201)], ids=str
)
def test_outputs_larger_than_the_caches(shape: tuple[int, ...], dtype: Any, isa: str) -> None:
    x = random_array("x", shape, dtype)
    size = (2 * shape[2], 2 * shape[3])
    rows, cols = np.ogrid[: shape[2], : shape[3]]
    indices = np.broadcast_to(2 * rows * size[1] + 2 * cols + size[1] + 1, shape)
    expected = np.zeros((*shape[:2], *size), dtype)
    expected[:, :, 1::2, 1::2] = x
    for threads, offset in ((1, 0), (3, 1)):
        out = np.full(expected.size + offset, np.nan, dtype)[offset:].reshape(expected.shape)
        with fc.config(num_threads=threads):
            assert_same_bits(unpool(x, indices, 2, out=out), expected)
            assert_same_bits(unpool(x, indices, 2), expected)
            assert_same_bits(unpool_last(x, indices, 2), expected)


@pytest.mark.parametrize("order", ["rising", "falling", "random", "one band", "one place"])
@pytest.mark.parametrize(
    "shape",
    [
        (1, 24, 60, 50),
        (2, 70, 33, 35),
        (1, 5, 1, 9000),
        (1, 9, 8, 20, 21),
        (1, 21, 171, 171),  # a large output whose bands do not end with whole lines
        (2, 4104, 8, 10),  # more channels than items of a unit, and bands too large for a stage
    ],
    ids=str,
)
def test_bands_take_from_every_pixel_that_meets_them(shape: tuple[int, ...], order: str, isa: str) -> None:
    """Channels last, in bands: indices that rise with the pixels and others, twice each in a row."""
    x, size = random_array("x", shape, np.float32), tuple(2 * n for n in shape[2:])
    plane, pixels = int(np.prod(size)), int(np.prod(shape[2:]))
    at = np.arange(pixels) // 2 * (2 * plane // pixels)
    if order == "falling":
        at = plane - 1 - at
    elif order == "one band":
        at = at % 40 + plane // 2
    elif order == "one place":
        at = at * 0 + 77
    indices = (
        places(shape, plane) if order == "random" else np.broadcast_to(at.reshape(shape[2:]), shape).copy()
    )
    expected = oracle.max_unpool(x, indices, size)
    for threads in (1, 3):
        with fc.config(num_threads=threads):
            assert_same_bits(unpool_last(x, indices, 2), expected)


def test_any_strides(dtype: Any, isa: str) -> None:
    x, indices = random_array("x", (4, 6, 8, 10), dtype), places((4, 6, 8, 10), 16)
    for view in (np.s_[::-1, ::-1, ::-1, ::-1], np.s_[..., ::2], np.s_[:, ::3, 1:2], np.s_[:, :, :, 3:4]):
        expected = unpool(x[view].copy(), indices[view].copy(), 4)
        assert_same_bits(unpool(x[view], indices[view], 4), expected)
        assert_same_bits(unpool(x[view], np.asfortranarray(indices[view]), 4), expected)
    swapped = unpool(x.transpose(0, 1, 3, 2), indices.transpose(0, 1, 3, 2), 4)
    assert_same_bits(swapped, oracle.max_unpool(x.swapaxes(2, 3), indices.swapaxes(2, 3), (40, 32)))


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u4", "i4", ">i8", "u8", "i8"])
def test_any_integers_are_indices(kind: str) -> None:
    x, indices = random_array("x", (2, 3, 4, 5), np.float32), places((2, 3, 4, 5), 80)
    assert_same_bits(unpool(x, indices.astype(kind), 2), unpool(x, indices, 2))
    assert_same_bits(unpool(x, indices.tolist(), 2), unpool(x, indices, 2))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("index", [-1, 48, 2**31, 2**62, -(2**63)])
def test_index_outside_its_plane(index: int, layout: str, isa: str) -> None:
    x, indices = np.ones((2, 3, 3, 4), np.float32), np.zeros((2, 3, 3, 4), np.int64)
    shape = (2, 6, 8, 3) if layout == "NHWC" else (2, 3, 6, 8)
    for place in np.ndindex(2, 3, 3, 4):
        bad = indices.copy()
        bad[place] = index
        views = (channels_last(x), channels_last(bad)) if layout == "NHWC" else (x, bad)
        out = np.full(shape, 77, np.float32)
        with pytest.raises(ValueError, match=f"indices has an entry of {index}: it must be from 0 to 47"):
            fc.max_unpool2d(views[0], views[1], 2, layout=layout, out=out)
        assert (out == 77).all()


def test_index_in_a_large_array(isa: str) -> None:
    x, indices = np.ones((2, 100, 40, 41), np.float32), np.zeros((2, 100, 40, 41), np.int64)
    for place in (0, 32 * 1024 - 1, 32 * 1024, -1):
        indices.flat[place] = 4 * 40 * 41
        for threads in (1, 3):
            with fc.config(num_threads=threads), pytest.raises(ValueError, match="indices"):
                fc.max_unpool2d(x, indices, 2)
        indices.flat[place] -= 1
        assert fc.max_unpool2d(x, indices, 2).shape == (2, 100, 80, 82)
        indices.flat[place] = 0


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_index_that_changes_after_the_check_is_left_out(layout: str, dtype: Any) -> None:
    """Another thread may write to the indices at any time: what is called after the check sees bad ones."""
    x, indices = random_array("x", (2, 3, 4, 5), dtype), places((2, 3, 4, 5), 80)
    bad = indices.copy()
    bad[:, :, 1::2] = [-1, 80, 2**62, -(2**63), 2**31]
    expected = oracle.max_unpool(x[:, :, ::2], indices[:, :, ::2], (8, 10))
    y = np.full((2, 8, 10, 3) if layout == "NHWC" else (2, 3, 8, 10), np.nan, dtype)
    view = y.transpose(0, 3, 1, 2) if layout == "NHWC" else y
    core.max_unpool(x, bad, view, native_run())
    np.testing.assert_array_equal(view, expected)


def test_output_sizes() -> None:
    x, indices = np.ones((2, 3, 4, 5)), np.zeros((2, 3, 4, 5), np.int64)
    assert fc.max_unpool2d(x, indices, 3, 2, 1).shape == (2, 3, 7, 9)
    assert fc.max_unpool2d(x, indices, 3, (2, 1), (1, 0)).shape == (2, 3, 7, 7)
    for size in ((6, 8), (8, 10), [7, 8], (2, 3, 8, 9), np.ones((2, 3, 6, 8)).shape):
        y = fc.max_unpool2d(x, indices, 3, 2, 1, size)
        assert y.shape == (2, 3, *size[-2:])
    last = fc.max_unpool2d(channels_last(x), channels_last(indices), 3, 2, 1, (2, 8, 9, 3), layout="NHWC")
    assert last.shape == (2, 8, 9, 3)
    assert fc.max_unpool2d(x[0], indices[0], 3, 2, 1, (8, 9)).shape == (3, 8, 9)
    assert fc.max_unpool2d(x[:0], indices[:0], 3, 2, 1).shape == (0, 3, 7, 9)
    assert fc.max_unpool1d(x[0], indices[0], 2).shape == (3, 4, 10)
    assert fc.max_unpool1d(x[0, 0], indices[0, 0], 2).shape == (4, 10)


@pytest.mark.parametrize("case", CASES[::5], ids=str)
def test_sample_alone_has_the_bits_it_has_in_a_batch(case: PoolCase, isa: str) -> None:
    x = random_array(case.name, (3, *case.input[1:]), np.float32)
    size = tuple(3 * n for n in case.input[2:])
    indices = places(x.shape, int(np.prod(size)))
    together = unpool(x, indices, 3)
    for sample in range(3):
        one = slice(sample, sample + 1)
        assert_same_bits(unpool(x[one], indices[one], 3), together[one])


@given(
    shape=st.lists(st.integers(1, 9), min_size=3, max_size=5),
    kernel=st.integers(1, 4),
    isa=st.sampled_from(ISAS),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_drawn(shape: list[int], kernel: int, isa: str, threads: int, seed: int) -> None:
    x = random_array("drawn", tuple(shape), np.float32)
    size = tuple(n * kernel for n in shape[2:])
    indices = places(x.shape, int(np.prod(size)), seed)
    expected = oracle.max_unpool(x, indices, size)
    with fc.config(isa=isa, num_threads=threads):
        assert_same_bits(unpool(x, indices, kernel), expected)
        assert_same_bits(unpool_last(x, indices, kernel), expected)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_as_torch(shape: tuple[int, ...], dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    function = (functional.max_unpool1d, functional.max_unpool2d, functional.max_unpool3d)[len(shape) - 3]
    x = random_array("x", shape, dtype)
    indices = places(shape, int(np.prod(shape[2:])) * 2 ** (len(shape) - 2))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # with more, duplicates race
    try:
        expected = function(torch.from_numpy(x), torch.from_numpy(indices), 2).numpy()
    finally:
        torch.set_num_threads(threads)
    assert_same_bits(unpool(x, indices, 2), expected)
