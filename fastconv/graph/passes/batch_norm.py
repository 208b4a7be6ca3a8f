"""Batch norm in inference is linear: fold it into the filter of a neighbouring convolution.

Behind a convolution it scales that one's filters. In front of one it scales their input channels, and its
shift becomes a bias; that is exact only without padding, whose zeros the normalisation would have moved.
The scale of a filter stays beside it, until all is known and it is multiplied and rounded once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional.checks.annotations import DTypeLike
from fastconv.functional.norm import fold_batch_norm
from fastconv.graph.ir import Array, Graph, Node

FOLDING = ("conv", "linear")
FOLDING_BEHIND = (*FOLDING, "conv_transpose")


def fold_into_previous(graph: Graph) -> None:
    """Fold every batch norm whose input a convolution computes for it alone."""
    for norm in [node for node in graph.nodes if node.op == "batch_norm"]:
        (x,) = norm.inputs
        before = graph.producer(x)
        if before is None or before.op not in FOLDING_BEHIND or not graph.is_used_once(x):
            continue
        if before.activation is not None or before.residual is not None:
            continue
        bias = before.arrays["bias"]
        statistics = (norm.arrays[name] for name in ("mean", "var", "weight", "bias"))
        folding: Any = (*statistics, norm.attributes["eps"])
        scale, bias = fold_batch_norm(np.ones(x.channels), bias, *folding)
        known = before.arrays.get("scale")
        before.arrays |= {"bias": bias, "scale": scale if known is None else known * scale}
        remove(graph, norm)


def scaled_filter(node: Node, dtype: DTypeLike) -> Array:
    """Return the filter of a node times the scale of its outputs, computed in float64 and rounded once."""
    weight, scale = node.arrays["weight"], node.arrays.get("scale")
    assert weight is not None
    if scale is None:
        return np.ascontiguousarray(weight, dtype)
    scaled, taps = np.empty(weight.shape, dtype), (1,) * (weight.ndim - 2)
    shape, channels = weight.shape, (len(scale), 1, *taps)
    if node.op == "conv_transpose":  # outputs of a group are behind its inputs
        groups = node.attributes["groups"]
        shape, channels = (groups, -1, *weight.shape[1:]), (groups, 1, weight.shape[1], *taps)
    # A part at a time goes through float64, never a copy of all.
    parts = weight.reshape(shape), scale.reshape(channels)
    np.multiply(*parts, out=scaled.reshape(shape), dtype=np.float64, casting="same_kind")
    return scaled


def fold_into_next(graph: Graph) -> None:
    """Fold every batch norm whose output only a convolution without padding reads."""
    for norm in [node for node in graph.nodes if node.op == "batch_norm"]:
        users = graph.users(norm.output)
        if len(users) != 1 or not graph.is_used_once(norm.output) or norm.activation is not None:
            continue
        (after,) = users
        if after.residual is norm.output or after.op not in FOLDING:
            continue
        if after.op == "conv" and (any(after.attributes["window"][2]) or after.attributes["groups"] > 1):
            continue
        scale, shift = scale_and_shift(norm)
        bias, wide = after.arrays["bias"], scaled_filter(after, np.float64)
        by_channel: Any = (slice(None), *(None,) * (wide.ndim - 2))
        moved = wide.reshape(*wide.shape[:2], -1).sum(-1) @ shift + (0 if bias is None else bias)
        scaled = wide * scale[by_channel]  # rounded to the network's type when its filters are packed
        after.arrays = {"weight": scaled, "bias": moved}
        remove(graph, norm)


def scale_and_shift(norm: Node) -> tuple[Array, Array]:
    """Return ``a, b`` of ``y = a x + b`` in float64."""
    mean, var, weight, bias = (
        None if array is None else np.asarray(array, np.float64)
        for array in (norm.arrays[name] for name in ("mean", "var", "weight", "bias"))
    )
    assert mean is not None
    assert var is not None
    scale = (1 if weight is None else weight) / np.sqrt(var + norm.attributes["eps"])
    return scale, (0 if bias is None else bias) - mean * scale


def remove(graph: Graph, node: Node) -> None:
    """Take a node out; what read its output reads its input."""
    graph.nodes.remove(node)
    graph.replace(node.output, node.inputs[0])
