"""One network, one batch, one number of threads: every package in turn, in a process of its own.

    python bench/network_race.py '{"name": "resnet18", "batch": 1, "threads": 2, ...}'

`networks.py` starts it, with the number of threads in the environment as well, and reads a line of JSON from
it. Thread pools of several settings would be in each other's way.

Pools spin: after its last task a thread of OpenMP or of onnxruntime looks for the next one for a while, which
the contender whose turn it is would pay for. They are not told to stop that, for between the layers of their
own network it makes them faster. Instead `interleave` sleeps before every contender, fastconv too, until no
thread of the process computes.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from peers import NETWORK_PEERS, fastconv, peers_ready
from peers.network import Network, known_network, note, reason
from peers.peer import Peer

import fastconv as fc
from fastconv.benchmark.interleave import Array, Contender, Peak, Race, interleave
from fastconv.benchmark.machine import peak_probe
from fastconv.benchmark.results import SUBJECT, Budget

# A network has many layers, each of which may differ by a peer's tolerance.
MORE_TOLERANT = 10
MOST_SHARES = 5
SHARE_SECONDS = 5.0


@dataclass(frozen=True)
class Setting:
    """What the contenders of a race have in common."""

    name: str
    batch: int
    threads: int

    def __str__(self) -> str:
        return f"{self.name}, batch {self.batch}, {self.threads} thread{'s' if self.threads != 1 else ''}"


@dataclass(frozen=True)
class NetworkResult:
    """A race; how far outputs were from fastconv's, relative to the largest value; who failed, and why.

    ``compile_seconds`` is what `fastconv.compile` took, ``in_steps`` the share of an inference that its steps
    account for, ``gflop`` the arithmetic of direct convolutions. Times are of the clock on the wall, or with
    ``cpu_time`` of the CPU, for one thread beside others' work.
    """

    setting: Setting
    race: Race
    differences: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    compile_seconds: float = float("nan")
    in_steps: float = float("nan")
    gflop: float = float("nan")
    cpu_time: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> NetworkResult:
        """Undo `to_json`."""
        race = dict(content["race"])
        race["peaks"] = [Peak(*peak) for peak in race["peaks"]]
        return cls(**{**content, "setting": Setting(**content["setting"]), "race": Race(**race)})


def run(
    network: Network, setting: Setting, peers: Sequence[Peer], budget: Budget, cpu_time: bool = False
) -> NetworkResult:
    """Load the network into every package, compare outputs, race those that agree."""
    x, failures = network.images(setting.batch), {}
    differences: dict[str, float] = {}
    with fc.config(num_threads=setting.threads), peers_ready(setting.threads):
        model = network.model()
        start = time.perf_counter()
        net = fc.compile(model, network.shape(setting.batch))
        compile_seconds = time.perf_counter() - start
        del model
        contenders = [Contender(SUBJECT, fastconv.bound(net)(x))]
        expected = np.array(contenders[0].call())
        for peer in peers:
            try:
                contender = loaded(peer, network, setting, x)
                differences[peer.name] = difference(contender, expected)
                contenders.append(contender)
            except Exception as error:
                failures[peer.name] = reason(error)
        # The probe goes by the wall's clock, so it says nothing of times that do not.
        race = interleave(
            contenders,
            rounds=budget.rounds,
            seconds=budget.seconds,
            probe=None if cpu_time else peak_probe(),
            clock=time.process_time if cpu_time else time.perf_counter,
        )
        steps = float("nan") if cpu_time else share_in_steps(net, x)
    gflop = net.summary().total().gflop
    return NetworkResult(setting, race, differences, failures, compile_seconds, steps, gflop, cpu_time)


def loaded(peer: Peer, network: Network, setting: Setting, x: Array) -> Contender:
    """Return a package's call for a batch of images."""
    note(f"  {peer.name}")
    assert peer.network is not None
    call = peer.network(network, setting.batch, setting.threads)(x)
    return Contender(peer.name, call, peer.view, MORE_TOLERANT * peer.tolerance)


def difference(contender: Contender, expected: Array) -> float:
    """Return the largest difference relative to the largest value; more than is allowed is a ValueError."""
    actual = contender.view(contender.call())
    actual = actual.reshape(expected.shape) if actual.size == expected.size else actual
    if actual.shape != expected.shape:
        raise ValueError(f"its output has shape {actual.shape}, not {expected.shape}")
    error = float(np.abs(actual - expected).max() / np.abs(expected).max())
    if not error <= contender.tolerance:
        raise ValueError(f"its output differs by {error:.1g} of the largest value")
    return error


def share_in_steps(net: fc.Compiled, x: Array) -> float:
    """Return the median part of a call that its steps take, of some profiles."""
    shares: list[float] = []
    deadline = time.perf_counter() + SHARE_SECONDS
    while not shares or (len(shares) < MOST_SHARES and time.perf_counter() < deadline):
        share = net.profile(x).in_steps
        assert share is not None
        shares.append(share)
    return statistics.median(shares)


def main() -> int:
    """Do what the argument says and print the result as the last line."""
    task = json.loads(sys.argv[1])
    setting = Setting(task["name"], task["batch"], task["threads"])
    network = known_network(setting.name, Path(task["folder"]))
    peers = [peer for peer in NETWORK_PEERS if peer.name in task["peers"]]
    result = run(network, setting, peers, Budget(task["rounds"], task["seconds"]), task["cpu_time"])
    print(json.dumps(result.to_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
