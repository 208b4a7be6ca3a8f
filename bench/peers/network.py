"""A whole network and the files of it that packages read, all with the same weights."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fastconv as fc
from fastconv import models, nn
from fastconv.graph import Graph
from fastconv.inference.trace import trace
from peers.onnx_network import network_model

Array = np.ndarray[Any, Any]

IMAGE = (3, 224, 224)
SIZES = {"lenet5": (1, 28, 28), "unet": (1, 256, 256)}
NAMES = (
    *("lenet5", "squeezenet1_1", "mobilenet_v2", "resnet18", "resnet34", "resnet50"),
    *("vgg16", "densenet121", "googlenet", "unet"),
)
SETTLING_IMAGES = 4


@dataclass(frozen=True)
class Network:
    """A model that ``make`` makes from a seed, for images ``(C, H, W)``, and a folder for its files."""

    name: str
    make: Callable[[int], nn.Module]
    image: tuple[int, ...]
    folder: Path

    def shape(self, batch: int) -> tuple[int, ...]:
        """Of so many images."""
        return (batch, *self.image)

    def images(self, batch: int) -> Array:
        """Return images, the same every time."""
        return np.random.default_rng(batch).standard_normal(self.shape(batch), np.float32)

    def file(self, ending: str) -> Path:
        """Name a file of the network."""
        return self.folder / f"{self.name}.{ending}"

    def untrained(self) -> nn.Module:
        """Make the model without values."""
        with nn.init.skip_init():
            return self.make(0)

    def model(self, made: nn.Module | None = None) -> nn.Module:
        """Return the model with the weights of the file, a given one or made anew."""
        model = made or self.untrained()
        model.load_state_dict(fc.load(self.file("safetensors")), assign=True)
        return model.eval()

    def graph(self, batch: int = 1) -> Graph:
        """Trace the model; nothing is simplified."""
        return trace(self.model(), self.shape(batch))

    def write(self) -> None:
        """Write weights and, if ``onnx`` is installed, the ONNX model, where they are not there already."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.file("safetensors").exists():
            model = self.make(0)
            settle(model, np.random.default_rng(0), self.image)
            fc.save(self.file("safetensors"), model.state_dict())
        if not self.file("onnx").exists() and importlib.util.find_spec("onnx") is not None:
            self.file("onnx").write_bytes(network_model(self.graph(), self.name).SerializeToString())


def known_network(name: str, folder: Path) -> Network:
    """Return a network of ``fastconv.models``, at the size of the images that it is for."""
    make = getattr(models, name)
    return Network(name, lambda seed: make(rng=seed), SIZES.get(name, IMAGE), folder)


def settle(model: nn.Module, rng: np.random.Generator, image: tuple[int, ...]) -> None:
    """Give batch norms scales and shifts at random, and the statistics of a few images as running ones.

    So nothing that could be left out is, and maps have about the same size through the whole network.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    momentum = norms[0].momentum
    for norm in norms:
        assert norm.weight is not None
        assert norm.bias is not None
        norm.weight.data[:] = rng.uniform(0.5, 1.5, norm.num_features)
        norm.bias.data[:] = rng.normal(0, 0.1, norm.num_features)
        norm.momentum = None  # the mean over all batches since the beginning
    model.train()
    model(rng.standard_normal((SETTLING_IMAGES, *image), np.float32))
    model.eval()
    for norm in norms:
        norm.momentum = momentum


def reason(error: BaseException) -> str:
    """Say in a line why something failed."""
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}"[:200] if first else type(error).__name__


def note(text: str) -> None:
    """Say what is being done."""
    print(text, file=sys.stderr, flush=True)
