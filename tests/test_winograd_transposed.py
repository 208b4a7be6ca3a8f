"""Transposed convolution by Winograd's algorithm: bound, error, the same bits however it is cut, choice."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import Activation, after_activation, assert_same_bits, assert_within, eps_of, winograd_bound
from calls import channels_first, channels_last, convolve_transposed, fits_winograd
from cases import DISTRIBUTIONS, TRANSPOSED_CASES, TransposedCase, random_array

import fastconv as fc

Array = np.ndarray[Any, Any]

CASES = [
    *filter(fits_winograd, TRANSPOSED_CASES),
    *(
        TransposedCase(f"height_{h}_width_{w}", (1, 17, h, w), (17, 18, 4, 4), 2, 1)
        for h in (1, 4, 5) for w in (1, 3, 8, 33)
    ),
    TransposedCase("kernel_2_stride_1", (1, 20, 6, 9), (20, 17, 2, 2)),
    TransposedCase("kernel_4_no_padding", (2, 16, 5, 9), (16, 20, 4, 4), 2),
    TransposedCase("kernel_6", (1, 33, 7, 5), (33, 7, 6, 6), 2, 2),
    TransposedCase("kernel_8_stride_4", (1, 16, 5, 6), (16, 9, 8, 8), 4, 2),
    TransposedCase("kernel_5_stride_3", (1, 16, 6, 9), (16, 24, 5, 5), 3, 1),
    TransposedCase("other_on_each_axis", (1, 19, 6, 7), (19, 6, 3, 6), (1, 3), (1, 1), (0, 2)),
    TransposedCase("dilated_phases", (1, 9, 8, 7), (9, 8, 2, 2), 1, 0, 0, 1, 2),
    TransposedCase("asymmetric", (1, 9, 8, 7), (9, 8, 4, 4), 2, ((0, 3), (1, 0))),
    TransposedCase("cropped_before_the_input", (1, 16, 9, 9), (16, 16, 4, 4), 2, 5),
    TransposedCase("slabs_of_channels", (1, 290, 4, 5), (290, 35, 4, 4), 2, 1),
    TransposedCase("slabs_of_channels_batch", (3, 140, 5, 4), (140, 20, 4, 4), 2, 1),
    TransposedCase("groups_by_channels", (2, 48, 6, 6), (48, 18, 4, 4), 2, 1, 0, 2),
    TransposedCase("many_tiles_worth_threads", (1, 40, 40, 43), (40, 33, 4, 4), 2, 1),
    TransposedCase("long_rows_worth_threads", (1, 100, 5, 300), (100, 20, 4, 4), 2, 1),
    TransposedCase("groups_worth_threads", (1, 64, 40, 41), (64, 16, 4, 4), 2, 1, 0, 4),
]  # fmt: skip


def bound(tile: int, case: TransposedCase, dtype: Any) -> float:
    """Return how far a result may be from the exact one, of a magnitude of 1."""
    return winograd_bound(tile, case.weight[0] // case.groups, dtype) * eps_of(dtype)


def magnitude(tile: int, case: TransposedCase, x: Array, w: Array, y: Array) -> Array:
    """Return what errors are relative to, of the outputs ``y``."""
    points, options = oracle.WINOGRAD_POINTS[tile], {**case.phase_options, "groups": case.groups}
    return oracle.winograd_transposed_magnitude(points, x, w, y.shape[2:], **options)


@pytest.fixture(params=[2, 4])
def tile(request: pytest.FixtureRequest) -> int:
    """Both tile sizes."""
    size: int = request.param
    return size


def winograd(tile: int, case: TransposedCase, *arrays: Array | None, **options: Any) -> Array:
    """Call the algorithm with tiles of tile x tile outputs of each phase."""
    return convolve_transposed(case, *arrays, algorithm=f"winograd_{tile}x{tile}", **options)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_matches_oracle_for_any_thread_count(tile: int, case: TransposedCase, dtype: Any, isa: str) -> None:
    x, w, _ = case.arrays(dtype)
    results = []
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            results.append(winograd(tile, case, x, w))
    assert results[0].dtype == dtype
    y = oracle.conv_transpose(x, w, **case.options)
    assert_within(results[0], y, bound(tile, case, dtype) * magnitude(tile, case, x, w, y))
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])
    last = winograd(tile, case, channels_last(x), w, layout="NHWC")
    assert_same_bits(channels_first(last), results[0])


@pytest.mark.parametrize("case", CASES[::5], ids=str)
def test_sample_alone_has_the_bits_it_has_in_a_batch(
    tile: int, case: TransposedCase, dtype: Any, isa: str
) -> None:
    batch = random_array(case.name, (5, *case.input[1:]), dtype)
    _, w, b = case.arrays(dtype)
    together = winograd(tile, case, batch, w, b)
    for sample in range(5):
        alone = winograd(tile, case, batch[sample : sample + 1], w, b)
        assert_same_bits(together[sample : sample + 1], alone)


@pytest.mark.parametrize("activation", [None, "relu", ("leaky_relu", 0.125), "silu"], ids=str)
@pytest.mark.parametrize("case", CASES[::6], ids=str)
def test_bias_and_activation(
    tile: int, case: TransposedCase, activation: Activation, dtype: Any, isa: str
) -> None:
    x, w, b = case.arrays(dtype)
    sums = oracle.conv_transpose(x, w, b, **case.options)
    expected = oracle.activation(sums, activation)
    size = magnitude(tile, case, x, w, sums) + abs(oracle.channel_vector(b, sums.ndim))
    limit = after_activation(activation, bound(tile, case, dtype) * size, expected, eps_of(dtype))
    assert_within(winograd(tile, case, x, w, b, activation=activation), expected, limit)


@pytest.mark.parametrize("values", DISTRIBUTIONS)
@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "padding"),
    [
        *((c, *window) for c in (64, 300) for window in ((4, 2, 1), (5, 2, 2), (2, 1, 0), (8, 4, 2))),
        (29, 3, 1, 1), (29, 6, 2, 2),
    ],
)  # fmt: skip
def test_typical_error_beside_that_of_direct(
    tile: int, channels: int, values: str, kernel: int, stride: int, padding: int, isa: str
) -> None:
    rng = np.random.default_rng(channels)
    x = DISTRIBUTIONS[values](rng, (1, channels, 20, 20)).astype(np.float32)
    w = rng.standard_normal((channels, 16, kernel, kernel)).astype(np.float32)
    exact = oracle.conv_transpose(x, w, stride=stride, padding=padding)

    def error(algorithm: str) -> float:
        y = fc.conv_transpose2d(x, w, stride=stride, padding=padding, algorithm=algorithm)
        return float(np.sqrt(np.mean((y - exact) ** 2)))

    # Phases with two taps a row have shorter sums than 3x3 windows, and the same transforms.
    most = {2: 1.1, 4: 3.1 if values == "relu" else 2.7}
    assert 0 < error(f"winograd_{tile}x{tile}") <= most[tile] * error("direct")


def test_2x2_is_exact_on_integers_and_4x4_is_not(tile: int, dtype: Any, isa: str) -> None:
    case = TransposedCase("integers", (2, 40, 9, 11), (40, 20, 4, 4), 2, 1)
    x, w, _ = case.arrays(dtype, integer=True)
    y = winograd(tile, case, x, w)
    assert np.array_equal(y, oracle.conv_transpose(x, w, **case.options)) == (tile == 2)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("case", [c for c in CASES[::6] if "worth" not in c.name], ids=str)
def test_what_is_not_finite_spreads_within_its_tiles_and_never_vanishes(
    tile: int, case: TransposedCase, special: float, dtype: Any, isa: str
) -> None:
    x, w, _ = case.arrays(dtype)
    clean = winograd(tile, case, x, w)
    for place in (0, x.size // 2, x.size - 1):
        bad = x.copy()
        bad.flat[place] = special
        y = winograd(tile, case, bad, w)
        marked = np.zeros_like(x)
        marked.flat[place] = 1
        reached = oracle.conv_transpose(marked, np.ones_like(w), **case.options) > 0
        tiles = magnitude(tile, case, marked, np.ones_like(w), clean) > 0
        assert not np.isfinite(y[reached]).any()
        assert_same_bits(y[~tiles], clean[~tiles])


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_weight_that_is_not_finite_never_vanishes(tile: int, special: float, dtype: Any, isa: str) -> None:
    case = TransposedCase("special", (1, 18, 9, 9), (18, 20, 4, 4), 2, 1)
    x, w, _ = case.arrays(dtype)
    w[3, 7, 1, 1] = special
    y = winograd(tile, case, x, w)[0]
    assert not np.isfinite(y[7, ::2, ::2]).any()
    assert np.isfinite(np.delete(y, 7, axis=0)).all()


GENERATOR = ((8, 256, 16, 16), (256, 128, 4, 4))


@pytest.mark.parametrize(
    ("shapes", "options", "algorithm"),
    [
        (GENERATOR, {"stride": 2, "padding": 1}, "winograd_4x4"),
        (((1, 512, 8, 8), (512, 256, 4, 4)), {"stride": 2, "padding": 1}, "winograd_2x2"),
        (((1, 1024, 4, 4), (1024, 512, 4, 4)), {"stride": 2, "padding": 1}, "direct"),
        (((1, 63, 64, 64), (63, 64, 4, 4)), {"stride": 2, "padding": 1}, "direct"),
        (((1, 64, 64, 64), (64, 64, 4, 4)), {"stride": 2, "padding": 1}, "winograd_4x4"),
        (((1, 64, 56, 56), (64, 64, 3, 3)), {"padding": 1}, "winograd_4x4"),
        (((1, 256, 56, 56), (256, 64, 3, 3)), {"stride": 2, "padding": 1}, "direct"),
        (((1, 256, 28, 28), (256, 128, 2, 2)), {"stride": 2}, "direct"),
        (((1, 256, 56, 56), (256, 64, 2, 2)), {"dilation": 2}, "direct"),
        (((1, 29, 56, 56), (29, 64, 3, 3)), {}, "winograd_4x4"),
    ],
    ids=str,
)
def test_auto_takes_it_where_it_gains(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], options: dict[str, Any], algorithm: str
) -> None:
    assert fc.explain("conv_transpose2d", *shapes, **options)["algorithm"] == algorithm
    with fc.config(winograd=False):
        assert fc.explain("conv_transpose2d", *shapes, **options)["algorithm"] == "direct"


def test_auto_computes_what_it_says(dtype: Any, isa: str) -> None:
    x, w = random_array("x", (1, 64, 30, 31), dtype), random_array("w", (64, 64, 4, 4), dtype)
    window: Any = {"stride": 2, "padding": 1}
    names = ("auto", "winograd", "direct")
    y = {name: fc.conv_transpose2d(x, w, **window, algorithm=name) for name in names}
    assert_same_bits(y["auto"], y["winograd"])
    with fc.config(winograd=False):
        assert_same_bits(fc.conv_transpose2d(x, w, **window), y["direct"])
    assert (y["direct"] != y["winograd"]).any()


def places_of(tile: int, phases: list[dict[int, int]]) -> int:
    """Return at how many points of an axis the filters of all phases are not zero."""
    _, filters, _ = oracle.winograd_matrices(oracle.WINOGRAD_POINTS[tile])
    first = min(offset for phase in phases for offset in phase)
    return sum(int(filters[:, [offset - first for offset in phase]].any(1).sum()) for phase in phases)


@pytest.mark.parametrize("threads", [1, 2, 16])
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("size", [7, 14, 56, 224])
@pytest.mark.parametrize("channels", [8, 64, 200, 512, 1024])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(4, 2, 1), (3, 2, 1), (8, 4, 2), (12, 4, 4)])
def test_scratch_is_bounded(
    tile: int, kernel: int, stride: int, padding: int, channels: int, size: int, batch: int, threads: int,
    dtype: Any, isa: str,
) -> None:  # fmt: skip
    shapes = (batch, channels, size, size), (channels, channels, kernel, kernel)
    window: Any = {"stride": stride, "padding": padding}
    with fc.config(num_threads=threads):
        plan = fc.explain(
            "conv_transpose2d", *shapes, algorithm=f"winograd_{tile}x{tile}", dtype=dtype, **window
        )
    blocks = -(-channels * np.dtype(dtype).itemsize // 64)
    filters = places_of(tile, oracle.winograd.reads(kernel, stride, padding, 1)) ** 2 * blocks * 64 * channels
    assert plan["workspace_bytes"] <= filters + plan["threads"] * 2 * 2**20


@pytest.mark.parametrize(
    ("weight", "options"),
    [
        ((4, 4, 1, 1), {}),
        ((4, 4, 2, 2), {"stride": 2}),
        ((4, 4, 2, 2), {"stride": 3}),
        ((4, 4, 7, 7), {"stride": 2, "padding": 3}),
        ((4, 4, 3, 3), {"dilation": 2}),
        ((4, 4, 4, 4), {"stride": 2, "dilation": 2}),
        ((4, 4, 10, 10), {"stride": 5}),
    ],
    ids=str,
)
def test_other_windows_are_refused(weight: tuple[int, ...], options: dict[str, Any]) -> None:
    says = "algorithm='winograd' does transposed convolutions of planes"
    with pytest.raises(ValueError, match=says):
        fc.conv_transpose2d(np.ones((1, 4, 9, 9)), np.ones(weight), algorithm="winograd", **options)
    with pytest.raises(ValueError, match=says):
        fc.explain("conv_transpose2d", (1, 4, 9, 9), weight, algorithm="winograd", **options)
    with pytest.raises(ValueError, match=says):
        fc.conv_transpose1d(np.ones((1, 4, 9)), np.ones((4, 4, 4)), stride=2, algorithm="winograd")


def test_planes_of_a_volume() -> None:
    x, w = random_array("x", (1, 5, 3, 9, 10), np.float64), random_array("w", (5, 6, 1, 4, 4), np.float64)
    window: Any = {"stride": (1, 2, 2), "padding": (0, 1, 1)}
    y = fc.conv_transpose3d(x, w, **window, algorithm="winograd")
    np.testing.assert_allclose(y, oracle.conv_transpose(x, w, **window), rtol=1e-11, atol=1e-11)
    with pytest.raises(ValueError, match="winograd"):
        fc.conv_transpose3d(x, w, stride=2, padding=(0, 1, 1), algorithm="winograd")
