"""3x3 windows that slide over planes in place: every width, height and padding, so every edge and rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import oracle
import pytest
from bounds import CONVOLUTION, after_activation, assert_same_bits, assert_within, eps_of
from calls import channels_first, channels_last
from cases import random_array

import fastconv as fc

Array = np.ndarray[Any, Any]

WIDTHS = [*range(1, 21), 31, 32, 33, 34, 50, 63, 64, 65]
PADDING = [(0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0), (1, 3)]
VIEWS: dict[str, Callable[[Array], Array]] = {
    "crop": lambda x: np.pad(x, 2, constant_values=np.nan)[2:-2, 2:-2, 2:-2, 2:-2],
    "rows flipped": lambda x: np.ascontiguousarray(x[:, :, ::-1])[:, :, ::-1],
    "every second row": lambda x: np.repeat(x, 2, 2)[:, :, ::2],
    "planes turned": lambda x: np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1),
    "one row for all": lambda x: np.broadcast_to(x[:, :, :1], x.shape),
}


def whole_numbers(name: str, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return numbers whose products and sums are exact in every order."""
    numbers: Array = np.rint(4 * random_array(name, shape, np.float64)).astype(dtype)
    return numbers


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", PADDING, ids=str)
def test_every_width(padding: tuple[int, int], stride: int, dtype: Any, isa: str) -> None:
    for width in WIDTHS:
        height = 1 + (7 * width) % 12
        if height + 2 * padding[0] < 3 or width + 2 * padding[1] < 3:
            continue
        x = whole_numbers("x", (1, 3, height, width), dtype)
        w, bias = whole_numbers("w", (6, 1, 3, 3), dtype), whole_numbers("b", (6,), dtype)
        expected = oracle.conv(x, w, stride=stride, padding=padding, groups=3) + bias[:, None, None]
        residual = whole_numbers("r", expected.shape, dtype)
        for threads in (1, 3):
            with fc.config(num_threads=threads):
                y = fc.conv2d(x, w, bias, stride=stride, padding=padding, groups=3)
                np.testing.assert_array_equal(y, expected)
                y = fc.conv2d(
                    x, w, bias, stride=stride, padding=padding, groups=3, residual=residual, activation="relu"
                )
                np.testing.assert_array_equal(y, np.maximum(expected + residual, 0))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("height", range(1, 20))
def test_every_height(height: int, stride: int, dtype: Any, isa: str) -> None:
    """Whole tiles of rows and what is left of them, on their own and in bands."""
    x, w = whole_numbers("x", (2, 8, height, 37), dtype), whole_numbers("w", (8, 1, 3, 3), dtype)
    expected = oracle.conv(x, w, stride=stride, padding=1, groups=8)
    for threads in (1, 2, 5):
        with fc.config(num_threads=threads):
            y = fc.conv2d(x, w, stride=stride, padding=1, groups=8)
            np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", PADDING, ids=str)
def test_channels_last(padding: tuple[int, int], stride: int, dtype: Any, isa: str) -> None:
    """Every number of channels, alone in a vector or behind whole ones; pixels inside and at every edge."""
    for channels in (*range(2, 20), 31, 32, 33, 40):
        height, width = 1 + (5 * channels) % 9, 1 + (3 * channels) % 13
        if height + 2 * padding[0] < 3 or width + 2 * padding[1] < 3:
            continue
        x, w = (
            whole_numbers("x", (2, channels, height, width), dtype),
            whole_numbers("w", (channels, 1, 3, 3), dtype),
        )
        bias = whole_numbers("b", (channels,), dtype)
        options: dict[str, Any] = {"stride": stride, "padding": padding, "groups": channels}
        expected = oracle.conv(x, w, **options) + bias[:, None, None]
        residual = whole_numbers("r", expected.shape, dtype)
        options["layout"] = "NHWC"
        seen = np.pad(channels_last(x), ((0, 0), (2, 1), (1, 2), (3, 1)), constant_values=np.nan)
        for threads in (1, 3):
            with fc.config(num_threads=threads):
                for x_last in (channels_last(x), seen[:, 2:-1, 1:-2, 3:-1]):
                    np.testing.assert_array_equal(
                        channels_first(fc.conv2d(x_last, w, bias, **options)), expected
                    )
                y = fc.conv2d(
                    channels_last(x), w, bias, residual=channels_last(residual), activation="relu", **options
                )
                np.testing.assert_array_equal(channels_first(y), np.maximum(expected + residual, 0))


@pytest.mark.parametrize("depth", [(0, 0), (0, 1), (1, 0), (0, 3), (2, 2)], ids=str)
@pytest.mark.parametrize("stride", [(1, 1, 1), (2, 1, 1), (2, 2, 2), (3, 1, 1)], ids=str)
def test_slices(stride: tuple[int, ...], depth: tuple[int, int], dtype: Any, isa: str) -> None:
    """Windows of one slice, of which padding in depth leaves some with none."""
    whole = whole_numbers("x", (2, 3, 9, 6, 20), dtype)
    x, w = whole[:, :, 1:6], whole_numbers("w", (3, 1, 1, 3, 3), dtype)
    sides = (depth, (1, 1), (1, 2))
    padded = np.pad(x, ((0, 0), (0, 0), *sides))
    expected = oracle.conv(padded, w, stride=stride, padding=(0, 0, 0), groups=3)
    np.testing.assert_array_equal(fc.conv3d(x, w, stride=stride, padding=sides, groups=3), expected)
    y = fc.conv3d(channels_last(x), w, stride=stride, padding=sides, groups=3, layout="NHWC")
    np.testing.assert_array_equal(channels_first(y), expected)


