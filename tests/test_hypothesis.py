"""Random shapes, strides, paddings, dilations, groups and layouts, on data that make equality exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
from bounds import AVERAGE, assert_within, eps_of
from calls import ISAS, algorithms, avg_pool, channels_first, channels_last, convolve, max_pool
from cases import ConvCase, PoolCase, random_array
from hypothesis import assume, given
from hypothesis import strategies as st

import fastconv as fc

LAYOUTS = st.sampled_from(["NCHW", "NHWC"])
TYPES = st.sampled_from([np.float32, np.float64])
RANKS = st.sampled_from([1, 2, 2, 2, 3])


def sizes(draw: st.DrawFn, rank: int, low: int, high: int) -> tuple[int, ...]:
    """Draw one size an axis."""
    return tuple(draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank)))


@st.composite
def conv_cases(draw: st.DrawFn) -> ConvCase:
    """Draw a convolution whose kernel fits the padded input."""
    rank = draw(RANKS)
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 8, 17]))
    channels, filters = (
        draw(st.integers(1, 20 if groups < 4 else 4)),
        draw(st.integers(1, 20 if groups < 4 else 3)),
    )
    kernel, stride, dilation = sizes(draw, rank, 1, 4), sizes(draw, rank, 1, 4), sizes(draw, rank, 1, 3)
    before, after = sizes(draw, rank, 0, 4), sizes(draw, rank, 0, 4)
    extra = sizes(draw, rank, 0, 24 if rank < 3 else 8)
    fit = [(k - 1) * d + 1 - b - a for k, d, b, a in zip(kernel, dilation, before, after, strict=True)]
    spatial = tuple(max(f, 1) + e for f, e in zip(fit, extra, strict=True))
    batch = draw(st.integers(0, 3))
    return ConvCase(
        "drawn",
        (batch, groups * channels, *spatial),
        (groups * filters, channels, *kernel),
        stride,
        tuple(zip(before, after, strict=True)),
        dilation,
        groups,
    )


@st.composite
def pool_cases(draw: st.DrawFn, dilated: bool) -> PoolCase:
    """Draw a pooling window that fits the padded input and never lies in padding alone."""
    rank = draw(RANKS)
    kernel, stride = sizes(draw, rank, 1, 5), sizes(draw, rank, 1, 5)
    dilation = sizes(draw, rank, 1, 3) if dilated else (1,) * rank
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    extra = sizes(draw, rank, 0, 24 if rank < 3 else 8)
    fit = [(k - 1) * d + 1 - 2 * p for k, d, p in zip(kernel, dilation, padding, strict=True)]
    spatial = tuple(max(f, 1) + e for f, e in zip(fit, extra, strict=True))
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 20)), *spatial)
    return PoolCase("drawn", shape, kernel, stride, padding, dilation, draw(st.booleans()))


@given(
    case=conv_cases(),
    layout=LAYOUTS,
    dtype=TYPES,
    isa=st.sampled_from(ISAS),
    threads=st.integers(1, 3),
    data=st.data(),
)
def test_convolution(
    case: ConvCase, layout: str, dtype: Any, isa: str, threads: int, data: st.DataObject
) -> None:
    algorithm = data.draw(st.sampled_from([*algorithms(case), "auto"]))
    x, w, b = case.arrays(dtype, integer=True)
    expected = oracle.conv(x, w, b, **case.options)
    with fc.config(isa=isa, num_threads=threads):
        last = layout == "NHWC"
        y = convolve(case, channels_last(x) if last else x, w, b, layout=layout, algorithm=algorithm)
    np.testing.assert_array_equal(channels_first(y) if last else y, expected, strict=False)


@given(case=pool_cases(dilated=True), layout=LAYOUTS, dtype=TYPES, isa=st.sampled_from(ISAS), data=st.data())
def test_max_pool(case: PoolCase, layout: str, dtype: Any, isa: str, data: st.DataObject) -> None:
    taps = oracle.pooling_windows(
        np.ones((1, 1, *case.input[2:])),
        0,
        case.kernel,
        case.stride,
        case.padding,
        case.dilation,
        case.ceil_mode,
    )
    assume(taps.any(axis=tuple(range(-case.rank, 0))).all())
    rng = np.random.default_rng(7)
    x = rng.choice([0, 1, 2, 3, np.nan, -np.inf, np.inf], case.input).astype(dtype)
    expected = oracle.max_pool(x, case.kernel, dilation=case.dilation, **case.window)
    last = layout == "NHWC"
    given = channels_last(x) if last else x
    with fc.config(isa=isa):
        if data.draw(st.booleans(), label="return_indices"):
            results = max_pool(case, given, return_indices=True, layout=layout)
        else:  # another path: no winner is tracked
            results = (max_pool(case, given, layout=layout),)
    for result, wanted in zip(results, expected, strict=False):
        np.testing.assert_array_equal(channels_first(result) if last else result, wanted)


@given(
    case=pool_cases(dilated=False),
    layout=LAYOUTS,
    dtype=TYPES,
    isa=st.sampled_from(ISAS),
    include=st.booleans(),
    divisor=st.sampled_from([None, None, 1, 7, -3]),
)
def test_avg_pool(
    case: PoolCase, layout: str, dtype: Any, isa: str, include: bool, divisor: int | None
) -> None:
    x = random_array("drawn", case.input, dtype)
    rule: dict[str, Any] = {"count_include_pad": include, "divisor_override": divisor}
    expected = oracle.avg_pool(x, case.kernel, **case.window, **rule)
    size = abs(oracle.avg_pool(abs(x), case.kernel, **case.window, **rule))
    last = layout == "NHWC"
    with fc.config(isa=isa):
        y = avg_pool(case, channels_last(x) if last else x, layout=layout, **rule)
    terms = int(np.prod(oracle.per_axis(case.kernel, case.rank)))
    assert_within(channels_first(y) if last else y, expected, AVERAGE(terms) * eps_of(dtype) * size)
