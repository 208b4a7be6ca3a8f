"""MNN: a session with a model of one convolution, in float32; it transforms filters when it is made.

By itself MNN takes Winograd tiles so large that about ten bits of a result are lost: errors of 3e-3 of the
largest value where direct sums have 5e-6. So it takes part twice, the second time told to take small tiles.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fastconv.benchmark.contenders import Operands
from fastconv.benchmark.interleave import Array
from fastconv.benchmark.layers import ConvLayer
from peers.network import Network
from peers.onnx_node import node_model, window
from peers.peer import Call, Peer

WINOGRAD_MEMORY_HINT, LARGE_TILES, SMALL_TILES = 3, 3, 1


def conv(layer: ConvLayer, data: Operands, threads: int, tiles: int = LARGE_TILES) -> Call:
    """Convert from ONNX: a model of ``MNN.expr`` takes its filter as an input and transforms none."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "conv.onnx"), Path(folder, "conv.mnn")
        model = node_model(layer, data, "Conv", group=layer.groups, **window(layer))
        source.write_bytes(model.SerializeToString())
        write_model(source, target)
        return running(session(target, layer.input_shape, threads, tiles), data.input)


def convert(network: Network) -> None:
    """Convert the ONNX model by MNN's own converter, which keeps float32 by default."""
    write_model(network.file("onnx"), network.file("mnn"))


def load_network(
    network: Network, batch: int, threads: int, tiles: int = LARGE_TILES
) -> Callable[[Array], Call]:
    """Load what the converter wrote."""
    made = session(network.file("mnn"), network.shape(batch), threads, tiles)
    return lambda x: running(made, x)


def write_model(source: Path, target: Path) -> None:
    """Convert a model of ONNX."""
    with chatter_dropped():
        converter: Any = importlib.import_module("_tools")
        files = ["--modelFile", str(source), "--MNNModel", str(target)]
        converter.mnnconvert(["mnnconvert", "-f", "ONNX", *files, "--bizCode", "bench"])
    if not target.exists():
        raise RuntimeError(f"MNN does not convert {source.stem}")


def session(file: Path, shape: tuple[int, ...], threads: int, tiles: int) -> tuple[Any, Any]:
    """Make a session for inputs of a shape; return it behind its interpreter."""
    with chatter_dropped():
        mnn: Any = importlib.import_module("MNN")
        interpreter = mnn.Interpreter(str(file))
        interpreter.setSessionHint(WINOGRAD_MEMORY_HINT, tiles)
        options = {"backend": "CPU", "precision": "high", "numThread": threads}
        made = interpreter.createSession(options)
        x = interpreter.getSessionInput(made)
        if tuple(x.getShape()) != shape:
            interpreter.resizeTensor(x, shape)
            interpreter.resizeSession(made)
    return interpreter, made


def running(loaded: tuple[Any, Any], images: Array) -> Call:
    """Copy the input in every call, for a session uses its memory for other things in between."""
    mnn: Any = importlib.import_module("MNN")
    interpreter, made = loaded
    source = mnn.Tensor(images.shape, mnn.Halide_Type_Float, images, mnn.Tensor_DimensionType_Caffe)
    x = interpreter.getSessionInput(made)
    output = interpreter.getSessionOutput(made)
    y: Array = output.getNumpyData()  # a view, filled by every run

    def call() -> Array:
        x.copyFrom(source)
        interpreter.runSession(made)
        return y

    return call


@contextmanager
def chatter_dropped() -> Iterator[None]:
    """Keep what MNN prints out of the tables."""
    flush = ctypes.CDLL(None).fflush
    flush(None)
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        flush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


PEER = Peer("MNN", ("MNN", "onnx"), {ConvLayer: conv}, tolerance=1e-2, convert=convert, network=load_network)
SMALL = Peer(
    "MNN small tiles",
    ("MNN", "onnx"),
    {ConvLayer: partial(conv, tiles=SMALL_TILES)},
    convert=convert,
    network=partial(load_network, tiles=SMALL_TILES),
)
