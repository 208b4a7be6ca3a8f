"""Every bad argument is refused by name, before anything is written.

A row names a function and the arguments that are changed in a valid call of it, the error, and a word of it.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from bad_arguments import (
    ADAPTIVE_MAX_POOLS,
    ADAPTIVE_POOLS,
    AVG_POOLS,
    CONVOLUTIONS,
    EITHER,
    FUSING,
    LAID_OUT,
    LISTS_IN_LISTS,
    MAX_POOLS,
    NORMS,
    POOLS,
    TOO_LARGE,
    VECTORS,
    WITH_OUT,
    Bad,
    call,
    kernel,
    of,
    ones,
    sizes,
    spatial,
    valid,
)
from bad_norm_arguments import GROUP_NORM_ROWS, INSTANCE_NORM_ROWS, LAYER_NORM_ROWS, SOFTMAX_ROWS

import fastconv as fc

CONVOLUTION_ROWS = [
    *sizes(CONVOLUTIONS, "stride", 1),
    *sizes(CONVOLUTIONS, "dilation", 1),
    *sizes(CONVOLUTIONS, "padding", 0),
    *of(CONVOLUTIONS, {"none": {"stride": None}}, TypeError, "stride"),
    *of(CONVOLUTIONS, {"none": {"padding": None}}, TypeError, "padding"),
    *of(
        CONVOLUTIONS,
        {
            "unknown_name": {"padding": "full"},
            "capitals": {"padding": "SAME"},
            "single_sides": {"padding": ((1,), (1,), (1,))},
            "three_sides": {"padding": ((1, 1, 1),)},
            "mixed": {"padding": ((1, 1), 1, 1)},
            "four_pairs": {"padding": ((1, 1),) * 4},
            "negative_side": {"padding": ((0, -1),)},
            "same_with_a_stride": {"padding": "same", "stride": 2},
        },
        ValueError,
        "padding",
    ),
    *of(CONVOLUTIONS, {"float_side": {"padding": ((0, 1.0),)}}, TypeError, "padding"),
    *of(
        CONVOLUTIONS,
        {"two_to_the_62": {"padding": 2**62}, "two_to_the_50": {"padding": 2**50}},
        TOO_LARGE,
        "",
    ),
    *of(CONVOLUTIONS, {"same_of_a_huge_span": {"padding": "same", "dilation": 2**61}}, TOO_LARGE, "padding"),
    *of(
        CONVOLUTIONS,
        {"zero": {"groups": 0}, "negative": {"groups": -1}, "three": {"groups": 3}},
        ValueError,
        "groups",
    ),
    *of(CONVOLUTIONS, {"float": {"groups": 2.0}, "bool": {"groups": True}}, TypeError, "groups"),
    *of(CONVOLUTIONS, {"none": {"groups": None}, "tuple": {"groups": (2,)}}, TypeError, "groups"),
    *of(CONVOLUTIONS, {"indivisible_outputs": kernel(5, 2)}, ValueError, "groups"),
    *of(
        CONVOLUTIONS,
        {
            "too_few_axes": {"input": ones(4)},
            "too_many_axes": spatial((1, 1, 4), 7),
            "scalar": {"input": 1.0},
            "zero_channels": spatial((2, 0), 7),
            "zero_size": spatial((2, 4), 0),
            "zero_size_and_batch": spatial((0, 4), 0),
            "five_channels": spatial((2, 5), 7),
        },
        ValueError,
        "input",
    ),
    *of(
        CONVOLUTIONS,
        {
            "no_axes": {"weight": 1.0},
            "too_few_axes": {"weight": ones(6, 2)},
            "too_many_axes": kernel(1, 6, 2),
            "zero_outputs": kernel(0, 2),
            "zero_inputs": kernel(6, 0),
            "zero_kernel": kernel(6, 2, size=0),
            "three_inputs": kernel(6, 3),
            "larger_than_the_input": kernel(6, 2, size=8),
        },
        ValueError,
        "weight",
    ),
    *of(
        CONVOLUTIONS,
        {"dilated_beyond_the_input": {"dilation": 4}, "huge": {"dilation": 2**62}},
        ValueError,
        "dilation",
    ),
    *of(CONVOLUTIONS, {"short": {"bias": ones(5)}, "matrix": {"bias": ones(6, 1)}}, ValueError, "bias"),
    *of(CONVOLUTIONS, {"scalar": {"bias": 1.0}}, ValueError, "bias"),
    *of(CONVOLUTIONS, {"vector": {"residual": ones(6)}, "scalar": {"residual": 0.0}}, ValueError, "residual"),
    *of(
        CONVOLUTIONS,
        {"fft": {"algorithm": "fft"}, "capitals": {"algorithm": "AUTOTUNE"}},
        ValueError,
        "algorithm",
    ),
    *of(CONVOLUTIONS, {"none": {"algorithm": None}, "code": {"algorithm": 1}}, TypeError, "algorithm"),
]

ADAPTIVE_ROWS = [
    *(row for row in sizes(ADAPTIVE_POOLS, "output_size", 0) if not row.name.endswith("tuple_of_none")),
    *of(ADAPTIVE_POOLS, {"none": {"output_size": None}}, TypeError, "output_size"),
    *of(
        ADAPTIVE_POOLS,
        {"huge": {"output_size": 2**62}},
        MemoryError,
        "output",
    ),
    *of(ADAPTIVE_MAX_POOLS, {"one": {"return_indices": 1}}, TypeError, "return_indices"),
]

POOLING_ROWS = [
    *sizes(POOLS, "kernel_size", 1),
    *sizes(POOLS, "stride", 1),
    *sizes(POOLS, "padding", 0),
    *sizes(MAX_POOLS, "dilation", 1),
    *of(POOLS, {"none": {"kernel_size": None}}, TypeError, "kernel_size"),
    *of(POOLS, {"larger_than_the_input": {"kernel_size": 8}}, ValueError, "kernel_size"),
    *of(
        POOLS, {"over_half": {"padding": 2}, "side_over_half": {"padding": ((0, 2),)}}, ValueError, "padding"
    ),
    *of(POOLS, {"huge": {"padding": 2**50}, "unknown": {"padding": "full"}}, ValueError, "padding"),
    *of(POOLS, {"huge_kernel": {"kernel_size": 2**62, "padding": 2**61}}, TOO_LARGE, "padding"),
    *of(POOLS, {"one": {"ceil_mode": 1}, "none": {"ceil_mode": None}}, TypeError, "ceil_mode"),
    *of(MAX_POOLS, {"one": {"return_indices": 1}}, TypeError, "return_indices"),
    *of(MAX_POOLS, {"dilated_beyond_the_input": {"dilation": 4}}, ValueError, "kernel_size"),
    *of(AVG_POOLS, {"one": {"count_include_pad": 1}}, TypeError, "count_include_pad"),
    *of(
        AVG_POOLS,
        {"zero": {"divisor_override": 0}, "huge": {"divisor_override": 2**63}},
        ValueError,
        "divisor_override",
    ),
    *of(
        AVG_POOLS,
        {"float": {"divisor_override": 2.0}, "bool": {"divisor_override": True}},
        TypeError,
        "divisor_override",
    ),
    *of(
        POOLS + ADAPTIVE_POOLS,
        {
            "too_few_axes": {"input": ones(4)},
            "too_many_axes": spatial((1, 1, 4), 7),
            "zero_channels": spatial((2, 0), 7),
            "zero_size": spatial((2, 4), 0),
        },
        ValueError,
        "input",
    ),
]

NORM_ROWS = [
    *(
        row
        for name in VECTORS
        for row in of(NORMS, {"short": {name: ones(3)}, "row": {name: ones(1, 4)}}, ValueError, name)
    ),
    *(row for name in VECTORS for row in of(NORMS, {"complex": {name: ones(4) * 1j}}, TypeError, name)),
    *of(NORMS, {"negative": {"running_var": np.array([1, 1, -1e-3, 1])}}, ValueError, "running_var"),
    *of(NORMS, {"beside_nan": {"running_var": np.array([np.nan, -1, np.nan, 1])}}, ValueError, "running_var"),
    *of(NORMS, {"zero": {"eps": 0}, "negative": {"eps": -1e-5}, "nan": {"eps": math.nan}}, ValueError, "eps"),
    *of(NORMS, {"infinite": {"eps": math.inf}, "huge": {"eps": 10**400}}, ValueError, "eps"),
    *of(NORMS, {"none": {"eps": None}, "string": {"eps": "1e-5"}, "bool": {"eps": True}}, TypeError, "eps"),
    *of(NORMS, {"nan": {"momentum": math.nan}, "above_one": {"momentum": 1.5}}, ValueError, "momentum"),
    *of(NORMS, {"negative": {"momentum": -0.1}}, ValueError, "momentum"),
    *of(NORMS, {"none": {"momentum": None}, "array": {"momentum": ones(1)}}, TypeError, "momentum"),
    *of(NORMS, {"one": {"training": 1}, "none": {"training": None}}, TypeError, "training"),
    *of(
        NORMS,
        {"vector": {"input": ones(4)}, "six_axes": {"input": ones(2, 4, 1, 1, 1, 1)}},
        ValueError,
        "input",
    ),
    *of(
        NORMS,
        {"zero_channels": {"input": ones(2, 0, 7)}, "zero_size": {"input": ones(2, 4, 0)}},
        ValueError,
        "input",
    ),
    *of(NORMS, {"vector": {"residual": ones(4)}}, ValueError, "residual"),
    *of(NORMS[:1], {"none": {"running_mean": None}}, ValueError, "running_mean"),
    *of(NORMS[:1], {"none": {"running_var": None}}, ValueError, "running_var"),
    *of(NORMS[1:], {"one_value_a_channel": {"input": ones(1, 4, 1)}}, ValueError, "input"),
    *of(NORMS[1:], {"list": {"running_mean": [1.0] * 4}}, TypeError, "running_mean"),
    *of(NORMS[1:], {"integers": {"running_var": np.ones(4, int)}}, TypeError, "running_var"),
    *of(NORMS[1:], {"read_only": {"running_mean": np.broadcast_to(ones(1), 4)}}, ValueError, "running_mean"),
    *of(NORMS[1:], {"masked": {"running_mean": np.ma.ones(4)}}, TypeError, "running_mean"),
    *of(
        ("fold_batch_norm",),
        {
            "short_bias": {"bias": ones(3)},
            "short_bn_bias": {"bn_bias": ones(3)},
            "negative_variance": {"running_var": -ones(4)},
            "short_mean_bias": {"running_mean": ones(3)},
            "scalar_weight": {"weight": 1.0},
            "empty_weight": {"weight": ones(4, 0)},
            "zero_eps": {"eps": 0.0},
        },
        ValueError,
        "",
    ),
    *of(("fold_batch_norm",), {"none": {"running_mean": None}}, TypeError, "running_mean"),
]

OTHER_ROWS = [
    *of(("linear",), {"features": {"input": ones(2, 3)}, "scalar": {"input": 1.0}}, ValueError, "input"),
    *of(
        ("linear",),
        {"cube": {"weight": ones(6, 4, 1)}, "empty": {"weight": ones(0, 4)}},
        ValueError,
        "weight",
    ),
    *of(("linear",), {"no_features": {"input": ones(2, 0), "weight": ones(6, 0)}}, ValueError, "weight"),
    *of(("linear",), {"short": {"bias": ones(5)}, "scalar": {"bias": 1.0}}, ValueError, "bias"),
    *of(
        ("leaky_relu",),
        {"nan": {"negative_slope": math.nan}, "infinite": {"negative_slope": math.inf}},
        ValueError,
        "slope",
    ),
    *of(
        ("leaky_relu",),
        {"none": {"negative_slope": None}, "array": {"negative_slope": ones(1)}},
        TypeError,
        "slope",
    ),
    *of(
        ("explain",),
        {"unknown": {"function": "conv4d"}, "pooling": {"function": "max_pool2d"}},
        ValueError,
        "function",
    ),
    *of(("explain",), {"callable": {"function": fc.conv2d}}, TypeError, "function"),
    *of(
        ("explain",),
        {"short": {"input_shape": (4, 7)}, "negative": {"input_shape": (2, 4, -7, 7)}},
        ValueError,
        "input_shape",
    ),
    *of(("explain",), {"empty_batch": {"input_shape": (0, 4, 7, 7)}}, ValueError, "input_shape"),
    *of(
        ("explain",),
        {"array": {"input_shape": ones(2, 4)}, "float": {"input_shape": (2, 4, 7.0, 7)}},
        TypeError,
        "input_shape",
    ),
    *of(("explain",), {"integer": {"weight_shape": 3}}, TypeError, "weight_shape"),
    *of(("explain",), {"huge": {"input_shape": (2**40, 2**40, 7, 7)}}, EITHER, "input"),
    *of(
        ("explain",),
        {"half": {"dtype": "float16"}, "nonsense": {"dtype": "no type"}, "none": {"dtype": None}},
        TypeError,
        "dtype",
    ),
    *of(
        ("explain",),
        {
            "open_bracket": {"dtype": "f4,("},
            "negative": {"dtype": ("f4", -1)},
            "twice": {"dtype": [("a", "f4"), ("a", "f4")]},
            "lists_in_lists": {"dtype": LISTS_IN_LISTS},
        },
        TypeError,
        "dtype",
    ),
    *of(("explain",), {"fft": {"algorithm": "fft"}}, ValueError, "algorithm"),
    *of(("explain",), {"one": {"measure": 1}, "none": {"measure": None}}, TypeError, "measure"),
]

SHARED_ROWS = [
    *of(
        FUSING,
        {
            "unknown": {"activation": "gelu"},
            "clip_without_bounds": {"activation": ("clip",)},
            "clip_upside_down": {"activation": ("clip", 1.0, 0.0)},
            "clip_nan": {"activation": ("clip", math.nan, 1.0)},
            "leaky_without_slope": {"activation": "leaky_relu"},
            "leaky_infinite": {"activation": ("leaky_relu", math.inf)},
            "empty": {"activation": ()},
            "huge_slope": {"activation": ("leaky_relu", 10**400)},
            "arrays": {"activation": (ones(2), 0.0, 1.0)},
        },
        ValueError,
        "activation",
    ),
    *of(FUSING, {"function": {"activation": fc.relu}, "code": {"activation": 1}}, TypeError, "activation"),
    *of(FUSING, {"clip_of_strings": {"activation": ("clip", "0", "1")}}, TypeError, "activation"),
    *of(LAID_OUT, {"unknown": {"layout": "NWHC"}, "small": {"layout": "nhwc"}}, ValueError, "layout"),
    *of(LAID_OUT, {"none": {"layout": None}, "array": {"layout": ones(2)}}, TypeError, "layout"),
    *of(LAID_OUT, {"lists_in_lists": {"layout": LISTS_IN_LISTS}}, TypeError, "layout"),
]

STATISTIC_ROWS = [*NORM_ROWS, *GROUP_NORM_ROWS, *INSTANCE_NORM_ROWS, *LAYER_NORM_ROWS, *SOFTMAX_ROWS]
POOL_ROWS = [*POOLING_ROWS, *ADAPTIVE_ROWS]
ROWS = [*CONVOLUTION_ROWS, *POOL_ROWS, *STATISTIC_ROWS, *OTHER_ROWS, *SHARED_ROWS]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_argument_is_named_and_nothing_is_written(row: Bad) -> None:
    arguments = valid(row.function)
    if row.function in WITH_OUT:
        out = np.full_like(call(row.function, valid(row.function)), 77.0)
        arguments["out"] = out
    arguments |= row.changes
    running = [arguments[name] for name in VECTORS if isinstance(arguments.get(name), np.ndarray)]
    before = [array.copy() for array in running]
    with pytest.raises(row.error) as raised:
        call(row.function, arguments)
    assert row.says in str(raised.value)
    assert len(str(raised.value)) < 500
    if row.function in WITH_OUT:
        assert (out == 77.0).all()
    for array, copy in zip(running, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("function", [*WITH_OUT, "fold_batch_norm", "explain"])
def test_valid_call_is_valid(function: str) -> None:
    """The rows above change a call that works."""
    call(function, valid(function))


def test_output_without_elements_that_numpy_cannot_hold() -> None:
    with pytest.raises(ValueError, match=r"output of shape \(0, 1, "):
        fc.conv2d(np.ones((0, 1, 3, 3)), np.ones((1, 1, 1, 1)), padding=2**55)
