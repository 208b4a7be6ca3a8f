"""Programs of random graphs: operations, branches and joins in any order, against node after node."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from cases import random_array
from graph_oracle import evaluate

import fastconv as fc
from fastconv.graph import Graph, Value
from fastconv.inference import compile_graph

Array = np.ndarray[Any, Any]

CHANNELS = (1, 3, 8, 12, 16, 17, 24, 32, 48)
ACTIVATIONS = ("relu", "relu6", "silu", ("leaky_relu", 0.1), "sigmoid")


class Maker:
    """Adds random nodes to a graph; values stay near one, so that rounding stays small."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        sides = self.rng.randint(6, 20), self.rng.randint(6, 20)
        self.graph = Graph((self.rng.choice((1, 2, 3)), self.rng.choice((1, 3, 16, 16, 20, 32)), *sides))
        self.values = [self.graph.input]

    def filters(self, *shape: int) -> Array:
        """Draw a filter whose sums stay near one."""
        drawn = random_array(str(self.rng.random()), shape, np.float32)
        scaled: Array = drawn / np.sqrt(np.float32(np.prod(shape[1:])))
        return scaled

    def conv(self, x: Value) -> Value:
        """Convolve: dense, in groups or channel by channel, of odd and even kernels."""
        rng = self.rng
        kernel = rng.choice((1, 3, 3, 3, 5, 2)), rng.choice((1, 3, 3, 3, 5, 2))
        padding = tuple((rng.randint(0, k), rng.randint(0, k)) for k in kernel)
        stride, dilation = rng.choice((1, 1, 1, 2)), rng.choice((1, 1, 1, 2))
        kind = rng.random()
        divisors = [n for n in range(1, x.channels + 1) if x.channels % n == 0]
        if kind < 0.2:
            groups, out = x.channels, x.channels * rng.choice((1, 1, 1, 2))
        elif kind < 0.4:
            groups = rng.choice(divisors)
            out = groups * rng.choice((x.channels // groups, x.channels // groups, 2, 16))
        else:
            groups, out = 1, rng.choice(CHANNELS)
        weight = self.filters(out, x.channels // groups, *kernel)
        bias = self.filters(out, 1)[:, 0] if rng.random() < 0.5 else None
        return self.graph.conv(x, weight, bias, stride, padding, dilation, groups)

    def conv_transpose(self, x: Value) -> Value:
        """Enlarge, now and then by a window that leaves gaps, overlaps or crops."""
        rng = self.rng
        kernel = rng.choice((2, 2, 3, 4)), rng.choice((2, 2, 3, 4))
        stride, dilation = rng.choice((1, 2, 2, 3)), rng.choice((1, 1, 1, 2))
        extra = rng.choice((0, 0, max(stride, dilation) - 1))
        weight = self.filters(x.channels, rng.choice((2, 16, 24)), *kernel)
        bias = self.filters(weight.shape[1], 1)[:, 0] if rng.random() < 0.5 else None
        return self.graph.conv_transpose(x, weight, bias, stride, rng.choice((0, 0, 1)), extra, 1, dilation)

    def pool(self, x: Value) -> Value:
        """Take maxima or averages."""
        options: Any = (self.rng.choice((2, 3)), self.rng.choice((1, 2)), self.rng.choice((0, 1)))
        return self.rng.choice((self.graph.max_pool, self.graph.avg_pool))(x, *options)

    def norm(self, x: Value) -> Value:
        """Normalise."""
        mean, var, weight, bias = (self.filters(x.channels, 1)[:, 0] for _ in range(4))
        return self.graph.batch_norm(x, mean, abs(var) + np.float32(0.5), weight, bias)

    def sample_norm(self, x: Value) -> Value:
        """Normalise by statistics of the sample."""
        if self.rng.random() < 0.5:
            groups = self.rng.choice([n for n in range(1, x.channels + 1) if x.channels % n == 0])
            weight, bias = (self.filters(x.channels, 1)[:, 0] for _ in range(2))
            return self.graph.group_norm(x, groups, weight, bias, 0.1)
        shape = x.shape[self.rng.randint(1, len(x.shape) - 1) :]
        return self.graph.layer_norm(x, shape, self.filters(*shape), None, 0.1)

    def activation(self, x: Value) -> Value:
        """Activate."""
        return self.graph.activation(x, self.rng.choice(ACTIVATIONS))

    def add(self, x: Value) -> Value:
        """Add a value of the same shape, which may be the same."""
        return self.graph.add(x, self.rng.choice([v for v in self.values if v.shape == x.shape]))

    def concat(self, x: Value) -> Value:
        """Join with values of the same size, again and again the same ones."""
        others = [v for v in self.values if v.spatial == x.spatial]
        return self.graph.concat([x, *self.rng.choices(others, k=self.rng.randint(0, 2))])

    def step(self) -> None:
        """Add a node to one of the last values, if it is neither too small nor too large for that."""
        x = self.rng.choice(self.values[-4:])
        makers = [self.conv] * 5 + [
            self.pool,
            self.norm,
            self.sample_norm,
            self.activation,
            self.activation,
            self.add,
            self.concat,
        ]
        make = self.rng.choice([*makers, self.conv_transpose])
        try:
            self.values.append(make(x))
        except ValueError:
            return
        if max(self.values[-1].shape[1:]) > 130:
            self.values.pop()
            self.graph.nodes.pop()
            self.graph.output = self.graph.nodes[-1].output if self.graph.nodes else self.graph.input


def made(seed: int) -> Graph:
    """Return a random graph; sometimes one that ends in a vector."""
    maker = Maker(seed)
    for _ in range(maker.rng.randint(3, 16)):
        maker.step()
    graph = maker.graph
    if maker.rng.random() < 0.3:
        x = graph.flatten(graph.output)
        graph.softmax(graph.linear(x, maker.filters(7, x.channels)))
    return graph


@pytest.mark.parametrize("seed", range(200))
def test_program_computes_what_the_nodes_mean(seed: int) -> None:
    x = random_array(str(seed), made(seed).input.shape, np.float32)
    expected = evaluate(made(seed), x)
    size = np.abs(expected).max() + 1
    for algorithm in ("auto", "winograd_4x4"):
        net = compile_graph(made(seed), algorithm=algorithm)
        net(np.full_like(x, np.nan))
        y = net(x)
        np.testing.assert_allclose(y, expected, rtol=0, atol=3e-5 * size)
        assert net(x[-1:]).tobytes() == y[-1:].tobytes()
        with fc.config(num_threads=3):
            assert net(x).tobytes() == y.tobytes()


@pytest.mark.parametrize("seed", range(150))
def test_double_precision(seed: int) -> None:
    x = random_array(str(seed), made(seed).input.shape, np.float64)
    expected = evaluate(made(seed), x)
    net = compile_graph(made(seed), dtype="float64")
    net(np.full_like(x, np.nan))
    np.testing.assert_allclose(net(x), expected, rtol=0, atol=1e-12 * (np.abs(expected).max() + 1))
