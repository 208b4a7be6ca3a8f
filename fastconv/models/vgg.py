"""VGG-16: 3x3 convolutions and nothing else, then three linear maps."""

from __future__ import annotations

from fastconv import nn
from fastconv.models import initialisation
from fastconv.models.arguments import count

# Channels of the convolutions between two poolings.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def _features() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for stage in STAGES:
        for width in stage:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


class VGG16(nn.Sequential):
    """VGG-16; see `vgg16`."""

    def __init__(
        self, num_classes: int = 1000, dropout: float = 0.5, *, rng: initialisation.Seed = None
    ) -> None:
        with nn.init.skip_init():
            super().__init__(
                {
                    "features": _features(),
                    "avgpool": nn.AdaptiveAvgPool2d((7, 7)),
                    "flatten": nn.Flatten(),
                    "classifier": nn.Sequential(
                        nn.Linear(512 * 7 * 7, 4096),
                        nn.ReLU(inplace=True),
                        nn.Dropout(dropout),
                        nn.Linear(4096, 4096),
                        nn.ReLU(inplace=True),
                        nn.Dropout(dropout),
                        nn.Linear(4096, count(num_classes, "num_classes")),
                    ),
                }
            )
        initialisation.draw(self, rng, conv=initialisation.fan_out, linear=initialisation.small)


def vgg16(num_classes: int = 1000, dropout: float = 0.5, *, rng: initialisation.Seed = None) -> VGG16:
    """Make VGG-16, for images ``(N, 3, H, W)`` of 32 pixels at least, usually 224.

    Names, shapes and initial values of the parameters are those of torchvision.

    Parameters
    ----------
    num_classes : int, default 1000
        Outputs.
    dropout : float, default 0.5
        Probability of zero between the linear maps.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from; different every time, if not given.

    Returns
    -------
    VGG16
        138,357,544 parameters with 1000 classes.

    References
    ----------
    .. [1] K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
       ICLR 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import models
    >>> net = models.vgg16(num_classes=10).eval()
    >>> net(np.zeros((1, 3, 32, 32), dtype=np.float32)).shape
    (1, 10)
    """
    return VGG16(num_classes, dropout, rng=rng)
