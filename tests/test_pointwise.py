"""1x1 convolutions of planes in place: every number of pixels and channels, so every tile, rest and band."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import CONVOLUTION, after_activation, assert_same_bits, assert_within, eps_of
from calls import channels_last
from cases import random_array

import fastconv as fc

Array = np.ndarray[Any, Any]

PIXELS = [*range(1, 50), 63, 64, 65, 95, 96, 97, 100, 143, 144, 145, 193, 300]


def whole_numbers(name: str, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return numbers whose products and sums are exact in every order."""
    numbers: Array = np.rint(4 * random_array(name, shape, np.float64)).astype(dtype)
    return numbers


@pytest.mark.parametrize("pixels", PIXELS)
def test_every_number_of_pixels(pixels: int, dtype: Any, isa: str) -> None:
    x = whole_numbers("x", (3, 6, pixels), dtype)
    w, bias = whole_numbers("w", (22, 3, 1), dtype), whole_numbers("b", (22,), dtype)
    expected = oracle.conv(x, w, groups=2) + bias[:, None]
    residual = whole_numbers("r", expected.shape, dtype)
    for threads in (1, 2, 5):
        with fc.config(num_threads=threads):
            np.testing.assert_array_equal(fc.conv1d(x, w, bias, groups=2), expected)
            y = fc.conv1d(x, w, bias, groups=2, residual=residual, activation="relu")
            np.testing.assert_array_equal(y, np.maximum(expected + residual, 0))


@pytest.mark.parametrize("channels", [*range(1, 60), 95, 96, 97, 145])
def test_every_number_of_output_channels(channels: int, dtype: Any, isa: str) -> None:
    x, w = whole_numbers("x", (1, 7, 10, 10), dtype), whole_numbers("w", (channels, 7, 1, 1), dtype)
    expected = oracle.conv(x, w)
    for threads in (1, 3):
        with fc.config(num_threads=threads):
            np.testing.assert_array_equal(fc.conv2d(x, w), expected)


@pytest.mark.parametrize(
    "shape", [(2, 200, 14, 14), (1, 1030, 7, 16), (1, 40, 5, 80, 20), (3, 64, 400)], ids=str
)
def test_bands_and_deep_sums(shape: tuple[int, ...], dtype: Any, isa: str) -> None:
    """Several bands and pieces of channels; sums of the bits of a tile, whatever computes them."""
    rank = len(shape) - 2
    x, w = random_array("x", shape, dtype), random_array("w", (100, shape[1], *(1,) * rank), dtype)
    convolve = getattr(fc, f"conv{rank}d")
    expected = oracle.conv(x, w)
    bound = CONVOLUTION["direct"](shape[1]) * eps_of(dtype) * oracle.conv(abs(x), abs(w))
    with fc.config(num_threads=1):
        whole = convolve(x, w)
    assert_within(whole, expected, bound)
    with fc.config(num_threads=4):
        assert_same_bits(convolve(x, w), whole)
        assert_same_bits(convolve(x[-1], w), whole[-1])
    last = convolve(channels_last(x), w, layout="NHWC")  # by register tiles
    assert_same_bits(np.ascontiguousarray(np.moveaxis(last, -1, 1)), whole)


@pytest.mark.parametrize("stride", [1, 2, (3, 1)], ids=str)
@pytest.mark.parametrize("padding", [0, 1, (2, 3)], ids=str)
def test_pixels_with_gaps(padding: Any, stride: Any, dtype: Any, isa: str) -> None:
    """Of a stride, of padding, of rows that do not follow each other."""
    whole = np.pad(whole_numbers("x", (2, 6, 15, 17), dtype), 2, constant_values=np.nan)
    w, bias = whole_numbers("w", (400, 3, 1, 1), dtype), whole_numbers("b", (400,), dtype)
    for x in (
        whole[2:-2, 2:-2, 2:-2, 2:-2],
        whole[2:-2, 2:-2, -3:1:-1, 3:-2],
        whole[2:-2, 2:-2, 2:-2:4, 2:-2:2],
    ):
        expected = oracle.conv(x, w, stride=stride, padding=padding, groups=2) + bias[:, None, None]
        residual = whole_numbers("r", expected.shape, dtype)
        for threads in (1, 3):
            with fc.config(num_threads=threads):
                y = fc.conv2d(x, w, bias, stride, padding, groups=2, residual=residual, activation="relu")
                np.testing.assert_array_equal(y, np.maximum(expected + residual, 0))


