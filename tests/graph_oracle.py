"""What a graph means: every node by the public function of its name, one after the other, on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastconv as fc
from fastconv.graph import Graph, Node

Array = np.ndarray[Any, Any]


def evaluate(graph: Graph, x: Array) -> Array:
    """Return the output of a graph that no pass has touched."""
    known = {id(graph.input): x}
    for node in graph.nodes:
        y = compute(node, [known[id(value)] for value in node.inputs])
        # Windows leave out a stride that only one output has, so a function finds more.
        known[id(node.output)] = y[tuple(slice(size) for size in node.output.shape)]
    return known[id(graph.output)]


def compute(node: Node, inputs: list[Array]) -> Any:
    """Compute one node."""
    public: Any = fc
    x, a, more = inputs[0], node.arrays, node.attributes
    rank = x.ndim - 2
    if (scale := a.get("scale")) is not None and (weight := a["weight"]) is not None:
        if node.op == "conv_transpose":  # a row of its group's outputs for each input
            scale = scale.reshape(more["groups"], -1).repeat(len(weight) // more["groups"], axis=0)
        a = {**a, "weight": weight * scale.reshape(*scale.shape, *(1,) * (weight.ndim - scale.ndim))}
    if node.op in ("conv", "conv_transpose"):
        _, stride, sides, dilation = more["window"]
        if node.op == "conv":
            padding = tuple(zip(sides[::2], sides[1::2], strict=True))
            function = getattr(fc, f"conv{rank}d")
            return function(x, a["weight"], a["bias"], stride, padding, dilation, more["groups"])
        return _transposed(node, a, x)
    if node.op == "linear":
        return public.linear(x, a["weight"], a["bias"])
    if node.op == "batch_norm":
        return public.batch_norm(x, a["mean"], a["var"], a["weight"], a["bias"], eps=more["eps"])
    if node.op == "group_norm":
        return public.group_norm(x, more["groups"], a["weight"], a["bias"], more["eps"])
    if node.op == "layer_norm":
        return public.layer_norm(x, more["shape"], a["weight"], a["bias"], more["eps"])
    if node.op in ("max_pool", "avg_pool"):
        return _pool(node, x)
    if node.op == "adaptive_avg_pool":
        return getattr(fc, f"adaptive_avg_pool{rank}d")(x, node.output.spatial)
    if node.op == "activation":
        identity = np.eye(x.shape[1], dtype=x.dtype)[(..., *(None,) * max(rank, 1))]
        vector = x if rank else x[..., None]
        function = getattr(fc, f"conv{max(rank, 1)}d")
        return function(vector, identity, activation=node.activation, algorithm="direct").reshape(x.shape)
    if node.op == "add":
        return inputs[0] + inputs[1]
    if node.op == "concat":
        return np.concatenate(inputs, axis=1)
    if node.op == "flatten":
        return x.reshape(len(x), -1)
    assert node.op == "softmax"
    return (public.log_softmax if more["logarithm"] else public.softmax)(x, axis=1)


def _transposed(node: Node, arrays: dict[str, Any], x: Array) -> Any:
    kernel, stride, sides, dilation = node.attributes["window"]
    rank = len(kernel)
    extra = tuple(
        size - ((n - 1) * s - before - after + d * (k - 1) + 1)
        for size, n, s, before, after, d, k in zip(
            node.output.spatial, x.shape[2:], stride, sides[::2], sides[1::2], dilation, kernel, strict=True
        )
    )
    function = getattr(fc, f"conv_transpose{rank}d")
    given = stride, sides[::2], extra, node.attributes["groups"], dilation
    result: Array = function(x, arrays["weight"], arrays["bias"], *given)
    return result


def _pool(node: Node, x: Array) -> Any:
    kernel, stride, sides, dilation = node.attributes["window"]
    rank = len(kernel)
    ceil = any(
        (size - 1) * s + (k - 1) * d + 1 > n + before + after
        for size, n, s, before, after, d, k in zip(
            node.output.spatial, x.shape[2:], stride, sides[::2], sides[1::2], dilation, kernel, strict=True
        )
    )
    if node.op == "max_pool":
        return getattr(fc, f"max_pool{rank}d")(x, kernel, stride, sides[::2], dilation, ceil)
    counts, divisor = node.attributes["rule"]
    return getattr(fc, f"avg_pool{rank}d")(x, kernel, stride, sides[::2], ceil, counts, divisor or None)
