"""Compiled networks that take images: channels last, bytes, and normalised by channel on the way in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import oracle
import pytest
from bounds import summation
from cases import random_array
from graph_oracle import evaluate
from test_random_graphs import made

import fastconv as fc
from fastconv import nn
from fastconv.graph.source import Source
from fastconv.inference import compile_graph

Array = np.ndarray[Any, Any]

CHANNELS = (1, 2, 3, 4, 5, 8, 15, 16, 17, 33)
BYTES = np.dtype(np.uint8)


def image(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return pixels of 0 to 255, channels first."""
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def rules(channels: int) -> tuple[Array, Array]:
    """Return a mean and a deviation for each channel."""
    rng = np.random.default_rng(1)
    return rng.uniform(0, 255, channels), rng.uniform(1, 90, channels)


def normalised(x: Array, mean: Array, std: Array, dtype: Any) -> Array:
    """Do what NumPy does in the type of a network."""
    by_channel = (slice(None), *(None,) * (x.ndim - 2))
    mean, std = mean.astype(dtype), std.astype(dtype)
    y: Array = (x.astype(dtype) - mean[by_channel]) / std[by_channel]
    return y


def moved(x: Array, layout: str) -> Array:
    """Return channels-first pixels in a layout, contiguous."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1) if layout == "NHWC" else x)


def network(channels: int, rank: int = 2) -> nn.Module:
    """Return a padded convolution, which shows a halo that is not zero."""
    conv = getattr(nn, f"Conv{rank}d")(channels, 20, 3, padding=1)
    for parameter in conv.parameters():
        parameter.data[...] = random_array(str(parameter.shape), parameter.shape, parameter.data.dtype)
    return nn.Sequential(conv, nn.ReLU())


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("taken", [None, "uint8"])
@pytest.mark.parametrize("channels", CHANNELS)
def test_first_step_is_the_formula_of_numpy(
    channels: int, taken: Any, layout: str, dtype: Any, isa: str
) -> None:
    x, (mean, std) = image((2, channels, 9, 23), taken or dtype), rules(channels)
    given = moved(x, layout)
    options: Any = {"layout": layout, "input_dtype": taken, "mean": mean, "std": std}
    net = fc.compile(nn.Identity(), given.shape, dtype=dtype, **options)
    y = net(given)
    assert y.tobytes() == normalised(x, mean, std, dtype).tobytes()
    assert net.input_shape == given.shape
    assert net.output_shape == x.shape


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", CHANNELS)
def test_network_gives_what_it_gives_for_normalised_floats(
    channels: int, layout: str, isa: str, threads: int
) -> None:
    x, (mean, std) = image((3, channels, 21, 30), np.uint8), rules(channels)
    model, given = network(channels), moved(x, layout)
    expected = fc.compile(model, x.shape)(normalised(x, mean, std, np.float32))
    net = fc.compile(model, given.shape, layout=layout, input_dtype="uint8", mean=mean, std=std)
    assert net(given).tobytes() == expected.tobytes()
    assert net(given[1:2]).tobytes() == expected[1:2].tobytes()
    assert net(given[:0]).shape == (0, *expected.shape[1:])
    assert [row.step for row in net.summary()].count("load") == 1


@pytest.mark.parametrize("taken", [None, "uint8"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_padding_is_zero_behind_the_normalisation(layout: str, taken: Any) -> None:
    x, (mean, std) = image((2, 3, 12, 13), np.uint8), rules(3)
    model = network(3)
    net = fc.compile(
        model,
        moved(x, layout).shape,
        layout=layout,
        input_dtype=taken,
        mean=mean,
        std=std,
        algorithm="direct",
    )
    wide = normalised(x, mean, std, np.float64)
    weight, bias = (parameter.data for parameter in model.parameters())
    expected = oracle.conv(wide, weight, bias, padding=1)
    sizes = oracle.conv(abs(wide), abs(weight), abs(bias), padding=1)
    # Two roundings of each input, of its difference and of the quotient, beside those of the convolution.
    limit = (summation(27) + 1 + 2) * np.finfo(np.float32).eps * sizes
    # The difference of nearly equal numbers keeps the rounding of the mean.
    limit += np.finfo(np.float32).eps * (np.abs(mean) / std).max() * abs(weight).sum()
    assert (abs(net(moved(x, layout)) - np.maximum(expected, 0)) <= limit).all()


@pytest.mark.parametrize("shape", [(2, 3, 50), (2, 3, 4, 5, 6), (2, 20, 4, 5, 6), (2, 20)], ids=str)
def test_other_ranks(shape: tuple[int, ...]) -> None:
    x, (mean, std) = image(shape, np.uint8), rules(shape[1])
    model = network(shape[1], len(shape) - 2) if len(shape) > 2 else nn.Linear(shape[1], 7)
    expected = fc.compile(model, shape)(normalised(x, mean, std, np.float32))
    for layout in ("NCHW", "NHWC"):
        given = moved(x, layout)
        net = fc.compile(model, given.shape, layout=layout, input_dtype="uint8", mean=mean, std=std)
        assert net(given).tobytes() == expected.tobytes()


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs(seed: int) -> None:
    graph = made(seed)
    x, (mean, std) = image(graph.input.shape, np.uint8), rules(graph.input.channels)
    wide = normalised(x, mean, std, np.float32)
    expected = evaluate(graph, wide)
    limit = 3e-5 * (abs(expected).max() + 1)
    for layout in ("NCHW", "NHWC"):
        rule = (mean.astype(np.float32), std.astype(np.float32))
        net = compile_graph(made(seed), source=Source(layout == "NHWC", BYTES, *rule))
        np.testing.assert_allclose(net(moved(x, layout)), expected, rtol=0, atol=limit)


def test_nothing_given_is_the_plain_call() -> None:
    net = fc.compile(network(3), (1, 3, 9, 9), layout="NCHW", input_dtype=None, mean=None, std=None)
    assert "load" not in {row.step for row in net.summary()}


def test_numbers_stand_for_every_channel() -> None:
    x = image((1, 3, 9, 9), np.uint8)
    options: Any = {"layout": "NHWC", "input_dtype": np.uint8}
    one = fc.compile(network(3), (1, 9, 9, 3), mean=100, std=50.0, **options)
    each = fc.compile(network(3), (1, 9, 9, 3), mean=[100] * 3, std=(50,) * 3, **options)
    assert one(moved(x, "NHWC")).tobytes() == each(moved(x, "NHWC")).tobytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[:, ::-1][:, ::-1],
        np.asfortranarray,
        lambda x: np.ascontiguousarray(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1),
        lambda x: np.repeat(x, 2, axis=2)[:, :, ::2],
    ],
)
def test_arrays_that_are_not_contiguous(change: Callable[[Array], Array]) -> None:
    x = moved(image((2, 3, 9, 11), np.uint8), "NHWC")
    for taken in (None, "uint8"):
        net = fc.compile(network(3), x.shape, layout="NHWC", input_dtype=taken, mean=100.0)
        assert net(change(x)).tobytes() == net(x).tobytes()


def test_floats_are_converted_before_they_are_normalised() -> None:
    x = random_array("x", (2, 3, 9, 11), np.float64)
    net = fc.compile(network(3), x.shape, mean=0.1, std=0.3)
    assert net(x).tobytes() == net(x.astype(np.float32)).tobytes()
    assert net(x.astype(">f8")).tobytes() == net(x).tobytes()


def test_non_finite_pixels_stay_where_they_are() -> None:
    x = image((1, 9, 40, 3), np.float32)
    x[0, 4, 17] = np.nan, np.inf, -np.inf
    y = fc.compile(nn.Identity(), x.shape, layout="NHWC", mean=[1, 2, 3])(x)
    np.testing.assert_array_equal(y, normalised(np.moveaxis(x, -1, 1), np.array([1, 2, 3]), np.ones(3), "f4"))


@pytest.mark.parametrize(
    ("shape", "options", "error", "match"),
    [
        ((1, 8, 9, 3), {"layout": "NCWH"}, ValueError, "layout='NCWH'"),
        ((1, 8, 9, 3), {"layout": None}, TypeError, "layout"),
        ((1, 3, 8, 9), {"layout": "NHWC"}, ValueError, "input has 9 channels"),
        ((1, 8, 9, 3, 1, 1), {"layout": "NHWC"}, ValueError, r"input_shape=\(1, 8, 9, 3, 1, 1\)"),
        ((1, 3, 8, 9), {"input_dtype": "int8"}, TypeError, "input_dtype='int8' must be None or uint8"),
        ((1, 3, 8, 9), {"input_dtype": "float32"}, TypeError, "input_dtype"),
        ((1, 3, 8, 9), {"input_dtype": 8}, TypeError, "input_dtype"),
        ((1, 3, 8, 9), {"mean": [1, 2]}, ValueError, r"mean has shape \(2,\).*\(3,\)"),
        ((1, 3, 8, 9), {"mean": np.ones((3, 1, 1))}, ValueError, "mean has shape"),
        ((1, 3, 8, 9), {"std": [1, 2, 3, 4]}, ValueError, r"std has shape \(4,\)"),
        ((1, 3, 8, 9), {"std": [1, 0, 3]}, ValueError, "std has an entry 0.0: all must be above 0"),
        ((1, 3, 8, 9), {"std": -1.0}, ValueError, "std has an entry -1.0"),
        ((1, 3, 8, 9), {"std": 1e-60}, ValueError, "above 0 in float32"),
        ((1, 3, 8, 9), {"std": np.nan}, ValueError, "std has an entry nan: all must be finite"),
        ((1, 3, 8, 9), {"mean": [0, np.nan, 0]}, ValueError, "mean has an entry nan"),
        ((1, 3, 8, 9), {"mean": 1e60}, ValueError, "finite in float32"),
        ((1, 3, 8, 9), {"std": np.inf}, ValueError, "finite"),
        ((1, 3, 8, 9), {"mean": "0.5"}, TypeError, "mean has dtype"),
        ((1, 3, 8, 9), {"mean": np.ma.ones(3)}, TypeError, "masked"),
        ((1, 3, 8, 9), {"mean": 1j}, TypeError, "mean has dtype complex"),
    ],
)
def test_bad_arguments_are_refused(
    shape: tuple[int, ...], options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        fc.compile(network(3), shape, **options)


@pytest.mark.parametrize(
    ("x", "error", "match"),
    [
        (np.zeros((1, 8, 9, 3), np.float32), TypeError, "x has dtype float32: it must be uint8"),
        (np.zeros((1, 8, 9, 3), np.int8), TypeError, "must be uint8"),
        (np.zeros((1, 8, 9, 3), np.bool_), TypeError, "must be uint8"),
        (np.zeros((1, 8, 9, 3)).tolist(), TypeError, "must be uint8"),
        (np.zeros((1, 3, 8, 9), np.uint8), ValueError, r"x has shape \(1, 3, 8, 9\)"),
        (np.zeros((2, 8, 9, 3), np.uint8), ValueError, "1 at most"),
        (np.ma.zeros((1, 8, 9, 3), np.uint8), TypeError, "masked"),
    ],
)
def test_bad_images_are_refused(x: Any, error: type[Exception], match: str) -> None:
    net = fc.compile(network(3), (1, 8, 9, 3), layout="NHWC", input_dtype="uint8")
    out = np.full(net.output_shape, 7, np.float32)
    with pytest.raises(error, match=match):
        net(x, out=out)
    assert (out == 7).all()
