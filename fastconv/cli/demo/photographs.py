"""The two photographs that scikit-learn carries, as a batch of channels-first images."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.benchmark.interleave import Array

QUICK_SIZE = (96, 128)


def load_photographs(datasets: Any, *, quick: bool) -> Array:
    """Return ``(2, 3, H, W)``, float32 from 0 to 1; ``datasets`` is the module ``sklearn.datasets``."""
    images = np.stack(datasets.load_sample_images().images)
    batch = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
    return middle(batch, QUICK_SIZE) if quick else batch


def middle(batch: Array, size: tuple[int, int]) -> Array:
    """Cut out the middle of every plane."""
    top, left = ((full - part) // 2 for full, part in zip(batch.shape[2:], size, strict=True))
    return np.ascontiguousarray(batch[:, :, top : top + size[0], left : left + size[1]])
