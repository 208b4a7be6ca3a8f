"""Transposed convolution against the oracle and against the convolution whose gradient it is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import oracle
import pytest
from bounds import CONVOLUTION, Activation, after_activation, assert_same_bits, assert_within, eps_of
from calls import algorithms, channels_first, channels_last, convolve_transposed
from cases import TRANSPOSED_CASES, TransposedCase, random_array
from hypothesis import assume, given
from hypothesis import strategies as st

import fastconv as fc

Array = np.ndarray[Any, Any]

PAIRS = [
    pytest.param(case, algorithm, id=f"{case}-{algorithm}")
    for case in TRANSPOSED_CASES
    for algorithm in [*algorithms(case), "auto"]
]
BY_NAME = {case.name: case for case in TRANSPOSED_CASES}
KINDS = [
    BY_NAME[name]
    for name in (
        "stride_2_kernel_4",
        "stride_3_kernel_2_leaves_gaps",
        "stride_12_leaves_most_rows_bare",
        "stride_9_few_channels",
        "one_pixel_to_4x4",
        "asymmetric_padding",
        "two_groups",
        "depthwise_7_channels",
        "depthwise_leaves_gaps",
        "1d_stride_3",
        "3d_leaves_gaps",
        "filters_worth_threads",
    )
]


@pytest.fixture(autouse=True)
def _exact_algorithms() -> Iterator[None]:
    """Keep ``"auto"`` from Winograd's algorithm: test_winograd_transposed.py has its bound."""
    with fc.config(winograd=False):
        yield


@lru_cache(maxsize=2 * len(TRANSPOSED_CASES))
def reference(case: TransposedCase, dtype: Any) -> tuple[Array, Array]:
    """Return the oracle's result, without bias, and the magnitude that bounds are relative to."""
    x, w, _ = case.arrays(dtype)
    return oracle.conv_transpose(x, w, **case.options), oracle.conv_transpose(abs(x), abs(w), **case.options)


@pytest.mark.parametrize(("case", "algorithm"), PAIRS)
def test_matches_oracle_for_any_thread_count(
    case: TransposedCase, algorithm: str, dtype: Any, isa: str
) -> None:
    x, w, _ = case.arrays(dtype)
    y, magnitude = reference(case, dtype)
    results = []
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            results.append(convolve_transposed(case, x, w, algorithm=algorithm))
    assert results[0].dtype == dtype
    assert_within(results[0], y, CONVOLUTION[algorithm](case.reduction) * eps_of(dtype) * magnitude)
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])


@pytest.mark.parametrize("case", TRANSPOSED_CASES, ids=str)
def test_integers_are_exact_by_every_path(case: TransposedCase, dtype: Any, isa: str) -> None:
    x, w, b = case.arrays(dtype, integer=True)
    sums = oracle.conv_transpose(x, w, b, **case.options)
    expected = (oracle.activation(sums, "relu") + 0.0).astype(dtype)
    for algorithm in [*algorithms(case), "auto"]:
        for threads in (1, 2):
            fused: dict[str, Any] = {"activation": "relu", "algorithm": algorithm}
            with fc.config(num_threads=threads):
                assert_same_bits(convolve_transposed(case, x, w, b, **fused), expected)
                y = convolve_transposed(case, channels_last(x), w, b, layout="NHWC", **fused)
                assert_same_bits(channels_first(y), expected)


@pytest.mark.parametrize("activation", [None, ("clip", -0.5, 1.25), ("leaky_relu", 0.125), "silu"], ids=str)
@pytest.mark.parametrize("case", KINDS, ids=str)
def test_bias_and_activation(case: TransposedCase, activation: Activation, dtype: Any, isa: str) -> None:
    x, w, b = case.arrays(dtype)
    y, magnitude = reference(case, dtype)
    eps = eps_of(dtype)
    channels = oracle.channel_vector(b, y.ndim)
    expected = oracle.activation(y + channels, activation)
    bound = CONVOLUTION["direct"](case.reduction) * eps * (magnitude + abs(channels))
    bound = after_activation(activation, bound, expected, eps)
    assert_within(convolve_transposed(case, x, w, b, activation=activation), expected, bound)
    result = convolve_transposed(case, channels_last(x), w, b, layout="NHWC", activation=activation)
    assert_within(channels_first(result), expected, bound)


