"""Convolutions: the distinct layers of six published networks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from fastconv.benchmark.layers.item import ITEMSIZE


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

# The 3x3 layers of Darknet-19 at 416 pixels, then those of the detector; numbers count all its convolutions.
YOLOV2 = [
    _conv("yolov2_conv1", (3, 32), 416, 3),
    _conv("yolov2_conv2", (32, 64), 208, 3),
    _conv("yolov2_conv3", (64, 128), 104, 3),
    _conv("yolov2_conv6", (128, 256), 52, 3),
    _conv("yolov2_conv9", (256, 512), 26, 3),
    _conv("yolov2_conv14", (512, 1024), 13, 3),
    _conv("yolov2_conv19", (1024, 1024), 13, 3),
    _conv("yolov2_conv22", (1280, 1024), 13, 3),
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
    for network in (_resnet50(), VGG16, _mobilenet_v2(), _googlenet(), LENET5, YOLOV2)
    for layer in _distinct(network)
)

TINY = ConvLayer("tiny_3x3_8", 1, 4, 8, 3)
