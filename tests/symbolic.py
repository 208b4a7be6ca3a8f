"""A symbolic value: what went through which modules, found out by calling a model with it."""

from __future__ import annotations

from typing import Any

from fastconv import nn

# Whatever computes; a class of its own below one of these is the same to whoever follows a model.
LEAVES = (
    *(getattr(nn, f"{kind}{rank}d") for kind in ("Conv", "ConvTranspose", "BatchNorm") for rank in (1, 2, 3)),
    *(getattr(nn, f"{kind}Pool{rank}d") for kind in ("Max", "Avg", "AdaptiveAvg") for rank in (1, 2, 3)),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.GroupNorm, nn.LayerNorm),
    *(nn.Linear, nn.Softmax, nn.Flatten, nn.Dropout),
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.SiLU, nn.Hardswish, nn.Identity),
)


class Symbol:
    """A value that knows what made it: a leaf, "+" or "Concat", of which values."""

    def __init__(self, made_by: nn.Module | str, *inputs: Symbol) -> None:
        self.made_by = made_by
        self.inputs = inputs

    def __add__(self, other: Symbol) -> Symbol:
        return Symbol("+", self, other)

    def call_module(self, module: nn.Module, inputs: tuple[Symbol, ...], options: Any) -> Any:
        """Stand for the output of a leaf, join, and go into every composite."""
        if isinstance(module, nn.Concat):
            return Symbol("Concat", *([branch(*inputs) for branch in module] or inputs))
        return Symbol(module, *inputs) if isinstance(module, LEAVES) else NotImplemented

    def __str__(self) -> str:
        name = self.made_by if isinstance(self.made_by, str) else type(self.made_by).__name__
        return f"{name}({', '.join(map(str, self.inputs))})" if self.inputs else name

    def evaluate(self, x: Any, known: dict[int, Any]) -> Any:
        """Compute the value; `known` remembers what is used more than once."""
        if id(self) not in known:
            inputs = [value.evaluate(x, known) for value in self.inputs]
            if self.made_by == "+":
                known[id(self)] = inputs[0] + inputs[1]
            elif self.made_by == "Concat":
                known[id(self)] = nn.Concat()(*inputs)
            else:
                known[id(self)] = self.made_by(*inputs) if isinstance(self.made_by, nn.Module) else x
        return known[id(self)]
