"""Elementwise functions, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def log_softmax(x: Array, axis: int = -1) -> Array:
    """``x - log(sum(exp(x)))`` along an axis, about the maximum."""
    data = np.asarray(x, dtype=np.float64)
    with np.errstate(invalid="ignore", under="ignore"):
        shifted = data - data.max(axis=axis, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))


def softmax(x: Array, axis: int = -1) -> Array:
    """``exp(x) / sum(exp(x))`` along an axis, about the maximum."""
    data = np.asarray(x, dtype=np.float64)
    with np.errstate(invalid="ignore", under="ignore"):
        raised = np.exp(data - data.max(axis=axis, keepdims=True))
        return np.asarray(raised / raised.sum(axis=axis, keepdims=True))


def activation(x: Array, name: str | tuple[Any, ...] | None) -> Array:
    """Apply an activation, named as in the public interface, in float64."""
    x = np.asarray(x, dtype=np.float64)
    kind, parameters = (name, ()) if not isinstance(name, tuple) else (name[0], name[1:])
    if kind is None:
        return x
    low, high = parameters if kind == "clip" else (0.0, 6.0)
    slope = parameters[0] if kind == "leaky_relu" else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        logistic = np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
        values: dict[str, Array] = {
            "relu": np.where(x < 0, 0.0, x),
            "relu6": np.where(x < low, low, np.where(x > high, high, x)),
            "clip": np.where(x < low, low, np.where(x > high, high, x)),
            "leaky_relu": np.where(x < 0, x * slope, x),
            "tanh": np.tanh(x),
            "sigmoid": logistic,
            "silu": x * logistic,
            "hardswish": x * (np.clip(x + 3, 0, 6) / 6),
        }
    return values[str(kind)]
