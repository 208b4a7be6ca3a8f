"""LeNet-5: the first convolutional network in wide use, for handwritten digits.

    (1, 28, 28) -> conv 5x5 -> (6, 28, 28) -> pool -> (6, 14, 14) -> conv 5x5 -> (16, 10, 10) -> pool
    -> (16, 5, 5) -> 400 -> 120 -> 84 -> num_classes

A hyperbolic tangent follows every convolution and every linear map but the last.
"""

from __future__ import annotations

from fastconv import nn
from fastconv.models import initialisation
from fastconv.models.arguments import count


class LeNet5(nn.Sequential):
    """LeNet-5; see `lenet5`."""

    def __init__(self, num_classes: int = 10, *, rng: initialisation.Seed = None) -> None:
        with nn.init.skip_init():
            super().__init__(
                {
                    "conv1": nn.Conv2d(1, 6, 5, padding=2),
                    "tanh1": nn.Tanh(),
                    "pool1": nn.AvgPool2d(2),
                    "conv2": nn.Conv2d(6, 16, 5),
                    "tanh2": nn.Tanh(),
                    "pool2": nn.AvgPool2d(2),
                    "flatten": nn.Flatten(),
                    "fc1": nn.Linear(400, 120),
                    "tanh3": nn.Tanh(),
                    "fc2": nn.Linear(120, 84),
                    "tanh4": nn.Tanh(),
                    "fc3": nn.Linear(84, count(num_classes, "num_classes")),
                }
            )
        initialisation.draw(self, rng)


def lenet5(num_classes: int = 10, *, rng: initialisation.Seed = None) -> LeNet5:
    """Make LeNet-5, for images ``(N, 1, 28, 28)``.

    As is usual today every map of the second convolution sees all maps of the first, and the output is
    linear.

    Parameters
    ----------
    num_classes : int, default 10
        Outputs.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from; different every time, if not given.

    Returns
    -------
    LeNet5
        61,706 parameters with 10 classes.

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document
       Recognition", Proceedings of the IEEE 86, 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import models
    >>> net = models.lenet5().eval()
    >>> net(np.zeros((2, 1, 28, 28), dtype=np.float32)).shape
    (2, 10)
    """
    return LeNet5(num_classes, rng=rng)
