"""Constructors and calls of modules refuse bad arguments, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastconv import nn

X = np.ones((2, 4, 6, 6), np.float32)
# None is a stride of pooling.
SIZES: list[Any] = [0, -1, 1.0, True, "3", np.ones(2), (1, 2, 3, 4), (), 2**63]
LENGTHS = [*SIZES, None]
COUNTS: list[Any] = [0, -1, 1.0, True, "3", None, np.ones(2), (1, 2), 2**63]
PADDINGS: list[Any] = [-1, 1.0, True, "full", None, np.ones(2), (1, 2, 3, 4), (), ((1, 2, 3),), 2**63]
AXES: list[Any] = [1.5, "1", True, 2**63]
FLAGS: list[Any] = [1, "yes", np.ones(2), None]
EPS: list[Any] = [0.0, -1e-5, float("nan"), float("inf"), "1", None, True]
DTYPES: list[Any] = ["float16", int, None, "complex64", object()]
SEEDS: list[Any] = [-1, 1.5, "0", True, [1]]
MODULES: list[Any] = [3, "relu", nn.ReLU]

Values = dict[str, list[Any]]
CONVOLUTION: Values = {
    **dict.fromkeys(("in_channels", "out_channels", "groups"), COUNTS),
    **dict.fromkeys(("kernel_size", "stride", "dilation"), LENGTHS),
    "padding": PADDINGS,
    "padding_mode": ["mirror", None, 3, ["zeros"]],
    "bias": FLAGS,
    "dtype": DTYPES,
    "rng": SEEDS,
}
POOL: Values = {"kernel_size": LENGTHS, "stride": SIZES, "padding": PADDINGS, "ceil_mode": FLAGS}
MAX_POOL: Values = {**POOL, "dilation": LENGTHS, "return_indices": FLAGS}
AVG_POOL: Values = {**POOL, "count_include_pad": FLAGS}
TRACKED: Values = {
    "num_features": COUNTS,
    "eps": EPS,
    "momentum": [-0.1, 1.1, float("nan"), "0.1", True],
    **dict.fromkeys(("affine", "track_running_stats", "bias"), FLAGS),
    "dtype": DTYPES,
}
CHANNELS = {"in_channels": 4, "out_channels": 4, "kernel_size": 1}

# Classes, arguments that do, and for each name values that do not.
BAD: list[tuple[tuple[Any, ...], dict[str, Any], Values]] = [
    ((nn.Conv1d, nn.Conv2d, nn.Conv3d), CHANNELS, CONVOLUTION),
    (
        (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        CHANNELS,
        {**CONVOLUTION, "padding": [*PADDINGS, "same"], "output_padding": [-1, 1.5, None, (), True]},
    ),
    ((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), {"kernel_size": 2}, MAX_POOL),
    ((nn.AvgPool1d,), {"kernel_size": 2}, AVG_POOL),
    (
        (nn.AvgPool2d, nn.AvgPool3d),
        {"kernel_size": 2},
        {**AVG_POOL, "divisor_override": [0, 1.5, "1", True]},
    ),
    (
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
        {},
        {"output_size": [-1, 1.5, "1", None, (1, 2, 3, 4), True]},
    ),
    (
        (
            *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
            *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
        ),
        {"num_features": 4},
        TRACKED,
    ),
    (
        (nn.GroupNorm,),
        {"num_groups": 2, "num_channels": 4},
        {
            "num_groups": [3, *COUNTS],
            "num_channels": [3, *COUNTS],
            "eps": EPS,
            "affine": FLAGS,
            "bias": FLAGS,
        },
    ),
    (
        (nn.LayerNorm,),
        {"normalized_shape": 4},
        {
            "normalized_shape": [-1, 1.5, "1", None, (), (2.0,), True],
            **{"eps": EPS, "elementwise_affine": FLAGS, "bias": FLAGS, "dtype": DTYPES},
        },
    ),
    (
        (nn.Linear,),
        {"in_features": 4, "out_features": 4},
        {"in_features": COUNTS, "out_features": COUNTS, "bias": FLAGS, "dtype": DTYPES, "rng": SEEDS},
    ),
    (
        (nn.Dropout,),
        {},
        {"p": [-0.1, 1.1, float("nan"), "0.1", None, True], "inplace": FLAGS, "rng": SEEDS},
    ),
    ((nn.LeakyReLU,), {}, {"negative_slope": [float("nan"), float("inf"), "1", None]}),
    ((nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.Hardswish), {}, {"inplace": FLAGS}),
    ((nn.Softmax, nn.Concat), {}, {"dim": AXES}),
    ((nn.Flatten,), {}, {"start_dim": AXES, "end_dim": AXES}),
    ((nn.Residual,), {"body": nn.ReLU()}, {"body": [*MODULES, None], "shortcut": MODULES}),
]


def refused(name: str, call: Callable[..., object], *arguments: Any, **options: Any) -> None:
    """Expect an error that names the argument."""
    with pytest.raises((TypeError, ValueError)) as info:
        call(*arguments, **options)
    assert type(info.value) in (TypeError, ValueError)
    assert name in str(info.value)


@pytest.mark.parametrize(
    ("kind", "good", "name", "values"),
    [
        pytest.param(kind, good, name, values, id=f"{kind.__name__}-{name}")
        for kinds, good, bad in BAD
        for kind in kinds
        for name, values in bad.items()
    ],
)
def test_constructors(kind: Any, good: dict[str, Any], name: str, values: list[Any]) -> None:
    if good:
        kind(**good)
    for value in values:
        refused(name, kind, **{**good, name: value})


def test_arguments_that_do_not_belong_together() -> None:
    refused("in_channels", nn.Conv2d, 6, 4, 1, groups=4)
    refused("out_channels", nn.Conv2d, 4, 6, 1, groups=4)
    refused("padding_mode", nn.Conv2d, 4, 4, 1, padding="same_upper", padding_mode="reflect")
    refused("stride", nn.Conv2d, 4, 4, 1, 2, padding="same")
    refused("padding_mode", nn.ConvTranspose2d, 4, 4, 1, padding_mode="reflect")


@pytest.mark.parametrize("value", [*MODULES, None])
def test_containers_hold_modules_only(value: Any) -> None:
    refused("module '1'", nn.Sequential, nn.ReLU(), value)
    refused("module '1'", nn.Concat, nn.ReLU(), value)
    refused("a.b", nn.Sequential, {"a.b": nn.ReLU()})


@pytest.mark.parametrize("size", [3, (3,), (1, 2, 3), (10, 13), (13, 10), (10, 11.0), (0, 0), "ab"], ids=str)
def test_output_size(size: Any) -> None:
    refused("output_size", nn.ConvTranspose2d(4, 2, 3, 2, 1), X, output_size=size)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: nn.Conv2d(3, 4, 1)(X), "input has 4 channels"),
        (lambda: nn.Conv2d(4, 4, 1)(X[0, 0]), "input"),
        (lambda: nn.Conv2d(4, 4, 1, padding=7, padding_mode="reflect")(X), "pad"),
        (lambda: nn.BatchNorm2d(3)(X), "running_mean"),
        (lambda: nn.BatchNorm2d(4)(X[0]), "input has 3 axes: BatchNorm2d takes 4"),
        (lambda: nn.BatchNorm1d(4)(X), "input has 4 axes: BatchNorm1d takes 2 or 3"),
        (lambda: nn.InstanceNorm1d(4)(X), "input has 4 axes: InstanceNorm1d takes 2 or 3"),
        (lambda: nn.InstanceNorm2d(3, affine=True)(X), "weight"),
        (lambda: nn.InstanceNorm3d(4)(X[0]), "input has 3 axes: InstanceNorm3d takes 4 or 5"),
        (lambda: nn.GroupNorm(3, 6)(X), "num_groups=3"),
        (lambda: nn.LayerNorm(5)(X), "normalized_shape"),
        (lambda: nn.Linear(5, 2)(X), "input"),
        (lambda: nn.Flatten(2, 1)(X), "end_dim"),
        (lambda: nn.Flatten(4)(X), "start_dim"),
        (lambda: nn.Softmax(4)(X), "axis"),
        (lambda: nn.ReLU()(["a"]), "input"),
        (lambda: nn.Identity()(1j), "input"),
        (lambda: nn.Dropout()(1j), "input"),
        (lambda: nn.Concat()(), "Concat"),
        (lambda: nn.Concat(nn.ReLU())(X, X), "Concat"),
        (lambda: nn.Concat()(X, X[:1]), "input 1"),
        (lambda: nn.Concat()(X, X[0]), "input 1"),
        (lambda: nn.Concat(dim=4)(X, X), "dim=4"),
        (lambda: nn.Residual(nn.Conv2d(4, 1, 1))(X), "the shortcut's output"),
        (lambda: nn.AvgPool2d(7)(X), "kernel_size"),
        (lambda: nn.MaxPool2d(2, padding=2)(X), "padding"),
    ],
)
def test_calls_name_what_is_wrong(call: Callable[[], object], name: str) -> None:
    refused(name, call)
