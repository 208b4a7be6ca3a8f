"""U-Net: down to coarse maps with many channels and up again, joining the maps of each level on the way.

    level 1   encoder1 ------------------ join - decoder1 - head
                 | pool                    | up1
    level 2      encoder2 -------- join - decoder2
                    | pool          | up2
    bottom          bottom ---------+

A stage is two 3x3 convolutions, each with batch norm and ReLU; padding keeps the size of the maps.
"""

from __future__ import annotations

from typing import Any

from fastconv import nn
from fastconv.models import initialisation
from fastconv.models.arguments import count


def _stage(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        {
            "conv1": nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            "norm1": nn.BatchNorm2d(out_channels),
            "relu1": nn.ReLU(inplace=True),
            "conv2": nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            "norm2": nn.BatchNorm2d(out_channels),
            "relu2": nn.ReLU(inplace=True),
        }
    )


class UNet(nn.Module):
    """U-Net; see `unet`."""

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 2,
        channels: int = 64,
        depth: int = 4,
        *,
        rng: initialisation.Seed = None,
    ) -> None:
        with nn.init.skip_init():
            super().__init__()
            self.depth = count(depth, "depth")
            above, width = count(in_channels, "in_channels"), count(channels, "channels")
            for level in range(1, self.depth + 1):
                self.register_module(f"encoder{level}", _stage(above, width))
                above, width = width, 2 * width
            self.bottom = _stage(above, width)
            for level in range(self.depth, 0, -1):
                self.register_module(f"up{level}", nn.ConvTranspose2d(width, width // 2, 2, 2))
                self.register_module(f"decoder{level}", _stage(width, width // 2))
                width //= 2
            self.head = nn.Conv2d(width, count(num_classes, "num_classes"), 1)
            self.pool = nn.MaxPool2d(2)
            self.join = nn.Concat()
        initialisation.draw(self, rng, conv=initialisation.fan_out)

    def forward(self, x: Any) -> Any:
        """Go down and up."""
        levels = []
        for level in range(1, self.depth + 1):
            x = self.get_submodule(f"encoder{level}")(x)
            levels.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for level in range(self.depth, 0, -1):
            x = self.join(levels.pop(), self.get_submodule(f"up{level}")(x))
            x = self.get_submodule(f"decoder{level}")(x)
        return self.head(x)


def unet(
    in_channels: int = 1,
    num_classes: int = 2,
    channels: int = 64,
    depth: int = 4,
    *,
    rng: initialisation.Seed = None,
) -> UNet:
    """Make a U-Net: an output of `num_classes` channels for every pixel of images ``(N, in_channels, H, W)``.

    Each of the `depth` levels halves the maps and doubles the channels; the way up does the reverse by
    transposed convolutions of 2x2, and joins the maps of the way down. Unlike in the paper convolutions are
    padded, so the output is as large as the input, and followed by batch norm.

    Parameters
    ----------
    in_channels : int, default 1
        Channels of the input.
    num_classes : int, default 2
        Channels of the output.
    channels : int, default 64
        Channels of the first level.
    depth : int, default 4
        Number of poolings; H and W must be divisible by ``2**depth``.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from; different every time, if not given.

    Returns
    -------
    UNet
        31,036,546 parameters as it is by default.

    References
    ----------
    .. [1] O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image
       Segmentation", MICCAI 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import models
    >>> net = models.unet(channels=8, depth=2).eval()
    >>> net(np.zeros((1, 1, 32, 48), dtype=np.float32)).shape
    (1, 2, 32, 48)
    """
    return UNet(in_channels, num_classes, channels, depth, rng=rng)
