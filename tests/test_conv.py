"""Convolution against the oracle: every case by every algorithm, instruction set, type and thread count."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import oracle
import pytest
from bounds import CONVOLUTION, Activation, after_activation, assert_same_bits, assert_within, eps_of
from calls import algorithms, channels_first, channels_last, convolve, every_algorithm, fits_winograd
from cases import CONV_CASES, ConvCase, random_array

import fastconv as fc
from fastconv._native import core
from fastconv.functional.checks import arguments, arrays, window
from fastconv.runtime import native_run

Array = np.ndarray[Any, Any]

GENERAL = ["direct", "im2col"]  # do every shape
PAIRS = [
    pytest.param(case, algorithm, id=f"{case}-{algorithm}")
    for case in CONV_CASES
    for algorithm in [*algorithms(case), "auto"]
]
BY_NAME = {case.name: case for case in CONV_CASES}
# One case for each kind of path: first layer, blocked, 1x1, strided, grouped, depthwise, other ranks.
KINDS = [
    BY_NAME[name]
    for name in (
        "width_15_three_channels",
        "width_23_sixteen_channels",
        "asymmetric_padding_stride_2",
        "17_filters_17_channels",
        "stride_2_1x1_odd_width",
        "7x7_map_33_channels",
        "kernel_larger_than_image",
        "dilation_3_padding_3",
        "groups_of_4_channels",
        "depthwise_width_19",
        "channel_multiplier_3",
        "1d_stride_5",
        "3d_sixteen_channels",
        "batch_worth_threads",
    )
]


@pytest.fixture(autouse=True)
def _exact_algorithms() -> Iterator[None]:
    """Keep ``"auto"`` from Winograd's algorithm, whose bound is another: test_winograd.py has it."""
    with fc.config(winograd=False):
        yield


@lru_cache(maxsize=2 * len(CONV_CASES))
def reference(case: ConvCase, dtype: Any) -> tuple[Array, Array]:
    """Return the oracle's result, without bias, and the magnitude that bounds are relative to."""
    x, w, _ = case.arrays(dtype)
    return oracle.conv(x, w, **case.options), oracle.conv(abs(x), abs(w), **case.options)


@pytest.mark.parametrize(("case", "algorithm"), PAIRS)
def test_matches_oracle_for_any_thread_count(case: ConvCase, algorithm: str, dtype: Any, isa: str) -> None:
    x, w, _ = case.arrays(dtype)
    y, magnitude = reference(case, dtype)
    results = []
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            results.append(convolve(case, x, w, algorithm=algorithm))
    assert results[0].dtype == dtype
    assert_within(results[0], y, CONVOLUTION[algorithm](case.reduction) * eps_of(dtype) * magnitude)
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])


@pytest.mark.parametrize("case", [case for case in CONV_CASES if not case.is_depthwise][::30], ids=str)
def test_depthwise_refuses_more_channels_a_group(case: ConvCase) -> None:
    x, w, _ = case.arrays(np.float32)
    with pytest.raises(ValueError, match="depthwise"):
        convolve(case, x, w, algorithm="depthwise")


@pytest.mark.parametrize("case", CONV_CASES, ids=str)
def test_integers_are_exact_by_every_path(case: ConvCase, dtype: Any, isa: str) -> None:
    """Small integers leave no rounding: algorithms, layouts, threads, instruction sets agree in every bit."""
    x, w, b = case.arrays(dtype, integer=True)
    residual = random_array(case.name, case.output, dtype, integer=True)
    sums = oracle.conv(x, w, b, **case.options) + residual
    expected = (oracle.activation(sums, "relu") + 0.0).astype(dtype)
    last = channels_last(x), channels_last(residual)
    for algorithm in [*algorithms(case), "auto"]:
        fused: dict[str, Any] = {"activation": "relu", "algorithm": algorithm}
        for threads in (1, 2) if case.multiplications > 1e5 else (1,):
            with fc.config(num_threads=threads):
                assert_same_bits(convolve(case, x, w, b, residual=residual, **fused), expected)
                y = convolve(case, last[0], w, b, residual=last[1], layout="NHWC", **fused)
                assert_same_bits(channels_first(y), expected)


BLOCKED = [
    *(case for case in CONV_CASES if case.groups == 1 and (case.input[1] > 4 or case.weight[0] > 8)),
    ConvCase("slabs_of_1x1", (2, 600, 13, 13), (40, 600, 1, 1)),
    ConvCase("slabs_of_3x3_stride_2", (1, 530, 14, 15), (19, 530, 3, 3), stride=2, padding=1),
    ConvCase("slabs_and_bands", (1, 300, 30, 31), (33, 300, 3, 3), padding=1),
]


