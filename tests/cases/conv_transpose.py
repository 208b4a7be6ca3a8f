"""Cases of transposed convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cases.data import Array, random_array

Size = int | tuple[int, ...]
Padding = int | tuple[int, ...] | tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class TransposedCase:
    """A transposed convolution: ``weight`` is ``(C_in, C_out / groups, *kernel)``."""

    name: str
    input: tuple[int, ...]
    weight: tuple[int, ...]
    stride: Size = 1
    padding: Padding = 0
    output_padding: Size = 0
    groups: int = 1
    dilation: Size = 1

    def __str__(self) -> str:
        return self.name

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.input) - 2

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the functions."""
        names = ("stride", "padding", "output_padding", "groups", "dilation")
        return {name: getattr(self, name) for name in names}

    @property
    def phase_options(self) -> dict[str, Any]:
        """What says which inputs an output depends on."""
        return {name: getattr(self, name) for name in ("stride", "padding", "dilation")}

    @property
    def filters(self) -> int:
        """Number of output channels."""
        return self.weight[1] * self.groups

    @property
    def reduction(self) -> int:
        """Products in one output element, at most."""
        return self.weight[0] // self.groups * int(np.prod(self.weight[2:]))

    @property
    def is_depthwise(self) -> bool:
        """One input and one output channel a group."""
        return self.weight[0] == self.groups and self.weight[1] == 1

    def arrays(self, dtype: Any, *, integer: bool = False) -> tuple[Array, Array, Array]:
        """Input, weight and bias."""
        return (
            random_array(self.name + " input", self.input, dtype, integer=integer),
            random_array(self.name + " weight", self.weight, dtype, integer=integer),
            random_array(self.name + " bias", (self.filters,), dtype, integer=integer),
        )