@pytest.mark.parametrize(
    "activation", ["silu", "sigmoid", "hardswish", ("leaky_relu", 0.25), ("clip", -1.0, 2.0)]
)
@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (2, 3, 2, 2), (2, 9, 5, 14), (1, 3, 6, 30)], ids=str)
def test_activations_of_small_maps(shape: tuple[int, ...], activation: Any, dtype: Any, isa: str) -> None:
    x, w = random_array("x", shape, dtype), random_array("w", (shape[1], 1, 3, 3), dtype)
    options: dict[str, Any] = {"padding": 2, "groups": shape[1]}
    sums = oracle.conv(x, w, **options)
    residual = random_array("r", sums.shape, dtype)
    expected = oracle.activation(sums + residual, activation)
    eps, size = eps_of(dtype), oracle.conv(abs(x), abs(w), **options) + abs(residual)
    bound = after_activation(activation, CONVOLUTION["direct"](9) * eps * size, expected, eps)
    out = np.full(sums.shape, np.nan, dtype)
    assert fc.conv2d(x, w, residual=residual, activation=activation, out=out, **options) is out
    assert_within(out, expected, bound)
    last = {"residual": channels_last(residual), "layout": "NHWC", "activation": activation}
    assert_within(channels_first(fc.conv2d(channels_last(x), w, **last, **options)), expected, bound)


@pytest.mark.parametrize("stride", [1, 2])
def test_rounding_is_the_same_in_every_band_and_batch(stride: int, dtype: Any, isa: str) -> None:
    x, w = random_array("x", (3, 5, 61, 45), dtype), random_array("w", (5, 1, 3, 3), dtype)
    options: dict[str, Any] = {"stride": stride, "padding": 1, "groups": 5}
    y, magnitude = oracle.conv(x, w, **options), oracle.conv(abs(x), abs(w), **options)
    with fc.config(num_threads=1):
        whole = fc.conv2d(x, w, **options)
    assert_within(whole, y, CONVOLUTION["direct"](9) * eps_of(dtype) * magnitude)
    with fc.config(num_threads=4):
        assert_same_bits(fc.conv2d(x, w, **options), whole)
        assert_same_bits(fc.conv2d(x[1], w, **options), whole[1])
        last = fc.conv2d(channels_last(x), w, layout="NHWC", **options)
        assert_same_bits(channels_first(last), whole)
        assert_same_bits(fc.conv2d(channels_last(x[1:2])[0], w, layout="NHWC", **options), last[1])
    single = {**options, "groups": 1}
    assert_same_bits(fc.conv2d(x[:, 2:3], w[2:3], **single), whole[:, 2:3])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("stride", [1, 2])
def test_rows_anywhere_in_memory(stride: int, view: str, dtype: Any, isa: str) -> None:
    x, w = random_array("x", (2, 6, 15, 41), dtype), random_array("w", (6, 1, 3, 3), dtype)
    seen = VIEWS[view](x)
    options: dict[str, Any] = {"stride": stride, "padding": (2, 1), "groups": 6}
    expected = fc.conv2d(np.ascontiguousarray(seen), w, **options)
    assert np.isfinite(expected).all()
    assert_same_bits(fc.conv2d(seen, w, **options), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("stride", [1, 2])
def test_numbers_that_are_not_finite_reach_their_windows(stride: int, value: float, isa: str) -> None:
    """From every column, and from a filter also into what it multiplies with padding."""
    w = np.ones((4, 1, 3, 3), np.float32)
    for at in range(35):
        x = np.zeros((1, 4, 6, 35), np.float32)
        x[0, 1, 3, at] = value
        y = fc.conv2d(x, w, stride=stride, padding=1, groups=4)
        expected = oracle.conv(np.where(x == 0, 0.0, 1.0), w, stride=stride, padding=1, groups=4) > 0
        np.testing.assert_array_equal(~np.isfinite(y), expected)
        last = fc.conv2d(channels_last(x), w, stride=stride, padding=1, groups=4, layout="NHWC")
        np.testing.assert_array_equal(~np.isfinite(channels_first(last)), expected)
    w[2, 0, 0, 0] = value
    y = fc.conv2d(np.ones((1, 4, 6, 35), np.float32), w, stride=stride, padding=1, groups=4)
    assert not np.isfinite(y[0, 2]).any() and np.isfinite(y[0, [0, 1, 3]]).all()
    assert np.isnan(y[0, 2, 0]).all() and np.isnan(y[0, 2, :, 0]).all()  # times zero


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((1, 32, 56, 56), (32, 1, 3, 3), {"padding": 1, "groups": 32}),
        ((1, 32, 56, 56), (32, 1, 3, 3), {"padding": 1, "groups": 32, "stride": 2}),
        ((1, 1, 18, 18), (1, 1, 3, 3), {"padding": 1}),
        ((8, 2, 5, 29), (2, 1, 3, 3), {"groups": 2}),
    ],
    ids=str,
)
def test_they_are_chosen(x: Any, w: Any, options: Any) -> None:
    assert "slide" in fc.explain("conv2d", x, w, **options)["reason"]
    for other in ({"dilation": 2}, {"stride": (1, 2)}, {"padding": 3}):
        assert "slide" not in fc.explain("conv2d", x, w, **{**options, **other})["reason"]
    last = fc.explain("conv2d", (x[0], *x[2:], x[1]), w, layout="NHWC", **options)["reason"]
    assert ("slide" in last) == (x[1] == w[0])
