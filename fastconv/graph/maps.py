"""Maps in a form, and the steps between them, before they are numbered and placed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastconv._native import core as native
from fastconv.graph.ir import Array, Shape

Triple = tuple[int, int, int]
Sides = list[list[int]]  # before and after each axis


def no_halo() -> Sides:
    """Return a halo of nothing before and after each axis."""
    return [[0, 0], [0, 0], [0, 0]]


@dataclass(eq=False)
class Map:
    """A value in one form.

    ``part_of``: the map whose channels from ``first`` on are this one's memory. ``alike``: one whose halo
    this one has, too. ``itemsize``: 0, or of the caller's items where they are not the program's.
    """

    channels: int
    size: Triple
    blocked: bool
    place: int = native.IN_ARENA
    sides: Sides = field(default_factory=no_halo)
    alike: Map | None = None
    part_of: Map | None = None
    first: int = 0
    itemsize: int = 0

    @property
    def root(self) -> tuple[Map, int]:
        """The map that owns the memory, and the first of its channels that is this one's."""
        owner, first = self, 0
        while owner.part_of is not None:
            first += owner.first
            owner = owner.part_of
        return owner, first

    @property
    def halo_owner(self) -> Map:
        """The map that keeps the halo of this one and all that are alike."""
        owner, _ = self.root
        while owner.alike is not None:
            owner, _ = owner.alike.root
        return owner

    def need_halo(self, sides: Sides) -> None:
        """Widen the halo to at least so many pixels before and after each axis."""
        for own, wanted in zip(self.halo_owner.sides, sides, strict=True):
            own[:] = max(own[0], wanted[0]), max(own[1], wanted[1])

    def share_halo(self, other: Map) -> None:
        """Let both have the wider halo of the two, whatever comes."""
        own, theirs = self.halo_owner, other.halo_owner
        if own is not theirs:
            theirs.need_halo(own.sides)
            own.alike = theirs


@dataclass(eq=False)
class Step:
    """One step, its maps not yet numbered."""

    kind: str
    input: Map
    output: Map
    residual: Map | None = None
    weight: Array | None = None
    bias: Array | None = None
    activation: Any = None
    window: tuple[Any, ...] | None = None
    details: Any = None
    algorithm: str = ""
    flops: int = 0  # for one sample
    links: int = 1  # steps from this one on that are computed together

    @property
    def maps(self) -> list[Map]:
        """Every map that the step touches."""
        return [one for one in (self.input, self.output, self.residual) if one is not None]

    @property
    def rank(self) -> int:
        """Spatial axes but leading ones of one pixel."""
        return next((3 - axis for axis, size in enumerate(self.output.size) if size > 1), 0)


def three(sizes: Shape, missing: int = 1) -> Triple:
    """Pad sizes of up to three axes in front."""
    a, b, c = (*(missing,) * (3 - len(sizes)), *sizes)
    return (a, b, c)


def three_axes(native_window: tuple[Shape, Shape, Shape, Shape]) -> tuple[Triple, Triple, Shape, Triple]:
    """Pad a window to three axes."""
    kernel, stride, sides, dilation = native_window
    return three(kernel), three(stride), (*(0,) * (6 - len(sides)), *sides), three(dilation)


def halo_of(step: Step, tile: int) -> Sides:
    """Return what a window reaches beyond the input on each side, its outputs rounded up to whole tiles."""
    assert step.window is not None
    kernel, stride, sides, dilation = step.window
    halo = []
    for axis in range(3):
        before = sides[2 * axis]
        outputs = step.output.size[axis]
        if axis:
            outputs = -(-outputs // tile) * tile
        reach = (outputs - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1
        halo.append([before, max(0, reach - before - step.input.size[axis])])
    return halo


def transposed_halo_of(step: Step, tile: int) -> Sides:
    """Return what the phases of a transposed window reach beyond the input, their outputs in whole tiles."""
    assert step.window is not None
    kernel, stride, sides, dilation = step.window
    halo = []
    for axis in range(3):
        before, apart, outputs = sides[2 * axis], stride[axis], step.output.size[axis]
        furthest = ((kernel[axis] - 1) * dilation[axis] - before) // apart
        end = -(-outputs // apart) - (-before // apart)
        if tile > 1 and axis:  # of Winograd's windows of three inputs
            end = -(-outputs // (apart * tile)) * tile + 2 - furthest
        halo.append([max(0, furthest), max(0, end - step.input.size[axis])])
    return halo
