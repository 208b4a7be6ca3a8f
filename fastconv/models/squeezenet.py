"""SqueezeNet 1.1: fire modules, which squeeze the channels before 1x1 and 3x3 convolutions side by side.

    s = relu(conv1x1(x))
    y = concatenate(relu(conv1x1(s)), relu(conv3x3(s)))

Here the squeezed ``s`` has an eighth of the channels of ``y``.
"""

from __future__ import annotations

from typing import Any

from fastconv import nn
from fastconv.models import initialisation
from fastconv.models.arguments import count


class Fire(nn.Module):
    """Squeeze to few channels, expand in two ways, join."""

    def __init__(self, in_channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeezed, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)
        self.join = nn.Concat()

    def forward(self, x: Any) -> Any:
        """Compute the module."""
        x = self.squeeze_activation(self.squeeze(x))
        return self.join(
            self.expand1x1_activation(self.expand1x1(x)),
            self.expand3x3_activation(self.expand3x3(x)),
        )


class SqueezeNet(nn.Sequential):
    """SqueezeNet 1.1; see `squeezenet1_1`."""

    def __init__(
        self, num_classes: int = 1000, dropout: float = 0.5, *, rng: initialisation.Seed = None
    ) -> None:
        with nn.init.skip_init():
            features = nn.Sequential(
                nn.Conv2d(3, 64, 3, 2),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                Fire(64, 16, 64),
                Fire(128, 16, 64),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                Fire(128, 32, 128),
                Fire(256, 32, 128),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                Fire(256, 48, 192),
                Fire(384, 48, 192),
                Fire(384, 64, 256),
                Fire(512, 64, 256),
            )
            last = nn.Conv2d(512, count(num_classes, "num_classes"), 1)
            classifier = nn.Sequential(
                nn.Dropout(dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
            )
            super().__init__({"features": features, "classifier": classifier, "flatten": nn.Flatten()})
        generator = nn.init.generator(rng)
        initialisation.draw(self, generator, conv=initialisation.uniform_fan_in)
        initialisation.small(last.weight, generator)


def squeezenet1_1(
    num_classes: int = 1000, dropout: float = 0.5, *, rng: initialisation.Seed = None
) -> SqueezeNet:
    """Make SqueezeNet 1.1, for images ``(N, 3, H, W)`` of 17 pixels at least, usually 224.

    Names, shapes and initial values of the parameters are those of torchvision.

    Parameters
    ----------
    num_classes : int, default 1000
        Outputs.
    dropout : float, default 0.5
        Probability of zero before the last convolution.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from; different every time, if not given.

    Returns
    -------
    SqueezeNet
        1,235,496 parameters with 1000 classes.

    References
    ----------
    .. [1] F. N. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB
       model size", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import models
    >>> net = models.squeezenet1_1(num_classes=10).eval()
    >>> net(np.zeros((2, 3, 32, 32), dtype=np.float32)).shape
    (2, 10)
    """
    return SqueezeNet(num_classes, dropout, rng=rng)