@pytest.mark.parametrize("channels", [1, 5, 32])
@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (64, 1), (1, 40), (9, 8)], ids=str)
def test_channels_last_with_gaps(shape: tuple[int, int], channels: int, dtype: Any, isa: str) -> None:
    """Outputs whose pixels are no planes, whatever the strides of the input say of its layout."""
    x, w = whole_numbers("x", (2, channels, *shape), dtype), whole_numbers("w", (200, channels, 1, 1), dtype)
    inputs = (
        np.moveaxis(x, 1, -1),
        np.ascontiguousarray(np.moveaxis(x, 1, -1)),
        np.asfortranarray(np.moveaxis(x, 1, -1)),
    )
    for stride, padding in (((2, 1), 0), ((1, 5), 0), (1, (1, 0)), (1, (30, 0)), (3, 2)):
        expected = np.moveaxis(oracle.conv(x, w, stride=stride, padding=padding), 1, -1)
        for x_last in inputs:
            out = np.full(expected.shape, np.nan, dtype)
            fc.conv2d(x_last, w, stride=stride, padding=padding, layout="NHWC", out=out)
            np.testing.assert_array_equal(out, expected)


def test_predicted_times_count_the_tasks(isa: str) -> None:
    def predicted(threads: int) -> Any:
        with fc.config(num_threads=threads):
            return fc.explain("conv2d", (1, 64, 14, 14), (128, 64, 1, 1))["candidates"]["direct"][
                "predicted_ms"
            ]

    assert predicted(2) < 0.8 * predicted(1)


def test_slices_with_gaps(dtype: Any, isa: str) -> None:
    x, w = whole_numbers("x", (2, 5, 7, 8, 9), dtype), whole_numbers("w", (200, 5, 1, 1, 1), dtype)
    for stride in ((2, 1, 1), (1, 2, 2), (3, 3, 1)):
        np.testing.assert_array_equal(fc.conv3d(x, w, stride=stride), oracle.conv(x, w, stride=stride))


@pytest.mark.parametrize("activation", ["silu", "tanh", ("leaky_relu", 0.25), ("clip", -1.0, 2.0), "relu6"])
def test_activations(activation: Any, dtype: Any, isa: str) -> None:
    x, w = random_array("x", (2, 9, 13, 5), dtype), random_array("w", (21, 9, 1, 1), dtype)
    sums = oracle.conv(x, w)
    residual = random_array("r", sums.shape, dtype)
    expected = oracle.activation(sums + residual, activation)
    eps, size = eps_of(dtype), oracle.conv(abs(x), abs(w)) + abs(residual)
    bound = after_activation(activation, CONVOLUTION["direct"](9) * eps * size, expected, eps)
    out = np.full(sums.shape, np.nan, dtype)
    assert fc.conv2d(x, w, residual=residual, activation=activation, out=out) is out
    assert_within(out, expected, bound)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_stay_in_their_pixel(value: float, dtype: Any, isa: str) -> None:
    w = np.ones((9, 5, 1), dtype)
    for pixels in (16, 37, 48, 70):
        for at in range(pixels):
            x = np.zeros((1, 5, pixels), dtype)
            x[0, 2, at] = value
            y = fc.conv1d(x, w)
            expected = np.zeros((1, 9, pixels), dtype)
            expected[:, :, at] = value
            np.testing.assert_array_equal(y, expected)


def test_planes_anywhere_in_memory(dtype: Any, isa: str) -> None:
    x, w = random_array("x", (4, 10, 9, 8), dtype), random_array("w", (11, 5, 1, 1), dtype)
    seen = x[::2, 1::2]
    expected = fc.conv2d(np.ascontiguousarray(seen), w)
    assert_same_bits(fc.conv2d(seen, w), expected)
    assert_same_bits(fc.conv2d(np.ascontiguousarray(seen[::-1, ::-1])[::-1, ::-1], w), expected)
    padded = np.pad(x, 1, constant_values=np.nan)[1:-1, 1:-1, 1:-1, 1:-1]
    assert_same_bits(fc.conv2d(padded[::2, 1::2], w), expected)


@pytest.mark.parametrize(
    ("x", "w"),
    [((1, 64, 56, 56), (256, 64, 1, 1)), ((2, 32, 400), (3, 32, 1)), ((1, 3, 64, 64), (8, 3, 1, 1))],
)
def test_they_are_chosen(x: Any, w: Any) -> None:
    name = f"conv{len(x) - 2}d"
    assert fc.explain(name, x, w)["reason"].startswith("1x1")
    options: list[dict[str, Any]] = [{"stride": 2}, {"padding": 1}]
    for option in options:  # pixels with gaps, laid out for many channels
        assert fc.explain(name, x, w, **option)["reason"].startswith("1x1") == (w[0] > 100)
    last = (x[0], *x[2:], x[1])
    assert not fc.explain(name, last, w, layout="NHWC")["reason"].startswith("1x1")
