"""PyTorch: ``torch.nn.functional`` on tensors that are stored, weights included, in a memory format."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from fastconv.benchmark.contenders import Operands
from fastconv.benchmark.contenders.norm import copied
from fastconv.benchmark.contenders.rearrange import rearranging
from fastconv.benchmark.interleave import Array
from fastconv.benchmark.layers import (
    AdaptivePoolLayer,
    ConvLayer,
    LinearLayer,
    NormLayer,
    PoolLayer,
    RearrangeLayer,
    StatisticLayer,
    TransposedLayer,
)
from peers.network import Network
from peers.peer import Call, Peer, Prepare
from peers.torch_network import network_module


@contextmanager
def ready(threads: int) -> Iterator[None]:
    """Give torch the thread count, and switch its gradients off around all calls."""
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(threads)
    with torch.inference_mode():
        yield


class Format:
    """The functions of torch on tensors of one memory format, a method for each kind of layer."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def functional(self) -> Any:
        """Imported when it is first needed."""
        return importlib.import_module("torch.nn.functional")

    def tensor(self, array: Array) -> Any:
        """Copy into the memory format, unless the array has it already."""
        torch: Any = importlib.import_module("torch")
        return torch.from_numpy(array).to(memory_format=getattr(torch, self.name))

    def conv(self, layer: ConvLayer, data: Operands, threads: int) -> Call:
        x, weight = self.tensor(data.input), self.tensor(*data.parameters)
        function, window = self.functional.conv2d, (layer.stride, layer.padding, 1, layer.groups)
        return lambda: function(x, weight, None, *window)

    def conv_transpose(self, layer: TransposedLayer, data: Operands, threads: int) -> Call:
        x, weight = self.tensor(data.input), self.tensor(*data.parameters)
        function, spread = self.functional.conv_transpose2d, (layer.stride, layer.padding)
        return lambda: function(x, weight, None, *spread)

    def linear(self, layer: LinearLayer, data: Operands, threads: int) -> Call | None:
        """In the only memory format that rows have."""
        if self.name != "contiguous_format":
            return None
        x, function = self.tensor(data.input), self.functional.linear
        weight, bias = map(self.tensor, data.parameters)
        return lambda: function(x, weight, bias)

    def pool(self, layer: PoolLayer, data: Operands, threads: int) -> Call:
        x, sizes = self.tensor(data.input), (layer.kernel, layer.stride, layer.padding)
        function = getattr(self.functional, f"{layer.mode}_pool2d")
        return lambda: function(x, *sizes, ceil_mode=layer.ceil_mode)

    def adaptive_pool(self, layer: AdaptivePoolLayer, data: Operands, threads: int) -> Call:
        x, function = self.tensor(data.input), getattr(self.functional, f"adaptive_{layer.mode}_pool2d")
        return lambda: function(x, layer.out)

    def batch_norm(self, layer: NormLayer, data: Operands, threads: int) -> Call:
        torch: Any = importlib.import_module("torch")
        x, function = self.tensor(data.input), self.functional.batch_norm
        mean, var, weight, bias = (torch.from_numpy(vector) for vector in copied(data))
        return lambda: function(x, mean, var, weight, bias, layer.training)

    def rearrange(self, layer: RearrangeLayer, data: Operands, threads: int) -> Call | None:
        if data.input.ndim != 4 and self.name != "contiguous_format":
            return None
        x, parameters = self.tensor(data.input), tuple(map(self.tensor, data.parameters))
        return rearranging(self.functional, layer, Operands(x, parameters))

    def statistic(self, layer: StatisticLayer, data: Operands, threads: int) -> Call | None:
        """Group norm in both memory formats, what works along rows and softmax in the only one."""
        if layer.operation != "group_norm" and self.name != "contiguous_format":
            return None
        torch: Any = importlib.import_module("torch")
        x, parameters = self.tensor(data.input), [torch.from_numpy(array) for array in data.parameters]
        if layer.operation in ("group_norm", "layer_norm"):
            function = getattr(self.functional, layer.operation)
            part = layer.groups if layer.operation == "group_norm" else layer.parameter_shape
            return lambda: function(x, part, *parameters)
        function = getattr(torch, layer.operation)
        return lambda: function(x, layer.axis)

    def load_network(self, network: Network, batch: int, threads: int) -> Callable[[Array], Call]:
        """Load the module that `convert` has saved, its weights brought into the memory format."""
        module = self.loaded(network)
        return lambda x: partial(module, self.tensor(x))

    def load_frozen(self, network: Network, batch: int, threads: int) -> Callable[[Array], Call]:
        """Trace the module, fold its batch norms and let ``torch.jit`` choose what is faster in inference."""
        torch: Any = importlib.import_module("torch")
        example = self.tensor(network.images(batch))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit is no longer developed
            module = torch.jit.freeze(torch.jit.trace(self.loaded(network), example))
            module = torch.jit.optimize_for_inference(module)
        return lambda x: partial(module, self.tensor(x))

    def loaded(self, network: Network) -> Any:
        """Read the module."""
        torch: Any = importlib.import_module("torch")
        module = torch.load(network.file("pt"), weights_only=False)
        return module.to(memory_format=getattr(torch, self.name))

    @property
    def kinds(self) -> dict[type, Prepare]:
        """Which layer is whose."""
        return {
            ConvLayer: self.conv,
            TransposedLayer: self.conv_transpose,
            LinearLayer: self.linear,
            PoolLayer: self.pool,
            AdaptivePoolLayer: self.adaptive_pool,
            NormLayer: self.batch_norm,
            RearrangeLayer: self.rearrange,
            StatisticLayer: self.statistic,
        }


def convert(network: Network) -> None:
    """Build the module and save it."""
    torch: Any = importlib.import_module("torch")
    torch.save(network_module(network.graph()), network.file("pt"))


PLAIN, CHANNELS_LAST = (
    Peer(label, ("torch",), form.kinds, ready, convert=convert, network=form.load_network)
    for label, form in (
        ("torch", Format("contiguous_format")),
        ("torch channels_last", Format("channels_last")),
    )
)
FROZEN = Peer(
    "torch.jit", ("torch",), {}, ready, convert=convert, network=Format("channels_last").load_frozen
)
