"""Random arrays that are the same on every machine."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def random_array(name: str, shape: tuple[int, ...], dtype: Any, *, integer: bool = False) -> Array:
    """Normal values, or integers -3..3 (zero included); the same for the same name on every machine."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values = rng.integers(-3, 4, shape) if integer else rng.standard_normal(shape)
    return values.astype(dtype)


# Values as convolutions meet them: of both signs, after a ReLU, far from zero, and of an image.
DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "relu": lambda rng, shape: np.maximum(rng.standard_normal(shape), 0),
    "large_mean": lambda rng, shape: 10 + rng.standard_normal(shape),
    "image": lambda rng, shape: rng.random(shape),
}
