"""Normalisation and softmax of networks, and some beyond any cache."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastconv.benchmark.layers.item import ITEMSIZE


@dataclass(frozen=True)
class NormLayer:
    """Batch normalisation with weight and bias."""

    name: str
    channels: int
    size: int
    training: bool
    batch: int = 1

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """``(N, C, H, W)``."""
        return (self.batch, self.channels, self.size, self.size)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """That of the input."""
        return self.input_shape

    @property
    def flops(self) -> int:
        """A multiply-add an element; in training two more for mean and variance."""
        return math.prod(self.input_shape) * (6 if self.training else 2)

    @property
    def nbytes(self) -> int:
        """Read and write once; training reads twice, for the statistics come before the first store."""
        return ITEMSIZE * math.prod(self.input_shape) * (3 if self.training else 2)


@dataclass(frozen=True)
class StatisticLayer:
    """Group norm or layer norm with weight and bias, or softmax: statistics of a part of each sample.

    ``operation`` is the function's name; `groups` belongs to group norm, `axis` to softmax.
    """

    name: str
    operation: str
    input_shape: tuple[int, ...]
    groups: int = 1
    axis: int = -1

    @property
    def output_shape(self) -> tuple[int, ...]:
        """That of the input."""
        return self.input_shape

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        """``(C,)`` or ``(items,)``; softmax has no parameters."""
        axes = {"group_norm": self.input_shape[1:2], "layer_norm": self.input_shape[-1:]}
        return axes.get(self.operation, ())

    @property
    def flops(self) -> int:
        """Mean, variance and a multiply-add an element; of softmax maximum, difference, sum and product."""
        return math.prod(self.input_shape) * (6 if self.parameter_shape else 4)

    @property
    def nbytes(self) -> int:
        """Read and write once: the parts fit into a cache."""
        return ITEMSIZE * math.prod(self.input_shape) * 2


NORMS: tuple[NormLayer, ...] = (
    NormLayer("resnet50_inference_64_112", 64, 112, False),
    NormLayer("resnet50_inference_256_56", 256, 56, False),
    NormLayer("resnet50_inference_512_28", 512, 28, False),
    NormLayer("resnet50_inference_1024_14", 1024, 14, False),
    NormLayer("resnet50_inference_2048_7", 2048, 7, False),
    NormLayer("resnet50_training_256_56", 256, 56, True, batch=4),
    NormLayer("resnet50_training_512_7", 512, 7, True, batch=4),
    NormLayer("large_inference_64_112", 64, 112, False, batch=32),
    NormLayer("large_inference_256_56", 256, 56, False, batch=32),
    NormLayer("large_training_64_112", 64, 112, True, batch=32),
    NormLayer("large_training_256_56", 256, 56, True, batch=32),
    NormLayer("large_training_2048_7", 2048, 7, True, batch=256),
)


GROUP_NORMS: tuple[StatisticLayer, ...] = tuple(
    StatisticLayer(f"{name}_{channels}_{size}", "group_norm", (batch, channels, size, size), groups)
    for name, groups, channels, size, batch in [
        ("resnet50_groups", 32, 64, 112, 1), ("resnet50_groups", 32, 256, 56, 1),
        ("resnet50_groups", 32, 512, 28, 1), ("resnet50_groups", 32, 2048, 7, 1),
        ("diffusion_groups", 32, 512, 64, 1), ("style_instances", 128, 128, 64, 1),
        ("large_groups", 32, 64, 112, 32), ("large_groups", 32, 256, 56, 32),
        ("large_groups", 32, 128, 512, 1), ("large_instances", 64, 64, 128, 16),
    ]
)  # fmt: skip

LAYER_NORMS: tuple[StatisticLayer, ...] = (
    StatisticLayer("vit_rows_197x768", "layer_norm", (1, 197, 768)),
    StatisticLayer("convnext_rows_3136x96", "layer_norm", (1, 56, 56, 96)),
    StatisticLayer("convnext_rows_49x768", "layer_norm", (1, 7, 7, 768)),
    StatisticLayer("large_vit_rows_197x768", "layer_norm", (64, 197, 768)),
    StatisticLayer("large_convnext_rows_3136x96", "layer_norm", (32, 56, 56, 96)),
)

SOFTMAXES: tuple[StatisticLayer, ...] = (
    StatisticLayer("classes_1000", "softmax", (256, 1000)),
    StatisticLayer("classes_1000_logarithm", "log_softmax", (256, 1000)),
    StatisticLayer("attention_512x512", "softmax", (12, 512, 512)),
    StatisticLayer("vit_attention_197x197", "softmax", (12, 197, 197)),
    StatisticLayer("segmentation_21_512", "softmax", (1, 21, 512, 512), axis=1),
    StatisticLayer("segmentation_21_512_logarithm", "log_softmax", (1, 21, 512, 512), axis=1),
    StatisticLayer("large_attention_512x512", "softmax", (96, 512, 512)),
    StatisticLayer("large_segmentation_21_512", "softmax", (8, 21, 512, 512), axis=1),
)
