"""``python -m fastconv selftest``: this installation against NumPy in float64.

Every check runs under each instruction set of this CPU, with one thread and with two: all bits must agree.
The largest error is printed as a share of its bound, about eps/2 for every term that was added up.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

import fastconv as fc

Array = np.ndarray[Any, Any]
ISAS = ("generic", "avx2", "avx512", "neon")


class Check(NamedTuple):
    """A call, what its arrays should be, and by how much each element may be off."""

    name: str
    call: Callable[[], tuple[Array, ...]]
    expected: tuple[Array, ...]
    bounds: tuple[Array | float, ...]


class Case(NamedTuple):
    """A convolution: shapes and options."""

    name: str
    input: tuple[int, ...]
    weight: tuple[int, ...]
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1


CONVOLUTIONS = (
    Case("conv1d", (2, 5, 41), (7, 5, 4), padding=1),
    Case("conv2d 3x3", (2, 64, 56, 56), (48, 64, 3, 3), padding=1),
    Case("conv2d 1x1 stride 2", (2, 40, 15, 15), (33, 40, 1, 1), stride=2),
    Case("conv2d 7x7 stride 2, 3 channels", (1, 3, 61, 61), (16, 3, 7, 7), stride=2, padding=3),
    Case("conv2d 3x3 dilation 2", (1, 17, 14, 23), (19, 17, 3, 3), padding=2, dilation=2),
    Case("conv2d 2 groups", (1, 12, 9, 9), (8, 6, 3, 3), groups=2),
    Case("conv2d depthwise", (2, 37, 28, 28), (37, 1, 3, 3), padding=1, groups=37),
    Case("conv3d", (1, 4, 6, 7, 8), (5, 4, 2, 3, 3), padding=1),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no options."""


def run(args: argparse.Namespace) -> int:
    """Print a line a check; return 1 if any failed."""
    failures = 0
    for dtype in (np.float32, np.float64):
        families = (convolution_checks, pooling_checks, batch_norm_checks, statistic_checks)
        for check in chain.from_iterable(checks(dtype) for checks in families):
            for isa in supported_isas():
                problem, share = compare(check, isa)
                failures += bool(problem)
                verdict = f"FAILED: {problem}" if problem else f"error {share:.2f} of the bound"
                print(f"{isa:8} {np.dtype(dtype).name}  {check.name:32} {verdict}")
    print(f"{failures} checks failed" if failures else "all checks passed")
    return 1 if failures else 0


def supported_isas() -> list[str]:
    """List the instruction sets that were compiled in and run on this CPU."""
    supported = []
    for isa in ISAS:
        try:
            fc.config(isa=isa)
        except ValueError:
            continue
        supported.append(isa)
    return supported


def compare(check: Check, isa: str) -> tuple[str, float]:
    """Return what is wrong, or "", and the largest error as a share of the bound."""
    try:
        with fc.config(isa=isa, num_threads=1):
            results = check.call()
        with fc.config(isa=isa, num_threads=2):
            again = check.call()
    except Exception as error:  # the other checks still have something to say
        return f"{type(error).__name__}: {error}", 0.0
    largest = 0.0
    for result, other, expected, bound in zip(results, again, check.expected, check.bounds, strict=True):
        if result.shape != expected.shape:
            return f"shape {result.shape} instead of {expected.shape}", 0.0
        if result.tobytes() != other.tobytes():
            return "one thread and two give different bits", 0.0
        off = np.abs(result - expected)
        share = float((off / np.maximum(bound, np.finfo(np.float64).tiny)).max())
        if not share <= 1:  # NaN fails too
            return f"error {off.max():.3g} is {share:.3g} times the bound", share
        largest = max(largest, share)
    return "", largest


