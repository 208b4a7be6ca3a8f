"""Shapes of what moves data: padding, columns and unpooling of networks, and some beyond any cache."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastconv.benchmark.layers.item import ITEMSIZE


@dataclass(frozen=True)
class RearrangeLayer:
    """Padding of square planes, their square windows as columns, the sum of those, or maximum unpooling."""

    name: str
    kind: str
    channels: int
    size: int
    padding: int = 0
    kernel: int = 1
    stride: int = 1
    batch: int = 1
    mode: str = "constant"

    @property
    def windows(self) -> int:
        """Windows on an axis."""
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def image_shape(self) -> tuple[int, ...]:
        """``(N, C, H, W)``."""
        return (self.batch, self.channels, self.size, self.size)

    @property
    def column_shape(self) -> tuple[int, ...]:
        """``(N, C*k*k, H_out*W_out)``."""
        return (self.batch, self.channels * self.kernel**2, self.windows**2)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Images; columns that are summed; or what a pooling of the images leaves."""
        if self.kind == "max_unpool":
            return (self.batch, self.channels, self.windows, self.windows)
        return self.column_shape if self.kind == "fold" else self.image_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Padded images; columns; or images."""
        if self.kind == "pad":
            return (self.batch, self.channels, *(self.size + 2 * self.padding,) * 2)
        return self.column_shape if self.kind == "unfold" else self.image_shape

    @property
    def flops(self) -> int:
        """Additions; the others have no arithmetic."""
        return math.prod(self.column_shape) if self.kind == "fold" else 0

    @property
    def nbytes(self) -> int:
        """Input and output once, and eight bytes for every index."""
        index = 2 * ITEMSIZE if self.kind == "max_unpool" else 0
        return (ITEMSIZE + index) * math.prod(self.input_shape) + ITEMSIZE * math.prod(self.output_shape)


REARRANGEMENTS: tuple[RearrangeLayer, ...] = (
    RearrangeLayer("resnet50_pad_3_224", "pad", 3, 224, 3),
    RearrangeLayer("resnet50_pad_1_112", "pad", 64, 112, 1),
    RearrangeLayer("resnet50_pad_1_28", "pad", 512, 28, 1),
    RearrangeLayer("resnet50_pad_1_7", "pad", 2048, 7, 1),
    RearrangeLayer("cyclegan_reflect_3_256", "pad", 64, 256, 3, mode="reflect"),
    RearrangeLayer("cyclegan_reflect_1_64", "pad", 256, 64, 1, mode="reflect"),
    RearrangeLayer("vgg16_unfold_3x3_56", "unfold", 256, 56, 1, 3),
    RearrangeLayer("resnet50_unfold_3x3s2_112", "unfold", 64, 112, 1, 3, 2),
    RearrangeLayer("resnet50_unfold_7x7s2_224", "unfold", 3, 224, 3, 7, 2),
    RearrangeLayer("vit_unfold_16x16s16_224", "unfold", 3, 224, 0, 16, 16),
    RearrangeLayer("vgg16_fold_3x3_56", "fold", 256, 56, 1, 3),
    RearrangeLayer("resnet50_fold_3x3s2_112", "fold", 64, 112, 1, 3, 2),
    RearrangeLayer("vit_fold_16x16s16_224", "fold", 3, 224, 0, 16, 16),
    RearrangeLayer("segnet_unpool_2x2_224", "max_unpool", 64, 224, 0, 2, 2),
    RearrangeLayer("segnet_unpool_2x2_56", "max_unpool", 256, 56, 0, 2, 2),
    RearrangeLayer("segnet_unpool_2x2_14", "max_unpool", 512, 14, 0, 2, 2),
    RearrangeLayer("large_pad_1_224", "pad", 64, 224, 1, batch=8),
    RearrangeLayer("large_pad_1_56", "pad", 256, 56, 1, batch=32),
    RearrangeLayer("large_reflect_1_224", "pad", 64, 224, 1, batch=8, mode="reflect"),
    RearrangeLayer("large_replicate_1_56", "pad", 256, 56, 1, batch=32, mode="replicate"),
    RearrangeLayer("large_circular_1_56", "pad", 256, 56, 1, batch=32, mode="circular"),
    RearrangeLayer("large_unfold_3x3_112", "unfold", 64, 112, 1, 3, batch=4),
    RearrangeLayer("large_fold_3x3_112", "fold", 64, 112, 1, 3, batch=4),
    RearrangeLayer("large_unpool_2x2_224", "max_unpool", 64, 224, 0, 2, 2, batch=8),
)
