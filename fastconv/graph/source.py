"""How the arrays of a caller hold the input of a network."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastconv.graph.ir import Array


class Source(NamedTuple):
    """Channels first or last, of which type, and what is done to each channel: ``(x - mean) / std``."""

    channels_last: bool
    dtype: np.dtype[Any]
    mean: Array
    std: Array
