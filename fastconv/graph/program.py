"""From steps between maps to the native program: numbers, places in the arena, the binding's order."""

from __future__ import annotations

from typing import Any

from fastconv._native import core as native
from fastconv.functional.checks import arguments
from fastconv.graph.arena import Lifetime, place
from fastconv.graph.chains import chains
from fastconv.graph.maps import Map, Step

STEP = {name: code for code, name in enumerate(native.STEPS)}
MOST_BYTES = 2**62


def assemble(steps: list[Step], batch: int, itemsize: int) -> tuple[native.Program, int]:
    """Return the program and the bytes of its arena."""
    block = native.BLOCK_BYTES // itemsize
    maps = list(dict.fromkeys(one for step in steps for one in step.maps))
    owners = list(dict.fromkeys(one.root[0] for one in maps))
    offsets, arena = place_owners(owners, steps, batch, itemsize)
    values = [native_value(one, offsets, block) for one in maps]
    numbers = {id(one): number for number, one in enumerate(maps)}
    tuples = [
        (
            STEP[step.kind], numbers[id(step.input)],
            native.NO_VALUE if step.residual is None else numbers[id(step.residual)],
            numbers[id(step.output)], step.weight, step.bias, arguments.activation(step.activation),
            step.window, step.details, step.links,
        )
        for step in steps
    ]  # fmt: skip
    return native.Program(values, tuples, itemsize, arena), arena


def place_owners(
    owners: list[Map], steps: list[Step], batch: int, itemsize: int
) -> tuple[dict[int, int], int]:
    """Return where each map that owns memory stands in the arena, and the arena's bytes."""
    lifetimes, here = [], []
    touched: dict[int, list[int]] = {}
    for span, step in zip(spans(steps), steps, strict=True):
        for one in step.maps:
            touched.setdefault(id(one.root[0]), []).extend(span)
    for owner in owners:
        if owner.place != native.IN_ARENA:
            continue
        times = touched[id(owner)]
        nbytes = native.value_bytes(
            native_value(owner, {id(owner): 0}, native.BLOCK_BYTES // itemsize), batch, itemsize
        )
        lifetimes.append(Lifetime(nbytes, times[0], times[-1]))
        here.append(owner)
    offsets, arena = place(lifetimes)
    if arena > MOST_BYTES:
        raise MemoryError(f"the maps between the layers take {arena} bytes")
    return {id(owner): at for owner, at in zip(here, offsets, strict=True)}, arena


def spans(steps: list[Step]) -> list[tuple[int, int]]:
    """Return, for each step, the first and the last of those that are computed together with it."""
    return [(first, first + len(chain) - 1) for first, chain in chains(steps) for _ in chain]


def native_value(one: Map, offsets: dict[int, int], block: int) -> tuple[Any, ...]:
    """Return a map as the native program takes it."""
    owner, first = one.root
    unit, halo = block if one.blocked else 1, one.halo_owner.sides
    return (
        owner.place, one.blocked, offsets.get(id(owner), 0), one.channels, one.size,
        tuple(side[0] for side in halo), tuple(side[1] for side in halo),
        first // unit, -(-owner.channels // unit), first % unit,
    )  # fmt: skip
