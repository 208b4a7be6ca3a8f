"""Cases of convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cases.data import Array, random_array

Size = int | tuple[int, ...]
Padding = int | tuple[int, ...] | tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ConvCase:
    """A convolution: ``input`` is ``(N, C, *spatial)``, ``weight`` is ``(C_out, C / groups, *kernel)``."""

    name: str
    input: tuple[int, ...]
    weight: tuple[int, ...]
    stride: Size = 1
    padding: Padding = 0
    dilation: Size = 1
    groups: int = 1

    def __str__(self) -> str:
        return self.name

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.input) - 2

    @property
    def reduction(self) -> int:
        """Products in one output element."""
        return int(np.prod(self.weight[1:]))

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the convolution functions."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }

    @property
    def padding_pairs(self) -> tuple[tuple[int, int], ...]:
        """Padding before and after each axis."""
        sizes: Any = (self.padding,) * self.rank if isinstance(self.padding, int) else self.padding
        return tuple((p, p) if isinstance(p, int) else p for p in sizes)

    @property
    def strides(self) -> tuple[int, ...]:
        """Stride of each axis."""
        return (self.stride,) * self.rank if isinstance(self.stride, int) else self.stride

    @property
    def dilations(self) -> tuple[int, ...]:
        """Dilation of each axis."""
        return (self.dilation,) * self.rank if isinstance(self.dilation, int) else self.dilation

    @property
    def output(self) -> tuple[int, ...]:
        """Shape of the output."""
        spatial = tuple(
            (size + sum(pads) - (k - 1) * d - 1) // s + 1
            for size, pads, k, d, s in zip(
                self.input[2:], self.padding_pairs, self.weight[2:], self.dilations, self.strides, strict=True
            )
        )
        return (self.input[0], self.weight[0], *spatial)

    @property
    def multiplications(self) -> int:
        """Multiply-adds of the whole case."""
        return int(np.prod(self.output)) * self.reduction

    @property
    def is_depthwise(self) -> bool:
        """One input channel a group, so that the depthwise algorithm applies."""
        return self.weight[1] == 1

    def arrays(self, dtype: Any, *, integer: bool = False) -> tuple[Array, Array, Array]:
        """Input, weight and bias."""
        return (
            random_array(self.name + " input", self.input, dtype, integer=integer),
            random_array(self.name + " weight", self.weight, dtype, integer=integer),
            random_array(self.name + " bias", self.weight[:1], dtype, integer=integer),
        )


# Every width, channel count and number of filters round one and two blocks of the layout.
TAILS = [
    *(ConvCase(f"width_{w}_three_channels", (1, 3, 3, w), (5, 3, 3, 3), padding=1) for w in range(1, 41)),
    *(
        ConvCase(f"width_{w}_sixteen_channels", (1, 16, 2, w), (18, 16, 3, 3), padding=1)
        for w in range(1, 41)
    ),
    *(
        ConvCase(f"width_{w}_strided", (1, 20, 3, w), (9, 20, 1, 3), stride=2, padding=1)
        for w in range(1, 41, 3)
    ),
    *(ConvCase(f"height_{h}", (1, 17, h, 9), (16, 17, 3, 3), padding=1) for h in range(1, 9)),
    *(ConvCase(f"{c}_input_channels", (1, c, 4, 9), (7, c, 3, 3), padding=1) for c in range(1, 34)),
    *(
        ConvCase(f"{c}_input_channels_1x1", (1, c, 3, 5), (17, c, 1, 1))
        for c in (1, 2, 3, 4, 5, 15, 16, 31, 33)
    ),
    *(ConvCase(f"{o}_filters_four_channels", (1, 4, 5, 9), (o, 4, 3, 3), padding=1) for o in range(1, 34)),
    *(ConvCase(f"{o}_filters_17_channels", (1, 17, 3, 8), (o, 17, 1, 1)) for o in range(1, 34)),
    *(ConvCase(f"batch_{n}", (n, 5, 5, 5), (6, 5, 3, 3), padding=1) for n in (2, 3, 7)),
    ConvCase("one_pixel_image_512_channels", (1, 512, 1, 1), (40, 512, 1, 1)),
    ConvCase("one_pixel_image_3x3", (2, 33, 1, 1), (17, 33, 3, 3), padding=1),
    ConvCase("one_of_everything", (1, 1, 1, 1), (1, 1, 1, 1)),
    ConvCase("7x7_map_33_channels", (1, 33, 7, 7), (33, 33, 3, 3), padding=1),
    ConvCase("7x7_map_1x1", (2, 64, 7, 7), (48, 64, 1, 1)),
    ConvCase("13_wide_map", (1, 24, 13, 13), (20, 24, 3, 3), padding=1),
    ConvCase("14x14_map", (1, 32, 14, 14), (32, 32, 3, 3), padding=1),
    ConvCase("28_wide_map_two_rows", (1, 32, 2, 28), (32, 32, 3, 3), padding=1),
    ConvCase("long_reduction", (1, 300, 5, 5), (8, 300, 3, 3), padding=1),
    ConvCase("very_long_reduction_1x1", (1, 2048, 2, 3), (3, 2048, 1, 1)),
]

WINDOWS = [
    ConvCase("kernel_1x7", (1, 6, 5, 17), (10, 6, 1, 7), padding=(0, 3)),
    ConvCase("kernel_7x1", (1, 20, 17, 5), (10, 20, 7, 1), padding=(3, 0)),
    ConvCase("kernel_2x2", (1, 18, 6, 9), (8, 18, 2, 2)),
    ConvCase("kernel_4x3", (1, 5, 9, 10), (6, 5, 4, 3), padding=(2, 1)),
    ConvCase("kernel_5x5", (1, 16, 9, 11), (12, 16, 5, 5), padding=2),
    ConvCase("kernel_11x11", (1, 3, 23, 23), (8, 3, 11, 11), stride=4, padding=2),
    ConvCase("kernel_31x31", (1, 2, 33, 40), (3, 2, 31, 31), padding=15),
    ConvCase("kernel_as_large_as_image", (2, 19, 6, 5), (4, 19, 6, 5)),
    ConvCase("kernel_larger_than_image", (1, 4, 2, 3), (5, 4, 5, 5), padding=2),
    ConvCase("stride_2", (1, 16, 8, 8), (16, 16, 3, 3), stride=2, padding=1),
    ConvCase("stride_2_odd_width", (1, 17, 9, 15), (20, 17, 3, 3), stride=2, padding=1),
    ConvCase("stride_2_1x1", (1, 32, 8, 14), (18, 32, 1, 1), stride=2),
    ConvCase("stride_2_1x1_odd_width", (2, 20, 7, 13), (16, 20, 1, 1), stride=2),
    ConvCase("stride_3_three_channels", (1, 3, 17, 20), (9, 3, 5, 5), stride=3, padding=2),
    ConvCase("stride_2_four_filters", (1, 3, 9, 15), (4, 3, 3, 3), stride=2, padding=1),
    ConvCase("stride_3_dilation_2_one_filter", (2, 4, 12, 25), (1, 4, 3, 4), stride=3, padding=2, dilation=2),
    ConvCase("stride_2x1", (1, 8, 9, 9), (8, 8, 3, 3), stride=(2, 1), padding=1),
    ConvCase("stride_1x3", (1, 8, 9, 11), (8, 8, 3, 3), stride=(1, 3), padding=1),
    ConvCase("stride_larger_than_kernel", (1, 10, 17, 19), (6, 10, 3, 3), stride=5),
    ConvCase("stride_larger_than_image", (1, 10, 5, 6), (6, 10, 3, 3), stride=2**40),
    ConvCase("stride_skips_last_columns", (1, 16, 10, 10), (16, 16, 2, 2), stride=3),
    ConvCase("dilation_2", (1, 16, 9, 12), (16, 16, 3, 3), padding=2, dilation=2),
    ConvCase("dilation_3_padding_3", (1, 7, 10, 13), (9, 7, 3, 3), padding=3, dilation=3),
    ConvCase("dilation_1x4_three_channels", (1, 3, 5, 19), (9, 3, 3, 3), padding=(1, 4), dilation=(1, 4)),
    ConvCase("dilation_2_stride_2", (1, 18, 11, 12), (5, 18, 3, 3), stride=2, padding=2, dilation=2),
    ConvCase("dilation_larger_than_image", (1, 6, 5, 5), (4, 6, 3, 3), padding=9, dilation=9),
    ConvCase("asymmetric_padding", (1, 6, 7, 8), (10, 6, 3, 4), padding=((0, 2), (3, 1))),
    ConvCase(
        "asymmetric_padding_stride_2", (1, 16, 9, 10), (16, 16, 3, 3), stride=2, padding=((0, 1), (0, 1))
    ),
    ConvCase("asymmetric_padding_three_channels", (1, 3, 7, 9), (8, 3, 4, 4), padding=((1, 2), (0, 5))),
    ConvCase("padding_larger_than_kernel", (1, 5, 3, 4), (6, 5, 3, 3), padding=5),
    ConvCase("padding_of_a_1x1", (1, 18, 3, 4), (6, 18, 1, 1), padding=1),
    ConvCase("padding_of_a_1x1_stride_2", (1, 18, 5, 4), (6, 18, 1, 1), stride=2, padding=(1, 2)),
]

GROUPS = [
    ConvCase("two_groups", (1, 32, 6, 9), (32, 16, 3, 3), padding=1, groups=2),
    ConvCase("two_groups_of_unblocked_channels", (2, 10, 6, 7), (14, 5, 3, 3), padding=1, groups=2),
    ConvCase("groups_of_two_channels", (1, 34, 5, 9), (34, 2, 3, 3), padding=1, groups=17),
    ConvCase("groups_of_4_channels", (1, 64, 6, 7), (64, 4, 3, 3), padding=1, groups=16),
    ConvCase("groups_of_4_channels_stride_2", (1, 32, 9, 9), (32, 4, 3, 3), stride=2, padding=1, groups=8),
    ConvCase("groups_of_8_channels", (1, 24, 5, 15), (24, 8, 3, 3), padding=1, groups=3),
    ConvCase("groups_of_16_channels", (1, 48, 5, 7), (48, 16, 3, 3), padding=1, groups=3),
    ConvCase("groups_of_three_channels_five_filters", (1, 12, 6, 8), (20, 3, 3, 3), padding=1, groups=4),
    ConvCase("groups_of_four_channels_one_filter", (1, 16, 6, 8), (4, 4, 3, 3), padding=1, groups=4),
    ConvCase("groups_1x1", (1, 40, 4, 9), (24, 5, 1, 1), groups=8),
    *(
        ConvCase(f"depthwise_width_{w}", (1, 17, 3, w), (17, 1, 3, 3), padding=1, groups=17)
        for w in range(1, 41)
    ),
    *(
        ConvCase(f"depthwise_{c}_channels", (2, c, 5, 6), (c, 1, 3, 3), padding=1, groups=c)
        for c in (2, 7, 16, 31, 64)
    ),
    ConvCase("depthwise_stride_2", (1, 16, 9, 9), (16, 1, 3, 3), stride=2, padding=1, groups=16),
    ConvCase("depthwise_stride_2_even_width", (1, 18, 8, 14), (18, 1, 3, 3), stride=2, padding=1, groups=18),
    ConvCase("depthwise_stride_3x1", (1, 6, 9, 14), (6, 1, 3, 3), stride=(3, 1), groups=6),
    ConvCase("depthwise_dilation_2", (1, 20, 9, 13), (20, 1, 3, 3), padding=2, dilation=2, groups=20),
    ConvCase("depthwise_5x5", (1, 33, 8, 11), (33, 1, 5, 5), padding=2, groups=33),
    ConvCase("depthwise_7x7", (1, 8, 7, 7), (8, 1, 7, 7), padding=3, groups=8),
    ConvCase("depthwise_wide_rows", (2, 9, 5, 101), (9, 1, 3, 3), padding=1, groups=9),
    ConvCase("depthwise_1x1", (1, 19, 4, 5), (19, 1, 1, 1), groups=19),
    ConvCase(
        "depthwise_asymmetric_padding", (1, 16, 6, 7), (16, 1, 3, 4), padding=((0, 2), (3, 1)), groups=16
    ),
    ConvCase("channel_multiplier_2", (1, 16, 6, 9), (32, 1, 3, 3), padding=1, groups=16),
    ConvCase("channel_multiplier_3", (1, 7, 6, 10), (21, 1, 3, 3), padding=1, groups=7),
    ConvCase("channel_multiplier_5_stride_2", (2, 3, 9, 8), (15, 1, 3, 3), stride=2, padding=1, groups=3),
]

OTHER_RANKS = [
    ConvCase("1d_long_signal", (1, 2, 1000), (5, 2, 9), padding=4),
    ConvCase("1d_one_sample", (1, 3, 1), (4, 3, 1)),
    ConvCase("1d_sixteen_channels", (2, 16, 37), (24, 16, 3), padding=1),
    ConvCase("1d_stride_5", (1, 1, 203), (16, 1, 10), stride=5, padding=3),
    ConvCase("1d_dilation_16", (1, 18, 70), (18, 18, 2), padding=((16, 0),), dilation=16),
    ConvCase("1d_two_filters_stride_3", (1, 3, 100), (2, 3, 7), stride=3, padding=2),
    ConvCase("1d_depthwise", (1, 20, 33), (20, 1, 5), padding=2, groups=20),
    ConvCase("1d_groups_of_4_channels", (1, 12, 21), (24, 4, 3), padding=1, groups=3),
    ConvCase("3d_kernel", (1, 3, 4, 5, 9), (6, 3, 3, 3, 3), padding=1),
    ConvCase("3d_sixteen_channels", (1, 18, 3, 4, 7), (17, 18, 3, 3, 3), padding=1),
    ConvCase("3d_three_filters_stride_2", (1, 2, 5, 6, 13), (3, 2, 2, 3, 3), stride=2, padding=1),
    ConvCase("3d_1x1x1_stride_2", (1, 16, 4, 5, 6), (20, 16, 1, 1, 1), stride=2),
    ConvCase("3d_stride_1x2x2", (1, 3, 5, 9, 10), (8, 3, 3, 5, 5), stride=(1, 2, 2), padding=(1, 2, 2)),
    ConvCase("3d_dilation_2", (1, 5, 5, 6, 7), (4, 5, 2, 3, 2), padding=1, dilation=(1, 2, 2)),
    ConvCase("3d_asymmetric_padding", (2, 4, 3, 4, 5), (6, 4, 2, 3, 2), padding=((1, 0), (2, 1), (0, 3))),
    ConvCase("3d_depthwise", (1, 17, 3, 4, 5), (17, 1, 3, 3, 3), padding=1, groups=17),
    ConvCase("3d_two_groups", (1, 8, 3, 4, 5), (6, 4, 3, 3, 3), padding=1, groups=2),
]

MODELS = [
    ConvCase("lenet_first_layer", (1, 1, 28, 28), (6, 1, 5, 5), padding=2),
    ConvCase("lenet_second_layer", (1, 6, 14, 14), (16, 6, 5, 5)),
    ConvCase("lenet_last_layer", (1, 16, 5, 5), (120, 16, 5, 5)),
    ConvCase("resnet_stem_quarter", (1, 3, 56, 56), (16, 3, 7, 7), stride=2, padding=3),
    ConvCase("resnet_bottleneck_reduce", (1, 128, 14, 14), (32, 128, 1, 1)),
    ConvCase("resnet_shortcut", (1, 32, 14, 14), (64, 32, 1, 1), stride=2),
    ConvCase("vgg_first_layer", (1, 3, 28, 28), (32, 3, 3, 3), padding=1),
    ConvCase("googlenet_5x5_reduce", (1, 48, 14, 14), (16, 48, 1, 1)),
    ConvCase("mobilenet_stem", (1, 3, 32, 32), (32, 3, 3, 3), stride=2, padding=1),
    ConvCase("mobilenet_depthwise", (1, 96, 14, 14), (96, 1, 3, 3), padding=1, groups=96),
    ConvCase("tiny_call", (1, 1, 8, 8), (4, 1, 3, 3)),
]

# Rows of two to seven of the widest vectors; however many channels are taken at once, some are left over.
ROWS = [
    ConvCase("rows_of_28", (2, 4, 6, 28), (31, 4, 3, 3), padding=1),
    ConvCase("rows_of_41", (1, 2, 5, 41), (27, 2, 3, 3), padding=1),
    ConvCase("rows_of_60_stride_2", (1, 3, 9, 119), (13, 3, 5, 5), stride=2, padding=2),
    ConvCase("rows_of_70", (1, 3, 5, 70), (15, 3, 3, 3), padding=1),
    ConvCase("rows_of_105_dilation_2", (2, 1, 7, 105), (19, 1, 3, 5), padding=(2, 4), dilation=2),
    ConvCase("rows_of_130_two_groups", (1, 6, 4, 130), (22, 3, 2, 2), padding=((1, 0), (0, 1)), groups=2),
    ConvCase("rows_of_300_1d", (1, 4, 300), (11, 4, 7), padding=3),
]

# Enough work for threads, and a reason to split each along another axis.
THREADED = [
    ConvCase("rows_worth_threads", (1, 16, 96, 96), (32, 16, 3, 3), padding=1),
    ConvCase("rows_of_first_layer_worth_threads", (1, 3, 112, 112), (32, 3, 5, 5), padding=2),
    ConvCase("1x1_worth_threads", (1, 64, 56, 56), (64, 64, 1, 1)),
    ConvCase("filters_worth_threads", (1, 256, 3, 3), (512, 256, 3, 3), padding=1),
    ConvCase("one_pixel_worth_threads", (1, 2048, 1, 1), (2048, 2048, 1, 1)),
    ConvCase("few_pixels_worth_threads", (2, 1030, 2, 2), (527, 1030, 1, 1)),
    ConvCase(
        "few_pixels_stride_2_groups_worth_threads", (1, 1030, 4, 3), (1054, 515, 1, 1), stride=2, groups=2
    ),
    ConvCase("batch_worth_threads", (9, 32, 15, 15), (33, 32, 3, 3), padding=1),
    ConvCase("groups_worth_threads", (1, 192, 28, 28), (192, 4, 3, 3), padding=1, groups=48),
    ConvCase("depthwise_worth_threads", (2, 96, 64, 64), (96, 1, 3, 3), padding=1, groups=96),
    ConvCase("1d_worth_threads", (1, 16, 20000), (32, 16, 5), padding=2),
    ConvCase("3d_worth_threads", (1, 16, 9, 24, 24), (16, 16, 3, 3, 3), padding=1),
]

# Inputs far larger than a band that stays in a cache, so that windows straddle the cuts between bands.
BANDS = [
    ConvCase("bands_stride_2_worth_threads", (1, 16, 120, 121), (16, 16, 3, 3), stride=2, padding=1),
    ConvCase("bands_dilation_3_worth_threads", (1, 20, 91, 90), (17, 20, 3, 3), padding=3, dilation=3),
    ConvCase(
        "bands_stride_3_dilation_2_worth_threads", (1, 17, 131, 96), (16, 17, 3, 3), stride=3, dilation=2
    ),
    ConvCase("bands_asymmetric_worth_threads", (1, 18, 100, 99), (8, 18, 4, 5), padding=((0, 3), (4, 1))),
    ConvCase("bands_of_stem_worth_threads", (1, 3, 181, 190), (20, 3, 7, 7), stride=2, padding=3),
    ConvCase("bands_of_four_filters_worth_threads", (1, 3, 200, 210), (4, 3, 5, 5), stride=2, padding=2),
    ConvCase("bands_1x1_stride_2_worth_threads", (1, 32, 112, 113), (32, 32, 1, 1), stride=2),
    ConvCase("bands_of_wide_rows_worth_threads", (1, 64, 3, 2500), (16, 64, 3, 3), padding=1),
    ConvCase("bands_of_many_channels_worth_threads", (1, 6000, 4, 5), (20, 6000, 1, 1)),
    ConvCase("bands_of_groups_worth_threads", (1, 40, 90, 91), (40, 8, 3, 3), padding=1, groups=5),
    ConvCase(
        "bands_depthwise_stride_2_worth_threads",
        (1, 5, 260, 270),
        (5, 1, 5, 5),
        stride=2,
        padding=2,
        groups=5,
    ),
    ConvCase("bands_depthwise_wide_rows_worth_threads", (1, 3, 4, 30000), (3, 1, 3, 3), padding=1, groups=3),
    ConvCase(
        "bands_depthwise_dilation_2_worth_threads", (2, 20, 70, 71), (20, 1, 3, 3), dilation=2, groups=20
    ),
    ConvCase("bands_1d_stride_3_worth_threads", (1, 5, 50000), (18, 5, 7), stride=3, padding=3),
    ConvCase("bands_3d_stride_2_worth_threads", (1, 8, 13, 40, 41), (16, 8, 3, 3, 3), stride=2, padding=1),
]

# Kernels that reach over most of the map, so that every band would have nearly all of it in its halo.
FAR = [
    ConvCase("far_1d", (1, 18, 3000), (17, 18, 3), padding=600, dilation=600),
    ConvCase("far_1d_few_channels_worth_threads", (1, 3, 40000), (4, 3, 3), dilation=15000),
    ConvCase("far_2d_worth_threads", (1, 40, 33, 33), (34, 40, 3, 3), padding=30, dilation=30),
    ConvCase(
        "far_depthwise_worth_threads", (1, 40, 33, 65), (40, 1, 3, 3), padding=24, dilation=24, groups=40
    ),
]

CONV_CASES = [*TAILS, *WINDOWS, *GROUPS, *OTHER_RANKS, *MODELS, *ROWS, *THREADED, *BANDS, *FAR]
