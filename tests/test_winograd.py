"""Winograd convolution: its bound, its typical error, the same bits however it is cut, what is not finite."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import oracle
import pytest
from bounds import Activation, after_activation, assert_same_bits, assert_within, eps_of, winograd_bound
from calls import channels_first, channels_last, convolve, fits_winograd
from cases import CONV_CASES, DISTRIBUTIONS, ConvCase, random_array

import fastconv as fc
from fastconv._native import core
from fastconv.functional.checks import window
from fastconv.graph import Graph
from fastconv.inference import compile_graph
from fastconv.runtime import native_run

Array = np.ndarray[Any, Any]

CASES = [
    *filter(fits_winograd, CONV_CASES),
    *(
        ConvCase(f"height_{h}_width_{w}", (1, 17, h, w), (18, 17, 3, 3), padding=1)
        for h in (1, 4, 5, 9) for w in (1, 3, 4, 8, 33)
    ),
    ConvCase("no_padding", (2, 16, 9, 11), (20, 16, 3, 3)),
    ConvCase("asymmetric_padding", (1, 6, 7, 9), (9, 6, 3, 3), padding=((0, 3), (2, 0))),
    ConvCase("slabs_of_channels", (1, 290, 6, 7), (35, 290, 3, 3), padding=1),
    ConvCase("slabs_of_channels_batch", (3, 140, 9, 5), (20, 140, 3, 3), padding=1),
    ConvCase("groups_by_channels", (2, 48, 6, 6), (36, 24, 3, 3), padding=1, groups=2),
    ConvCase("many_tiles_worth_threads", (1, 40, 70, 75), (33, 40, 3, 3), padding=1),
    ConvCase("long_rows_worth_threads", (1, 100, 9, 700), (20, 100, 3, 3), padding=1),
    ConvCase("groups_worth_threads", (1, 64, 60, 61), (64, 16, 3, 3), padding=1, groups=4),
]  # fmt: skip


@dataclass(frozen=True)
class Winograd:
    """The algorithm with tiles of tile x tile outputs."""

    tile: int

    def __str__(self) -> str:
        return f"winograd_{self.tile}x{self.tile}"

    def __call__(self, case: ConvCase, *arrays: Array | None, **options: Any) -> Array:
        return convolve(case, *arrays, algorithm=str(self), **options)

    def bound(self, case: ConvCase, dtype: Any) -> float:
        """Return how far a result may be from the exact one, of a magnitude of 1."""
        return winograd_bound(self.tile, case.weight[1], dtype) * eps_of(dtype)

    def magnitude(self, case: ConvCase, x: Array, w: Array) -> Array:
        """Return what errors are relative to."""
        return oracle.winograd_magnitude(
            oracle.WINOGRAD_POINTS[self.tile], x, w, case.padding_pairs, case.groups
        )


@pytest.fixture(params=[Winograd(2), Winograd(4)], ids=str)
def winograd(request: pytest.FixtureRequest) -> Winograd:
    """Both tile sizes."""
    tile_size: Winograd = request.param
    return tile_size


@pytest.mark.parametrize("case", CASES, ids=str)
def test_matches_oracle_for_any_thread_count(
    winograd: Winograd, case: ConvCase, dtype: Any, isa: str
) -> None:
    x, w, _ = case.arrays(dtype)
    results = []
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            results.append(winograd(case, x, w))
    assert results[0].dtype == dtype
    bound = winograd.bound(case, dtype) * winograd.magnitude(case, x, w)
    assert_within(results[0], oracle.conv(x, w, **case.options), bound)
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])
    last = winograd(case, channels_last(x), w, layout="NHWC")
    assert_same_bits(channels_first(last), results[0])


@pytest.mark.parametrize("case", CASES[::5], ids=str)
def test_sample_alone_has_the_bits_it_has_in_a_batch(
    winograd: Winograd, case: ConvCase, dtype: Any, isa: str
) -> None:
    batch = random_array(case.name, (5, *case.input[1:]), dtype)
    _, w, b = case.arrays(dtype)
    together = winograd(case, batch, w, b)
    for sample in range(5):
        assert_same_bits(together[sample : sample + 1], winograd(case, batch[sample : sample + 1], w, b))


@pytest.mark.parametrize("shape", [(1, 40, 13, 6), (3, 40, 5, 6), (2, 40, 41, 30), (1, 260, 30, 40)], ids=str)
def test_packed_panels_go_through_the_tiles_together(
    winograd: Winograd, shape: tuple[int, ...], dtype: Any, isa: str
) -> None:
    """By few tiles or many; panels of several tasks or groups, the last of which are fewer and narrower."""
    case = ConvCase("packed_panels", shape, (291, shape[1], 3, 3), padding=1)
    x, w, b = case.arrays(dtype)
    alone = winograd(case, x, w, b)
    for threads in (1, 2, 3):
        graph = Graph(shape)
        graph.conv(graph.input, w, b, padding=1)
        with fc.config(num_threads=threads):
            assert_same_bits(compile_graph(graph, dtype=dtype, algorithm=str(winograd))(x), alone)


@pytest.mark.parametrize("activation", [None, "relu", ("leaky_relu", 0.125), "silu"], ids=str)
@pytest.mark.parametrize("case", CASES[::7], ids=str)
def test_bias_residual_and_activation(
    winograd: Winograd, case: ConvCase, activation: Activation, dtype: Any, isa: str
) -> None:
    x, w, b = case.arrays(dtype)
    residual = random_array(case.name, case.output, dtype)
    sums = oracle.conv(x, w, b, **case.options) + residual
    expected = oracle.activation(sums, activation)
    size = winograd.magnitude(case, x, w) + abs(oracle.channel_vector(b, sums.ndim)) + abs(residual)
    bound = after_activation(activation, winograd.bound(case, dtype) * size, expected, eps_of(dtype))
    assert_within(winograd(case, x, w, b, residual=residual, activation=activation), expected, bound)
    y = winograd(
        case, channels_last(x), w, b, residual=channels_last(residual), activation=activation, layout="NHWC"
    )
    assert_within(channels_first(y), expected, bound)


@pytest.mark.parametrize("values", DISTRIBUTIONS)
@pytest.mark.parametrize("channels", [3, 16, 64, 300])
def test_typical_error_beside_that_of_direct(
    winograd: Winograd, channels: int, values: str, isa: str
) -> None:
    rng = np.random.default_rng(channels)
    x = DISTRIBUTIONS[values](rng, (1, channels, 40, 40)).astype(np.float32)
    w = rng.standard_normal((32, channels, 3, 3)).astype(np.float32)
    exact = oracle.conv(x, w, padding=1)

    def error(algorithm: str) -> float:
        y = fc.conv2d(x, w, padding=1, algorithm=algorithm)
        return float(np.sqrt(np.mean((y - exact) ** 2)))

    if channels == 3:
        most = {2: 1.6, 4: 5.0}
    else:
        # Half of what a ReLU leaves is 0. Adding it rounds nothing, but values at points are hardly ever 0.
        most = {2: 1.0, 4: 3.0 if values == "relu" and channels == 16 else 2.5}
    assert 0 < error(str(winograd)) <= most[winograd.tile] * error("direct")


def test_error_is_that_of_the_algorithm(winograd: Winograd, isa: str) -> None:
    points = oracle.WINOGRAD_POINTS[winograd.tile]
    x = random_array("x", (1, 100, 24, 24), np.float32)
    w = random_array("w", (32, 100, 3, 3), np.float32)
    exact = oracle.conv(x, w, padding=1)
    np.testing.assert_allclose(
        oracle.winograd_conv(points, x.astype(np.float64), w, 1), exact, rtol=0, atol=1e-11
    )
    ours = fc.conv2d(x, w, padding=1, algorithm=str(winograd)) - exact
    theirs = oracle.winograd_conv(points, x, w, 1) - exact
    assert 0.8 < np.sqrt(np.mean(ours**2) / np.mean(theirs**2)) < 1.2


def test_2x2_is_exact_on_integers_and_4x4_is_not(winograd: Winograd, dtype: Any, isa: str) -> None:
    x = random_array("x", (2, 40, 9, 11), dtype, integer=True)
    w = random_array("w", (20, 40, 3, 3), dtype, integer=True)
    y = fc.conv2d(x, w, padding=1, algorithm=str(winograd))
    assert np.array_equal(y, oracle.conv(x, w, padding=1)) == (winograd.tile == 2)


def test_finite_results_overflow_where_what_is_added_up_does(winograd: Winograd, isa: str) -> None:
    x = np.where(np.indices((20, 20)).sum(0) % 4 < 2, 1, -1).astype(np.float32)[None, None]
    w = np.zeros((1, 1, 3, 3), np.float32)
    w[..., 1, 1] = 1
    most = np.float32(np.finfo(np.float32).max)
    assert np.isfinite(fc.conv2d(x * most, w, padding=1, algorithm="direct")).all()
    assert np.isfinite(fc.conv2d(x * (most / 256), w, padding=1, algorithm=str(winograd))).all()
    assert not np.isfinite(fc.conv2d(x * most, w, padding=1, algorithm=str(winograd))).any()


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("case", [c for c in CASES[::9] if "worth" not in c.name], ids=str)
def test_what_is_not_finite_spreads_within_its_tiles_and_never_vanishes(
    winograd: Winograd, case: ConvCase, special: float, dtype: Any, isa: str
) -> None:
    x, w, _ = case.arrays(dtype)
    clean = winograd(case, x, w)
    for place in (0, x.size // 2, x.size - 1):
        bad = x.copy()
        bad.flat[place] = special
        y = winograd(case, bad, w)
        marked = np.zeros_like(x)
        marked.flat[place] = 1
        reached = oracle.conv(marked, np.ones_like(w), **case.options) > 0
        tiles = winograd.magnitude(case, marked, np.ones_like(w)) > 0
        assert winograd.tile == 4 or np.array_equal(tiles, reached)
        assert not np.isfinite(y[reached]).any()
        assert_same_bits(y[~tiles], clean[~tiles])


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_weight_that_is_not_finite_never_vanishes(
    winograd: Winograd, special: float, dtype: Any, isa: str
) -> None:
    x, w = random_array("x", (1, 18, 9, 9), dtype), random_array("w", (20, 18, 3, 3), dtype)
    w[7, 3, 1, 1] = special
    y = fc.conv2d(x, w, padding=1, algorithm=str(winograd))
    assert not np.isfinite(y[0, 7]).any()
    assert np.isfinite(np.delete(y[0], 7, axis=0)).all()


@pytest.mark.parametrize("threads", [1, 2, 16])
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("size", [7, 14, 56, 224, 1000])
@pytest.mark.parametrize("channels", [8, 64, 200, 512, 1024])
def test_scratch_is_bounded(
    winograd: Winograd, channels: int, size: int, batch: int, threads: int, dtype: Any
) -> None:
    shapes = (batch, channels, size, size), (channels, channels, 3, 3)
    with fc.config(num_threads=threads):
        plan = fc.explain("conv2d", *shapes, padding=1, algorithm=str(winograd), dtype=dtype)
    itemsize = np.dtype(dtype).itemsize
    blocks = -(-channels * itemsize // 64)
    transformed = (winograd.tile + 2) ** 2 * blocks * 64 * channels
    assert plan["workspace_bytes"] <= transformed + plan["threads"] * 2 * 2**20


def packed_plan(
    winograd: Winograd, x: tuple[int, ...], c_out: int, threads: int, dtype: Any
) -> dict[str, Any]:
    """Say what a call with a packed filter would do."""
    w = c_out, x[1], 3, 3
    shape, native_window, groups = window.convolution(x, w, (1, 1, 1, 1))
    sizes, items = (x, w, shape), (np.dtype(dtype).itemsize, False)
    with fc.config(num_threads=threads):
        run = native_run()
        code = core.ALGORITHMS.index(str(winograd))
        return core.conv_plan(sizes, items, native_window, groups, code, False, run, 1)


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 6, 8, 16])
@pytest.mark.parametrize(("channels", "size"), [(512, 7), (512, 14), (288, 10)])
def test_no_thread_is_without_packed_panels(
    winograd: Winograd, channels: int, size: int, threads: int, dtype: Any, isa: str
) -> None:
    plan = packed_plan(winograd, (1, 512, size, size), channels, threads, dtype)
    panels = -(-channels // plan["tile"][1])
    if plan["split"] == "by output channels":
        assert min(panels, plan["threads"]) <= plan["tasks"] <= panels


@pytest.mark.parametrize("threads", [1, 2, 16])
@pytest.mark.parametrize("size", [(7, 7), (14, 14), (4, 396), (4, 512), (44, 44), (61, 95)], ids=str)
@pytest.mark.parametrize("channels", [64, 512, 816, 1024])
def test_scratch_is_bounded_where_the_filter_is_packed(
    winograd: Winograd, channels: int, size: tuple[int, int], threads: int, dtype: Any, isa: str
) -> None:
    plan = packed_plan(winograd, (1, channels, *size), channels, threads, dtype)
    tiles = math.prod(-(-extent // winograd.tile) for extent in size)
    places, blocks = (winograd.tile + 2) ** 2, -(-channels * np.dtype(dtype).itemsize // 64)
    shared = places * (blocks * tiles + 1) * 64 if plan["split"] == "by output channels" else 0
    assert plan["workspace_bytes"] <= shared + plan["threads"] * 2 * 2**20


LARGE: tuple[tuple[int, ...], tuple[int, ...]] = ((1, 64, 30, 31), (64, 64, 3, 3))


@pytest.mark.parametrize(
    ("shapes", "options", "algorithm"),
    [
        (LARGE, {}, "winograd_4x4"),
        (((8, 128, 14, 14), (128, 128, 3, 3)), {"padding": 1}, "winograd_4x4"),
        (((1, 128, 10, 10), (128, 128, 3, 3)), {"padding": 1}, "winograd_2x2"),
        (((1, 128, 5, 5), (128, 128, 3, 3)), {"padding": 1}, "direct"),
        (((1, 15, 112, 112), (64, 15, 3, 3)), {}, "direct"),
        (((1, 16, 112, 112), (64, 16, 3, 3)), {}, "winograd_4x4"),
        (LARGE, {"stride": 2}, "direct"),
        (LARGE, {"dilation": 2}, "direct"),
    ],
    ids=str,
)
def test_auto_takes_it_where_it_gains(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], options: dict[str, Any], algorithm: str
) -> None:
    assert fc.explain("conv2d", *shapes, **options)["algorithm"] == algorithm
    with fc.config(winograd=False):
        assert fc.explain("conv2d", *shapes, **options)["algorithm"] == "direct"


def test_auto_computes_what_it_says(dtype: Any, isa: str) -> None:
    x, w = (random_array("large", shape, dtype) for shape in LARGE)
    y = {name: fc.conv2d(x, w, algorithm=name) for name in ("auto", "winograd", "direct")}
    assert_same_bits(y["auto"], y["winograd"])
    with fc.config(winograd=False):
        assert_same_bits(fc.conv2d(x, w), y["direct"])
    assert (y["direct"] != y["winograd"]).any()
    batch = np.concatenate([x, -x, x])
    assert_same_bits(fc.conv2d(batch, w)[2:], y["auto"])


def test_environment_switches_it_off(fresh_python: Any) -> None:
    script = f"import fastconv as fc; print(fc.explain('conv2d', {LARGE[0]}, {LARGE[1]})['algorithm'])"
    assert fresh_python("-c", script).stdout.strip() == "winograd_4x4"
    assert fresh_python("-c", script, FASTCONV_WINOGRAD="1").stdout.strip() == "winograd_4x4"
    assert fresh_python("-c", script, FASTCONV_WINOGRAD="0").stdout.strip() == "direct"


@pytest.mark.parametrize(
    ("weight", "options"),
    [
        ((4, 4, 1, 1), {}),
        ((4, 4, 3, 5), {}),
        ((4, 4, 5, 5), {}),
        ((4, 4, 3, 3), {"stride": 2}),
        ((4, 4, 3, 3), {"dilation": 2}),
    ],
    ids=str,
)
def test_other_windows_are_refused(weight: tuple[int, ...], options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="algorithm='winograd' does 3x3"):
        fc.conv2d(np.ones((1, 4, 9, 9)), np.ones(weight), algorithm="winograd", **options)
    with pytest.raises(ValueError, match="algorithm='winograd' does 3x3"):
        fc.explain("conv2d", (1, 4, 9, 9), weight, algorithm="winograd", **options)
    with pytest.raises(ValueError, match="algorithm='winograd' does 3x3"):
        fc.conv1d(np.ones((1, 4, 9)), np.ones((4, 4, 3)), algorithm="winograd")


@pytest.mark.parametrize("stride", [1, (2, 1, 1)])
def test_planes_of_a_volume(stride: Any) -> None:
    x, w = random_array("x", (1, 5, 3, 9, 10), np.float64), random_array("w", (6, 5, 1, 3, 3), np.float64)
    y = fc.conv3d(x, w, stride=stride, algorithm="winograd")
    np.testing.assert_allclose(y, oracle.conv(x, w, stride=stride), rtol=1e-11, atol=1e-11)
