"""What turns valid calls of group, instance and layer norm and of softmax into calls that must be refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from bad_arguments import GROUPED, SOFTMAXES, Bad, of, ones

BAD_EPS = {
    "zero": {"eps": 0},
    "negative": {"eps": -1e-5},
    "nan": {"eps": math.nan},
    "infinite": {"eps": math.inf},
}
NO_EPS = {"none": {"eps": None}, "string": {"eps": "1e-5"}, "bool": {"eps": True}}


def vectors(functions: tuple[str, ...], *names: str) -> list[Bad]:
    """Make the rows for vectors with an entry for each of 4 channels."""
    rows = []
    for name in names:
        rows += of(functions, {"short": {name: ones(3)}, "row": {name: ones(1, 4)}}, ValueError, name)
        rows += of(functions, {"scalar": {name: 1.0}}, ValueError, name)
        rows += of(functions, {"complex": {name: ones(4) * 1j}}, TypeError, name)
    return rows


GROUP_NORM_ROWS = [
    *vectors(GROUPED, "weight", "bias"),
    *of(GROUPED, BAD_EPS, ValueError, "eps"),
    *of(GROUPED, NO_EPS, TypeError, "eps"),
    *of(
        GROUPED,
        {
            "vector": {"input": ones(4)},
            "scalar": {"input": 1.0},
            "six_axes": {"input": ones(2, 4, 1, 1, 1, 2)},
            "zero_channels": {"input": ones(2, 0, 7)},
            "zero_size": {"input": ones(2, 4, 0)},
        },
        ValueError,
        "input",
    ),
    *of(GROUPED, {"vector": {"residual": ones(4)}, "scalar": {"residual": 0.0}}, ValueError, "residual"),
    *of(
        ("group_norm",),
        {
            "three_of_four": {"num_groups": 3},
            "more_than_channels": {"num_groups": 8},
            "zero": {"num_groups": 0},
            "negative": {"num_groups": -2},
            "huge": {"num_groups": 2**63},
        },
        ValueError,
        "num_groups",
    ),
    *of(
        ("group_norm",),
        {
            "float": {"num_groups": 2.0},
            "bool": {"num_groups": True},
            "none": {"num_groups": None},
            "tuple": {"num_groups": (2,)},
            "array": {"num_groups": np.array(2)},
        },
        TypeError,
        "num_groups",
    ),
    *of(("group_norm",), {"one_value": {"input": ones(1, 4), "num_groups": 4}}, ValueError, "input"),
    *of(("group_norm",), {"one_pixel": {"input": ones(1, 4, 1, 1), "num_groups": 4}}, ValueError, "input"),
]

INSTANCE = ("instance_norm",)
INSTANCE_NORM_ROWS = [
    *vectors(INSTANCE, "running_mean", "running_var"),
    *of(INSTANCE, {"no_axis": {"input": ones(2, 4)}, "one_pixel": {"input": ones(2, 4, 1, 1)}},
        ValueError, "input"),
    *of(INSTANCE, {"empty_one_pixel": {"input": ones(0, 4, 1)}}, ValueError, "input"),
    *of(INSTANCE, {"alone": {"running_var": None}, "none": {"running_var": None, "use_input_stats": False}},
        ValueError, "running_var"),
    *of(INSTANCE, {"alone": {"running_mean": None}, "none": {"running_mean": None, "use_input_stats": False}},
        ValueError, "running_mean"),
    *of(INSTANCE, {"negative": {"running_var": np.array([1, 1, -1e-3, 1])}}, ValueError, "running_var"),
    *of(INSTANCE, {"list": {"running_mean": [1.0] * 4}, "masked": {"running_mean": np.ma.ones(4)}},
        TypeError, "running_mean"),
    *of(INSTANCE, {"integers": {"running_var": np.ones(4, int)}}, TypeError, "running_var"),
    *of(INSTANCE, {"read_only": {"running_mean": np.broadcast_to(ones(1), 4)}}, ValueError, "running_mean"),
    *of(INSTANCE, {"nan": {"momentum": math.nan}, "above_one": {"momentum": 1.5}}, ValueError, "momentum"),
    *of(INSTANCE, {"negative": {"momentum": -0.1}}, ValueError, "momentum"),
    *of(INSTANCE, {"none": {"momentum": None}, "array": {"momentum": ones(1)}}, TypeError, "momentum"),
    *of(INSTANCE, {"one": {"use_input_stats": 1}, "none": {"use_input_stats": None}},
        TypeError, "use_input_stats"),
]  # fmt: skip

LAYER = ("layer_norm",)
ITEMS: dict[str, Any] = {"flat": ones(28), "short": ones(4, 6), "last_axis": ones(7), "scalar": 1.0}
LAYER_NORM_ROWS = [
    *of(LAYER, BAD_EPS, ValueError, "eps"),
    *of(LAYER, NO_EPS, TypeError, "eps"),
    *of(
        LAYER,
        {
            "first_axes": {"normalized_shape": (2, 4)},
            "product": {"normalized_shape": (28,)},
            "longer_than_the_input": {"normalized_shape": (1, 2, 4, 7)},
            "empty": {"normalized_shape": ()},
            "negative": {"normalized_shape": (-1,)},
            "huge": {"normalized_shape": (4, 2**63)},
            "scalar": {"input": 1.0},
        },
        ValueError,
        "normalized_shape",
    ),
    *of(
        LAYER,
        {
            "integer": {"normalized_shape": 7},
            "none": {"normalized_shape": None},
            "float": {"normalized_shape": (4, 7.0)},
            "bool": {"normalized_shape": (True,)},
            "array": {"normalized_shape": np.array([4, 7])},
        },
        TypeError,
        "normalized_shape",
    ),
    *(
        row
        for name in ("weight", "bias")
        for row in of(LAYER, {k: {name: v} for k, v in ITEMS.items()}, ValueError, name)
    ),
    *(
        row
        for name in ("weight", "bias")
        for row in of(LAYER, {"complex": {name: 1j * ones(4, 7)}}, TypeError, name)
    ),
]

SOFTMAX_ROWS = [
    *of(
        SOFTMAXES,
        {
            "three": {"axis": 3},
            "minus_four": {"axis": -4},
            "huge": {"axis": 2**63},
            "of_a_scalar": {"input": 1.0, "axis": 1},
        },
        ValueError,
        "axis",
    ),
    *of(
        SOFTMAXES,
        {"none": {"axis": None}, "float": {"axis": 1.0}, "bool": {"axis": True}, "tuple": {"axis": (1,)}},
        TypeError,
        "axis",
    ),
]
