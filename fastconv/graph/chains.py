"""Steps that are computed together, so that the large maps between them never leave a thread's cache."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from fastconv._native import core as native
from fastconv.graph.maps import Map, Step

# Measured: smaller maps, of all samples, pass through a last-level cache as fast; larger filters do not stay
# in a second-level one beside the rows.
LEAST_MAP_BYTES = 4 * 1024 * 1024
MOST_FILTER_BYTES = 96 * 1024
# Rows of outputs that a thread has at least, and what it may compute of a map that others compute too.
LEAST_ROWS = 14
MOST_REPEATED = 1.3


def find_chains(steps: list[Step], itemsize: int, batch: int) -> None:
    """Let direct and depthwise convolutions be links of one chain where only the next one reads a map."""
    touched = Counter(id(one) for step in steps for one in step.maps)
    roots = Counter(id(other) for one in every_map(steps) for other in (one.part_of, one.alike) if other)
    first = 0
    for number, step in enumerate(steps):
        head, after = steps[first], steps[number + 1] if number + 1 < len(steps) else None
        between = step.output
        if (
            after is not None
            and head.links < native.MOST_LINKS
            and can_be_linked(step)
            and can_be_linked(after)
            and step.residual is None
            and between is after.input
            and touched[id(between)] == 2
            and not roots[id(between)]
            and (between.part_of, between.alike, between.place) == (None, None, native.IN_ARENA)
            and batch * map_bytes(between, itemsize) >= LEAST_MAP_BYTES
            and is_worth_it(steps[first : number + 2], itemsize)
        ):
            between.place = native.IN_CHAIN
            head.links += 1
        else:
            first = number + 1


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
    if step.weight is None or step.weight.nbytes > MOST_FILTER_BYTES:
        return False
    window = step.window
    if (
        window is None
        or step.input.size[0] > 1
        or (window[0][0], window[1][0], *window[2][:2]) != (1, 1, 0, 0)
    ):
        return False
    if step.kind == "depthwise":
        # Other groups read some lanes of a block.
        return bool(step.details[0] == step.input.channels == step.output.channels)
    return step.kind == "conv" and step.algorithm == "direct" and step.details[::2] == (1, False)


def is_worth_it(chain: Sequence[Step], itemsize: int) -> bool:
    """Whether a row of the last step needs little scratch, and threads repeat few rows of each other."""
    if chain[-1].output.size[1] < LEAST_ROWS:
        return False
    scratch, one, many, apart = 0, 1, LEAST_ROWS, LEAST_ROWS
    for step in chain[:0:-1]:
        assert step.window is not None
        stride, reach = step.window[1][1], (step.window[0][1] - 1) * step.window[3][1] + 1
        one, many, apart = (one - 1) * stride + reach, (many - 1) * stride + reach, apart * stride
        scratch += one * map_bytes(step.input, itemsize) // step.input.size[1]
        if many > MOST_REPEATED * apart:
            return False
    return scratch <= native.CHAIN_BYTES


def map_bytes(one: Map, itemsize: int) -> int:
    """Return the bytes of a sample in whole blocks."""
    return -(-one.channels * itemsize // native.BLOCK_BYTES) * native.BLOCK_BYTES * math.prod(one.size)
