"""Normalisation and linear layers, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def channel_vector(v: Array, ndim: int) -> Array:
    """Reshape ``(C,)`` to float64 that broadcasts against ``(N, C, *spatial)``."""
    return v.astype(np.float64).reshape(-1, *(1,) * (ndim - 2))


def batch_norm(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """``(x - mean) / sqrt(var + eps) * weight + bias``, a value of each per channel."""
    scale = 1 / np.sqrt(var.astype(np.float64) + eps)
    y = (x.astype(np.float64) - channel_vector(mean, x.ndim)) * channel_vector(scale, x.ndim)
    if weight is not None:
        y = y * channel_vector(weight, x.ndim)
    return y if bias is None else y + channel_vector(bias, x.ndim)


def batch_statistics(x: Array) -> tuple[Array, Array, Array]:
    """Mean, biased variance and unbiased variance of each channel."""
    axes = (0, *range(2, x.ndim))
    data = x.astype(np.float64)
    return data.mean(axis=axes), data.var(axis=axes), data.var(axis=axes, ddof=1)


def group_statistics(x: Array, groups: int) -> tuple[Array, Array]:
    """Mean and biased variance of each sample and group, repeated for its channels: ``(N, C, 1, ...)``."""
    batch, channels = x.shape[:2]
    data = x.astype(np.float64).reshape(batch, groups, -1)
    each, ones = channels // groups, (1,) * (x.ndim - 2)
    mean, var = (np.repeat(v, each, axis=1) for v in (data.mean(axis=2), data.var(axis=2)))
    return mean.reshape(batch, channels, *ones), var.reshape(batch, channels, *ones)


def group_norm(
    x: Array, groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Array:
    """``(x - mean) / sqrt(var + eps) * weight + bias``, mean and variance of each sample and group."""
    mean, var = group_statistics(x, groups)
    with np.errstate(invalid="ignore"):
        y = (x.astype(np.float64) - mean) / np.sqrt(var + eps)
    if weight is not None:
        y = y * channel_vector(weight, x.ndim)
    return np.asarray(y) if bias is None else y + channel_vector(bias, x.ndim)


def layer_norm(
    x: Array, axes: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Array:
    """``(x - mean) / sqrt(var + eps) * weight + bias``, mean and variance over so many last axes."""
    data = x.astype(np.float64)
    last = tuple(range(-axes, 0))
    mean, var = data.mean(axis=last, keepdims=True), data.var(axis=last, keepdims=True)
    with np.errstate(invalid="ignore"):
        y = (data - mean) / np.sqrt(var + eps)
    if weight is not None:
        y = y * weight.astype(np.float64)
    return np.asarray(y) if bias is None else y + bias.astype(np.float64)


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """``x @ weight.T + bias`` over the last axis."""
    with np.errstate(invalid="ignore"):
        y = x.astype(np.float64) @ weight.astype(np.float64).T
    return y if bias is None else y + bias.astype(np.float64)
