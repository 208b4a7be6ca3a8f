"""The oracle against PyTorch, where it is installed: both must mean the same by every option."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from cases import (
    ADAPTIVE_POOL_CASES,
    CONV_CASES,
    POOL_CASES,
    AdaptivePoolCase,
    ConvCase,
    PoolCase,
    random_array,
)

import fastconv as fc

torch = pytest.importorskip("torch")
functional = torch.nn.functional

# Both sides round in float64, in different orders.
CLOSE: Any = {"rtol": 1e-11, "atol": 1e-11}


def tensor(array: Any) -> Any:
    """Share an array, or keep None."""
    return None if array is None else torch.from_numpy(np.ascontiguousarray(array))


@pytest.mark.parametrize("case", CONV_CASES, ids=str)
def test_convolution(case: ConvCase) -> None:
    x, w, b = case.arrays(np.float64)
    padded = np.pad(x, ((0, 0), (0, 0), *case.padding_pairs))  # torch has no padding by pairs
    function = (functional.conv1d, functional.conv2d, functional.conv3d)[case.rank - 1]
    stride = min(case.stride, 1000) if isinstance(case.stride, int) else case.stride
    expected = function(tensor(padded), tensor(w), tensor(b), stride, 0, case.dilation, case.groups)
    np.testing.assert_allclose(oracle.conv(x, w, b, **case.options), expected.numpy(), **CLOSE)
    assert case.output == tuple(expected.shape)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_padding(kernel: int, dilation: int) -> None:
    x = random_array("same", (1, 2, 9, 12), np.float64)
    w = random_array("same weight", (3, 2, kernel, kernel), np.float64)
    pads = [oracle.same_padding(size, kernel, 1, dilation) for size in (9, 12)]
    expected = functional.conv2d(tensor(x), tensor(w), padding="same", dilation=dilation)
    np.testing.assert_allclose(oracle.conv(x, w, padding=pads, dilation=dilation), expected.numpy(), **CLOSE)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_convolution_spreads_non_finite_values(special: float) -> None:
    x = random_array("special", (1, 2, 5, 6), np.float64)
    w = random_array("special weight", (3, 2, 3, 3), np.float64)
    for array in (x, w):
        kept, array.flat[7] = array.flat[7], special
        expected = functional.conv2d(tensor(x), tensor(w), padding=1)
        np.testing.assert_allclose(oracle.conv(x, w, padding=1), expected.numpy(), **CLOSE)
        array.flat[7] = kept


def pooling_inputs(case: PoolCase | AdaptivePoolCase) -> list[np.ndarray[Any, Any]]:
    """Return normal values, many ties, and special values."""
    ties = random_array(case.name, case.input, np.float64, integer=True)
    special = np.random.default_rng(1).choice(
        [1.0, 2.0, np.nan, -np.inf, np.inf], case.input, p=[0.3, 0.2, 0.1, 0.3, 0.1]
    )
    return [random_array(case.name, case.input, np.float64), ties, special, np.full(case.input, -np.inf)]


def torch_stride(case: PoolCase) -> Any:
    """Strides far beyond the input mean the same as a moderate one that torch accepts."""
    most = max(1000, 2 * max(case.input[2:]))
    return min(case.stride, most) if isinstance(case.stride, int) else case.stride


@pytest.mark.parametrize("case", POOL_CASES, ids=str)
def test_max_pool(case: PoolCase) -> None:
    function = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[case.rank - 1]
    for x in pooling_inputs(case):
        expected = function(
            tensor(x), case.kernel, torch_stride(case), case.padding, case.dilation, case.ceil_mode, True
        )
        values, places = oracle.max_pool(x, case.kernel, dilation=case.dilation, **case.window)
        np.testing.assert_array_equal(values, expected[0].numpy())
        np.testing.assert_array_equal(places, expected[1].numpy())


@pytest.mark.parametrize("case", [case for case in POOL_CASES if case.dilation == 1], ids=str)
def test_avg_pool(case: PoolCase) -> None:
    function = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[case.rank - 1]
    x = random_array(case.name, case.input, np.float64)
    for include in (True, False):
        for divisor in (None, 3, -2) if case.rank > 1 else (None,):
            options = {} if divisor is None else {"divisor_override": divisor}
            expected = function(
                tensor(x), case.kernel, torch_stride(case), case.padding, case.ceil_mode, include, **options
            )
            y = oracle.avg_pool(
                x, case.kernel, **case.window, count_include_pad=include, divisor_override=divisor
            )
            np.testing.assert_allclose(y, expected.numpy(), **CLOSE)


@pytest.mark.parametrize("case", ADAPTIVE_POOL_CASES, ids=str)
def test_adaptive_pool(case: AdaptivePoolCase) -> None:
    rank = case.rank
    for x in pooling_inputs(case):
        expected = getattr(functional, f"adaptive_max_pool{rank}d")(tensor(x), case.out, return_indices=True)
        values, places = oracle.adaptive_max_pool(x, case.out)
        np.testing.assert_array_equal(values, expected[0].numpy())
        np.testing.assert_array_equal(places, expected[1].numpy())
    x = random_array(case.name, case.input, np.float64)
    average = getattr(functional, f"adaptive_avg_pool{rank}d")(tensor(x), case.out)
    np.testing.assert_allclose(oracle.adaptive_avg_pool(x, case.out), average.numpy(), **CLOSE)


@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 7), (3, 4, 5, 6), (2, 3, 2, 3, 4)], ids=str)
def test_batch_norm(shape: tuple[int, ...]) -> None:
    x = random_array("bn", shape, np.float64) * 3 + 5
    mean, weight, bias = (random_array(f"bn {i}", shape[1:2], np.float64) for i in range(3))
    var = mean**2 + 0.5
    for w, b in ((None, None), (weight, bias)):
        expected = functional.batch_norm(tensor(x), tensor(mean), tensor(var), tensor(w), tensor(b), eps=1e-3)
        np.testing.assert_allclose(oracle.batch_norm(x, mean, var, w, b, 1e-3), expected.numpy(), **CLOSE)
    running = torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())
    expected = functional.batch_norm(tensor(x), *running, tensor(weight), tensor(bias), True, 0.3)
    batch_mean, biased, unbiased = oracle.batch_statistics(x)
    np.testing.assert_allclose(
        oracle.batch_norm(x, batch_mean, biased, weight, bias), expected.numpy(), **CLOSE
    )
    np.testing.assert_allclose(0.7 * mean + 0.3 * batch_mean, running[0].numpy(), **CLOSE)
    np.testing.assert_allclose(0.7 * var + 0.3 * unbiased, running[1].numpy(), **CLOSE)


@pytest.mark.parametrize(
    ("shape", "groups"), [((4, 6), 2), ((2, 6, 7), 3), ((3, 4, 5, 6), 1), ((2, 3, 2, 3, 4), 3)], ids=str
)
def test_group_norm(shape: tuple[int, ...], groups: int) -> None:
    x = random_array("gn", shape, np.float64) * 3 + 5
    weight, bias = (random_array(f"gn {i}", shape[1:2], np.float64) for i in range(2))
    for w, b in ((None, None), (weight, bias)):
        expected = functional.group_norm(tensor(x), groups, tensor(w), tensor(b), 1e-3)
        np.testing.assert_allclose(oracle.group_norm(x, groups, w, b, 1e-3), expected.numpy(), **CLOSE)
    if groups == shape[1] and len(shape) > 2:
        expected = functional.instance_norm(tensor(x), None, None, tensor(weight), tensor(bias))
        np.testing.assert_allclose(oracle.group_norm(x, groups, weight, bias), expected.numpy(), **CLOSE)


@pytest.mark.parametrize("spread", [1.0, 1e3])
def test_running_averages_of_instance_norm(spread: float) -> None:
    x = random_array("in", (4, 3, 5, 6), np.float64) * spread
    ours = np.zeros(3), np.ones(3)
    theirs = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    for momentum in (0.1, 0.7):
        y = fc.instance_norm(x, *ours, momentum=momentum)
        expected = functional.instance_norm(tensor(x), *theirs, momentum=momentum)
        np.testing.assert_allclose(y, expected.numpy(), **CLOSE)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other.numpy(), **CLOSE)


@pytest.mark.parametrize(("shape", "axes"), [((4, 6), 1), ((2, 3, 7), 2), ((5,), 1), ((2, 0), 1)], ids=str)
def test_layer_norm(shape: tuple[int, ...], axes: int) -> None:
    x = random_array("ln", shape, np.float64) * 3 + 5
    weight, bias = (random_array(f"ln {i}", shape[-axes:], np.float64) for i in range(2))
    for w, b in ((None, None), (weight, None), (None, bias), (weight, bias)):
        expected = functional.layer_norm(tensor(x), shape[-axes:], tensor(w), tensor(b), 1e-3)
        y = fc.layer_norm(x, shape[-axes:], w, b, 1e-3)
        np.testing.assert_allclose(y, expected.numpy(), **CLOSE)
        if x.size:
            np.testing.assert_allclose(oracle.layer_norm(x, axes, w, b, 1e-3), expected.numpy(), **CLOSE)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name: str) -> None:
    """Over special values in every combination of four, along rows and columns."""
    choices = np.array([0.0, -1.5, 700.0, -700.0, np.inf, -np.inf, np.nan])
    x = np.stack([axis.ravel() for axis in np.meshgrid(*[choices] * 4, indexing="ij")], axis=1)
    for axis in (0, 1):
        data = x if axis else np.ascontiguousarray(x.T)
        expected = getattr(torch, name)(tensor(data), axis).numpy()
        np.testing.assert_allclose(getattr(oracle, name)(data, axis), expected, **CLOSE)
        np.testing.assert_allclose(getattr(fc, name)(data, axis), expected, **CLOSE)


def test_linear() -> None:
    x, w = random_array("x", (2, 5, 7), np.float64), random_array("w", (4, 7), np.float64)
    b = random_array("b", (4,), np.float64)
    expected = functional.linear(tensor(x), tensor(w), tensor(b)).numpy()
    np.testing.assert_allclose(oracle.linear(x, w, b), expected, **CLOSE)


@pytest.mark.parametrize(
    "name", ["relu", "relu6", "sigmoid", "tanh", "silu", "hardswish", "leaky_relu", "clip"]
)
def test_activation(name: str) -> None:
    x = np.array([*np.linspace(-20, 20, 4001), -1e300, 1e300, -0.0, 5e-324, -np.inf, np.inf, np.nan])
    named: dict[str, tuple[Any, Any]] = {
        "leaky_relu": (lambda t: functional.leaky_relu(t, 0.2), ("leaky_relu", 0.2)),
        "clip": (lambda t: torch.clamp(t, -1.5, 2), ("clip", -1.5, 2.0)),
        "tanh": (torch.tanh, "tanh"),
        "sigmoid": (torch.sigmoid, "sigmoid"),
    }
    function, ours = named.get(name) or (getattr(functional, name), name)
    expected, y = function(tensor(x)).numpy(), oracle.activation(x, ours)
    np.testing.assert_allclose(y, expected, rtol=1e-13, atol=5e-324)
    if name == "relu":
        np.testing.assert_array_equal(np.signbit(y), np.signbit(expected))


@pytest.mark.parametrize("name", ["relu", "relu6", "sigmoid", "tanh", "silu", "hardswish", "leaky_relu"])
def test_special_values_of_activations(name: str, dtype: Any, isa: str) -> None:
    """NaN, infinities, zeros of both signs and denormals, in vectors and in what is left of them.

    Not where PyTorch's exponential overflows, so that its sigmoid is 0 too early, nor 6 x of its hardswish.
    """
    info = np.finfo(dtype)
    tiny, least = float(info.smallest_subnormal), float(info.smallest_normal)
    values = [0.0, 1.0, 3.0, 6.0, 20.0, tiny, 2 * tiny, 3 * tiny, 1000 * tiny, least / 2, least, np.inf]
    x = np.array([*values, *(-value for value in values), np.nan], dtype)
    for slope in (0.01, -0.5, 0.0) if name == "leaky_relu" else (None,):
        options = () if slope is None else (slope,)
        theirs = getattr(functional, name) if hasattr(functional, name) else getattr(torch, name)
        for repeated in (x, np.repeat(x, 9)):
            y, expected = getattr(fc, name)(repeated, *options), theirs(tensor(repeated), *options).numpy()
            number = ~np.isnan(expected)
            np.testing.assert_array_equal(np.isnan(y), ~number)
            np.testing.assert_array_equal(np.signbit(y[number]), np.signbit(expected[number]))
            np.testing.assert_allclose(y, expected, rtol=4 * float(info.eps), atol=2 * tiny)
