"""Well-known networks, made of the modules of ``fastconv.nn``, with torchvision's names where it has them."""

from fastconv.models.densenet import densenet121
from fastconv.models.googlenet import googlenet
from fastconv.models.lenet import lenet5
from fastconv.models.mobilenet import mobilenet_v2
from fastconv.models.resnet import resnet18, resnet34, resnet50
from fastconv.models.squeezenet import squeezenet1_1
from fastconv.models.unet import unet
from fastconv.models.vgg import vgg16

__all__ = [
    "densenet121",
    "googlenet",
    "lenet5",
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "resnet50",
    "squeezenet1_1",
    "unet",
    "vgg16",
]
