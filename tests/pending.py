"""Functions of the public interface that the package does not have yet.

Tables of tests name every function; the rows of these are left out until the package has them. Once it has
them all, this file goes, and with it every call of ``exists``.
"""

from __future__ import annotations

import fastconv as fc

PENDING = (
    *(f"conv_transpose{rank}d" for rank in (1, 2, 3)),
    *(f"adaptive_avg_pool{rank}d" for rank in (1, 2, 3)),
    *(f"adaptive_max_pool{rank}d" for rank in (1, 2, 3)),
    *(f"max_unpool{rank}d" for rank in (1, 2, 3)),
    "group_norm",
    "layer_norm",
    "instance_norm",
    "softmax",
    "log_softmax",
    "pad",
    "unfold",
    "fold",
)


def exists(function: str) -> bool:
    """Whether a table's row can run; what is not pending must be there."""
    return function not in PENDING or hasattr(fc, function)