@pytest.mark.parametrize("case", KINDS, ids=str)
def test_sample_alone_has_the_bits_it_has_in_a_batch(case: TransposedCase, dtype: Any, isa: str) -> None:
    batch = random_array(case.name, (3, *case.input[1:]), dtype)
    _, w, b = case.arrays(dtype)
    together = convolve_transposed(case, batch, w, b)
    for sample in range(3):
        assert_same_bits(
            together[sample : sample + 1], convolve_transposed(case, batch[sample : sample + 1], w, b)
        )


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("case", KINDS, ids=str)
def test_out_unbatched_and_empty_batch(case: TransposedCase, layout: str, dtype: Any) -> None:
    x, w, b = case.arrays(dtype)
    x = channels_last(x) if layout == "NHWC" else x
    expected = convolve_transposed(case, x, w, b, layout=layout)
    out = np.full_like(expected, np.nan)
    assert convolve_transposed(case, x, w, b, layout=layout, out=out) is out
    assert_same_bits(out, expected)
    assert_same_bits(convolve_transposed(case, x[0], w, b, layout=layout), expected[0])
    empty = convolve_transposed(case, x[:0], w, b, layout=layout)
    assert empty.shape == (0, *expected.shape[1:])


def convolution_back(y: Array, case: TransposedCase, w: Array) -> Array:
    """Convolve what has the output's shape with the same weight: the adjoint."""
    function: Any = (fc.conv1d, fc.conv2d, fc.conv3d)[case.rank - 1]
    options = {name: case.options[name] for name in ("stride", "padding", "dilation", "groups")}
    result: Array = function(y, w, **options)
    return result


@pytest.mark.parametrize("case", [case for case in TRANSPOSED_CASES if case.output_padding == 0], ids=str)
def test_is_the_adjoint_of_convolution(case: TransposedCase, isa: str) -> None:
    """``<conv_transpose(x, w), g> == <x, conv(g, w)>``, exact on integers."""
    x, w, _ = case.arrays(np.float64, integer=True)
    y = convolve_transposed(case, x, w)
    g = random_array(case.name + " g", y.shape, np.float64, integer=True)
    back = convolution_back(g, case, w)
    crop = tuple(slice(0, n) for n in x.shape)
    assert np.sum(y * g) == np.sum(x[tuple(slice(0, n) for n in back.shape)] * back[crop])


@st.composite
def drawn_cases(draw: st.DrawFn) -> TransposedCase:
    """Draw a transposed convolution that leaves an output."""
    rank = draw(st.sampled_from([1, 2, 2, 3]))
    groups = draw(st.sampled_from([1, 1, 2, 3, 17]))
    limit = 20 if groups < 3 else 2

    def sizes(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank)))

    kernel, stride, dilation = sizes(1, 4), sizes(1, 4), sizes(1, 3)
    padding = tuple(zip(sizes(0, 4), sizes(0, 4), strict=True))
    spatial = sizes(1, 12 if rank < 3 else 4)
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    shape = (draw(st.integers(0, 2)), groups * draw(st.integers(1, limit)), *spatial)
    weight = (shape[1], draw(st.integers(1, limit)), *kernel)
    return TransposedCase("drawn", shape, weight, stride, padding, extra, groups, dilation)


@given(
    case=drawn_cases(),
    dtype=st.sampled_from([np.float32, np.float64]),
    layout=st.sampled_from(["NCHW", "NHWC"]),
)
def test_any_shape(case: TransposedCase, dtype: Any, layout: str) -> None:
    x, w, b = case.arrays(dtype, integer=True)
    full = oracle.conv_transpose(x, w, b, **{**case.options, "padding": 0}).shape[2:]
    assume(
        all(
            n > sum(pair) for n, pair in zip(full, oracle.padding_pairs(case.padding, case.rank), strict=True)
        )
    )
    given = channels_last(x) if layout == "NHWC" else x
    y = convolve_transposed(case, given, w, b, layout=layout)
    expected = oracle.conv_transpose(x, w, b, **case.options)
    np.testing.assert_array_equal(channels_first(y) if layout == "NHWC" else y, expected)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("case", [c for c in KINDS if "worth" not in c.name], ids=str)