TRANSPOSED_CASES = [
    *(TransposedCase(f"width_{w}_stride_2", (1, 18, 3, w), (18, 17, 4, 4), 2, 1) for w in range(1, 31)),
    *(TransposedCase(f"{c}_input_channels", (1, c, 3, 5), (c, 5, 3, 3), 2, 1, 1) for c in range(1, 34)),
    *(TransposedCase(f"{o}_filters", (1, 6, 3, 5), (6, o, 2, 2), 2) for o in range(1, 34)),
    *(TransposedCase(f"batch_{n}", (n, 5, 4, 4), (5, 6, 3, 3), 2, 1) for n in (2, 3, 7)),
    TransposedCase("one_of_everything", (1, 1, 1, 1), (1, 1, 1, 1)),
    TransposedCase("one_pixel_to_4x4", (1, 100, 1, 1), (100, 40, 4, 4)),
    TransposedCase("one_pixel_padded_stride_7", (1, 17, 1, 1), (17, 8, 5, 5), 7, 1, 3),
    TransposedCase("one_row_to_many", (1, 17, 1, 9), (17, 8, 4, 3), 2, 1),
    TransposedCase("stride_1", (1, 16, 6, 7), (16, 20, 3, 3)),
    TransposedCase("stride_1_padding_1", (1, 17, 6, 7), (17, 16, 3, 3), 1, 1),
    TransposedCase("stride_2_kernel_2", (1, 32, 7, 7), (32, 16, 2, 2), 2),
    TransposedCase("stride_2_kernel_3_output_padding", (1, 20, 6, 5), (20, 18, 3, 3), 2, 1, 1),
    TransposedCase("stride_2_kernel_4", (1, 33, 8, 6), (33, 19, 4, 4), 2, 1),
    TransposedCase("stride_2_kernel_5", (1, 9, 6, 9), (9, 6, 5, 5), 2, 2, 1),
    TransposedCase("stride_3_kernel_1", (1, 16, 4, 5), (16, 16, 1, 1), 3),
    TransposedCase("stride_3_kernel_2_leaves_gaps", (2, 17, 4, 5), (17, 9, 2, 2), 3, 0, 2),
    TransposedCase("stride_4x3_kernel_2x5", (1, 8, 4, 5), (8, 9, 2, 5), (4, 3), (0, 1), (3, 2)),
    TransposedCase("stride_larger_than_output", (1, 8, 2, 1), (8, 9, 2, 2), (2, 1000), (0, 0)),
    TransposedCase("stride_12_leaves_most_rows_bare", (2, 17, 3, 4), (17, 19, 3, 2), (12, 5), (1, 0), (2, 4)),
    TransposedCase("stride_9_few_channels", (2, 3, 3, 4), (3, 4, 2, 2), 9, 0, 3),
    TransposedCase("stride_190_past_the_caches", (1, 2, 6, 6), (2, 2, 3, 3), 190),
    TransposedCase("stride_9_3d", (1, 17, 2, 3, 4), (17, 9, 1, 2, 2), 9, 0, (1, 0, 2)),
    TransposedCase("dilation_2", (1, 16, 5, 6), (16, 8, 3, 3), 1, 0, 1, 1, 2),
    TransposedCase("dilation_2_stride_2_leaves_gaps", (1, 16, 5, 6), (16, 8, 3, 3), 2, 1, 1, 1, 2),
    TransposedCase("dilation_3_stride_2", (1, 10, 5, 6), (10, 8, 3, 4), 2, 2, (1, 2), 1, 3),
    TransposedCase("dilation_4_stride_6", (1, 10, 3, 4), (10, 8, 3, 4), 6, 1, 0, 1, 4),
    TransposedCase("padding_beyond_the_kernel", (1, 12, 7, 9), (12, 8, 2, 2), 1, 3),
    TransposedCase("padding_crops_to_one", (1, 12, 3, 3), (12, 8, 3, 3), 2, 3),
    TransposedCase("asymmetric_padding", (1, 7, 5, 6), (7, 18, 4, 3), 2, ((0, 3), (2, 0))),
    TransposedCase("kernel_11x12", (1, 3, 5, 6), (3, 4, 11, 12), 2, 3),
    TransposedCase("kernel_larger_than_a_piece", (1, 5, 3, 3), (5, 4, 13, 14), 3, 2),
    TransposedCase("long_reduction", (1, 300, 4, 5), (300, 18, 3, 3), 2, 1),
    TransposedCase("two_groups", (1, 32, 5, 6), (32, 10, 3, 3), 2, 1, 0, 2),
    TransposedCase("groups_of_five_channels", (2, 15, 5, 6), (15, 4, 4, 4), 2, 1, 0, 3),
    *(
        TransposedCase(f"depthwise_{c}_channels", (2, c, 5, 6), (c, 1, 4, 4), 2, 1, 0, c)
        for c in (2, 7, 16, 31)
    ),
    TransposedCase("depthwise_stride_1", (1, 18, 5, 9), (18, 1, 3, 3), 1, 1, 0, 18),
    TransposedCase("depthwise_leaves_gaps", (1, 18, 5, 9), (18, 1, 2, 2), 3, 0, 1, 18),
    TransposedCase("depthwise_dilation_2", (1, 9, 5, 6), (9, 1, 3, 3), 3, 2, 0, 9, 2),
    TransposedCase("depthwise_kernel_12x12", (1, 6, 3, 4), (6, 1, 12, 12), 5, 3, 0, 6),
    TransposedCase("channel_multiplier_2", (1, 6, 5, 6), (6, 2, 3, 3), 2, 1, 0, 6),
    TransposedCase("1d_stride_3", (1, 17, 23), (17, 9, 5), 3, 2, 1),
    TransposedCase("1d_long_signal", (1, 3, 700), (3, 4, 9), 4, 3),
    TransposedCase("1d_depthwise", (1, 20, 33), (20, 1, 4), 2, 1, 0, 20),
    TransposedCase("3d_stride_2", (1, 17, 3, 4, 5), (17, 6, 3, 3, 3), 2, 1, 1),
    TransposedCase("3d_stride_2_kernel_2", (2, 8, 2, 3, 4), (8, 5, 2, 2, 2), 2),
    TransposedCase("3d_leaves_gaps", (1, 5, 3, 2, 4), (5, 6, 1, 2, 2), 3, 0, (2, 0, 1)),
    TransposedCase("3d_depthwise", (1, 17, 3, 4, 5), (17, 1, 4, 3, 4), 2, 1, 0, 17),
    TransposedCase("3d_dilation", (1, 4, 3, 4, 3), (4, 5, 2, 2, 3), (1, 2, 3), 0, 0, 1, (2, 3, 2)),
    TransposedCase("unet_worth_threads", (1, 64, 28, 28), (64, 32, 2, 2), 2),
    TransposedCase("gan_worth_threads", (1, 64, 30, 31), (64, 32, 4, 4), 2, 1),
    TransposedCase("filters_worth_threads", (1, 256, 4, 4), (256, 130, 4, 4), 2, 1),
    TransposedCase("one_pixel_worth_threads", (2, 256, 1, 1), (256, 300, 4, 4)),
    TransposedCase("batch_worth_threads", (5, 32, 9, 9), (32, 33, 4, 4), 2, 1),
    TransposedCase("bands_worth_threads", (1, 18, 70, 71), (18, 9, 5, 5), 3, 2),
    TransposedCase("bands_of_wide_rows_worth_threads", (1, 32, 1, 3000), (32, 16, 1, 4), (1, 2), (0, 1)),
    TransposedCase("depthwise_worth_threads", (2, 48, 40, 41), (48, 1, 4, 4), 2, 1, 0, 48),
    TransposedCase("far", (1, 18, 9, 10), (18, 17, 3, 3), 1, 0, 0, 1, 40),
    TransposedCase("one_pixel_to_70x71", (2, 3, 1, 1), (3, 2, 70, 71)),
    TransposedCase("one_voxel_to_many_leaves_gaps", (1, 3, 1, 1, 1), (3, 2, 3, 4, 5), 1, 0, 0, 1, (1, 2, 2)),
    TransposedCase("3d_worth_threads", (1, 16, 7, 14, 15), (16, 16, 4, 4, 4), 2, 1),
]
