"""MobileNetV2: blocks that widen, convolve each channel apart, and narrow again.

    y = bn(conv1x1(relu6(bn(depthwise3x3(relu6(bn(conv1x1(x))))))))

Where the shape stays the same, the block's output is ``x + y``.
"""

from __future__ import annotations

from typing import Any

from fastconv import nn
from fastconv.models import initialisation
from fastconv.models.arguments import count

# Expansion, channels, blocks, stride of the first block.
SETTINGS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _divisible(channels: float, divisor: int = 8) -> int:
    """Round to a multiple of the divisor, but down by a tenth at most."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def _conv_norm_relu6(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    padding = (kernel_size - 1) // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """A depthwise convolution between two 1x1 ones, the second without an activation."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers: list[nn.Module] = [] if expansion == 1 else [_conv_norm_relu6(in_channels, hidden, 1)]
        layers += [
            _conv_norm_relu6(hidden, hidden, 3, stride, hidden),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        self.conv = nn.Sequential(*layers)
        self.use_res_connect = stride == 1 and in_channels == out_channels

    def forward(self, x: Any) -> Any:
        """Compute the block."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Sequential):
    """MobileNetV2; see `mobilenet_v2`."""

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        dropout: float = 0.2,
        *,
        rng: initialisation.Seed = None,
    ) -> None:
        with nn.init.skip_init():
            channels = _divisible(32 * width_mult)
            last = _divisible(1280 * max(1.0, width_mult))
            features: list[nn.Module] = [_conv_norm_relu6(3, channels, 3, 2)]
            for expansion, wanted, blocks, stride in SETTINGS:
                width = _divisible(wanted * width_mult)
                for index in range(blocks):
                    features.append(InvertedResidual(channels, width, stride if index == 0 else 1, expansion))
                    channels = width
            features.append(_conv_norm_relu6(channels, last, 1))
            super().__init__(
                {
                    "features": nn.Sequential(*features),
                    "avgpool": nn.AdaptiveAvgPool2d((1, 1)),
                    "flatten": nn.Flatten(),
                    "classifier": nn.Sequential(
                        nn.Dropout(dropout), nn.Linear(last, count(num_classes, "num_classes"))
                    ),
                }
            )
        initialisation.draw(self, rng, conv=initialisation.fan_out, linear=initialisation.small)


def mobilenet_v2(
    num_classes: int = 1000,
    width_mult: float = 1.0,
    dropout: float = 0.2,
    *,
    rng: initialisation.Seed = None,
) -> MobileNetV2:
    """Make MobileNetV2, for images ``(N, 3, H, W)``, usually of 224 pixels.

    Names, shapes and initial values of the parameters are those of torchvision.

    Parameters
    ----------
    num_classes : int, default 1000
        Outputs.
    width_mult : float, default 1
        Factor of all numbers of channels, which are then rounded to multiples of 8.
    dropout : float, default 0.2
        Probability of zero before the linear map.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from; different every time, if not given.

    Returns
    -------
    MobileNetV2
        3,504,872 parameters with 1000 classes.

    References
    ----------
    .. [1] M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import models
    >>> net = models.mobilenet_v2(num_classes=10).eval()
    >>> net(np.zeros((2, 3, 32, 32), dtype=np.float32)).shape
    (2, 10)
    """
    return MobileNetV2(num_classes, width_mult, dropout, rng=rng)
