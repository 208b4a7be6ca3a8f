"""Placing maps in one block of memory: those that are never needed at the same time share it."""

from __future__ import annotations

from typing import NamedTuple


class Lifetime(NamedTuple):
    """Bytes of a map, and the first and last step that touch it."""

    nbytes: int
    first: int
    last: int

    def meets(self, other: Lifetime) -> bool:
        """Whether both are needed during some step."""
        return self.first <= other.last and other.first <= self.last


def place(lifetimes: list[Lifetime]) -> tuple[list[int], int]:
    """Return the offset of every map and the bytes of the arena: largest first, each as low as it fits."""
    offsets = [0] * len(lifetimes)
    placed: list[int] = []
    for number in sorted(range(len(lifetimes)), key=lambda i: (-lifetimes[i].nbytes, i)):
        own = lifetimes[number]
        taken = sorted((offsets[i], lifetimes[i].nbytes) for i in placed if lifetimes[i].meets(own))
        at = 0
        for start, nbytes in taken:
            if start - at >= own.nbytes:
                break
            at = max(at, start + nbytes)
        offsets[number] = at
        placed.append(number)
    return offsets, max((at + life.nbytes for at, life in zip(offsets, lifetimes, strict=True)), default=0)
