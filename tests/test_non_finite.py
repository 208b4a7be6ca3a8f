"""NaN and infinity in every lane, tail and border of a convolution spread exactly where the sum says."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import CONVOLUTION, assert_within, eps_of
from calls import algorithms, channels_first, channels_last, convolve
from cases import ConvCase, random_array

Array = np.ndarray[Any, Any]

SPECIAL = [np.nan, np.inf, -np.inf]
CASES = [
    *(
        ConvCase(f"width_{w}_three_channels", (1, 3, 3, w), (5, 3, 3, 3), padding=1)
        for w in (1, 2, 5, 7, 14, 15, 17)
    ),
    *(
        ConvCase(f"width_{w}_17_channels", (1, 17, 2, w), (18, 17, 3, 3), padding=1)
        for w in (1, 6, 7, 13, 15)
    ),
    ConvCase("33_filters_1x1", (1, 18, 3, 5), (33, 18, 1, 1)),
    ConvCase("stride_2", (1, 5, 6, 9), (6, 5, 3, 3), stride=2, padding=1),
    ConvCase("stride_2_1x1", (1, 16, 5, 7), (6, 16, 1, 1), stride=2),
    ConvCase(
        "asymmetric_padding_dilation_2", (1, 4, 6, 7), (5, 4, 2, 3), padding=((2, 0), (1, 3)), dilation=2
    ),
    ConvCase("groups_of_4_channels", (1, 8, 4, 6), (12, 4, 3, 3), padding=1, groups=2),
    *(
        ConvCase(f"depthwise_width_{w}", (1, 17, 3, w), (17, 1, 3, 3), padding=1, groups=17)
        for w in (1, 7, 16, 18)
    ),
    ConvCase("channel_multiplier_2_stride_2", (1, 5, 7, 9), (10, 1, 3, 3), stride=2, padding=1, groups=5),
    ConvCase("1d", (1, 3, 40), (4, 3, 5), padding=2),
    ConvCase("3d", (1, 2, 3, 3, 7), (3, 2, 2, 2, 3), padding=1),
]


def check(case: ConvCase, x: Array, w: Array) -> None:
    """Compare all algorithms in both layouts with the oracle; the finite rest stays within its bound."""
    y = oracle.conv(x, w, **case.options)
    finite_x, finite_w = (np.where(np.isfinite(a), abs(a), 0) for a in (x, w))
    magnitude = oracle.conv(finite_x, finite_w, **case.options)
    for algorithm in algorithms(case):
        bound = CONVOLUTION[algorithm](case.reduction) * eps_of(x.dtype) * magnitude
        assert_within(convolve(case, x, w, algorithm=algorithm), y, bound)
        last = convolve(case, channels_last(x), w, algorithm=algorithm, layout="NHWC")
        assert_within(channels_first(last), y, bound)


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_special_input_anywhere(case: ConvCase, special: float, dtype: Any, isa: str) -> None:
    """A sample for every place of the special value in the first, middle and last channel."""
    channels, plane = case.input[1], int(np.prod(case.input[2:]))
    places = [c * plane + p for c in sorted({0, channels // 2, channels - 1}) for p in range(plane)]
    x = np.repeat(random_array(case.name, case.input, dtype), len(places), axis=0)
    x.reshape(len(places), -1)[np.arange(len(places)), places] = special
    w = random_array(
        case.name + " weight", case.weight, dtype, integer=True
    )  # its zeros turn infinity into NaN
    check(case, x, w)


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_special_weight_anywhere(case: ConvCase, special: float, dtype: Any, isa: str) -> None:
    """A filter for every place of the special value; infinity over zero padding gives NaN."""
    taps = int(np.prod(case.weight[1:]))
    filters = -(-taps // case.groups) * case.groups
    x = random_array(case.name, case.input, dtype)
    w = random_array(case.name + " weight", (filters, *case.weight[1:]), dtype)
    w.reshape(filters, -1)[np.arange(filters), np.arange(filters) % taps] = special
    check(case, x, w)


def test_infinities_of_both_signs_cancel_to_nan(dtype: Any, isa: str) -> None:
    x = random_array("x", (1, 4, 5, 19), dtype)
    x[0, 1, 2, 3], x[0, 3, 2, 4], x[0, 0, 4, 18] = np.inf, -np.inf, np.inf
    w = np.ones((6, 4, 3, 3), dtype)
    check(ConvCase("cancel", x.shape, w.shape, padding=1), x, w)


def test_activation_keeps_nan_that_the_sum_made(dtype: Any, isa: str) -> None:
    x = random_array("x", (1, 3, 4, 21), dtype)
    x[0, 1, 2, ::5] = np.nan
    case = ConvCase("fused", x.shape, (5, 3, 3, 3), padding=1)
    w = random_array("w", case.weight, dtype)
    nan = np.isnan(oracle.conv(x, w, padding=1))
    for activation in (
        "relu",
        "relu6",
        ("clip", -1.0, 1.0),
        ("leaky_relu", 0.1),
        "silu",
        "hardswish",
        "sigmoid",
    ):
        for algorithm in algorithms(case):
            y = convolve(case, x, w, algorithm=algorithm, activation=activation)
            np.testing.assert_array_equal(np.isnan(y), nan)