def random_array(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return normal values, the same for a shape in every run."""
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


def patches(
    x: Array, kernel: tuple[int, ...], stride: int, padding: int, dilation: int, fill: float
) -> Iterator[Array]:
    """Yield, for each kernel position, what it sees of a float64 (N, C, *spatial) array: (N, C, *out)."""
    around = [(0, 0), (0, 0), *[(padding, padding)] * len(kernel)]
    padded = np.pad(x.astype(np.float64), around, constant_values=fill)
    sizes = [
        (n - (k - 1) * dilation - 1) // stride + 1 for n, k in zip(padded.shape[2:], kernel, strict=True)
    ]
    for position in np.ndindex(*kernel):
        spans = [
            slice(p * dilation, p * dilation + (n - 1) * stride + 1, stride)
            for p, n in zip(position, sizes, strict=True)
        ]
        yield padded[(slice(None), slice(None), *spans)]


def convolve(x: Array, weight: Array, case: Case) -> Array:
    """Convolve in float64: a matrix product for each kernel position and group."""
    c_out, per_group = weight.shape[:2]
    batch, groups = x.shape[0], case.groups
    kernel = weight.shape[2:]
    taps = weight.astype(np.float64).reshape(groups, c_out // groups, per_group, -1)
    total: Array | float = 0.0
    spatial: tuple[int, ...] = ()
    for tap, patch in enumerate(patches(x, kernel, case.stride, case.padding, case.dilation, 0.0)):
        spatial = patch.shape[2:]
        total = total + taps[..., tap] @ patch.reshape(batch, groups, per_group, -1)
    return np.reshape(total, (batch, c_out, *spatial))


def convolution_checks(dtype: Any) -> Iterator[Check]:
    """Yield the convolutions, each with bias, residual and ReLU."""
    functions = {3: fc.conv1d, 4: fc.conv2d, 5: fc.conv3d}
    for case in CONVOLUTIONS:
        x, weight = random_array(case.input, dtype), random_array(case.weight, dtype)
        bias = random_array(case.weight[:1], dtype)
        plain = convolve(x, weight, case)
        residual = random_array(plain.shape, dtype)
        column = bias.astype(np.float64).reshape(-1, *[1] * (x.ndim - 2))
        magnitude = convolve(np.abs(x), np.abs(weight), case) + np.abs(column) + np.abs(residual)
        terms = int(np.prod(case.weight[1:])) + 2
        function, options = functions[x.ndim], case[3:]

        def call(
            function: Any = function,
            arrays: tuple[Array, ...] = (x, weight, bias),
            options: tuple[int, ...] = options,
            residual: Array = residual,
        ) -> tuple[Array, ...]:
            return (function(*arrays, *options, activation="relu", residual=residual),)

        bound = (terms / 2 + 1) * np.finfo(dtype).eps * magnitude
        yield Check(case.name, call, (np.maximum(plain + column + residual, 0),), (bound,))


def pooling_checks(dtype: Any) -> Iterator[Check]:
    """Yield maximum pooling with indices, and average pooling."""
    x = random_array((2, 19, 57, 57), dtype)
    seen = np.stack(list(patches(x, (3, 3), 2, 1, 1, -np.inf)))
    positions = np.arange(57 * 57, dtype=np.float64).reshape(1, 1, 57, 57)
    flat = np.stack(list(patches(positions, (3, 3), 2, 1, 1, -1)))
    winners = np.take_along_axis(np.broadcast_to(flat, seen.shape), seen.argmax(0)[None], 0)[0]
    yield Check(
        "max_pool2d 3x3 stride 2",
        lambda: tuple(fc.max_pool2d(x, 3, 2, 1, return_indices=True)),
        (seen.max(0), winners),
        (0.0, 0.0),
    )
    for count in (True, False):
        sums = np.sum(list(patches(x, (3, 3), 2, 1, 1, 0.0)), axis=0)
        counted = np.sum(list(patches(np.ones_like(x), (3, 3), 2, 1, 1, float(count))), axis=0)
        magnitude = np.sum(list(patches(np.abs(x), (3, 3), 2, 1, 1, 0.0)), axis=0) / counted

        def call(count: bool = count) -> tuple[Array, ...]:
            return (fc.avg_pool2d(x, 3, 2, 1, count_include_pad=count),)

        name = f"avg_pool2d padding {'' if count else 'not '}counted"
        yield Check(name, call, (sums / counted,), (6 * np.finfo(dtype).eps * magnitude,))


def batch_norm_checks(dtype: Any) -> Iterator[Check]:
    """Yield inference with given statistics, and training with those of the batch."""
    x = random_array((3, 21, 31, 29), dtype) * 3 + 5
    weight, bias = random_array((21,), dtype), random_array((1, 21), dtype)[0]
    start_mean, start_var = random_array((21, 1), dtype)[:, 0], np.full(21, 2, dtype)
    count = x[:, 0].size
    exact = x.astype(np.float64)
    mean, var = exact.mean((0, 2, 3)), exact.var((0, 2, 3))
    eps = np.finfo(dtype).eps

    def normalise(mean: Array, var: Array) -> tuple[Array, Array]:
        scale = (weight / np.sqrt(var + 1e-5))[:, None, None]
        centred = exact - mean[:, None, None]
        expected = centred * scale + bias[:, None, None]
        size = (np.abs(exact) + np.abs(mean)[:, None, None]) * np.abs(scale) + np.abs(bias)[:, None, None]
        return expected, 4 * eps * size

    expected, bound = normalise(start_mean.astype(np.float64), start_var.astype(np.float64))
    yield Check(
        "batch_norm inference",
        lambda: (fc.batch_norm(x, start_mean, start_var, weight, bias),),
        (expected,),
        (bound,),
    )

    def train() -> tuple[Array, ...]:
        running_mean, running_var = start_mean.copy(), start_var.copy()
        y = fc.batch_norm(x, running_mean, running_var, weight, bias, training=True, momentum=0.25)
        return y, running_mean, running_var

    expected, bound = normalise(mean, var)
    new_mean = 0.75 * start_mean + 0.25 * mean
    new_var = 0.75 * start_var + 0.25 * var * count / (count - 1)
    bounds = (2 * bound, 4 * eps * (np.abs(start_mean) + np.abs(mean)), 4 * eps * (start_var + var))
    yield Check("batch_norm training", train, (expected, new_mean, new_var), bounds)


def statistic_checks(dtype: Any) -> Iterator[Check]:
    """Yield group norm in both layouts, layer norm, and softmax along rows and across them."""
    x = random_array((3, 24, 31, 29), dtype) * 3 + 5
    weight, bias = random_array((24,), dtype), random_array((1, 24), dtype)[0]
    exact, eps = x.astype(np.float64), np.finfo(dtype).eps

    def normalised(parts: Array) -> Array:
        spread = np.sqrt(parts.var(-1, keepdims=True) + 1e-5)
        return np.asarray((parts - parts.mean(-1, keepdims=True)) / spread)

    grouped = normalised(exact.reshape(3, 4, -1)).reshape(x.shape)
    expected = grouped * weight[:, None, None] + bias[:, None, None]
    bound = 32 * eps * (np.abs(grouped * weight[:, None, None]) + np.abs(bias)[:, None, None] + 1)
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    yield Check("group_norm", lambda: (fc.group_norm(x, 4, weight, bias),), (expected,), (bound,))
    yield Check(
        "group_norm NHWC",
        lambda: (fc.group_norm(last, 4, weight, bias, layout="NHWC"),),
        (np.moveaxis(expected, 1, -1),),
        (np.moveaxis(bound, 1, -1),),
    )
    rows = normalised(np.moveaxis(exact, 1, -1))
    bound = 32 * eps * (np.abs(rows * weight) + np.abs(bias) + 1)
    yield Check(
        "layer_norm", lambda: (fc.layer_norm(last, (24,), weight, bias),), (rows * weight + bias,), (bound,)
    )
    for axis in (1, 3):
        below = exact.max(axis, keepdims=True) - exact
        shares = np.exp(-below) / np.exp(-below).sum(axis, keepdims=True)
        cost = eps * (below + x.shape[axis] / 2 + 6)

        def call(axis: int = axis) -> tuple[Array, ...]:
            return fc.softmax(x, axis), fc.log_softmax(x, axis)

        yield Check(f"softmax along axis {axis}", call, (shares, np.log(shares)), (cost * shares, cost))
