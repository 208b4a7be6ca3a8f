"""This package: a compiled network, its weights from a file of safetensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

import fastconv as fc
from fastconv import nn
from fastconv.benchmark.interleave import Array
from fastconv.benchmark.results import SUBJECT
from peers.network import Network
from peers.peer import Call, Peer


def load_network(
    network: Network, batch: int, threads: int, made: nn.Module | None = None
) -> Callable[[Array], Call]:
    """Load weights into a model, made beforehand or now, and compile it."""
    return bound(fc.compile(network.model(made), network.shape(batch), release=True))


def bound(net: fc.Compiled) -> Callable[[Array], Call]:
    """Write into an array that is given once."""
    y = np.empty(net.output_shape, np.float32)
    return lambda x: partial(net, x, out=y)


COMPILED = Peer(SUBJECT, ("fastconv",), {}, network=load_network)
