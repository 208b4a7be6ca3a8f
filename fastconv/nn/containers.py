"""Modules made of modules: one after the other, added, side by side."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any, SupportsIndex, overload

import numpy as np

from fastconv.functional.checks import arguments, arrays
from fastconv.functional.checks.annotations import Array
from fastconv.nn.module import Module


def _named(modules: tuple[Any, ...]) -> list[tuple[str, Any]]:
    """Name modules by a mapping if that is all there is, else by their numbers."""
    if len(modules) == 1 and isinstance(modules[0], Mapping):
        return list(modules[0].items())
    return [(str(number), module) for number, module in enumerate(modules)]


class _Listed(Module):
    """Children in order."""

    _modules: dict[str, Module]  # type: ignore[assignment]

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        for name, module in _named(modules):
            if not isinstance(module, Module):
                raise TypeError(f"module {name!r} must be a Module, got {type(module).__name__}")
            self.register_module(name, module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())


class Sequential(_Listed):
    """Call modules one after the other, each with the output of the one before.

    Parameters
    ----------
    *modules : Module or mapping of str to Module
        The modules, named by their numbers; or one mapping with their names.

    Raises
    ------
    TypeError
        If one of them is no module.

    Notes
    -----
    It has a length and can be iterated over and indexed; a slice is a new one of the same modules.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten())
    >>> net
    Sequential(
      (0): Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1))
      (1): ReLU()
      (2): Flatten(start_dim=1, end_dim=-1)
    )
    >>> net(np.ones((2, 1, 5, 5))).shape
    (2, 36)
    >>> net[1]
    ReLU()
    """

    def forward(self, input: Any) -> Any:
        """Call the modules."""
        for module in self:
            input = module(input)
        return input

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Module:
        if isinstance(index, slice):
            return Sequential(dict(list(self._modules.items())[index]))
        return self._modules[self._name_at(index)]

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        self.register_module(self._name_at(index), module)

    def __delitem__(self, index: SupportsIndex) -> None:
        del self._modules[self._name_at(index)]
        kept = list(self)
        self._modules.clear()
        self._modules.update((str(number), module) for number, module in enumerate(kept))

    def _name_at(self, index: SupportsIndex) -> str:
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"index {number} is out of range: there are {len(self)} modules")
        return list(self._modules)[number]

    def append(self, module: Module) -> Sequential:
        """Add a module at the end, named by its number; return the container."""
        self.register_module(str(len(self)), module)
        return self


class Residual(Module):
    """Add what a body makes of the input to the input, or to what a shortcut makes of it.

    ``out = body(input) + shortcut(input)``

    Parameters
    ----------
    body : Module
        Its output has the shape of the shortcut's.
    shortcut : Module, optional
        The input itself, if not given.

    Raises
    ------
    TypeError
        If one of them is no module.
    ValueError
        In a call, if the outputs differ in shape.

    References
    ----------
    .. [1] K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> block = nn.Residual(nn.Conv2d(4, 4, 3, padding=1))
    >>> block(np.ones((1, 4, 8, 8))).shape
    (1, 4, 8, 8)
    >>> nn.Residual(nn.Identity())([1.0, 2.0])
    array([2., 4.])
    """

    def __init__(self, body: Module, shortcut: Module | None = None) -> None:
        super().__init__()
        for name, module in (("body", body), ("shortcut", shortcut)):
            if not isinstance(module, Module) and (module is not None or name == "body"):
                raise TypeError(f"{name} must be a Module, got {type(module).__name__}")
            self.register_module(name, module)

    def forward(self, input: Any) -> Any:
        """Add the two branches."""
        long = self.body(input)
        short = input if self.shortcut is None else self.shortcut(input)
        if isinstance(long, np.ndarray):
            short = arrays.like(short, long.shape, "the shortcut's output")
        return long + short


class Concat(_Listed):
    """Join along the channels what several branches make of the same input.

    ``out = concatenate([branch(input) for branch in branches], axis=dim)``

    Parameters
    ----------
    *branches : Module or mapping of str to Module
        The branches, named by their numbers; or one mapping with their names. Without branches it joins the
        inputs that it is called with: ``Concat()(a, b)``.
    dim : int, default 1
        The axis of the channels; 0 for inputs without a batch axis.

    Raises
    ------
    TypeError, ValueError
        If one of them is no module; and in a call, if there is not one input for branches or none to join, or
        outputs differ in another axis than `dim`.

    References
    ----------
    .. [1] C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> both = nn.Concat(nn.Identity(), nn.Conv2d(4, 2, 1))
    >>> both(np.ones((1, 4, 8, 8))).shape
    (1, 6, 8, 8)
    >>> nn.Concat()(np.ones((1, 2)), np.zeros((1, 1)))
    array([[1., 1., 0.]])
    """

    def __init__(self, *branches: Module | Mapping[str, Module], dim: SupportsIndex = 1) -> None:
        super().__init__(*branches)
        self.dim = arguments.integer(dim, "dim")

    def forward(self, *inputs: Any) -> Array:
        """Call the branches with the one input, or take the inputs, and join."""
        if len(self):
            if len(inputs) != 1:
                raise ValueError(f"Concat with branches takes one input, got {len(inputs)}")
            inputs = tuple(branch(inputs[0]) for branch in self)
        return self._join(inputs)

    def _join(self, values: tuple[Any, ...]) -> Array:
        if not values:
            raise ValueError("Concat without branches needs an input at least")
        parts = [arrays.as_array(value, f"input {number}") for number, value in enumerate(values)]
        first = parts[0].shape
        if not -len(first) <= self.dim < len(first):
            raise ValueError(f"dim={self.dim} is out of range: input 0 has shape {first}")
        dim = self.dim % len(first)
        for number, part in enumerate(parts):
            own = part.shape
            if len(own) != len(first) or own[:dim] + own[dim + 1 :] != first[:dim] + first[dim + 1 :]:
                raise ValueError(
                    f"input {number} has shape {own}: it must be that of input 0, {first}, but on axis {dim}"
                )
        return np.concatenate(parts, axis=dim)

    def extra_repr(self) -> str:
        return "" if self.dim == 1 else f"dim={self.dim}"
