"""ncnn: a net of one convolution, in float32; it lays out and transforms filters when they are loaded.

The net takes the plain image and gives a plain image, in memory of its own pools.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.benchmark.contenders import Operands
from fastconv.benchmark.interleave import Array
from fastconv.benchmark.layers import ConvLayer
from peers.network import Network
from peers.peer import Call, Peer

FORMAT = 7767517
FLOAT32 = bytes(4)  # stands before the weights
NARROW = (
    *("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"),
    *("use_bf16_packed", "use_bf16_storage", "use_int8_inference"),
)


def conv(layer: ConvLayer, data: Operands, threads: int) -> Call:
    """Load a net of one layer."""
    net = empty_net(threads)
    load(net, layer, data)
    return extraction(net, data.input)


def convert(network: Network) -> None:
    """Convert the ONNX model by pnnx, in float32; it writes optimised nets only."""
    pnnx: Any = importlib.import_module("pnnx")
    param, weights = network.file("ncnn.param"), network.file("ncnn.bin")
    shape = ",".join(map(str, network.shape(1)))
    with tempfile.TemporaryDirectory() as folder:
        # It writes beside its input.
        source = Path(folder, "net.onnx")
        source.symlink_to(network.file("onnx").resolve())
        command = [pnnx.EXEC_PATH, str(source), f"inputshape=[{shape}]", "fp16=0"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        written = Path(folder, "net.ncnn.param"), Path(folder, "net.ncnn.bin")
        if run.returncode or not all(file.exists() for file in written):
            raise RuntimeError(f"pnnx does not convert {network.name}: {run.stderr.strip()[-150:]}")
        shutil.move(written[0], param)
        shutil.move(written[1], weights)


def load_network(network: Network, batch: int, threads: int) -> Callable[[Array], Call]:
    """Load what pnnx wrote."""
    net = empty_net(threads)
    if net.load_param(str(network.file("ncnn.param"))) or net.load_model(str(network.file("ncnn.bin"))):
        raise RuntimeError(f"ncnn does not load {network.name}")
    return lambda x: extraction(net, x)


def empty_net(threads: int) -> Any:
    """Make a net that computes in float32."""
    ncnn: Any = importlib.import_module("ncnn")
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    for option in NARROW:
        setattr(net.opt, option, False)
    return net


def extraction(net: Any, batch: Array) -> Call:
    """Run an extraction for each image: what is a batch elsewhere is a loop here."""
    ncnn: Any = importlib.import_module("ncnn")
    (x,), (y,) = net.input_indexes(), net.output_indexes()
    images = [ncnn.Mat(image).clone() for image in batch]  # a copy has rows where ncnn wants them

    def one(image: Any) -> Any:
        extractor = net.create_extractor()
        extractor.input(x, image)
        return extractor.extract(y)[1]

    if len(images) == 1:
        (image,) = images
        return lambda: one(image)
    return lambda: [one(image) for image in images]


def view(y: Any) -> Array:
    """Stack the images of a batch."""
    return np.stack([np.asarray(image) for image in (y if isinstance(y, list) else [y])])


def load(net: Any, layer: ConvLayer, data: Operands) -> None:
    """Write the net down and read it."""
    (weight,) = data.parameters
    operator, groups = (
        ("ConvolutionDepthWise", f"7={layer.groups}") if layer.groups > 1 else ("Convolution", "")
    )
    window = f"1={layer.kernel} 3={layer.stride} 4={layer.padding}"
    description = "\n".join(
        [
            str(FORMAT),
            "2 2",
            f"Input input 0 1 x 0={layer.size} 1={layer.size} 2={layer.in_channels}",
            f"{operator} conv 1 1 x y 0={layer.out_channels} {window} 6={weight.size} {groups}",
            "",
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "conv.bin")
        weights.write_bytes(FLOAT32 + weight.tobytes())
        if net.load_param_mem(description) or net.load_model(str(weights)):
            raise RuntimeError(f"ncnn does not load {layer.name}")


PEER = Peer("ncnn", ("ncnn",), {ConvLayer: conv}, view=view)
NETWORKS = replace(PEER, modules=("ncnn", "pnnx"), kinds={}, convert=convert, network=load_network)
