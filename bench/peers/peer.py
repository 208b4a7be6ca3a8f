"""What a package is to the benchmarks: its name, the modules it needs, and a call for each kind of layer."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.benchmark.contenders import Operands
from fastconv.benchmark.interleave import TOLERANCE, Array, Contender
from fastconv.benchmark.layers import Layer
from peers.network import Network

Call = Callable[[], Any]

# From a layer of one kind, its arrays and a number of threads; None if the package does not compute it.
Prepare = Callable[[Any, Operands, int], Call | None]

# From a network whose files are there, a batch and a number of threads: what makes a call for images.
Load = Callable[[Network, int, int], Callable[[Array], Call]]


@contextmanager
def nothing_to_prepare(threads: int) -> Iterator[None]:
    """Leave the process as it is."""
    yield


@dataclass(frozen=True)
class Peer:
    """A package, or one way to use it.

    ``ready`` surrounds all of its calls with a number of threads, ``view`` sees a result as an array, which
    may differ from others by ``tolerance`` of the largest value. ``convert`` writes the files of a network
    that ``network`` loads, beside those that it has anyway; both are None if the package takes no networks.
    The first of ``modules`` is the package, others are needed to write models for it.
    """

    name: str
    modules: tuple[str, ...]
    kinds: Mapping[type, Prepare]
    ready: Callable[[int], AbstractContextManager[None]] = nothing_to_prepare
    view: Callable[[Any], Array] = np.asarray
    tolerance: float = TOLERANCE
    convert: Callable[[Network], None] | None = None
    network: Load | None = None

    @property
    def installed(self) -> bool:
        """Whether all its modules can be imported."""
        return all(importlib.util.find_spec(name) is not None for name in self.modules)

    def contender(self, layer: Layer, data: Operands, threads: int) -> Contender | None:
        """Prepare a call; None if the package does not compute the layer."""
        prepare = self.kinds.get(type(layer))
        call = prepare(layer, data, threads) if prepare else None
        return Contender(self.name, call, self.view, self.tolerance) if call else None
