"""What fastconv costs a process: import time and peak memory, each measured in new processes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import NamedTuple

from fastconv.benchmark.layers import ITEMSIZE, ConvLayer

BLOCK = 16
SCRATCH_A_THREAD = 2 * 10**6

IMPORT_PROGRAM = """
import time, numpy
start = time.perf_counter()
import fastconv
print(time.perf_counter() - start)
"""

# Writing 5 to clear_refs resets the high-water mark, so that making the arrays does not count. A first small
# call has started the threads. All pages of the arrays are touched, for random numbers were written to them.
MEMORY_PROGRAM = """
import json, sys
import numpy as np
import fastconv as fc

def kilobytes(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":"))

layer = json.loads(sys.argv[1])
rng = np.random.default_rng(0)
with fc.config(num_threads=layer["threads"], isa=layer["isa"]):
    fc.conv2d(np.ones((1, 16, 32, 32), np.float32), np.ones((16, 16, 3, 3), np.float32))
    x = rng.standard_normal(layer["input"], np.float32)
    weight = rng.standard_normal(layer["weight"], np.float32)
    with open("/proc/self/clear_refs", "w") as marks:
        marks.write("5")
    before = kilobytes("VmRSS")
    window = {name: layer[name] for name in ("stride", "padding", "groups")}
    y = fc.conv2d(x, weight, algorithm="direct", **window)
    print(1024 * (kilobytes("VmHWM") - before))
"""


class Memory(NamedTuple):
    """Bytes beyond those of the caller's arrays."""

    peak: int
    output: int
    allowed: int


def import_seconds(processes: int) -> list[float]:
    """Import anew in each of several processes, NumPy first."""
    return [float(_run(IMPORT_PROGRAM)) for _ in range(processes)]


def peak_memory(layer: ConvLayer, threads: int, isa: str | None) -> Memory:
    """Measure one call's peak (Linux), and work out what the output, a packed filter and scratch may take."""
    options = {
        "input": layer.input_shape,
        "weight": layer.weight_shape,
        "stride": layer.stride,
        "padding": layer.padding,
        "groups": layer.groups,
        "threads": threads,
        "isa": isa,
    }
    output = ITEMSIZE * math.prod(layer.output_shape)
    rounded = -(-layer.out_channels // BLOCK) * BLOCK
    packed = ITEMSIZE * rounded * math.prod(layer.weight_shape[1:])
    return Memory(
        int(_run(MEMORY_PROGRAM, json.dumps(options))), output, output + packed + threads * SCRATCH_A_THREAD
    )


def with_bytecode() -> dict[str, str]:
    """Return the environment of processes that keep bytecode: pip has compiled what users import."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _run(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=with_bytecode()).stdout
