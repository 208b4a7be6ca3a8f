"""Random valid calls of every function, small enough to cost nothing."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Arguments = dict[str, Any]
Generator = Callable[[Random], Arguments]

ACTIVATIONS = (None, "relu", "relu6", "silu", "tanh", ("clip", -1.0, 2.0), ("leaky_relu", 0.1))


def array(rng: Random, *shape: int) -> Array:
    """Return small integers, which are a variance and an input to everything."""
    values = np.arange(int(np.prod(shape))) * rng.choice((1, 3, 7)) % 5 + 1
    return values.astype(rng.choice((np.float32, np.float64))).reshape(shape)


def sizes(rng: Random, rank: int, low: int, high: int) -> tuple[int, ...]:
    """Return a size for each axis."""
    return tuple(rng.randint(low, high) for _ in range(rank))


def either(rng: Random, entries: tuple[int, ...]) -> Any:
    """Return one integer for all axes, where it is the same, or one an axis."""
    return entries[0] if len(set(entries)) == 1 and rng.random() < 0.7 else entries


def laid_out(rng: Random, call: Arguments, *shape: int) -> Arguments:
    """Add an input of ``(channels, *spatial)``, in a batch or alone, channels first or last."""
    batch = rng.choice(((), (1,), (2,), (0,)))
    if rng.random() < 0.3:
        return {"input": array(rng, *batch, *shape[1:], shape[0]), **call, "layout": "NHWC"}
    return {"input": array(rng, *batch, *shape), **call}


def fused(rng: Random, call: Arguments) -> Arguments:
    """Add an activation."""
    return call if rng.random() < 0.5 else {**call, "activation": rng.choice(ACTIVATIONS)}


def conv(rank: int, transposed: bool = False) -> Generator:
    """Return calls of a convolution, or of a transposed one."""

    def call(rng: Random) -> Arguments:
        groups, inputs, outputs = rng.choice((1, 1, 2)), rng.randint(1, 3), rng.randint(1, 3)
        kernel, stride = sizes(rng, rank, 1, 3), sizes(rng, rank, 1, 3)
        leading = (inputs * groups, outputs) if transposed else (outputs * groups, inputs)
        made = {
            "weight": array(rng, *leading, *kernel),
            "bias": rng.choice((None, array(rng, outputs * groups))),
            "stride": either(rng, stride),
            "padding": either(rng, sizes(rng, rank, 0, 0 if transposed else 2)),
            "groups": groups,
            "dilation": either(rng, sizes(rng, rank, 1, 2)),
        }
        if rng.random() < 0.5:
            named = ("direct",) if transposed else ("direct", "im2col")
            made["algorithm"] = rng.choice(("auto", "autotune", *named))
        return fused(rng, laid_out(rng, made, inputs * groups, *sizes(rng, rank, 5, 7)))

    return call


def window(rng: Random, rank: int) -> Arguments:
    """Return kernel, stride and padding of a pooling."""
    kernel = sizes(rng, rank, 1, 4)
    return {
        "kernel_size": either(rng, kernel),
        "stride": rng.choice((None, either(rng, sizes(rng, rank, 1, 3)))),
        "padding": either(rng, tuple(rng.randint(0, size // 2) for size in kernel)),
    }


def max_pool(rank: int) -> Generator:
    """Return calls of a maximum pooling."""

    def call(rng: Random) -> Arguments:
        flags = {name: rng.random() < 0.5 for name in ("ceil_mode", "return_indices")}
        made = {**window(rng, rank), **flags, "dilation": rng.choice((1, 1, 2))}
        return laid_out(rng, made, rng.randint(1, 3), *sizes(rng, rank, 7, 8))

    return call


def avg_pool(rank: int) -> Generator:
    """Return calls of an average pooling."""

    def call(rng: Random) -> Arguments:
        flags = {name: rng.random() < 0.5 for name in ("ceil_mode", "count_include_pad")}
        made = {**window(rng, rank), **flags, "divisor_override": rng.choice((None, 3, -2))}
        return laid_out(rng, made, rng.randint(1, 3), *sizes(rng, rank, 4, 6))

    return call


def adaptive_pool(rank: int, indices: bool) -> Generator:
    """Return calls of an adaptive pooling."""

    def call(rng: Random) -> Arguments:
        made: Arguments = {"output_size": either(rng, sizes(rng, rank, 1, 4))}
        if indices:
            made["return_indices"] = rng.random() < 0.5
        return laid_out(rng, made, rng.randint(1, 3), *sizes(rng, rank, 1, 5))

    return call


def max_unpool(rank: int) -> Generator:
    """Return calls of an unpooling, of windows that do not overlap."""

    def call(rng: Random) -> Arguments:
        kernel, shape = sizes(rng, rank, 1, 3), (rng.randint(1, 2), rng.randint(1, 3))
        spatial = sizes(rng, rank, 1, 3)
        full = tuple(count * size for count, size in zip(spatial, kernel, strict=True))
        corners = np.ix_(*(np.arange(count) * size for count, size in zip(spatial, kernel, strict=True)))
        places = np.ravel_multi_index(corners, full)
        return {
            "input": array(rng, *shape, *spatial),
            "indices": np.broadcast_to(places, (*shape, *spatial)).astype(np.int64),
            "kernel_size": either(rng, kernel),
            "output_size": rng.choice((None, full)),
        }

    return call


def batch_norm(rng: Random) -> Arguments:
    """Return a call of batch_norm."""
    channels = rng.randint(1, 3)
    vectors = {name: array(rng, channels) for name in ("running_mean", "running_var", "weight", "bias")}
    shape = sizes(rng, rng.randint(0, 3), 2, 3)
    numbers = {"training": rng.random() < 0.5, "momentum": rng.random(), "eps": 1e-3}
    return fused(rng, {"input": array(rng, 2, channels, *shape), **vectors, **numbers})


def instance_norm(rng: Random) -> Arguments:
    """Return a call of instance_norm."""
    channels = rng.randint(1, 3)
    vectors = {name: array(rng, channels) for name in ("running_mean", "running_var", "weight", "bias")}
    numbers = {"use_input_stats": rng.random() < 0.5, "momentum": rng.random(), "eps": 1e-3}
    return {"input": array(rng, 2, channels, *sizes(rng, rng.randint(1, 3), 2, 3)), **vectors, **numbers}


def group_norm(rng: Random) -> Arguments:
    """Return a call of group_norm."""
    groups = rng.randint(1, 3)
    channels = groups * rng.randint(1, 2)
    vectors = {name: rng.choice((None, array(rng, channels))) for name in ("weight", "bias")}
    shape = (2, channels, *sizes(rng, rng.randint(1, 3), 2, 3))
    return {"input": array(rng, *shape), "num_groups": groups, **vectors, "eps": 1e-3}


def layer_norm(rng: Random) -> Arguments:
    """Return a call of layer_norm."""
    shape = sizes(rng, rng.randint(1, 4), 2, 3)
    last = shape[rng.randrange(len(shape)) :]
    vectors = {name: rng.choice((None, array(rng, *last))) for name in ("weight", "bias")}
    return {"input": array(rng, *shape), "normalized_shape": last, **vectors, "eps": 1e-3}


def fold_batch_norm(rng: Random) -> Arguments:
    """Return a call of fold_batch_norm."""
    channels = rng.randint(1, 3)
    names = ("bias", "running_mean", "running_var", "bn_weight", "bn_bias")
    vectors = {name: array(rng, channels) for name in names}
    return {"weight": array(rng, channels, *sizes(rng, 3, 1, 2)), **vectors, "eps": 1e-3}


def linear(rng: Random) -> Arguments:
    """Return a call of linear."""
    features, outputs = rng.randint(1, 4), rng.randint(1, 3)
    x = array(rng, *sizes(rng, rng.randint(0, 2), 1, 3), features)
    bias = rng.choice((None, array(rng, outputs)))
    return fused(rng, {"input": x, "weight": array(rng, outputs, features), "bias": bias})


def elementwise(rng: Random) -> Arguments:
    """Return a call of an activation."""
    return {"input": array(rng, *sizes(rng, rng.randint(0, 4), 1, 3))}


def softmax(rng: Random) -> Arguments:
    """Return a call of softmax."""
    shape = sizes(rng, rng.randint(1, 4), 1, 3)
    return {"input": array(rng, *shape), "axis": rng.randrange(-len(shape), len(shape))}


def pad(rng: Random) -> Arguments:
    """Return a call of pad."""
    rank = rng.randint(1, 3)
    mode = rng.choice(("constant", "reflect", "replicate", "circular"))
    x = array(rng, *sizes(rng, 2, 1, 2), *sizes(rng, rank, 3, 5))
    return {"input": x, "pad": sizes(rng, 2 * rank, 0, 2), "mode": mode, "value": 0.0}


def unfold(rng: Random) -> Arguments:
    """Return a call of unfold."""
    x = array(rng, rng.randint(1, 2), rng.randint(1, 3), *sizes(rng, 2, 4, 6))
    numbers = {"dilation": rng.randint(1, 2), "padding": rng.randint(0, 1), "stride": rng.randint(1, 2)}
    return {"input": x, "kernel_size": either(rng, sizes(rng, 2, 1, 2)), **numbers}


def fold(rng: Random) -> Arguments:
    """Return a call of fold."""
    kernel, image = sizes(rng, 2, 1, 2), sizes(rng, 2, 2, 4)
    columns = int(np.prod([size - width + 1 for size, width in zip(image, kernel, strict=True)]))
    x = array(rng, rng.randint(1, 2), int(np.prod(kernel)) * rng.randint(1, 2), columns)
    return {"input": x, "output_size": image, "kernel_size": kernel}


def explain(rng: Random) -> Arguments:
    """Return a call of explain."""
    rank, groups = rng.randint(1, 3), rng.randint(1, 2)
    inputs, outputs = rng.randint(1, 3), rng.randint(1, 3)
    return {
        "function": f"conv{rank}d",
        "input_shape": (rng.randint(1, 2), inputs * groups, *sizes(rng, rank, 5, 7)),
        "weight_shape": (outputs * groups, inputs, *sizes(rng, rank, 1, 3)),
        "stride": either(rng, sizes(rng, rank, 1, 2)),
        "groups": groups,
        "dtype": rng.choice((np.float32, "float64")),
        "algorithm": rng.choice(("auto", "autotune", "direct", "im2col")),
        "measure": rng.random() < 0.1,
    }


RANKS = (1, 2, 3)
GENERATORS: dict[str, Generator] = {
    **{f"conv{rank}d": conv(rank) for rank in RANKS},
    **{f"conv_transpose{rank}d": conv(rank, transposed=True) for rank in RANKS},
    **{f"max_pool{rank}d": max_pool(rank) for rank in RANKS},
    **{f"avg_pool{rank}d": avg_pool(rank) for rank in RANKS},
    **{f"adaptive_max_pool{rank}d": adaptive_pool(rank, True) for rank in RANKS},
    **{f"adaptive_avg_pool{rank}d": adaptive_pool(rank, False) for rank in RANKS},
    **{f"max_unpool{rank}d": max_unpool(rank) for rank in RANKS},
    **dict.fromkeys(("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "hardswish"), elementwise),
    **dict.fromkeys(("softmax", "log_softmax"), softmax),
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
    "fold_batch_norm": fold_batch_norm,
    "linear": linear,
    "pad": pad,
    "unfold": unfold,
    "fold": fold,
    "explain": explain,
}
