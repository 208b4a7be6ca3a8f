"""Cases of pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Size = int | tuple[int, ...]


@dataclass(frozen=True)
class PoolCase:
    """A pooling window over ``input``; cases with a dilation are for maxima only."""

    name: str
    input: tuple[int, ...]
    kernel: Size
    stride: Size | None = None
    padding: Size = 0
    dilation: Size = 1
    ceil_mode: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.input) - 2

    @property
    def window(self) -> dict[str, Any]:
        """Keyword arguments that maximum and average pooling share."""
        return {"stride": self.stride, "padding": self.padding, "ceil_mode": self.ceil_mode}


# Positions are listed 4,096 at a time, and laid out in scratch at most 16,384 at a time.
LARGE_WINDOWS = [
    PoolCase("4096_positions", (1, 3, 70, 67), 64, 3),
    PoolCase("4097_positions", (1, 2, 5000), 4097, 300),
    PoolCase("9900_positions", (2, 18, 110, 93), (110, 90)),
    PoolCase("9000_positions_padding", (1, 5, 21_000), 9000, 4000, 4500, ceil_mode=True),
    PoolCase("17000_positions", (1, 2, 20_000), 17_000, 1500, 300),
    PoolCase("140x130_positions", (1, 3, 180, 150), (140, 130), (30, 45), (60, 50), ceil_mode=True),
    PoolCase("3d_19800_positions", (1, 2, 31, 34, 35), (25, 24, 33), (3, 5, 2)),
    PoolCase("3x4_dilation_100x90", (1, 17, 300, 290), (3, 4), (45, 7), (1, 2), dilation=(100, 90)),
    PoolCase("70x60_dilation_3x2", (1, 3, 215, 131), (70, 60), (2, 5), dilation=(3, 2)),
    PoolCase("5_positions_dilation_5000", (1, 2, 20_301), 5, 150, 1, dilation=5000),
]

POOL_CASES = [
    *(PoolCase(f"width_{w}_3x3_stride_2", (1, 3, 5, w), 3, 2, 1) for w in range(1, 41)),
    *(PoolCase(f"width_{w}_2x2", (1, 2, 4, w), 2) for w in range(2, 41)),
    *(PoolCase(f"{c}_channels", (2, c, 4, 5), 2, 1) for c in range(1, 34)),
    PoolCase("one_pixel", (1, 1, 1, 1), 1),
    PoolCase("window_of_one", (1, 5, 6, 7), 1),
    PoolCase("whole_7x7_plane", (2, 33, 7, 7), 7),
    PoolCase("joined_rows_in_several_pieces", (1, 2, 130, 62), 2),
    PoolCase("joined_rows_but_the_last", (1, 2, 9, 12), 2, ceil_mode=True),
    PoolCase("joined_rows_and_slices", (1, 3, 4, 6, 8), 2),
    PoolCase("long_row_in_pieces", (1, 2, 40_001), 5, 1, 2),
    PoolCase("long_row_in_pieces_stride_2", (1, 1, 2, 70_001), (2, 3), 2, (1, 1), ceil_mode=True),
    PoolCase("long_row_in_pieces_stride_3", (1, 1, 60_001), 4, 3, 1),
    PoolCase("long_row_in_pieces_stride_8", (1, 2, 20_011), 40, 8, 20),
    PoolCase("few_rows_narrow_windows_stride_5", (1, 3, 203), 7, 5, 3),
    PoolCase("many_rows_narrow_windows_stride_5", (4, 9, 203), 7, 5, 3),
    PoolCase("many_rows_few_wide_windows", (4, 9, 203), 40, 30, 11),
    PoolCase("many_rows_wide_windows_stride_8", (4, 9, 403), 20, 8, 3),
    PoolCase("3x3_stride_1", (1, 18, 8, 9), 3, 1, 1),
    PoolCase("3x2_window", (1, 4, 9, 10), (3, 2), (2, 1), (1, 1)),
    PoolCase("1x5_window", (1, 16, 3, 21), (1, 5), (1, 2), (0, 2)),
    PoolCase("5x5_padding_2", (1, 7, 6, 6), 5, 1, 2),
    PoolCase("stride_larger_than_window", (1, 6, 11, 14), 2, 5),
    PoolCase("stride_larger_than_image", (1, 6, 5, 7), 2, 2**40),
    PoolCase("stride_larger_than_image_ceil", (1, 6, 5, 7), 2, 2**40, ceil_mode=True),
    PoolCase("ceil_mode", (1, 5, 6, 8), 3, 2, 0, ceil_mode=True),
    PoolCase("ceil_mode_padding", (1, 17, 6, 7), 3, 2, 1, ceil_mode=True),
    PoolCase("ceil_mode_drops_last_window", (1, 4, 6, 6), 2, 5, 1, ceil_mode=True),
    PoolCase("ceil_mode_stride_3", (1, 2, 8, 11), (2, 4), 3, (1, 2), ceil_mode=True),
    PoolCase("ceil_mode_window_larger_than_image", (1, 3, 4, 5), 6, 6, 0, ceil_mode=True),
    PoolCase(
        "ceil_mode_window_larger_than_padded_image", (1, 3, 2, 3), (7, 6), (9, 8), (1, 1), ceil_mode=True
    ),
    PoolCase("dilation_2", (1, 5, 9, 11), 3, 1, 1, dilation=2),
    PoolCase("dilation_2x3_stride_2", (1, 18, 9, 12), (2, 3), 2, (1, 0), dilation=(2, 3)),
    PoolCase("dilation_ceil_mode", (1, 3, 9, 12), 2, 3, 1, dilation=2, ceil_mode=True),
    PoolCase("1d_window", (2, 3, 50), 3, 2, 1),
    PoolCase("1d_long_signal", (1, 2, 1000), 4),
    PoolCase("1d_ceil_mode", (1, 1, 6), 3, 2, 1, ceil_mode=True),
    PoolCase("1d_dilation_5", (1, 2, 40), 4, 3, 2, dilation=5),
    PoolCase("3d_window", (1, 3, 4, 6, 9), 2),
    PoolCase("3d_3x3x3_padding", (1, 17, 5, 5, 6), 3, 2, 1),
    PoolCase("3d_ceil_mode", (2, 2, 5, 6, 7), (2, 3, 2), (2, 2, 3), (1, 1, 0), ceil_mode=True),
    PoolCase("3d_dilation", (1, 2, 5, 7, 9), 2, 1, 0, dilation=(1, 2, 3)),
    PoolCase("rows_worth_threads", (1, 64, 112, 112), 3, 2, 1),
    PoolCase("planes_worth_threads", (2, 200, 28, 28), 2),
    PoolCase("bands_stride_2", (1, 3, 200, 301), 3, 2, 1),
    PoolCase("bands_stride_1", (1, 17, 90, 91), 5, 1, 2),
    PoolCase("bands_dilation_ceil_mode", (1, 3, 200, 203), 3, 2, 1, dilation=3, ceil_mode=True),
    PoolCase("bands_of_a_wide_row", (1, 2, 60000), 3, 2, 1),
    PoolCase("bands_3d", (1, 6, 20, 40, 41), 2, 2, 1, ceil_mode=True),
    *LARGE_WINDOWS,
]