def test_special_inputs_spread_through_the_filter_alone(
    case: TransposedCase, special: float, dtype: Any, isa: str
) -> None:
    x, w, _ = case.arrays(dtype)
    for place in (0, x.size // 2, x.size - 1):
        bad = x.copy()
        bad.flat[place] = special
        y = convolve_transposed(case, bad, w)
        reached = oracle.conv_transpose(np.isnan(bad) | np.isinf(bad), w != 0, **case.options) > 0
        np.testing.assert_array_equal(np.isfinite(y), ~reached)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("case", [c for c in TRANSPOSED_CASES if c.reduction < 200], ids=str)
def test_special_weight_makes_no_product_with_a_missing_input(
    case: TransposedCase, layout: str, special: float, isa: str
) -> None:
    x, w, b = case.arrays(np.float32, integer=True)
    given = channels_last(x) if layout == "NHWC" else x
    for place in {0, w.size // 2, w.size - 1}:
        bad = w.copy()
        bad.flat[place] = special
        with np.errstate(invalid="ignore"):
            expected = oracle.conv_transpose(x, bad, b, **case.options)
        y = convolve_transposed(case, given, bad, b, layout=layout)
        np.testing.assert_array_equal(channels_first(y) if layout == "NHWC" else y, expected)


def test_explain_names_the_plan() -> None:
    plan = fc.explain("conv_transpose2d", (1, 64, 14, 14), (64, 32, 2, 2), stride=2)
    assert plan["output_shape"] == (1, 32, 28, 28)
    assert plan["algorithm"] == "direct"
    assert plan["flops"] == 2 * 64 * 14 * 14 * 32 * 4
    assert fc.explain("conv_transpose1d", (1, 8, 9), (8, 1, 3), groups=8)["algorithm"] == "depthwise"
    with pytest.raises(ValueError, match="output_padding"):
        fc.explain("conv2d", (1, 4, 7, 7), (6, 4, 3, 3), output_padding=1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"input": np.ones((2, 4))}, "input"),
        ({"input": np.ones((2, 5, 7, 7))}, "channels"),
        ({"input": np.ones((2, 4, 0, 7))}, "input"),
        ({"weight": np.ones((4, 3, 3))}, "weight"),
        ({"weight": np.ones((4, 0, 3, 3))}, "weight"),
        ({"weight": np.ones((4, 3, 0, 3))}, "weight"),
        ({"bias": np.ones(3)}, "bias"),
        ({"groups": 3}, "groups"),
        ({"groups": 0}, "groups"),
        ({"stride": 0}, "stride"),
        ({"stride": 1.5}, "stride"),
        ({"stride": 2**62}, "stride"),
        ({"dilation": -1}, "dilation"),
        ({"dilation": 2**60}, "dilation"),
        ({"padding": -1}, "padding"),
        ({"padding": "same"}, "padding"),
        ({"padding": 5}, "padding"),
        ({"padding": ((1, 2),) * 3}, "padding"),
        ({"output_padding": 1}, "output_padding"),
        ({"output_padding": -1}, "output_padding"),
        ({"output_padding": (0, 0, 0)}, "output_padding"),
        ({"algorithm": "im2col"}, "algorithm"),
        ({"algorithm": "depthwise"}, "algorithm"),
        ({"algorithm": "winograd", "stride": 5}, "algorithm"),
        ({"activation": "swish"}, "activation"),
        ({"layout": "NCWH"}, "layout"),
        ({"out": np.zeros((2, 6, 9, 9), np.float32)}, "out"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else value,
)
def test_bad_arguments_are_named_and_nothing_is_written(changes: dict[str, Any], says: str) -> None:
    arguments = {"input": np.ones((2, 4, 7, 7)), "weight": np.ones((4, 3, 3, 3)), "groups": 2}
    out = np.full((2, 6, 9, 9), 7.0)
    with pytest.raises((TypeError, ValueError), match=says):
        fc.conv_transpose2d(**{"out": out, **arguments, **changes})
    assert (out == 7).all()


def test_output_beyond_memory_is_a_memory_error() -> None:
    with pytest.raises(MemoryError):
        fc.conv_transpose1d(np.ones((1, 1, 3), np.float32), np.ones((1, 1, 2), np.float32), stride=2**50)
