"""Cases of padding and of im2col."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Size = int | tuple[int, ...]

MODES = ("constant", "reflect", "replicate", "circular")


@dataclass(frozen=True)
class PadCase:
    """A padding of ``input`` by ``pad``, the last axis first."""

    name: str
    input: tuple[int, ...]
    pad: tuple[int, ...]
    mode: str = "constant"
    value: float = 0.0

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class UnfoldCase:
    """A window over images ``input``, ``(N, C, H, W)``."""

    name: str
    input: tuple[int, int, int, int]
    kernel: Size
    dilation: Size = 1
    padding: Any = 0
    stride: Size = 1

    def __str__(self) -> str:
        return self.name

    @property
    def window(self) -> dict[str, Any]:
        """Keyword arguments beside the kernel."""
        return {"dilation": self.dilation, "padding": self.padding, "stride": self.stride}


PAD_CASES = [
    *(PadCase(f"width_{w}_{m}", (2, 3, w), (1, 2), m) for m in MODES for w in range(3, 41)),
    *(PadCase(f"plane_{w}_{m}", (1, 2, 4, w), (2, 1, 1, 3), m) for m in MODES for w in (3, 7, 8, 9, 17)),
    *(PadCase(f"volume_{m}", (2, 2, 3, 4, 5), (2, 1, 0, 3, 1, 2), m) for m in MODES),
    *(PadCase(f"unbatched_plane_{m}", (3, 4, 5), (2, 1, 1, 3), m) for m in MODES),
    *(PadCase(f"unbatched_signal_{m}", (3, 5), (2, 1), m) for m in MODES),
    *(PadCase(f"unbatched_volume_{m}", (2, 4, 3, 5), (2, 1, 1, 2, 1, 1), m) for m in MODES),
    *(PadCase(f"as_much_as_there_is_{m}", (2, 1, 9), (8, 8), m) for m in MODES),
    *(PadCase(f"nothing_to_do_{m}", (2, 3, 4, 5), (0, 0, 0, 0), m) for m in MODES),
    *(PadCase(f"crop_{m}", (2, 3, 6, 19), (-2, -3, -1, -1), m) for m in MODES),
    *(PadCase(f"crop_before_{m}", (2, 3, 6, 19), (-7, 4, -2, 3), m) for m in MODES),
    *(PadCase(f"crop_after_{m}", (2, 3, 6, 19), (4, -7, 3, -2), m) for m in MODES),
    *(PadCase(f"crop_to_one_{m}", (1, 2, 5), (-2, -2), m) for m in MODES),
    *(PadCase(f"last_axis_whole_{m}", (3, 4, 20), (0, 0, 2, 1), m) for m in MODES),
    *(PadCase(f"long_row_in_pieces_{m}", (1, 1, 70_001), (5, 130), m) for m in MODES),
    *(PadCase(f"planes_of_several_tasks_{m}", (2, 150, 7, 7), (1, 1, 1, 1), m) for m in MODES),
    PadCase("reflect_what_is_cropped", (1, 1, 5), (-5, 1), "reflect"),
    PadCase("reflect_alone", (1, 1, 5), (4, -5), "reflect"),
    PadCase("replicate_beyond_the_input", (1, 1, 5), (-6, 6), "replicate"),
    PadCase("replicate_before_the_input", (1, 1, 5), (7, -6), "replicate"),
    PadCase("replicate_one_element", (1, 1, 1), (30, 40), "replicate"),
    PadCase("circular_twice", (1, 2, 17), (17, 17), "circular"),
    PadCase("circular_to_nothing", (1, 2, 5), (-2, -3), "circular"),
    PadCase("circular_empty_axis", (2, 2, 0), (0, 0, 1, 1), "circular"),
    PadCase("constant_beyond_the_input", (1, 5), (-5, 3), value=2.5),
    PadCase("constant_before_the_input", (1, 5), (3, -5), value=2.5),
    PadCase("constant_to_nothing", (2, 5), (-2, -3)),
    PadCase("no_axes", (), ()),
    PadCase("no_pad", (2, 3), ()),
    PadCase("one_axis", (7,), (3, 2), value=-1.0),
    PadCase("one_axis_of_none", (0,), (3, 2), value=-1.0),
    PadCase("empty_axis_filled", (2, 0, 3), (1, 1, 2, 0), value=4.0),
    PadCase("empty_batch", (0, 3, 4), (1, 1)),
    PadCase("every_axis", (2, 3, 4, 5), (1, 0, 0, 2, 3, 1, 2, 2), value=0.5),
    PadCase("six_axes", (2, 1, 3, 2, 2, 5), (1, 2, 0, 0, 1, 1, 0, 0, 2, 0, 0, 1), value=-0.0),
    PadCase("first_axis_alone", (3, 40, 50), (0, 0, 0, 0, 1, 2), value=1.0),
    PadCase("axes_of_one", (1, 1, 1, 1), (2, 0, 1, 0, 0, 1), value=1.0),
    PadCase("value_nan", (2, 3), (1, 1), value=float("nan")),
    PadCase("value_infinite", (2, 3), (9, 9), value=float("-inf")),
    PadCase("rows_worth_threads", (4, 16, 56, 60), (1, 1, 1, 1), value=3.0),
    PadCase("rows_worth_threads_reflect", (4, 16, 56, 60), (3, 2, 1, 4), "reflect"),
]

UNFOLD_CASES = [
    *(UnfoldCase(f"width_{w}_3x3", (1, 2, 4, w), 3, 1, 1) for w in range(1, 41)),
    *(UnfoldCase(f"width_{w}_2x2_stride_2", (1, 2, 4, w), 2, 1, 0, 2) for w in range(2, 41)),
    *(UnfoldCase(f"width_{w}_4x4_stride_3", (2, 1, 7, w), 4, 1, 2, 3) for w in range(1, 30)),
    UnfoldCase("one_pixel", (1, 1, 1, 1), 1),
    UnfoldCase("window_of_one", (2, 3, 5, 7), 1),
    UnfoldCase("whole_image", (2, 3, 5, 7), (5, 7)),
    UnfoldCase("patches", (1, 3, 16, 24), 8, 1, 0, 8),
    UnfoldCase("patches_with_a_rest", (1, 3, 17, 25), 8, 1, 0, 8),
    UnfoldCase("one_window_dilation_2x3", (2, 3, 5, 13), (3, 5), (2, 3)),
    UnfoldCase("one_window_and_padding", (2, 3, 8, 9), (10, 12), 1, (1, 2), 4),
    UnfoldCase("one_window_worth_threads", (3, 40, 24, 25), (24, 25)),
    UnfoldCase("one_row_of_windows", (1, 2, 4, 9), (4, 3)),
    UnfoldCase("gaps_between_windows", (1, 2, 11, 14), 2, 1, 0, 5),
    UnfoldCase("one_gap_between_windows", (1, 2, 11, 14), 3, 1, 0, 4),
    UnfoldCase("wide_gaps_between_windows", (2, 3, 120, 130), 2, 1, 0, 50),
    UnfoldCase("gaps_between_taps_and_windows", (2, 2, 40, 47), 3, 2, 3, 12),
    UnfoldCase("rows_only", (1, 2, 6, 9), (1, 5), 1, (0, 2)),
    UnfoldCase("columns_only", (1, 2, 9, 6), (5, 1), 1, (2, 0), (2, 1)),
    UnfoldCase("dilation_2", (1, 2, 9, 11), 3, 2, 2),
    UnfoldCase("dilation_2x3_stride_2x1", (2, 2, 9, 12), (2, 3), (2, 3), (1, 0), (2, 1)),
    UnfoldCase("dilation_3_stride_2", (1, 1, 13, 15), 3, 3, 3, 2),
    UnfoldCase("padding_larger_than_the_kernel", (1, 1, 3, 4), 2, 1, 5),
    UnfoldCase("padding_larger_than_the_kernel_stride_3", (1, 1, 3, 4), 2, 1, (4, 6), 3),
    UnfoldCase("stride_larger_than_the_image", (1, 2, 3, 2), 1, 1, (4, 6), (5, 7)),
    UnfoldCase("padding_by_pairs", (1, 2, 5, 6), 3, 1, ((0, 2), (1, 0))),
    UnfoldCase("huge_stride", (1, 2, 5, 6), 3, 1, 0, 2**40),
    UnfoldCase("large_kernel", (1, 1, 15, 20), (11, 13), 1, (5, 6)),
    UnfoldCase("long_rows", (1, 1, 3, 3000), (2, 3), 1, 1),
    UnfoldCase("long_rows_stride_2", (1, 1, 3, 3000), 3, 1, 1, 2),
    UnfoldCase("empty_batch", (0, 2, 4, 5), 2),
    UnfoldCase("planes_worth_threads", (2, 10, 28, 30), 3, 1, 1),
    UnfoldCase("bands_worth_threads", (1, 2, 120, 90), 3, 1, 1, 2),
]
