"""Each result against NumPy: how long both take, and how far the result is from float64.

A result y in float32 passes if everywhere ``|y - ref| <= c eps scale``: ref is computed in float64, scale is
the same sum over absolute values, and c counts roundings. The sum of K terms costs at most K roundings of
half an eps, and independent ones partly cancel: ``min(K / 2, sqrt(K))``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastconv as fc
from fastconv.benchmark import baselines
from fastconv.benchmark.baselines import Normalisation
from fastconv.benchmark.interleave import Array, Contender, interleave
from fastconv.benchmark.report import figure, markdown_table, percent, ratio

EPS = float(np.finfo(np.float32).eps)
# Beyond the sum: products that are rounded by themselves, and the store.
CONVOLUTION_EXTRA = 1.0
# Mean, scale, product and addition, half an eps each, and the mean's and the scale's own roundings.
BATCH_NORM = 3.5


@dataclass(frozen=True)
class Comparison:
    """One step: seconds of both, the largest error, and the largest relative to the bound at its place."""

    name: str
    seconds: float
    numpy_seconds: float
    speedup: float
    error: float
    bound_used: float

    @property
    def within(self) -> bool:
        """Whether no element is outside its bound; NaN is."""
        return self.bound_used <= 1


class Comparisons:
    """Compute with fastconv, compare with NumPy and keep the record; ``progress`` is a bar of tqdm's."""

    def __init__(self, progress: Any, *, quick: bool) -> None:
        self.made: list[Comparison] = []
        self._progress = progress
        self._rounds, self._seconds = (3, 0.05) if quick else (15, 1.5)

    def conv2d(self, name: str, x: Array, weight: Array, padding: int = 0, groups: int = 1) -> Array:
        """Convolve with zero padding."""
        options = (1, padding, groups)
        reference = baselines.conv2d(x.astype(np.float64), weight.astype(np.float64), *options)
        scale = baselines.conv2d(np.abs(x).astype(np.float64), np.abs(weight).astype(np.float64), *options)
        terms = math.prod(weight.shape[1:])
        return self._compare(
            name,
            lambda: fc.conv2d(x, weight, padding=padding, groups=groups),
            lambda: baselines.conv2d(x, weight, *options),
            reference,
            (min(terms / 2, math.sqrt(terms)) + CONVOLUTION_EXTRA) * EPS * scale,
        )

    def batch_norm_relu(self, name: str, x: Array, bias: float) -> Array:
        """Normalise with the batch's own statistics, add ``bias`` and clip at zero, fused into one call."""
        channels = x.shape[1]
        ours, theirs, exact = (
            _fresh_statistics(channels, bias, kind) for kind in (np.float32, np.float32, np.float64)
        )
        wide = x.astype(np.float64)
        reference = np.maximum(baselines.batch_norm_training(wide, exact), 0)
        mean, deviation = wide.mean(axis=(0, 2, 3)), wide.std(axis=(0, 2, 3))
        scale = np.abs(wide - mean[:, None, None]) / deviation[:, None, None] + abs(bias)
        return self._compare(
            name,
            lambda: fc.batch_norm(x, *ours, training=True, activation="relu"),
            lambda: np.maximum(baselines.batch_norm_training(x, theirs), 0),
            reference,
            BATCH_NORM * EPS * scale,
        )

    def max_pool2d(self, name: str, x: Array, kernel: int) -> Array:
        """Pool disjoint windows, which must be exact."""
        rows, columns = (size // kernel for size in x.shape[2:])
        whole = x[:, :, : rows * kernel, : columns * kernel]

        def baseline() -> Array:
            return np.asarray(whole.reshape(*x.shape[:2], rows, kernel, columns, kernel).max(axis=(3, 5)))

        reference = baseline()
        return self._compare(
            name, lambda: fc.max_pool2d(x, kernel), baseline, reference, np.zeros(reference.shape)
        )

    def _compare(
        self,
        name: str,
        call: Callable[[], Array],
        baseline: Callable[[], Array],
        reference: Array,
        bound: Array,
    ) -> Array:
        self._progress.set_description(name)
        result = call()
        error = np.abs(result.astype(np.float64) - reference)
        used = np.divide(error, bound, out=np.where(error == 0, 0.0, np.inf), where=bound > 0)
        contenders = [Contender("numpy", baseline), Contender("fastconv", call)]
        race = interleave(contenders, rounds=self._rounds, seconds=self._seconds)
        self.made.append(
            Comparison(
                name,
                race.median("fastconv"),
                race.median("numpy"),
                race.speedup("fastconv", "numpy"),
                float(error.max()),
                float(used.max()),
            )
        )
        self._progress.update()
        return result


def _fresh_statistics(channels: int, bias: float, dtype: Any) -> Normalisation:
    return Normalisation(
        np.zeros(channels, dtype),
        np.ones(channels, dtype),
        np.ones(channels, dtype),
        np.full(channels, bias, dtype),
    )


def comparison_table(made: Sequence[Comparison]) -> str:
    """Format a row a step."""
    rows = [
        [
            comparison.name,
            figure(1e3 * comparison.seconds),
            figure(1e3 * comparison.numpy_seconds),
            ratio(comparison.speedup),
            f"{comparison.error:.1e}",
            percent(comparison.bound_used),
            "pass" if comparison.within else "FAIL",
        ]
        for comparison in made
    ]
    return markdown_table(["step", "ms", "NumPy ms", "faster", "largest error", "of its bound", ""], rows)
