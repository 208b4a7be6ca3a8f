"""MNN: a session with a model of one convolution, in float32; it transforms filters when it is made.

By itself MNN takes Winograd tiles so large that about ten bits of a result are lost: errors of 3e-3 of the
largest value where direct sums have 5e-6. So it takes part twice, the second time told to take small tiles.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fastconv.benchmark.contenders import Operands
from fastconv.benchmark.interleave import Array
from fastconv.benchmark.layers import ConvLayer
from peers.onnx_node import node_model, window
from peers.peer import Call, Peer

WINOGRAD_MEMORY_HINT, LARGE_TILES, SMALL_TILES = 3, 3, 1


def conv(layer: ConvLayer, data: Operands, threads: int, tiles: int = LARGE_TILES) -> Call:
    """Copy the input in every call, for a session uses its memory for other things in between."""
    with chatter_dropped():
        mnn: Any = importlib.import_module("MNN")
        interpreter = load(mnn, layer, data)
        interpreter.setSessionHint(WINOGRAD_MEMORY_HINT, tiles)
        options = {"backend": "CPU", "precision": "high", "numThread": threads}
        session = interpreter.createSession(options)
    source = mnn.Tensor(layer.input_shape, mnn.Halide_Type_Float, data.input, mnn.Tensor_DimensionType_Caffe)
    x = interpreter.getSessionInput(session)
    y: Array = interpreter.getSessionOutput(session).getNumpyData()  # a view, filled by every run

    def call() -> Array:
        x.copyFrom(source)
        interpreter.runSession(session)
        return y

    return call


def load(mnn: Any, layer: ConvLayer, data: Operands) -> Any:
    """Convert from ONNX: a model of ``MNN.expr`` takes its filter as an input and transforms none."""
    converter: Any = importlib.import_module("_tools")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "conv.onnx"), Path(folder, "conv.mnn")
        model = node_model(layer, data, "Conv", group=layer.groups, **window(layer))
        source.write_bytes(model.SerializeToString())
        files = ["--modelFile", str(source), "--MNNModel", str(target)]
        converter.mnnconvert(["mnnconvert", "-f", "ONNX", *files, "--bizCode", "bench"])
        if not target.exists():
            raise RuntimeError(f"MNN does not convert {layer.name}")
        return mnn.Interpreter(str(target))


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


PEER = Peer("MNN", ("MNN", "onnx"), {ConvLayer: conv}, tolerance=1e-2)
SMALL = Peer("MNN small tiles", ("MNN", "onnx"), {ConvLayer: partial(conv, tiles=SMALL_TILES)})
