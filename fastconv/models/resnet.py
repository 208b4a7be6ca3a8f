"""Residual networks: each block adds what it computes to its input.

    basic block        y = relu(bn(conv3x3(relu(bn(conv3x3(x))))) + shortcut(x))
    bottleneck         y = relu(bn(conv1x1(relu(bn(conv3x3(relu(bn(conv1x1(x)))))))) + shortcut(x))

The shortcut is the input itself, or a strided 1x1 convolution with batch norm where the shape changes. The
stride of a bottleneck is that of its 3x3 convolution, as in torchvision ("version 1.5").
"""

from __future__ import annotations

from typing import Any, ClassVar

from fastconv import nn
from fastconv.models import initialisation
from fastconv.models.arguments import count


def _conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)


def _conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    expansion: ClassVar[int] = 1

    def __init__(self, in_channels: int, width: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, x: Any) -> Any:
        """Compute the block."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + shortcut)


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1 ones, and a shortcut."""

    expansion: ClassVar[int] = 4

    def __init__(self, in_channels: int, width: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = _conv1x1(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv1x1(width, width * self.expansion)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Any) -> Any:
        """Compute the block."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + shortcut)


Block = type[BasicBlock] | type[Bottleneck]


def _layer(block: Block, in_channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """Make blocks of one width, the first of which may change the shape."""
    out_channels = width * block.expansion
    downsample = None
    if stride != 1 or in_channels != out_channels:
        downsample = nn.Sequential(_conv1x1(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels))
    first = block(in_channels, width, stride, downsample)
    return nn.Sequential(first, *(block(out_channels, width, 1, None) for _ in range(blocks - 1)))


class ResNet(nn.Sequential):
    """A residual network with so many blocks of each width; see `resnet50`."""

    def __init__(
        self,
        block: Block,
        layers: tuple[int, int, int, int],
        num_classes: int = 1000,
        *,
        rng: initialisation.Seed = None,
    ) -> None:
        with nn.init.skip_init():
            parts: dict[str, nn.Module] = {
                "conv1": nn.Conv2d(3, 64, 7, 2, 3, bias=False),
                "bn1": nn.BatchNorm2d(64),
                "relu": nn.ReLU(inplace=True),
                "maxpool": nn.MaxPool2d(3, 2, 1),
            }
            channels = 64
            for index, blocks in enumerate(layers):
                width = 64 << index
                parts[f"layer{index + 1}"] = _layer(block, channels, width, blocks, 1 if index == 0 else 2)
                channels = width * block.expansion
            parts["avgpool"] = nn.AdaptiveAvgPool2d((1, 1))
            parts["flatten"] = nn.Flatten()
            parts["fc"] = nn.Linear(channels, count(num_classes, "num_classes"))
            super().__init__(parts)
        initialisation.draw(self, rng, conv=initialisation.fan_out)


def resnet18(num_classes: int = 1000, *, rng: initialisation.Seed = None) -> ResNet:
    """Make ResNet-18: basic blocks, 2 of each width; else as `resnet50`.

    Parameters
    ----------
    num_classes : int, default 1000
        Outputs.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from; different every time, if not given.

    Returns
    -------
    ResNet
        11,689,512 parameters with 1000 classes.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import models
    >>> net = models.resnet18(num_classes=10).eval()
    >>> net(np.zeros((2, 3, 32, 32), dtype=np.float32)).shape
    (2, 10)
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, rng=rng)


def resnet34(num_classes: int = 1000, *, rng: initialisation.Seed = None) -> ResNet:
    """Make ResNet-34: basic blocks, 3, 4, 6 and 3 of the four widths; else as `resnet50`.

    Parameters
    ----------
    num_classes : int, default 1000
        Outputs.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from; different every time, if not given.

    Returns
    -------
    ResNet
        21,797,672 parameters with 1000 classes.

    Examples
    --------
    >>> from fastconv import models
    >>> len(models.resnet34()[6])
    6
    """
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, rng=rng)


def resnet50(num_classes: int = 1000, *, rng: initialisation.Seed = None) -> ResNet:
    """Make ResNet-50, for images ``(N, 3, H, W)``, usually of 224 pixels.

    Bottlenecks, 3, 4, 6 and 3 of the four widths. Names, shapes and initial values of the parameters are
    those of torchvision, and so is the stride, that of the 3x3 convolutions.

    Parameters
    ----------
    num_classes : int, default 1000
        Outputs.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from; different every time, if not given.

    Returns
    -------
    ResNet
        25,557,032 parameters with 1000 classes.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import models
    >>> net = models.resnet50().eval()
    >>> net(np.zeros((1, 3, 64, 64), dtype=np.float32)).shape
    (1, 1000)
    """
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, rng=rng)
