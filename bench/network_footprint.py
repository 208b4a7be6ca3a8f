"""What a network costs until its first result: import, loading, first call, memory; in a process of its own.

    python bench/network_footprint.py onnxruntime '{"package": "onnxruntime", "network": "resnet18", ...}'

The module that the first argument names is imported before all else but NumPy. Behind it fastconv is
imported in any case, for it knows the networks: a few megabytes in everybody's whole memory, in nobody's
difference.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Footprint:
    """Seconds and bytes of one package and one network.

    ``load`` is from files to something that can be called. Files of other packages have the network's
    structure; fastconv's model is made before, without values: ``making``.
    ``peak`` is how far memory rose after the imports, ``whole`` the process's maximum.
    """

    package: str
    network: str
    imports: float
    making: float
    load: float
    first_call: float
    peak: int
    whole: int


def peak_memory() -> int:
    """Most bytes that the process has occupied so far (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def clock_of(task: dict[str, Any]) -> Callable[[], float]:
    """Return what to time by: the CPU, all threads together, or the clock on the wall."""
    return time.process_time if task["cpu_time"] else time.perf_counter


def run(imports: float, task: dict[str, Any]) -> Footprint:
    """Load the network into the package and call it once."""
    # Imported here, behind the package whose import was timed.
    from peers import NETWORK_PEERS
    from peers import fastconv as own
    from peers.network import known_network

    import fastconv as fc

    (peer,) = (one for one in (own.COMPILED, *NETWORK_PEERS) if one.name == task["package"])
    network = known_network(task["network"], Path(task["folder"]))
    x = network.images(task["batch"])
    load: Any = peer.network
    clock = clock_of(task)
    with fc.config(num_threads=task["threads"]), peer.ready(task["threads"]):
        before = peak_memory()
        start = clock()
        if peer is own.COMPILED:
            load = partial(own.load_network, made=network.untrained())
        made = clock()
        call = load(network, task["batch"], task["threads"])(x)
        ready = clock()
        call()
        end = clock()
    whole = peak_memory()
    times = (made - start, ready - made, end - ready)
    return Footprint(peer.name, network.name, imports, *times, whole - before, whole)


def main() -> int:
    """Import, then do what the second argument says and print the result as the last line."""
    importlib.import_module("numpy")
    task = json.loads(sys.argv[2])
    clock = clock_of(task)
    start = clock()
    importlib.import_module(sys.argv[1])
    result = run(clock() - start, task)
    print(json.dumps(asdict(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
