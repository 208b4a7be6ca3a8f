"""Shapes that are timed: the distinct layers of published networks, and some that exceed any cache.

A layer knows its arrays' shapes, its floating-point operations (a multiply-add is two) and the bytes that a
perfect implementation moves: every input, weight and output element once, in float32.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fastconv.benchmark.rearrange import ITEMSIZE, REARRANGEMENTS, RearrangeLayer

__all__ = [
    "CONVOLUTIONS",
    "ITEMSIZE",
    "NORMS",
    "POOLS",
    "REARRANGEMENTS",
    "TINY",
    "AnyLayer",
    "ConvLayer",
    "Layer",
    "NormLayer",
    "PoolLayer",
    "RearrangeLayer",
    "matching",
]


@dataclass(frozen=True)
class ConvLayer:
    """Convolution of square planes with square kernels."""

    name: str
    in_channels: int
    out_channels: int
    size: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    batch: int = 1

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """``(N, C_in, H, W)``."""
        return (self.batch, self.in_channels, self.size, self.size)

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """``(C_out, C_in / groups, k, k)``."""
        return (self.out_channels, self.in_channels // self.groups, self.kernel, self.kernel)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """``(N, C_out, H_out, W_out)``."""
        out = (self.size + 2 * self.padding - self.kernel) // self.stride + 1
        return (self.batch, self.out_channels, out, out)

    @property
    def flops(self) -> int:
        """Multiply and add count as one operation each."""
        return 2 * math.prod(self.output_shape) * math.prod(self.weight_shape[1:])

    @property
    def nbytes(self) -> int:
        """Input, weight and output once."""
        return ITEMSIZE * sum(math.prod(s) for s in (self.input_shape, self.weight_shape, self.output_shape))

    @property
    def depthwise(self) -> bool:
        """Whether every input channel has filters of its own."""
        return self.groups == self.in_channels > 1


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


Layer = ConvLayer | PoolLayer | AdaptivePoolLayer | NormLayer | RearrangeLayer | StatisticLayer
AnyLayer = TypeVar("AnyLayer", bound=Layer)


def _conv(
    stage: str, channels: tuple[int, int], size: int, kernel: int, stride: int = 1, *, valid: bool = False
) -> ConvLayer:
    """Name and pad (by half the kernel, unless ``valid``) a dense convolution."""
    step = f"s{stride}" if stride > 1 else ""
    name = f"{stage}_{kernel}x{kernel}{step}_{size}"
    return ConvLayer(name, *channels, size, kernel, stride, 0 if valid else kernel // 2)


def _resnet50() -> list[ConvLayer]:
    """Version 1.5: the 3x3 convolution of a stage's first block has the stride."""
    layers = [_conv("resnet50_conv1", (3, 64), 224, 7, 2)]
    previous = 64
    for index, (size, width) in enumerate([(56, 64), (28, 128), (14, 256), (7, 512)]):
        stage, stride = f"resnet50_conv{index + 2}", 2 if index else 1
        large = size * stride
        layers += [_conv(f"{stage}_enter", (previous, width), large, 1)]
        if index:  # in the first stage it has the shape of the layer that widens
            layers += [_conv(f"{stage}_shortcut", (previous, 4 * width), large, 1, 2)]
            layers += [_conv(stage, (width, width), large, 3, 2)]
        layers += [
            _conv(stage, (width, width), size, 3),
            _conv(f"{stage}_widen", (width, 4 * width), size, 1),
            _conv(f"{stage}_narrow", (4 * width, width), size, 1),
        ]
        previous = 4 * width
    return layers


VGG16 = [
    _conv("vgg16_conv1_1", (3, 64), 224, 3),
    _conv("vgg16_conv1_2", (64, 64), 224, 3),
    _conv("vgg16_conv2_1", (64, 128), 112, 3),
    _conv("vgg16_conv2_2", (128, 128), 112, 3),
    _conv("vgg16_conv3_1", (128, 256), 56, 3),
    _conv("vgg16_conv3_2", (256, 256), 56, 3),
    _conv("vgg16_conv4_1", (256, 512), 28, 3),
    _conv("vgg16_conv4_2", (512, 512), 28, 3),
    _conv("vgg16_conv5", (512, 512), 14, 3),
]

LENET5 = [
    _conv("lenet5_c1", (1, 6), 32, 5, valid=True),
    _conv("lenet5_c3", (6, 16), 14, 5, valid=True),
    _conv("lenet5_c5", (16, 120), 5, 5, valid=True),
]


