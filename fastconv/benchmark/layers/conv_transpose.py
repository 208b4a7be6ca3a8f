"""Transposed convolutions of a segmentation network, a generator and an upsampling by 32."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastconv.benchmark.layers.item import ITEMSIZE


@dataclass(frozen=True)
class TransposedLayer:
    """Transposed convolution of square planes with square kernels."""

    name: str
    in_channels: int
    out_channels: int
    size: int
    kernel: int
    stride: int
    padding: int = 0
    batch: int = 1

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """``(N, C_in, H, W)``."""
        return (self.batch, self.in_channels, self.size, self.size)

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """``(C_in, C_out, k, k)``."""
        return (self.in_channels, self.out_channels, self.kernel, self.kernel)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """``(N, C_out, H_out, W_out)``."""
        out = (self.size - 1) * self.stride + self.kernel - 2 * self.padding
        return (self.batch, self.out_channels, out, out)

    @property
    def flops(self) -> int:
        """Multiply and add count as one operation each."""
        return 2 * math.prod(self.input_shape) * math.prod(self.weight_shape[1:])

    @property
    def nbytes(self) -> int:
        """Input, weight and output once."""
        return ITEMSIZE * sum(math.prod(s) for s in (self.input_shape, self.weight_shape, self.output_shape))


TRANSPOSED: tuple[TransposedLayer, ...] = (
    *(
        TransposedLayer(f"unet_{wide}to{wide // 2}_2x2s2_{size}", wide, wide // 2, size, 2, 2)
        for wide, size in ((1024, 14), (512, 28), (256, 56), (128, 112))
    ),
    TransposedLayer("dcgan_100to1024_4x4_1", 100, 1024, 1, 4, 1),
    TransposedLayer("dcgan_1024to512_4x4s2_4", 1024, 512, 4, 4, 2, 1),
    TransposedLayer("dcgan_512to256_4x4s2_8", 512, 256, 8, 4, 2, 1),
    TransposedLayer("dcgan_256to128_4x4s2_16", 256, 128, 16, 4, 2, 1),
    TransposedLayer("dcgan_128to64_4x4s2_32", 128, 64, 32, 4, 2, 1),
    TransposedLayer("dcgan_64to3_4x4s2_64", 64, 3, 64, 4, 2, 1),
    TransposedLayer("dcgan_512to256_4x4s2_8_batch_8", 512, 256, 8, 4, 2, 1, 8),
    TransposedLayer("dcgan_256to128_4x4s2_16_batch_8", 256, 128, 16, 4, 2, 1, 8),
    TransposedLayer("fcn_21to21_64x64s32_16", 21, 21, 16, 64, 32, 16),
)
