"""From a graph to a program: a form for every map, steps, halos, and the arena.

Maps are in channel blocks wherever an operation can compute on blocks, and plain elsewhere; a step that
reorders stands where the forms of two neighbours differ. What is joined along the channels is written by its
parts where it stands, if they start at a whole block; the lanes of others are moved there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from fastconv._native import core as native
from fastconv.graph.chains import find_chains
from fastconv.graph.ir import Array, Graph, Node, Value
from fastconv.graph.maps import Map, Step, halo_of, three, three_axes, transposed_halo_of
from fastconv.graph.passes.batch_norm import scaled_filter
from fastconv.graph.shelf import Shelf
from fastconv.graph.source import Source

Run = tuple[int, int, bool]

CACHED_BYTES = 4e6  # of all filters: what is left of a shared last-level cache from one call to the next
MOST_TRANSFORMED = 64e6  # bytes of a filter that Winograd's few tiles find transformed
# Of an item of a blocked map that is pooled, where columns and rows are not reduced one after the other.
MOST_READS = 12
# The window of a step that looks at one item.
AN_ITEM = ((1, 1, 1), (1, 1, 1), (0, 0, 0, 0, 0, 0), (1, 1, 1))
DIRECT = native.ALGORITHMS.index("direct")
TILES = {"winograd_2x2": 2, "winograd_4x4": 4}


def keeps_taps(plan: dict[str, Any]) -> bool:
    """Whether a filter is transformed in every call: before, it would take much memory, for little time."""
    return bool(plan["split"] == "by output channels" and plan["filter_bytes"] > MOST_TRANSFORMED)


class Lowering:
    """One pass over a graph's nodes; `pack` then fills in what the steps hold of filters."""

    def __init__(
        self, graph: Graph, dtype: np.dtype[Any], algorithm: str, run: Run, source: Source | None = None
    ) -> None:
        self.graph, self.dtype, self.run, self.source = graph, dtype, run, source
        self.algorithm = algorithm
        self.block = native.BLOCK_BYTES // dtype.itemsize
        self.steps: list[Step] = []
        self.waiting: list[tuple[int, Node, Callable[[Array], object]]] = []
        self.forms: dict[tuple[int, bool], Map] = {}
        self.homes: dict[int, tuple[Value, int]] = {}
        self.batch = graph.input.shape[0]
        weights = (node.arrays.get("weight") for node in graph.nodes)
        nbytes = dtype.itemsize * sum(0 if weight is None else weight.size for weight in weights)
        self.filters = native.FILTER_FETCHED if nbytes > CACHED_BYTES else native.FILTER_PACKED
        self.shelf = Shelf(nbytes)
        for node in graph.nodes:
            if node.op == "concat":
                self.find_homes(node)
        for node in graph.nodes:
            getattr(self, f"lower_{node.op}")(node)
        self.finish()

    def find_homes(self, concat: Node) -> None:
        """Let the parts of a joined map that start at a whole block be computed where they stand in it.

        What such a part writes to lanes behind its last channel is overwritten when they are joined.
        """
        first = 0
        for value in concat.inputs:
            if first % self.block == 0 and value is not self.graph.input and id(value) not in self.homes:
                self.homes[id(value)] = (concat.output, first)
            first += value.channels

    def new(self, value: Value, *, blocked: bool) -> Map:
        """Make the map that a node writes its output to."""
        made = Map(value.channels, three(value.spatial), blocked)
        if blocked and id(value) in self.homes:
            whole, made.first = self.homes[id(value)]
            made.part_of = self.whole(whole)
        self.forms[id(value), blocked] = made
        return made

    def whole(self, value: Value) -> Map:
        """Return the blocked map of a joined value, which its first part asks for."""
        key = (id(value), True)
        return self.forms[key] if key in self.forms else self.new(value, blocked=True)

    def is_blocked(self, value: Value) -> bool:
        """Whether a value is there in blocks, or everywhere but in the caller's array."""
        return (id(value), True) in self.forms

    def read(self, value: Value, *, blocked: bool) -> Map:
        """Return a value in a form, reordered if it is not there in it."""
        if value is self.graph.input and not any((id(value), form) in self.forms for form in (False, True)):
            self.enter(value, blocked=blocked)
        key = (id(value), blocked)
        if key not in self.forms:
            made = Map(value.channels, three(value.spatial), blocked)
            self.steps.append(Step("reorder", self.forms[id(value), not blocked], made))
            self.forms[key] = made
        return self.forms[key]

    def enter(self, value: Value, *, blocked: bool) -> None:
        """Give the graph's input its first form: the caller's array, or what a step loads from it."""
        given = Map(value.channels, three(value.spatial), False, native.IN_INPUT)
        if self.source is None:
            self.forms[id(value), False] = given
            return
        last, kind, mean, std = self.source
        given.itemsize = kind.itemsize
        details = (
            kind != self.dtype, last,
            self.whole_blocks(mean, value.channels), self.whole_blocks(std, value.channels, 1),
        )  # fmt: skip
        loaded = self.forms[id(value), blocked and last] = Map(given.channels, given.size, blocked and last)
        self.steps.append(Step("load", given, loaded, details=details))

    def plan(self, node: Node, algorithm: str) -> dict[str, Any]:
        """Return the native plan of a convolution whose filter is packed before."""
        x, y, weight = node.inputs[0], node.output, weight_of(node)
        w = three_axes(node.attributes["window"])
        shapes = (
            (*x.shape[:2], *three(x.spatial)), (*weight.shape[:2], *w[0]), (*y.shape[:2], *three(y.spatial))
        )  # fmt: skip
        items, groups = (self.dtype.itemsize, False), node.attributes["groups"]
        transposed = node.op == "conv_transpose"

        def planned(algorithm: int) -> dict[str, Any]:
            return native.conv_plan(shapes, items, w, groups, algorithm, transposed, self.run, self.filters)

        direct = planned(DIRECT)
        # Where Winograd's algorithm was asked for and cannot do the shape, the direct one does.
        needed = {"auto": "direct", "winograd": "winograd_4x4"}.get(algorithm, algorithm)
        chosen = planned(native.ALGORITHMS.index(algorithm)) if needed in direct["able"] else direct
        in_blocks = direct["tiled"] and direct["layout"] == "blocked" and not transposed
        taps = chosen["algorithm"] in TILES and in_blocks and keeps_taps(chosen)
        packing = {"filter": native.FILTER_TAPS, "packing": direct} if taps else {"packing": chosen}
        common = {"filter": native.FILTER_PACKED, "shapes": shapes, "window": w, "groups": groups}
        return {**chosen, **common, **packing}

    def lower_conv(self, node: Node) -> None:
        x, y, groups = node.inputs[0], node.output, node.attributes["groups"]
        weight, bias = weight_of(node), self.as_items(node.arrays["bias"])
        plan = self.plan(node, self.algorithm)
        common = {"activation": node.activation, "window": plan["window"], "flops": flops(weight, y)}
        code = native.ALGORITHMS.index(plan["algorithm"])
        as_it_is = (groups, code, False, native.FILTER_GIVEN)
        if not self.has_whole_groups(x, y, plan) and self.has_narrow_groups(weight, groups):
            packed = self.packed_depthwise(node)
            self.between_blocks(
                Step("depthwise", self.read(x, blocked=True), self.new(y, blocked=True), weight=packed,
                     bias=self.whole_blocks(bias, y.channels), details=as_it_is,
                     algorithm="depthwise" if weight.shape[1] == 1 else "direct", **common),
                node, 1,
            )  # fmt: skip
        elif self.has_whole_groups(x, y, plan):
            planes = plan["layout"] == "planes"
            source = self.read(x, blocked=not planes)
            packed = self.packed(node, plan)
            self.between_blocks(
                Step("conv", source, self.new(y, blocked=True), weight=packed, bias=bias,
                     details=(groups, code, False, plan["filter"]), algorithm=plan["algorithm"], **common),
                node, TILES.get(plan["algorithm"], 1),
            )  # fmt: skip
        else:
            self.between_plain(
                Step("plain_conv", self.read(x, blocked=False), self.new(y, blocked=False), details=as_it_is,
                     weight=self.copied(node), bias=bias, algorithm=plan["algorithm"], **common),
                node,
            )  # fmt: skip

    def lower_conv_transpose(self, node: Node) -> None:
        weight, bias = self.filter_of(node), self.as_items(node.arrays["bias"])
        # What a weight that is not finite does to missing inputs is only taken back from direct sums between
        # plain maps.
        finite = bool(np.isfinite(weight).all())
        plan, groups = self.plan(node, self.algorithm if finite else "direct"), node.attributes["groups"]
        code = native.ALGORITHMS.index(plan["algorithm"])
        blocked = finite and self.has_whole_groups(node.inputs[0], node.output, plan)
        step = Step(
            "conv" if blocked else "plain_conv",
            self.read(node.inputs[0], blocked=blocked), self.new(node.output, blocked=blocked),
            weight=self.packed(node, plan) if blocked else self.copied(node),
            bias=bias, activation=node.activation, window=plan["window"],
            details=(groups, code, True, native.FILTER_PACKED if blocked else native.FILTER_GIVEN),
            algorithm=plan["algorithm"], flops=flops(weight, node.inputs[0]),
        )  # fmt: skip
        if blocked:
            self.between_blocks(step, node, TILES.get(plan["algorithm"], 1))
        else:
            self.between_plain(step, node)

    def has_whole_groups(self, x: Value, y: Value, plan: dict[str, Any]) -> bool:
        """Whether register tiles can compute it, every group in blocks of its own."""
        groups = plan["groups"]
        whole = x.channels // groups % self.block == 0 and y.channels // groups % self.block == 0
        return bool(plan["tiled"]) and (groups == 1 or whole)

    def has_narrow_groups(self, weight: Array, groups: int) -> bool:
        """Whether each block of outputs reads one block of inputs: that of a few groups, or of one."""
        inputs, outputs = weight.shape[1], weight.shape[0] // groups
        lanes = max(1, self.block // outputs) * inputs
        aligned = outputs % self.block == 0 or self.block % outputs == 0
        fits = self.block % lanes == 0 and math.prod(weight.shape[2:]) <= native.MOST_TAPS
        return groups > 1 and aligned and fits

    def filled(self, node: Node, items: int, fill: Callable[[Array, Array], object]) -> Array:
        """Return memory for the filter of a node; ``fill(memory, filter)`` waits for `pack`."""
        memory = self.shelf.allocate(items, self.dtype)
        self.waiting.append((weight_of(node).nbytes, node, partial(fill, memory)))
        return memory

    def packed(self, node: Node, plan: dict[str, Any]) -> Array:
        packing, shapes = plan["packing"], plan["shapes"]
        code = native.ALGORITHMS.index(packing["algorithm"])

        def fill(memory: Array, weight: Array) -> None:
            given = weight.reshape(shapes[1]), memory, shapes, plan["window"], plan["groups"]
            native.pack_conv(*given, code, self.run, node.op == "conv_transpose")

        return self.filled(node, packing["filter_bytes"] // self.dtype.itemsize, fill)

    def packed_depthwise(self, node: Node) -> Array:
        channels, *rest = weight_of(node).shape

        def fill(memory: Array, weight: Array) -> None:
            native.pack_depthwise(weight.reshape(*weight.shape[:2], *three(weight.shape[2:])), memory)

        return self.filled(node, self.lanes(channels) * math.prod(rest), fill)

    def copied(self, node: Node) -> Array:
        def fill(memory: Array, weight: Array) -> None:
            memory[:] = weight.reshape(-1)

        return self.filled(node, weight_of(node).size, fill)

    def pack(self) -> None:
        """Fill in filters and let go of weights, the largest first, while the fewest are held twice."""
        for _, node, fill in sorted(self.waiting, key=itemgetter(0), reverse=True):
            fill(self.filter_of(node))
            node.arrays = {}

    def between_blocks(self, step: Step, node: Node, tile: int) -> None:
        """Add a step that reads the halo of a blocked input, under whole tiles of outputs."""
        if node.residual is not None:
            step.residual = self.read(node.residual, blocked=True)
            step.residual.share_halo(step.output)
        if step.input.blocked:
            transposed = step.kind == "conv" and step.details[2]
            step.input.need_halo((transposed_halo_of if transposed else halo_of)(step, tile))
        self.steps.append(step)

    def between_plain(self, step: Step, node: Node) -> None:
        if node.residual is not None:
            step.residual = self.read(node.residual, blocked=False)
        self.steps.append(step)

    def lower_max_pool(self, node: Node) -> None:
        self.pool("max_pool", node, three_axes(node.attributes["window"]))

    def lower_avg_pool(self, node: Node) -> None:
        w = three_axes(node.attributes["window"])
        self.pool("avg_pool", node, w, (*node.attributes["rule"], w[2][1::2]))

    def lower_adaptive_avg_pool(self, node: Node) -> None:
        self.pool("adaptive_avg_pool", node, None)

    def pool(self, kind: str, node: Node, window: tuple[Any, ...] | None, details: Any = None) -> None:
        blocked = self.is_blocked(node.inputs[0]) and reads_an_item(node, window) <= MOST_READS
        x, y = self.read(node.inputs[0], blocked=blocked), self.new(node.output, blocked=blocked)
        self.steps.append(Step(kind, x, y, window=window, details=details))

    def lower_batch_norm(self, node: Node) -> None:
        blocked = self.is_blocked(node.inputs[0])
        x, y = self.read(node.inputs[0], blocked=blocked), self.new(node.output, blocked=blocked)
        statistics = [
            None if array is None else np.array(array, np.float64)
            for array in (node.arrays[name] for name in ("mean", "var", "weight", "bias"))
        ]
        details = (*statistics, float(node.attributes["eps"]))
        packed = None
        if blocked:
            packed = self.shelf.allocate(native.AFFINE_VECTORS * self.lanes(y.channels), self.dtype)
            native.pack_affine(details, y.channels, self.dtype.itemsize, packed)
        self.steps.append(
            Step(
                "batch_norm", x, y, weight=packed, activation=node.activation, window=AN_ITEM, details=details
            )
        )

    def lower_group_norm(self, node: Node) -> None:
        x, y = self.read(node.inputs[0], blocked=False), self.new(node.output, blocked=False)
        scale = [
            None if node.arrays[name] is None else np.array(node.arrays[name], np.float64)
            for name in ("weight", "bias")
        ]
        details = (node.attributes["groups"], *scale, node.attributes["eps"])
        self.steps.append(Step("group_norm", x, y, activation=node.activation, details=details))

    def lower_layer_norm(self, node: Node) -> None:
        x, y = self.read(node.inputs[0], blocked=False), self.new(node.output, blocked=False)
        weight, bias = (self.as_items(node.arrays[name]) for name in ("weight", "bias"))
        details = (math.prod(node.attributes["shape"]), node.attributes["eps"])
        self.steps.append(Step("layer_norm", x, y, weight=weight, bias=bias, details=details))

    def lower_activation(self, node: Node) -> None:
        self.lower_add(node)

    def lower_add(self, node: Node) -> None:
        blocked = any(self.is_blocked(value) for value in node.inputs)
        x, *others = (self.read(value, blocked=blocked) for value in node.inputs)
        y = self.new(node.output, blocked=blocked)
        residual = others[0] if others else None
        self.steps.append(Step("add", x, y, residual, activation=node.activation))

    def lower_concat(self, node: Node) -> None:
        blocked = any(self.is_blocked(value) for value in node.inputs)
        y = self.whole(node.output) if blocked else self.new(node.output, blocked=False)
        first = 0
        for value in node.inputs:
            here = self.forms.get((id(value), True)) if blocked else None
            if here is None or here.part_of is not y or here.first != first:
                part = Map(value.channels, three(value.spatial), blocked, part_of=y, first=first)
                # Lanes are moved between blocked maps; whole blocks may come from a plain one.
                source = self.read(
                    value, blocked=blocked and (first % self.block != 0 or self.is_blocked(value))
                )
                self.steps.append(Step("reorder", source, part))
            first += value.channels

    def lower_flatten(self, node: Node) -> None:
        x, y = node.inputs[0], node.output
        blocked = self.is_blocked(x) and all(size == 1 for size in x.spatial)
        source = self.read(x, blocked=blocked)
        if blocked:
            self.forms[id(y), True] = source
        else:
            self.steps.append(Step("reorder", source, self.new(y, blocked=False)))

    def lower_softmax(self, node: Node) -> None:
        x, y = self.read(node.inputs[0], blocked=False), self.new(node.output, blocked=False)
        self.steps.append(Step("softmax", x, y, details=node.attributes["logarithm"]))

    def finish(self) -> None:
        """Let the last step write the caller's array."""
        y = self.graph.output
        last = self.read(y, blocked=False)
        if last.place == native.IN_INPUT or last.part_of is not None:
            copy = Map(last.channels, last.size, False)
            self.steps.append(Step("reorder", last, copy))
            last = copy
        last.place = native.IN_OUTPUT
        find_chains(self.steps, self.dtype.itemsize, self.batch, self.run[1])

    def as_items(self, array: Array | None) -> Array | None:
        """Copy, so that later changes of the caller's array do not reach the program."""
        return None if array is None else np.array(array, self.dtype, order="C")

    def filter_of(self, node: Node) -> Array:
        """Return a convolution's filter to be packed: it may be the caller's array."""
        if node.arrays.get("scale") is not None:
            return scaled_filter(node, self.dtype)
        return np.ascontiguousarray(weight_of(node), self.dtype)

    def lanes(self, channels: int) -> int:
        """Round channels up to whole blocks."""
        return -(-channels // self.block) * self.block

    def whole_blocks(self, vector: Array | None, channels: int, filling: int = 0) -> Array:
        """Fill a vector up to whole blocks, all of them where there is none."""
        padded = self.shelf.allocate(self.lanes(channels), self.dtype)
        padded[:] = filling
        if vector is not None:
            padded[:channels] = vector
        return padded


def weight_of(node: Node) -> Array:
    weight = node.arrays["weight"]
    assert weight is not None
    return weight


def reads_an_item(node: Node, window: tuple[Any, ...] | None) -> float:
    """Return how many windows an item of the input is in."""
    if window is None:
        return 1
    x, y = node.inputs[0], node.output
    taps: int = math.prod(window[0])
    return taps * math.prod(y.spatial) / max(1, math.prod(x.spatial))


def flops(weight: Array, pixels: Value) -> int:
    """Two for each product of a sample; ``pixels``: of the side whose every pixel meets a whole filter."""
    return 2 * math.prod(pixels.spatial) * int(weight.size)