def blocked(case: ConvCase, arrays: tuple[Array, ...], epilogue: tuple[Any, ...], algorithm: str) -> Array:
    """Call the kernel that networks call, between maps in channel blocks."""
    x, w = arrays
    given = case.stride, case.padding, case.dilation, 1
    shape, native_window, _ = window.convolution(x.shape, w.shape, given)
    out = np.full(shape, np.nan, x.dtype)
    code = core.ALGORITHMS.index(algorithm)
    core.bench_blocked_conv(x, w, out, native_window, epilogue, code, native_run(), 0.0)
    return out


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("case", BLOCKED, ids=str)
def test_blocked_maps_give_the_bits_of_plain_arrays(
    case: ConvCase, threads: int, dtype: Any, isa: str
) -> None:
    x, w, _ = case.arrays(dtype)
    tiled = ["winograd_2x2", "winograd_4x4"] if fits_winograd(case) else []
    with fc.config(num_threads=threads):
        for algorithm in ["direct", *tiled]:
            y = blocked(case, (x, w), (None, None, *arguments.activation(None)), algorithm)
            assert_same_bits(y, convolve(case, x, w, algorithm=algorithm))


@pytest.mark.parametrize("activation", [None, "relu", "silu", ("leaky_relu", 0.125)], ids=str)
@pytest.mark.parametrize("case", BLOCKED[::5], ids=str)
def test_blocked_maps_with_bias_residual_and_activation(
    case: ConvCase, activation: Activation, dtype: Any, isa: str
) -> None:
    x, w, b = case.arrays(dtype)
    r = random_array(case.name, case.output, dtype)
    tiled = ["winograd_2x2", "winograd_4x4"] if fits_winograd(case) else []
    for algorithm in ["direct", *tiled]:
        y = blocked(case, (x, w), (b, r, *arguments.activation(activation)), algorithm)
        expected = convolve(case, x, w, b, residual=r, activation=activation, algorithm=algorithm)
        assert_same_bits(y, expected)


