"""Initial values of a whole model, as torchvision draws them, from one generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from fastconv import nn

Seed: TypeAlias = nn.init.Seed
Draw: TypeAlias = "Callable[[nn.Parameter, np.random.Generator], object]"


def fan_in(weight: nn.Parameter, rng: np.random.Generator) -> None:
    """Draw normally, keeping the variance of what goes forward."""
    nn.init.kaiming_normal_(weight, rng=rng)


def fan_out(weight: nn.Parameter, rng: np.random.Generator) -> None:
    """Draw normally, keeping the variance of what goes backward."""
    nn.init.kaiming_normal_(weight, mode="fan_out", rng=rng)


def uniform_fan_in(weight: nn.Parameter, rng: np.random.Generator) -> None:
    """Draw uniformly, keeping the variance of what goes forward."""
    nn.init.kaiming_uniform_(weight, rng=rng)


def small(weight: nn.Parameter, rng: np.random.Generator) -> None:
    """Draw normally with a deviation of 0.01."""
    nn.init.normal_(weight, 0.0, 0.01, rng)


def draw(model: nn.Module, rng: Seed, conv: Draw | None = None, linear: Draw | None = None) -> None:
    """Draw all parameters anew, in their order.

    Convolutions and linear maps get weights by these functions, and biases of 0; without a function, and in
    all other modules, parameters get the values that the module gives them by itself.
    """
    generator = nn.init.generator(rng)
    for module in model.modules():
        chosen = None
        if isinstance(module, nn.Conv2d):
            chosen = conv
        elif isinstance(module, nn.Linear):
            chosen = linear
        if chosen is not None:
            chosen(module.weight, generator)
            if module.bias is not None:
                nn.init.constant_(module.bias, 0)
        elif hasattr(module, "reset_parameters"):
            module.reset_parameters(generator)
