"""Pooling layers of networks, and some beyond any cache."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastconv.benchmark.layers.item import ITEMSIZE


@dataclass(frozen=True)
class PoolLayer:
    """Pooling of square planes; average pooling counts the padding."""

    name: str
    mode: str
    channels: int
    size: int
    kernel: int
    stride: int
    padding: int = 0
    ceil_mode: bool = False
    batch: int = 1

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """``(N, C, H, W)``."""
        return (self.batch, self.channels, self.size, self.size)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """``(N, C, H_out, W_out)``; with `ceil_mode` a last window that starts in the padding is dropped."""
        free = self.size + 2 * self.padding - self.kernel
        out = (-(-free // self.stride) if self.ceil_mode else free // self.stride) + 1
        if self.ceil_mode and (out - 1) * self.stride >= self.size + self.padding:
            out -= 1
        return (self.batch, self.channels, out, out)

    @property
    def flops(self) -> int:
        """One operation for every element of every window."""
        return math.prod(self.output_shape) * self.kernel**2

    @property
    def nbytes(self) -> int:
        """Input and output once."""
        return ITEMSIZE * (math.prod(self.input_shape) + math.prod(self.output_shape))


@dataclass(frozen=True)
class AdaptivePoolLayer:
    """Pooling of square planes to ``out`` times ``out`` values, whatever their size."""

    name: str
    mode: str
    channels: int
    size: int
    out: int
    batch: int = 1

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """``(N, C, H, W)``."""
        return (self.batch, self.channels, self.size, self.size)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """``(N, C, out, out)``."""
        return (self.batch, self.channels, self.out, self.out)

    @property
    def flops(self) -> int:
        """One operation for every element of every window."""
        return self.batch * self.channels * sum(stop - start for start, stop in self.windows()) ** 2

    @property
    def nbytes(self) -> int:
        """Input and output once."""
        return ITEMSIZE * (math.prod(self.input_shape) + math.prod(self.output_shape))

    def windows(self) -> list[tuple[int, int]]:
        """Start and stop of each window along an axis."""
        return [(o * self.size // self.out, -(-(o + 1) * self.size // self.out)) for o in range(self.out)]


POOLS: tuple[PoolLayer, ...] = (
    PoolLayer("resnet50_max_3x3s2_112", "max", 64, 112, 3, 2, 1),
    PoolLayer("resnet50_avg_7x7_7", "avg", 2048, 7, 7, 7),
    PoolLayer("vgg16_max_2x2_224", "max", 64, 224, 2, 2),
    PoolLayer("vgg16_max_2x2_112", "max", 128, 112, 2, 2),
    PoolLayer("vgg16_max_2x2_56", "max", 256, 56, 2, 2),
    PoolLayer("vgg16_max_2x2_28", "max", 512, 28, 2, 2),
    PoolLayer("vgg16_max_2x2_14", "max", 512, 14, 2, 2),
    PoolLayer("mobilenetv2_avg_7x7_7", "avg", 1280, 7, 7, 7),
    PoolLayer("googlenet_max_3x3s2_112", "max", 64, 112, 3, 2, 0, True),
    PoolLayer("googlenet_max_3x3s2_56", "max", 192, 56, 3, 2, 0, True),
    PoolLayer("googlenet_max_3x3s2_28", "max", 480, 28, 3, 2, 0, True),
    PoolLayer("googlenet_max_3x3_28", "max", 256, 28, 3, 1, 1),
    PoolLayer("googlenet_max_3x3_14", "max", 512, 14, 3, 1, 1),
    PoolLayer("googlenet_max_3x3_7", "max", 832, 7, 3, 1, 1),
    PoolLayer("googlenet_avg_7x7_7", "avg", 1024, 7, 7, 7),
    PoolLayer("lenet5_avg_2x2_28", "avg", 6, 28, 2, 2),
    PoolLayer("lenet5_avg_2x2_10", "avg", 16, 10, 2, 2),
    PoolLayer("large_max_2x2_224", "max", 64, 224, 2, 2, batch=8),
    PoolLayer("large_avg_2x2_224", "avg", 64, 224, 2, 2, batch=8),
    PoolLayer("large_max_3x3s2_112", "max", 64, 112, 3, 2, 1, batch=32),
    PoolLayer("large_avg_3x3_112", "avg", 64, 112, 3, 1, 1, batch=16),
    PoolLayer("large_avg_7x7_7", "avg", 2048, 7, 7, 7, batch=256),
)

ADAPTIVE_POOLS: tuple[AdaptivePoolLayer, ...] = (
    AdaptivePoolLayer("resnet50_adaptive_avg_7to1", "avg", 2048, 7, 1),
    AdaptivePoolLayer("mobilenetv2_adaptive_avg_7to1", "avg", 1280, 7, 1),
    AdaptivePoolLayer("senet_adaptive_avg_14to1", "avg", 1024, 14, 1),
    AdaptivePoolLayer("senet_adaptive_avg_56to1", "avg", 256, 56, 1),
    AdaptivePoolLayer("senet_adaptive_max_56to1", "max", 256, 56, 1),
    AdaptivePoolLayer("alexnet_adaptive_avg_13to6", "avg", 256, 13, 6),
    AdaptivePoolLayer("vgg16_adaptive_avg_8to7", "avg", 512, 8, 7),
    AdaptivePoolLayer("vgg16_adaptive_avg_14to7", "avg", 512, 14, 7),
    AdaptivePoolLayer("vgg16_adaptive_avg_20to7", "avg", 512, 20, 7),
    AdaptivePoolLayer("vgg16_adaptive_max_20to7", "max", 512, 20, 7),
    AdaptivePoolLayer("pspnet_adaptive_avg_60to6", "avg", 2048, 60, 6),
    AdaptivePoolLayer("large_adaptive_avg_7to1", "avg", 2048, 7, 1, 256),
    AdaptivePoolLayer("large_adaptive_avg_56to1", "avg", 256, 56, 1, 32),
    AdaptivePoolLayer("large_adaptive_avg_60to7", "avg", 256, 60, 7, 16),
    AdaptivePoolLayer("large_adaptive_max_60to7", "max", 256, 60, 7, 16),
    AdaptivePoolLayer("large_adaptive_avg_224to100", "avg", 64, 224, 100, 8),
)