@pytest.mark.parametrize("case", CONV_CASES[::3], ids=str)
def test_packed_filter_gives_the_bits_of_plain_weights(case: ConvCase, dtype: Any, isa: str) -> None:
    x, w, b = case.arrays(dtype)
    given = case.stride, case.padding, case.dilation, case.groups
    shape, native_window, groups = window.convolution(x.shape, w.shape, given)
    for algorithm in every_algorithm(case):
        code, run = core.ALGORITHMS.index(algorithm), native_run()
        shapes = x.shape, w.shape, shape
        plan = core.conv_plan(shapes, (w.itemsize, False), native_window, groups, code, False, run, 1)
        packed = arrays.allocate((plan["filter_bytes"] // w.itemsize or w.size,), x.dtype)
        packed[:] = np.nan if plan["filter_bytes"] else w.ravel()
        if plan["filter_bytes"]:
            core.pack_conv(w, packed, shapes, native_window, groups, code, run)
        out = np.full(shape, np.nan, dtype)
        epilogue = (b, None, *arguments.activation("relu"))
        core.conv_packed(x, packed, w.shape, out, native_window, groups, epilogue, code, run)
        assert_same_bits(out, convolve(case, x, w, b, algorithm=algorithm, activation="relu"))


ACTIVATIONS: list[Activation] = [
    None, "relu", "relu6", ("clip", -0.5, 1.25), ("leaky_relu", 0.125), "silu", "hardswish", "sigmoid"
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("case", KINDS, ids=str)
def test_bias_residual_and_activation(case: ConvCase, activation: Activation, dtype: Any, isa: str) -> None:
    x, w, b = case.arrays(dtype)
    residual = random_array(case.name, case.output, dtype)
    y, magnitude = reference(case, dtype)
    eps = eps_of(dtype)
    for algorithm in algorithms(case):
        for bias, added in ((b, None), (None, residual), (b, residual)):
            sums, size = y, magnitude
            for term in (None if bias is None else oracle.channel_vector(bias, y.ndim), added):
                if term is not None:
                    sums, size = sums + term, size + abs(term)
            expected = oracle.activation(sums, activation)
            bound = after_activation(
                activation, CONVOLUTION[algorithm](case.reduction) * eps * size, expected, eps
            )
            options: dict[str, Any] = {"activation": activation, "algorithm": algorithm}
            assert_within(convolve(case, x, w, bias, residual=added, **options), expected, bound)
            last = None if added is None else channels_last(added)
            result = convolve(case, channels_last(x), w, bias, residual=last, layout="NHWC", **options)
            assert_within(channels_first(result), expected, bound)


@pytest.mark.parametrize("case", [c for c in CONV_CASES if not c.name.endswith("_worth_threads")], ids=str)
def test_sample_alone_has_the_bits_it_has_in_a_batch(case: ConvCase, dtype: Any, isa: str) -> None:
    batch = random_array(case.name, (3, *case.input[1:]), dtype)
    _, w, b = case.arrays(dtype)
    for algorithm in algorithms(case):
        together = convolve(case, batch, w, b, algorithm=algorithm)
        for sample in range(3):
            alone = convolve(case, batch[sample : sample + 1], w, b, algorithm=algorithm)
            assert_same_bits(together[sample : sample + 1], alone)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("case", KINDS, ids=str)
def test_out_unbatched_and_empty_batch(case: ConvCase, layout: str, dtype: Any) -> None:
    x, w, b = case.arrays(dtype)
    x = channels_last(x) if layout == "NHWC" else x
    expected = convolve(case, x, w, b, layout=layout)
    assert expected.flags.c_contiguous
    assert expected.ctypes.data % 64 == 0
    out = np.full_like(expected, np.nan)
    assert convolve(case, x, w, b, layout=layout, out=out) is out
    assert_same_bits(out, expected)
    assert_same_bits(convolve(case, x[0], w, b, layout=layout), expected[0])
    empty = convolve(case, x[:0], w, b, layout=layout)
    assert empty.shape == (0, *expected.shape[1:])
    assert empty.dtype == expected.dtype


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("padding", "stride"), [("same", 1), ("same_upper", 2), ("same_lower", 3), ("valid", 2)]
)
def test_named_padding(padding: str, stride: int, kernel: int, dtype: Any) -> None:
    x = random_array("x", (1, 5, 7, 12), dtype, integer=True)
    w = random_array("w", (6, 5, kernel, kernel + 1), dtype, integer=True)
    pads = [(0, 0), (0, 0)]
    if padding != "valid":
        lower = padding == "same_lower"
        pads = [oracle.same_padding(n, k, stride, 1, lower=lower) for n, k in ((7, kernel), (12, kernel + 1))]
    y = fc.conv2d(x, w, stride=stride, padding=padding)
    np.testing.assert_array_equal(y, oracle.conv(x, w, stride=stride, padding=pads))


@pytest.mark.parametrize("case", KINDS, ids=str)
def test_is_linear(case: ConvCase, dtype: Any, isa: str) -> None:
    x, w, _ = case.arrays(dtype, integer=True)
    other = random_array(case.name, case.input, dtype, integer=True)
    for algorithm in algorithms(case):
        together = convolve(case, 2 * x - 3 * other, w, algorithm=algorithm)
        parts = convolve(case, x, w, algorithm=algorithm), convolve(case, other, w, algorithm=algorithm)
        np.testing.assert_array_equal(together, 2 * parts[0] - 3 * parts[1])


@pytest.mark.parametrize("shift", [1, 5, 14, 17])
def test_shift_of_the_input_shifts_the_output(shift: int, dtype: Any, isa: str) -> None:
    signal = random_array("signal", (1, 6, 4, 50), dtype, integer=True)
    w = random_array("filter", (7, 6, 3, 3), dtype, integer=True)
    for algorithm in GENERAL:
        y = fc.conv2d(signal, w, algorithm=algorithm)
        np.testing.assert_array_equal(fc.conv2d(signal[..., shift:], w, algorithm=algorithm), y[..., shift:])


@pytest.mark.parametrize("channels", [1, 3, 16, 18])
def test_impulse_returns_the_flipped_filter(channels: int, dtype: Any, isa: str) -> None:
    w = random_array("w", (9, channels, 3, 5), dtype)
    for channel in range(channels):
        x = np.zeros((1, channels, 3, 5), dtype)
        x[0, channel, 1, 2] = 1
        for algorithm in GENERAL:
            y = fc.conv2d(x, w, padding=(1, 2), algorithm=algorithm)
            np.testing.assert_array_equal(y[0], w[:, channel, ::-1, ::-1])


def test_sums_of_one_sign_stay_in_bound(dtype: Any, isa: str) -> None:
    """Positive terms let every partial sum grow, the worst case of the bound's walk."""
    x, w = abs(random_array("x", (1, 512, 4, 9), dtype)), abs(random_array("w", (17, 512, 3, 3), dtype))
    y = oracle.conv(x, w, padding=1)
    for algorithm in GENERAL:
        bound = CONVOLUTION[algorithm](512 * 9) * eps_of(dtype) * y
        assert_within(fc.conv2d(x, w, padding=1, algorithm=algorithm), y, bound)
