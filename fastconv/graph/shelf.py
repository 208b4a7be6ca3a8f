"""Memory for what a compiled network keeps: packed filters, one behind the other in large blocks.

Each would have pages of its own otherwise, too small for the system to take huge ones, and every page costs
a walk through the page tables when an inference reads it.
"""

from __future__ import annotations

import numpy as np

from fastconv._native import core as native
from fastconv.functional.checks import arrays
from fastconv.graph.ir import Array

MOST_BYTES = 16 << 20


class Shelf:
    """Hands out arrays, aligned to the lines of a cache; a block lives as long as any of its arrays.

    ``nbytes``: about as many are asked for, or several times as many.
    """

    def __init__(self, nbytes: int) -> None:
        self.block_bytes = min(nbytes, MOST_BYTES)
        self.rest = np.empty(0, np.uint8)

    def allocate(self, items: int, dtype: np.dtype[np.generic]) -> Array:
        """Return an array of undefined contents."""
        nbytes = items * dtype.itemsize
        taken = -(-nbytes // native.BLOCK_BYTES) * native.BLOCK_BYTES
        if taken > self.rest.size:
            self.rest = arrays.allocate((max(self.block_bytes, taken),), np.dtype(np.uint8))
        array = self.rest[:nbytes].view(dtype)
        self.rest = self.rest[taken:]
        return array
