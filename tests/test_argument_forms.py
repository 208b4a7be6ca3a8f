"""Every accepted form of an argument means what its plain form means, the extreme ones too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bad_arguments import ADAPTIVE_POOLS, CONVOLUTIONS, POOLS, VECTORS, call, valid

import fastconv as fc

# Form: the arguments given, and the plain ones.
ACCEPTED_FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "list": ({"stride": [2]}, {"stride": 2}),
    "list_an_axis": ({"stride": [2, 1]}, {"stride": (2, 1)}),
    "one_for_all_axes": ({"dilation": (2,)}, {"dilation": (2, 2)}),
    "numpy_integer": ({"stride": np.int64(2), "groups": np.uint8(2)}, {"stride": 2}),
    "tuple_of_numpy_integers": ({"padding": (np.int8(1), np.int64(2))}, {"padding": (1, 2)}),
    "pairs": ({"padding": ((1, 1), (2, 2))}, {"padding": (1, 2)}),
    "list_of_lists": ({"padding": [[1, 1], [2, 2]]}, {"padding": (1, 2)}),
    "one_pair": ({"padding": ((0, 1),)}, {"padding": ((0, 1), (0, 1))}),
    "valid": ({"padding": "valid", "stride": 2}, {"stride": 2}),
    "same": ({"padding": "same", "dilation": 2}, {"padding": 2, "dilation": 2}),
    "same_upper": ({"padding": "same_upper", "stride": 2}, {"padding": 1, "stride": 2}),
    "same_lower": ({"padding": "same_lower", "stride": 3}, {"padding": 1, "stride": 3}),
    "stride_of_one_position": ({"stride": 2**62}, {"stride": 7}),
    "stride_below_two_to_the_63": ({"stride": 2**63 - 1}, {"stride": 7}),
    "relu6": ({"activation": "relu6"}, {"activation": ("clip", 0, 6)}),
    "list_for_an_activation": ({"activation": ["leaky_relu", 0.5]}, {"activation": ("leaky_relu", 0.5)}),
}


@pytest.mark.parametrize("form", ACCEPTED_FORMS)
def test_form_means_the_same_as_its_plain_form(form: str) -> None:
    given, plain = ACCEPTED_FORMS[form]
    arguments = {**valid("conv2d"), "input": np.arange(2 * 4 * 7 * 7.0).reshape(2, 4, 7, 7)}
    np.testing.assert_array_equal(fc.conv2d(**{**arguments, **given}), fc.conv2d(**{**arguments, **plain}))


def test_odd_element_of_same_padding() -> None:
    signal = [[1.0, 2.0, 3.0]]
    pair = [[[1.0, 10.0]]]
    np.testing.assert_array_equal(fc.conv1d(signal, pair, padding="same"), [[21, 32, 3]])
    np.testing.assert_array_equal(fc.conv1d(signal, pair, padding="same_upper"), [[21, 32, 3]])
    np.testing.assert_array_equal(fc.conv1d(signal, pair, padding="same_lower"), [[10, 21, 32]])


def test_huge_dilation_of_a_kernel_of_one_element() -> None:
    signal = np.arange(5.0)[None]
    np.testing.assert_array_equal(fc.conv1d(signal, [[[2.0]]], dilation=2**62), 2 * signal)
    np.testing.assert_array_equal(fc.max_pool1d(signal, 1, dilation=2**62), signal)


def test_huge_window_of_ceil_mode() -> None:
    """One window, which the input does not fill."""
    signal = np.arange(5.0)[None]
    np.testing.assert_array_equal(fc.max_pool1d(signal, 2**62, ceil_mode=True), [[4]])
    np.testing.assert_array_equal(fc.avg_pool1d(signal, 2**62, ceil_mode=True), [[2]])


@pytest.mark.parametrize("divisor", [1, -2, 2**40, np.int64(3)])
def test_divisor_may_be_any_integer_but_zero(divisor: Any) -> None:
    y = fc.avg_pool1d([[1.0, 5.0, 2.0, 4.0]], 2, divisor_override=divisor)
    np.testing.assert_array_equal(y, np.array([[6.0, 6.0]]) / int(divisor))


@pytest.mark.parametrize("equal", [True, 1.0, np.float64(1.0), np.bool_(True)], ids=repr)
def test_equal_keys_of_other_types_find_no_remembered_window(equal: Any) -> None:
    """1, 1.0 and True are equal and have one hash."""
    arguments = {**valid("conv2d"), "stride": 1, "padding": 1}
    fc.conv2d(**arguments)
    for changes in ({"stride": equal}, {"stride": (equal, 1)}, {"padding": ((1, equal), (1, 1))}):
        with pytest.raises(TypeError, match=next(iter(changes))):
            fc.conv2d(**{**arguments, **changes})


@pytest.mark.parametrize(
    "function",
    [
        *CONVOLUTIONS,
        *POOLS,
        *ADAPTIVE_POOLS,
        "batch_norm",
        "batch_norm_training",
        "group_norm",
        "instance_norm",
        "layer_norm",
        "linear",
        "relu",
        "softmax",
        "log_softmax",
    ],
)
def test_empty_batch_gives_an_empty_output(function: str) -> None:
    arguments = valid(function)
    full = call(function, arguments)
    before = {name: arguments[name].copy() for name in VECTORS if name in arguments}
    y = call(function, {**arguments, "input": arguments["input"][:0]})
    assert y.shape == (0, *full.shape[1:])
    assert y.dtype == full.dtype
    for name, array in before.items():
        np.testing.assert_array_equal(arguments[name], array)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("function", [*CONVOLUTIONS, *POOLS, *ADAPTIVE_POOLS])
def test_unbatched_input_gives_an_unbatched_output(function: str, layout: str) -> None:
    arguments = valid(function)
    x = np.arange(float(arguments["input"].size)).reshape(arguments["input"].shape)
    if layout == "NHWC":
        x = np.moveaxis(x, 1, -1)
    batch = call(function, {**arguments, "input": x, "layout": layout})
    single = call(function, {**arguments, "input": x[1], "layout": layout})
    np.testing.assert_array_equal(single, batch[1])
    out = np.empty_like(single)
    assert call(function, {**arguments, "input": x[1], "layout": layout, "out": out}) is out
    np.testing.assert_array_equal(out, single)


def test_linear_takes_any_leading_axes() -> None:
    x, w = np.arange(24.0).reshape(2, 3, 4), np.arange(20.0).reshape(5, 4)
    full = fc.linear(x, w, np.arange(5.0))
    np.testing.assert_array_equal(full, np.einsum("abi,oi->abo", x, w) + np.arange(5))
    np.testing.assert_array_equal(fc.linear(x[1, 2], w, np.arange(5.0)), full[1, 2])
    np.testing.assert_array_equal(fc.linear(x, w[2], 2.0), full[..., 2])
    assert fc.linear(x[0, 0], w[0]).shape == ()
