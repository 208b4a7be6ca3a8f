"""Errors of 3x3 convolutions, counted in ``eps * (|x| conv |w|)`` like the bounds of tests/bounds.py."""

from __future__ import annotations

from typing import Any, NamedTuple

import bounds
import numpy as np
import oracle
from cases import DISTRIBUTIONS

import fastconv as fc

Array = np.ndarray[Any, Any]

SIDE = 24  # whole tiles of 2, 4 and 6
FILTERS = 32
ALGORITHMS = ("direct", "im2col", "depthwise", "winograd_2x2", "winograd_4x4")
TILES = {"winograd_2x2": 2, "winograd_4x4": 4}


def symmetric(*points: float) -> tuple[float, ...]:
    """Return 0 and every point with both signs."""
    return (0.0, *(sign * point for point in points for sign in (1, -1)))


# Computed by NumPy in float32.
FILTERING = {
    "F(2x2), 0 1": symmetric(1),
    "F(4x4), 0 5/8 3/2": symmetric(5 / 8, 3 / 2),
    "F(4x4), 0 1 2": symmetric(1, 2),
    "F(6x6), 0 1/2 1 2": symmetric(1 / 2, 1, 2),
}
NOT_OFFERED = list(FILTERING)[2:]


class Errors(NamedTuple):
    """Errors of all outputs of one convolution: absolute, their units and what the algorithm adds up."""

    values: str
    algorithm: str
    terms: int
    absolute: Array
    unit: Array
    magnitude: Array
    constant: float

    @property
    def relative(self) -> Array:
        """Each error in its unit; 0 where nothing is added up, for there nothing may be wrong either."""
        return np.divide(self.absolute, self.unit, out=self.absolute.copy(), where=self.unit > 0)

    @property
    def rms(self) -> float:
        """Root mean square of the errors in their units."""
        return root_mean_square(self.relative)

    @property
    def growth(self) -> Array:
        """What the algorithm adds up over ``|x| conv |w|``."""
        return self.magnitude[self.unit > 0] / self.unit[self.unit > 0]

    @property
    def used(self) -> float:
        """The largest share of its bound that an output used."""
        allowed = self.constant * self.magnitude
        return float((self.absolute[allowed > 0] / allowed[allowed > 0]).max())


def root_mean_square(values: Array) -> float:
    """Return the root of the mean of the squares."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def drawn(values: str, channels: int, batch: int = 1, dtype: Any = np.float32) -> tuple[Array, Array]:
    """Return input and normal weight; of ``"positive"`` both are uniform, so partial sums only grow."""
    rng = np.random.default_rng(channels)
    shape, filters = (batch, channels, SIDE, SIDE), (FILTERS, channels, 3, 3)
    if values == "positive":
        return rng.random(shape).astype(dtype), rng.random(filters).astype(dtype)
    return DISTRIBUTIONS[values](rng, shape).astype(dtype), rng.standard_normal(filters).astype(dtype)


def exact(x: Array, w: Array, groups: int = 1) -> Array:
    """Return the oracle's result; for float64 sums in a wider type, of one group or depthwise."""
    if x.dtype == np.float32:
        return oracle.conv(x, w, padding=1, groups=groups)
    wide = np.pad(x.astype(np.longdouble), ((0, 0), (0, 0), (1, 1), (1, 1)))
    shifted = [wide[:, :, row : row + SIDE, col : col + SIDE] for row in range(3) for col in range(3)]
    taps = w.reshape(*w.shape[:2], 9).astype(np.longdouble)
    y = np.zeros((x.shape[0], w.shape[0], SIDE, SIDE), np.longdouble)
    for tap, pixels in enumerate(shifted):
        if groups == 1:
            y += np.einsum("ncyx,oc->noyx", pixels, taps[:, :, tap])
        else:
            y += pixels * taps[:, :, tap].reshape(-1, 1, 1)
    return y


def errors(values: str, channels: int, algorithm: str, batch: int = 1, dtype: Any = np.float32) -> Errors:
    """Compare one convolution with the exact one; depthwise it has a filter a channel."""
    x, w = drawn(values, channels, batch, dtype)
    groups = channels if algorithm == "depthwise" else 1
    if groups > 1:
        w = np.resize(w, (channels, 1, 3, 3))
    eps = float(np.finfo(dtype).eps)
    reference = exact(x, w, groups)
    size = oracle.conv(np.abs(x), np.abs(w), padding=1, groups=groups)
    absolute = np.abs(fc.conv2d(x, w, padding=1, groups=groups, algorithm=algorithm) - reference)
    terms = 9 * channels // groups
    if algorithm in TILES:
        tile = TILES[algorithm]
        size_added = oracle.winograd_magnitude(oracle.WINOGRAD_POINTS[tile], x, w, 1)
        constant = bounds.winograd_bound(tile, channels, dtype)
    else:
        size_added, constant = size, bounds.CONVOLUTION[algorithm](terms)
    return Errors(
        values, algorithm, terms, absolute.astype(np.float64), eps * size, eps * size_added, constant
    )


def growth_of_ones(points: tuple[float, ...]) -> Array:
    """What F(m x m) adds up over ``|x| conv |w|`` where all of ``|x|`` and ``|w|`` are equal, by output."""
    out, filters, into = (np.abs(m) for m in oracle.winograd_matrices(points))
    line = out @ (filters.sum(1) * into.sum(1)) / 3
    return np.asarray(np.outer(line, line))


def predicted_ratio(points: tuple[float, ...]) -> float:
    """Error beside direct, root mean square, if only the sums over many channels of random values round."""
    out, filters, into = (np.square(m) for m in oracle.winograd_matrices(points))
    return float((out @ (filters.sum(1) * into.sum(1))).mean() / 9)


def measured_ratio(points: tuple[float, ...], channels: int) -> float:
    """Measure the same of NumPy's float32 sums beside fastconv's direct ones, normal values."""
    x, w = drawn("normal", channels)
    reference = exact(x, w)
    direct = fc.conv2d(x, w, padding=1, algorithm="direct") - reference
    return root_mean_square(oracle.winograd_conv(points, x, w, 1) - reference) / root_mean_square(direct)


def stack_errors(depths: tuple[int, ...], convolve: Any, depthwise: bool = False) -> list[float]:
    """Run stacks of 3x3 convolutions of 64 channels with ReLU; return the errors over the outputs' size.

    ``convolve`` gets float32 arrays and the number of groups; both stacks start from the same arrays. Weights
    are He-scaled, which keeps the size of what flows through them. Root mean squares over 4 seeds.
    """
    channels, groups = 64, 64 if depthwise else 1
    squares = np.zeros(len(depths))
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((1, channels, SIDE, SIDE)).astype(np.float32)
        y = x.astype(np.float64)
        for layer in range(1, max(depths) + 1):
            shape = (channels, channels // groups, 3, 3)
            scale = np.sqrt(2 / (9 * channels // groups))
            w = (rng.standard_normal(shape) * scale).astype(np.float32)
            x = np.maximum(convolve(x, w, groups), 0)
            y = np.maximum(oracle.conv(y, w, padding=1, groups=groups), 0)
            if layer in depths:
                squares[depths.index(layer)] += (root_mean_square(x - y) / root_mean_square(y)) ** 2 / 4
    return [float(value) for value in np.sqrt(squares)]
