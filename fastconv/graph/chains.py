"""Steps that are computed together, so that the large maps between them never leave a thread's cache."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from fastconv._native import core as native
from fastconv.graph.maps import Map, Step

# A map of fewer bytes, of all samples, is nearly in a first-level cache; larger filters do not stay in a
# second-level one beside the rows.
LEAST_MAP_BYTES = 64 * 1024
MOST_FILTER_BYTES = 256 * 1024
# A thread's scratch where bands have one row, be it more than what higher bands are cut to.
MOST_SCRATCH_BYTES = 384 * 1024
# Rows of outputs, of all samples, that a thread has at least, and what it may compute of a map that others
# compute too.
LEAST_ROWS = 7
MOST_REPEATED = 1.3


def find_chains(steps: list[Step], itemsize: int, batch: int, threads: int) -> None:
    """Let direct and depthwise convolutions, maxima and batch norms whose map only the next reads be links.

    Of the ways to cut a run of such steps into chains it takes one that leaves the fewest bytes of maps
    between them.
    """
    touched = Counter(id(one) for step in steps for one in step.maps)
    roots = Counter(id(other) for one in every_map(steps) for other in (one.part_of, one.alike) if other)

    def joined(step: Step, after: Step) -> bool:
        between = step.output
        return (
            can_be_linked(step)
            and can_be_linked(after)
            and step.residual is None
            and between is after.input
            and touched[id(between)] == 2
            and not roots[id(between)]
            and (between.part_of, between.alike, between.place) == (None, None, native.IN_ARENA)
            and batch * map_bytes(between, itemsize) >= LEAST_MAP_BYTES
        )

    first = 0
    while first < len(steps):
        end = first + 1
        while end < len(steps) and joined(steps[end - 1], steps[end]):
            end += 1
        for chain in best_cuts(steps[first:end], itemsize, LEAST_ROWS * threads / batch):
            chain[0].links = len(chain)
            for step in chain[:-1]:
                step.output.place = native.IN_CHAIN
        first = end


def best_cuts(run: Sequence[Step], itemsize: int, least_rows: float) -> list[Sequence[Step]]:
    """Cut steps that can all be linked into chains, each with so many rows of outputs a sample at least.

    Of equal ways it is that whose last chain is the shortest.
    """
    best: list[tuple[int, list[Sequence[Step]]]] = [(0, [])]
    for end in range(1, len(run) + 1):
        ways = []
        for first in range(end - 1, max(-1, end - 1 - native.MOST_LINKS), -1):
            chain = run[first:end]
            if len(chain) == 1 or is_worth_it(chain, itemsize, least_rows):
                kept = sum(map_bytes(step.output, itemsize) for step in chain[:-1])
                ways.append((best[first][0] + kept, [*best[first][1], chain]))
        best.append(max(ways, key=lambda way: way[0]))
    return best[-1][1]


def chains(steps: Sequence[Step]) -> Iterator[tuple[int, Sequence[Step]]]:
    """Yield the number of the first step of each chain, which may be one step, and all of its steps."""
    first = 0
    while first < len(steps):
        links = steps[first].links
        yield first, steps[first : first + links]
        first += links


def every_map(steps: list[Step]) -> list[Map]:
    """Return the maps that steps touch and those that these are parts of or alike, each once."""
    found: dict[int, Map] = {}
    waiting = [one for step in steps for one in step.maps]
    while waiting:
        one = waiting.pop()
        if id(one) not in found:
            found[id(one)] = one
            waiting += [other for other in (one.part_of, one.alike) if other]
    return list(found.values())


def can_be_linked(step: Step) -> bool:
    """Whether rows of a step's output can be computed by themselves, with a filter that stays in a cache."""
    window = step.window
    if (
        window is None
        or step.input.size[0] > 1
        or (window[0][0], window[1][0], *window[2][:2]) != (1, 1, 0, 0)
    ):
        return False
    if step.kind == "batch_norm":
        return step.input.blocked
    if step.kind == "max_pool":
        return step.input.blocked and math.prod(window[0]) <= native.MOST_TAPS
    if step.weight is None or step.weight.nbytes > MOST_FILTER_BYTES:
        return False
    if step.kind == "depthwise":
        # Other groups read some lanes of a block.
        return bool(step.details[0] == step.input.channels == step.output.channels)
    return step.kind == "conv" and step.algorithm == "direct" and step.details[:3:2] == (1, False)


def is_worth_it(chain: Sequence[Step], itemsize: int, least_rows: float) -> bool:
    """Whether there are rows enough, one needs little scratch, and threads repeat few of each other."""
    if chain[-1].output.size[1] < least_rows:
        return False
    scratch, one, many, apart = 0, 1, LEAST_ROWS, LEAST_ROWS
    for step in chain[:0:-1]:
        assert step.window is not None
        stride, reach = step.window[1][1], (step.window[0][1] - 1) * step.window[3][1] + 1
        one, many, apart = (one - 1) * stride + reach, (many - 1) * stride + reach, apart * stride
        scratch += one * map_bytes(step.input, itemsize) // step.input.size[1]
        if many > MOST_REPEATED * apart:
            return False
    return scratch <= MOST_SCRATCH_BYTES


def map_bytes(one: Map, itemsize: int) -> int:
    """Return the bytes of a sample in whole blocks."""
    return -(-one.channels * itemsize // native.BLOCK_BYTES) * native.BLOCK_BYTES * math.prod(one.size)
