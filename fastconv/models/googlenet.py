"""GoogLeNet: inception modules, four branches side by side, with batch norm as in torchvision.

    y = concatenate(conv1x1(x), conv3x3(conv1x1(x)), conv3x3(conv1x1(x)), conv1x1(maxpool3x3(x)))

Every convolution is followed by batch norm and ReLU. The third branch has 5x5 convolutions in the paper and
3x3 ones in torchvision, whose trained weights are for these.
"""

from __future__ import annotations

import numpy as np

from fastconv import nn
from fastconv.models import initialisation
from fastconv.models.arguments import count


def _basic(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    padding = kernel_size // 2
    return nn.Sequential(
        {
            "conv": nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False),
            "bn": nn.BatchNorm2d(out_channels, eps=0.001),
            "relu": nn.ReLU(inplace=True),
        }
    )


class Inception(nn.Concat):
    """Four branches with so many channels, the inner ones of the second and third before the outer ones."""

    def __init__(
        self, channels: int, first: int, second: tuple[int, int], third: tuple[int, int], fourth: int
    ) -> None:
        super().__init__(
            {
                "branch1": _basic(channels, first, 1),
                "branch2": nn.Sequential(_basic(channels, second[0], 1), _basic(second[0], second[1], 3)),
                "branch3": nn.Sequential(_basic(channels, third[0], 1), _basic(third[0], third[1], 3)),
                "branch4": nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), _basic(channels, fourth, 1)),
            }
        )


class TransformInput(nn.BatchNorm2d):
    """Scale and shift the channels from torchvision's usual normalisation to mean and deviation of 0.5.

    ``out[c] = input[c] * std[c] / 0.5 + (mean[c] - 0.5) / 0.5``, written as a batch norm with statistics that
    neither training nor a state dict changes.
    """

    def __init__(self) -> None:
        super().__init__(3, affine=False)
        mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        self.register_buffer("running_mean", (0.5 - mean) / std, persistent=False)
        self.register_buffer("running_var", (0.5 / std) ** 2 - self.eps, persistent=False)
        self.register_buffer("num_batches_tracked", None)
        self.training = False

    def reset_running_stats(self) -> None:
        """Keep the statistics."""

    def train(self, mode: bool = True) -> TransformInput:
        """Stay in evaluation mode."""
        super().train(False)
        return self


class GoogLeNet(nn.Sequential):
    """GoogLeNet; see `googlenet`."""

    # The auxiliary classifiers, which files with trained weights may have.
    _may_be_left_over = ("aux1.", "aux2.")

    def __init__(
        self,
        num_classes: int = 1000,
        transform_input: bool = False,
        dropout: float = 0.2,
        *,
        rng: initialisation.Seed = None,
    ) -> None:
        if not isinstance(transform_input, bool):
            raise TypeError(f"transform_input must be True or False, got {transform_input!r}")
        with nn.init.skip_init():
            linear = nn.Linear(1024, count(num_classes, "num_classes"))
            super().__init__(
                {
                    **({"transform": TransformInput()} if transform_input else {}),
                    "conv1": _basic(3, 64, 7, 2),
                    "maxpool1": nn.MaxPool2d(3, 2, ceil_mode=True),
                    "conv2": _basic(64, 64, 1),
                    "conv3": _basic(64, 192, 3),
                    "maxpool2": nn.MaxPool2d(3, 2, ceil_mode=True),
                    "inception3a": Inception(192, 64, (96, 128), (16, 32), 32),
                    "inception3b": Inception(256, 128, (128, 192), (32, 96), 64),
                    "maxpool3": nn.MaxPool2d(3, 2, ceil_mode=True),
                    "inception4a": Inception(480, 192, (96, 208), (16, 48), 64),
                    "inception4b": Inception(512, 160, (112, 224), (24, 64), 64),
                    "inception4c": Inception(512, 128, (128, 256), (24, 64), 64),
                    "inception4d": Inception(512, 112, (144, 288), (32, 64), 64),
                    "inception4e": Inception(528, 256, (160, 320), (32, 128), 128),
                    "maxpool4": nn.MaxPool2d(2, 2, ceil_mode=True),
                    "inception5a": Inception(832, 256, (160, 320), (32, 128), 128),
                    "inception5b": Inception(832, 384, (192, 384), (48, 128), 128),
                    "avgpool": nn.AdaptiveAvgPool2d((1, 1)),
                    "flatten": nn.Flatten(),
                    "dropout": nn.Dropout(dropout),
                    "fc": linear,
                }
            )
        self.transform_input = transform_input
        generator = nn.init.generator(rng)
        initialisation.draw(self, generator, conv=initialisation.small)
        initialisation.small(linear.weight, generator)


def googlenet(
    num_classes: int = 1000,
    transform_input: bool = False,
    dropout: float = 0.2,
    *,
    rng: initialisation.Seed = None,
) -> GoogLeNet:
    """Make GoogLeNet, for images ``(N, 3, H, W)`` of 15 pixels at least, usually 224.

    Names, shapes and initial values of the parameters are those of torchvision. There are no auxiliary
    classifiers, which are of use in training alone: ``load_state_dict`` ignores ``aux1.*`` and ``aux2.*``.

    Parameters
    ----------
    num_classes : int, default 1000
        Outputs.
    transform_input : bool, default False
        Whether images come normalised as for torchvision's other models; its trained weights need True.
    dropout : float, default 0.2
        Probability of zero before the linear map.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from; different every time, if not given.

    Returns
    -------
    GoogLeNet
        6,624,904 parameters with 1000 classes.

    References
    ----------
    .. [1] C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import models
    >>> net = models.googlenet(num_classes=10).eval()
    >>> net(np.zeros((2, 3, 32, 32), dtype=np.float32)).shape
    (2, 10)
    """
    return GoogLeNet(num_classes, transform_input, dropout, rng=rng)