def _mobilenet_v2() -> list[ConvLayer]:
    """Stem, the distinct pointwise and depthwise convolutions of the inverted residuals, and the head."""
    layers = [_conv("mobilenetv2_stem", (3, 32), 224, 3, 2)]
    for size, expanded, stride in [
        (112, 32, 1), (112, 96, 2), (56, 144, 1), (56, 144, 2), (28, 192, 1), (28, 192, 2),
        (14, 384, 1), (14, 576, 1), (14, 576, 2), (7, 960, 1),
    ]:  # fmt: skip
        step = "s2" if stride == 2 else ""
        name = f"mobilenetv2_depthwise_{expanded}_3x3{step}_{size}"
        layers.append(ConvLayer(name, expanded, expanded, size, 3, stride, 1, expanded))
    for size, narrow, wide in [
        (112, 16, 96), (56, 24, 144), (28, 32, 192), (14, 64, 384), (14, 96, 576), (7, 160, 960),
    ]:  # fmt: skip
        layers.append(_conv(f"mobilenetv2_expand_{wide}", (narrow, wide), size, 1))
        if size != 112:  # the first block's expansion has no projection back
            layers.append(_conv(f"mobilenetv2_project_{wide}", (wide, narrow), size, 1))
    for size, wide, narrow in [
        (112, 32, 16), (56, 96, 24), (28, 144, 32), (14, 192, 64),
        (14, 384, 96), (7, 576, 160), (7, 960, 320),
    ]:  # fmt: skip
        layers.append(_conv(f"mobilenetv2_enter_{wide}to{narrow}", (wide, narrow), size, 1))
    return [*layers, _conv("mobilenetv2_head", (320, 1280), 7, 1)]


# module: size, input, then outputs of 1x1, 3x3 reduction and 3x3, 5x5 reduction and 5x5, and pool projection
INCEPTION = {
    "3a": (28, 192, 64, 96, 128, 16, 32, 32),
    "3b": (28, 256, 128, 128, 192, 32, 96, 64),
    "4a": (14, 480, 192, 96, 208, 16, 48, 64),
    "4b": (14, 512, 160, 112, 224, 24, 64, 64),
    "4c": (14, 512, 128, 128, 256, 24, 64, 64),
    "4d": (14, 512, 112, 144, 288, 32, 64, 64),
    "4e": (14, 528, 256, 160, 320, 32, 128, 128),
    "5a": (7, 832, 256, 160, 320, 32, 128, 128),
    "5b": (7, 832, 384, 192, 384, 48, 128, 128),
}


def _googlenet() -> list[ConvLayer]:
    """Stem and the nine inception modules, with the 5x5 branch of the paper."""
    layers = [
        _conv("googlenet_conv1", (3, 64), 224, 7, 2),
        _conv("googlenet_conv2_reduce", (64, 64), 56, 1),
        _conv("googlenet_conv2", (64, 192), 56, 3),
    ]
    for name, (size, channels, plain, reduce3, out3, reduce5, out5, project) in INCEPTION.items():
        layers += [
            _conv(f"googlenet_{name}", (channels, plain), size, 1),
            _conv(f"googlenet_{name}_reduce3", (channels, reduce3), size, 1),
            _conv(f"googlenet_{name}", (reduce3, out3), size, 3),
            _conv(f"googlenet_{name}_reduce5", (channels, reduce5), size, 1),
            _conv(f"googlenet_{name}", (reduce5, out5), size, 5),
            _conv(f"googlenet_{name}_project", (channels, project), size, 1),
        ]
    return layers


def _distinct(layers: Iterable[ConvLayer]) -> list[ConvLayer]:
    """Keep the first layer of each shape."""
    shapes: dict[tuple[object, ...], ConvLayer] = {}
    for layer in layers:
        shapes.setdefault((layer.input_shape, layer.weight_shape, layer.stride, layer.padding), layer)
    return list(shapes.values())


CONVOLUTIONS: tuple[ConvLayer, ...] = tuple(
    layer
    for network in (_resnet50(), VGG16, _mobilenet_v2(), _googlenet(), LENET5)
    for layer in _distinct(network)
)

TINY = ConvLayer("tiny_3x3_8", 1, 4, 8, 3)

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


def matching(layers: Sequence[AnyLayer], pattern: str) -> list[AnyLayer]:
    """Layers whose name the regular expression finds; none, or no expression, is a ValueError."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    found = [layer for layer in layers if expression.search(layer.name)]
    if not found:
        raise ValueError(
            f"no layer matches {pattern!r}; there are: {', '.join(layer.name for layer in layers)}"
        )
    return found
