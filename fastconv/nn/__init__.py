"""Modules: functions with parameters, after ``torch.nn``; a network is a module made of modules."""

from fastconv.nn import init
from fastconv.nn.activation import (
    Hardswish,
    LeakyReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from fastconv.nn.avg_pool import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
)
from fastconv.nn.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from fastconv.nn.containers import Concat, Residual, Sequential
from fastconv.nn.conv import Conv1d, Conv2d, Conv3d
from fastconv.nn.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from fastconv.nn.dropout import Dropout
from fastconv.nn.instance_norm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from fastconv.nn.linear import Linear
from fastconv.nn.max_pool import MaxPool1d, MaxPool2d, MaxPool3d
from fastconv.nn.module import Module
from fastconv.nn.norm import GroupNorm, LayerNorm
from fastconv.nn.parameter import Parameter
from fastconv.nn.shape import Flatten, Identity

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Concat",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Dropout",
    "Flatten",
    "GroupNorm",
    "Hardswish",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Module",
    "Parameter",
    "ReLU",
    "ReLU6",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "init",
]
