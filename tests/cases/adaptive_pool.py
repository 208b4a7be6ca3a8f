"""Cases of adaptive pooling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AdaptivePoolCase:
    """An input and the number of outputs an axis."""

    name: str
    input: tuple[int, ...]
    out: tuple[int, ...]

    def __str__(self) -> str:
        return self.name

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.input) - 2


ADAPTIVE_POOL_CASES = [
    *(AdaptivePoolCase(f"width_{w}_to_7", (1, 3, 5, w), (3, 7)) for w in range(1, 41)),
    *(AdaptivePoolCase(f"width_61_to_{w}", (2, 2, 3, 61), (2, w)) for w in range(1, 62, 3)),
    *(AdaptivePoolCase(f"{c}_channels", (2, c, 6, 5), (4, 3)) for c in range(1, 34)),
    *(AdaptivePoolCase(f"{h}_rows_to_5", (1, 5, h, 9), (5, 5)) for h in range(1, 24, 2)),
    AdaptivePoolCase("one_pixel", (1, 1, 1, 1), (1, 1)),
    AdaptivePoolCase("one_pixel_repeated", (1, 5, 1, 1), (3, 19)),
    AdaptivePoolCase("same_size", (1, 5, 6, 7), (6, 7)),
    AdaptivePoolCase("output_larger_than_input", (1, 6, 5, 7), (9, 33)),
    AdaptivePoolCase("global_7x7", (2, 33, 7, 7), (1, 1)),
    AdaptivePoolCase("global_19x17", (2, 35, 19, 17), (1, 1)),
    AdaptivePoolCase("global_3d", (2, 9, 3, 5, 7), (1, 1, 1)),
    AdaptivePoolCase("halves", (1, 9, 14, 14), (7, 7)),
    AdaptivePoolCase("thirds", (1, 9, 21, 21), (7, 7)),
    AdaptivePoolCase("overlapping_by_one", (1, 9, 13, 13), (6, 6)),
    AdaptivePoolCase("rows_vary", (1, 6, 11, 12), (4, 6)),
    AdaptivePoolCase("columns_vary", (1, 6, 12, 11), (6, 4)),
    AdaptivePoolCase("one_column", (1, 6, 12, 70), (5, 1)),
    AdaptivePoolCase("wide_windows", (1, 4, 9, 200), (4, 7)),
    AdaptivePoolCase("very_wide_windows", (1, 2, 3, 1500), (2, 4)),
    AdaptivePoolCase("window_of_many_rows", (1, 3, 200, 9), (3, 4)),
    AdaptivePoolCase("rows_in_several_pieces", (1, 2, 11, 1700), (3, 1201)),
    AdaptivePoolCase("long_row_of_wide_windows", (1, 2, 60_001), (300,)),
    AdaptivePoolCase("1d_signal", (2, 3, 50), (12,)),
    AdaptivePoolCase("1d_repeated", (2, 3, 5), (40,)),
    AdaptivePoolCase("3d_volume", (1, 3, 5, 7, 9), (2, 3, 4)),
    AdaptivePoolCase("3d_33_channels", (1, 33, 6, 7, 8), (4, 5, 8)),
    AdaptivePoolCase("3d_slices_vary", (2, 2, 7, 4, 6), (3, 2, 3)),
    AdaptivePoolCase("planes_worth_threads", (2, 150, 20, 20), (7, 7)),
    AdaptivePoolCase("rows_worth_threads", (1, 3, 300, 130), (71, 50)),
    AdaptivePoolCase("close_windows_with_one_more_column", (1, 3, 61, 224), (30, 100)),
    AdaptivePoolCase("channels_worth_threads", (1, 530, 24, 24), (1, 1)),
    AdaptivePoolCase("windows_of_5000_positions", (1, 17, 140, 149), (2, 2)),
    AdaptivePoolCase("windows_of_20000_positions", (1, 3, 283, 290), (2, 2)),
    AdaptivePoolCase("window_of_300x60_positions", (1, 2, 300, 60), (1, 1)),
]
