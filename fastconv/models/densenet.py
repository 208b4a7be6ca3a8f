"""DenseNet-121: each layer sees the outputs of all layers before it, joined.

    layer        y = concatenate(x, conv3x3(relu(bn(conv1x1(relu(bn(x)))))))
    transition   y = avgpool2x2(conv1x1(relu(bn(x))))

A layer has 32 channels more than its input, a transition half as many.
"""

from __future__ import annotations

import math
from typing import Any

from fastconv import nn
from fastconv.models import initialisation
from fastconv.models.arguments import count

GROWTH = 32
BOTTLENECK = 4 * GROWTH
BLOCKS = (6, 12, 24, 16)


class DenseLayer(nn.Module):
    """Compute new channels from all there are, and join them to these."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, BOTTLENECK, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(BOTTLENECK)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(BOTTLENECK, GROWTH, 3, padding=1, bias=False)
        self.join = nn.Concat()

    def forward(self, x: Any) -> Any:
        """Compute the layer."""
        y = self.conv1(self.relu1(self.norm1(x)))
        return self.join(x, self.conv2(self.relu2(self.norm2(y))))


def _transition(channels: int) -> nn.Sequential:
    return nn.Sequential(
        {
            "norm": nn.BatchNorm2d(channels),
            "relu": nn.ReLU(inplace=True),
            "conv": nn.Conv2d(channels, channels // 2, 1, bias=False),
            "pool": nn.AvgPool2d(2, 2),
        }
    )


def _features() -> tuple[nn.Sequential, int]:
    """Return all but the classifier, and its number of channels."""
    parts: dict[str, nn.Module] = {
        "conv0": nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        "norm0": nn.BatchNorm2d(64),
        "relu0": nn.ReLU(inplace=True),
        "pool0": nn.MaxPool2d(3, 2, 1),
    }
    channels = 64
    for block, layers in enumerate(BLOCKS, 1):
        parts[f"denseblock{block}"] = nn.Sequential(
            {f"denselayer{i + 1}": DenseLayer(channels + i * GROWTH) for i in range(layers)}
        )
        channels += layers * GROWTH
        if block < len(BLOCKS):
            parts[f"transition{block}"] = _transition(channels)
            channels //= 2
    parts["norm5"] = nn.BatchNorm2d(channels)
    return nn.Sequential(parts), channels


def _linear(weight: nn.Parameter, rng: Any) -> None:
    nn.init.kaiming_uniform_(weight, math.sqrt(5), rng=rng)


class DenseNet(nn.Sequential):
    """DenseNet-121; see `densenet121`."""

    def __init__(self, num_classes: int = 1000, *, rng: initialisation.Seed = None) -> None:
        with nn.init.skip_init():
            features, channels = _features()
            super().__init__(
                {
                    "features": features,
                    "relu": nn.ReLU(inplace=True),
                    "avgpool": nn.AdaptiveAvgPool2d((1, 1)),
                    "flatten": nn.Flatten(),
                    "classifier": nn.Linear(channels, count(num_classes, "num_classes")),
                }
            )
        initialisation.draw(self, rng, conv=initialisation.fan_in, linear=_linear)


def densenet121(num_classes: int = 1000, *, rng: initialisation.Seed = None) -> DenseNet:
    """Make DenseNet-121, for images ``(N, 3, H, W)`` of 29 pixels at least, usually 224.

    Names, shapes and initial values of the parameters are those of torchvision.

    Parameters
    ----------
    num_classes : int, default 1000
        Outputs.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from; different every time, if not given.

    Returns
    -------
    DenseNet
        7,978,856 parameters with 1000 classes.

    References
    ----------
    .. [1] G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger, "Densely Connected Convolutional Networks",
       CVPR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import models
    >>> net = models.densenet121(num_classes=10).eval()
    >>> net(np.zeros((1, 3, 32, 32), dtype=np.float32)).shape
    (1, 10)
    """
    return DenseNet(num_classes, rng=rng)
