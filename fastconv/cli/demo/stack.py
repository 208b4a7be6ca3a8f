"""Three stages of convolution, batch norm, ReLU and pooling, and how much of a photograph a unit sees.

    photograph 3 x H x W
      conv 6 filters 5x5x3  -> batch norm -> ReLU -> max pool 2x2
      conv 10 filters 5x5x6 -> batch norm -> ReLU -> max pool 2x2
      conv 12 filters 3x3x10 -> batch norm -> ReLU -> max pool 2x2

The filters of a stage are the principal components of what comes in.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.benchmark.interleave import Array
from fastconv.cli.demo.comparison import Comparisons
from fastconv.cli.demo.filters import principal_components

POOL = 2
# (filters, kernel) of each stage.
SHAPES = ((6, 5), (10, 5), (12, 3))
# Only responses more than half a standard deviation above the mean pass the ReLU: maps are sparse.
SHIFT = -0.5


@dataclass(frozen=True)
class ReceptiveField:
    """Side of the square of pixels that a unit sees, and how far it moves from one unit to the next."""

    size: int = 1
    step: int = 1

    def after(self, kernel: int, stride: int = 1) -> ReceptiveField:
        """Extend by a layer: ``size + (kernel - 1) step``, and ``step * stride``."""
        return ReceptiveField(self.size + (kernel - 1) * self.step, self.step * stride)


@dataclass(frozen=True)
class Stage:
    """What a stage computed: ``filters`` as ``(C_out, C_in, k, k)``, ``maps`` as ``(N, C_out, H, W)``."""

    number: int
    filters: Array
    maps: Array
    field: ReceptiveField

    def __str__(self) -> str:
        count, depth, rows, columns = self.filters.shape
        maps = " x ".join(str(size) for size in self.maps.shape[1:])
        return (
            f"stage {self.number}: {count} filters {rows}x{columns}x{depth}, maps {maps}, "
            f"receptive field {self.field.size} x {self.field.size} pixels every {self.field.step}"
        )


def run_stack(photographs: Array, comparisons: Comparisons) -> list[Stage]:
    """Run both photographs through all stages as one batch, each step compared with NumPy."""
    x, field, stages = photographs, ReceptiveField(), []
    for number, (count, kernel) in enumerate(SHAPES, start=1):
        filters = principal_components(x, kernel, count)
        x = comparisons.conv2d(f"stage {number}: conv {kernel}x{kernel}x{x.shape[1]}, {count}", x, filters)
        x = comparisons.batch_norm_relu(f"stage {number}: batch norm, ReLU", x, SHIFT)
        x = comparisons.max_pool2d(f"stage {number}: max pool {POOL}x{POOL}", x, POOL)
        field = field.after(kernel).after(POOL, POOL)
        stages.append(Stage(number, filters, x, field))
    return stages
