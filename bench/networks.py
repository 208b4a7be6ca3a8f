"""Compare compiled networks with every installed peer and print Markdown.

    python bench/networks.py resnet18 vgg16 --batch 1 8 --threads 1 2 --plot networks.png
    python bench/networks.py --footprint --threads 2
    python bench/networks.py --keep results.json --no-run

Every peer gets the same weights, most by one ONNX file that is written from the traced network; what converts
it may optimise it. Outputs are compared before anything is timed. Every setting has a process of its own, see
`network_race.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from compare import BLAS_VARIABLES
from footprint import with_bytecode
from network_footprint import Footprint
from network_race import NetworkResult, Setting
from network_report import (
    footprint_tables,
    of_setting,
    ratio_table,
    remarks,
    settings,
    step_table,
)
from peers import NETWORK_PEERS
from peers.fastconv import COMPILED
from peers.network import NAMES, known_network, note, reason
from peers.peer import Peer

import fastconv as fc
from fastconv.benchmark.machine import current_machine

HERE = Path(__file__).resolve().parent
EXPLANATION = (
    "ms: median (minimum) of fastconv. Ratios: time of the other over fastconv's, medians over the rounds of "
    "one run; above 1 fastconv is faster. of peak: arithmetic of direct convolutions, of which Winograd's "
    "algorithm needs less.\n"
)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8], help="images a call (default: 1 8)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of everybody (default: 1 2)")
    parser.add_argument("--seconds", type=float, default=10.0, help="budget a race (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=50, help="most rounds a race (default: %(default)s)")
    parser.add_argument("--cpu-time", action="store_true", help="time the CPU: one thread, a busy machine")
    parser.add_argument("--peers", default="", metavar="TEXT", help="only peers whose name contains the text")
    parser.add_argument("--footprint", action="store_true", help="measure import, loading, memory instead")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="results to begin with, and to add to")
    parser.add_argument("--files", type=Path, metavar="FOLDER", help="keep the files of the networks here")
    parser.add_argument("--no-run", action="store_true", help="measure nothing, print what was kept")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios as well")
    args = parser.parse_args(arguments)
    args.names = args.names or list(NAMES)
    if args.cpu_time and args.threads != [1]:
        parser.error(
            "--cpu-time needs --threads 1: a thread that waits for another takes time of the CPU too"
        )
    if unknown := [name for name in args.names if name not in NAMES]:
        parser.error(f"unknown networks: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return args


@dataclass
class Kept:
    """All that was measured, by what it is of; a new measurement replaces an old one."""

    races: dict[Setting, NetworkResult] = field(default_factory=dict)
    footprints: dict[tuple[str, str], Footprint] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path | None) -> Kept:
        """Read a file, if it is there."""
        kept = cls()
        if file is not None and file.exists():
            content = json.loads(file.read_text())
            for one in map(NetworkResult.from_json, content["races"]):
                kept.races[one.setting] = one
            for footprint in (Footprint(**one) for one in content["footprints"]):
                kept.footprints[footprint.network, footprint.package] = footprint
            kept.failures = content["failures"]
        return kept

    def write(self, file: Path | None) -> None:
        """Write a file, if one is wanted."""
        if file is not None:
            races = [one.to_json() for one in self.races.values()]
            footprints = [asdict(one) for one in self.footprints.values()]
            file.write_text(json.dumps({"races": races, "footprints": footprints, "failures": self.failures}))


def chosen_peers(part: str) -> list[Peer]:
    """Return the installed peers whose name contains a text."""
    return [peer for peer in NETWORK_PEERS if part in peer.name and peer.installed]


def convert(name: str, peers: Sequence[Peer], folder: Path) -> dict[str, str]:
    """Write all files of a network, unless a conversion has done so before; return who failed, and why."""
    network = known_network(name, folder)
    network.write()
    failures: dict[str, str] = {}
    done: dict[Any, str] = {}
    for peer in peers:
        if peer.convert is None or (mark := network.file(f"{peer.convert.__module__}.done")).exists():
            continue
        if peer.convert not in done:
            note(f"  {peer.name}: convert")
            try:
                peer.convert(network)
                mark.touch()
                continue
            except Exception as error:
                done[peer.convert] = reason(error)
        failures[peer.name] = done[peer.convert]
    return failures


def in_process(program: str, *arguments: str, threads: int) -> dict[str, Any]:
    """Run a file beside this one with a number of threads for everybody; return what it prints last."""
    variables = {name: str(threads) for name in (*BLAS_VARIABLES, "OMP_NUM_THREADS")}
    # What is imported here is what is measured, installed or not.
    folders = [str(Path(fc.__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    run = subprocess.run(
        [sys.executable, str(HERE / program), *arguments],
        env={**with_bytecode(), **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    if run.returncode:
        raise RuntimeError(f"{program} ended with {run.returncode}")
    content: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return content


def measure_races(args: argparse.Namespace, kept: Kept, folder: Path) -> None:
    """Race every network in every setting."""
    peers = chosen_peers(args.peers)
    for name in args.names:
        note(name)
        failures = convert(name, peers, folder)
        able = [peer.name for peer in peers if peer.name not in failures]
        for batch in args.batch:
            for threads in args.threads:
                setting = Setting(name, batch, threads)
                note(f" {setting}")
                task = {**asdict(setting), "folder": str(folder), "peers": able}
                task |= {"rounds": args.rounds, "seconds": args.seconds, "cpu_time": args.cpu_time}
                try:
                    measured = in_process("network_race.py", json.dumps(task), threads=threads)
                except RuntimeError as error:
                    kept.failures[str(setting)] = reason(error)
                    continue
                kept.failures.pop(str(setting), None)
                result = NetworkResult.from_json(measured)
                result.failures.update(failures)
                kept.races[setting] = result
                kept.write(args.keep)


def measure_footprints(args: argparse.Namespace, kept: Kept, folder: Path) -> None:
    """Load every network into every package, each in a new process."""
    peers, threads = chosen_peers(args.peers), max(args.threads)
    for name in args.names:
        note(name)
        failures = convert(name, peers, folder)
        for peer in (COMPILED, *peers):
            label = f"{name}, loaded into {peer.name}"
            task = {"package": peer.name, "network": name, "folder": str(folder)}
            task |= {"batch": 1, "threads": threads, "cpu_time": args.cpu_time}
            try:
                if peer.name in failures:
                    raise RuntimeError(failures[peer.name])
                measured = in_process(
                    "network_footprint.py", peer.modules[0], json.dumps(task), threads=threads
                )
            except RuntimeError as error:
                kept.failures[label] = reason(error)
                continue
            kept.failures.pop(label, None)
            kept.footprints[name, peer.name] = Footprint(**measured)
            kept.write(args.keep)


def show(kept: Kept) -> None:
    """Print all tables that there are results for."""
    results = list(kept.races.values())
    for batch, threads in settings(results):
        with fc.config(num_threads=threads):
            title = f"fastconv {fc.__version__}, float32, {current_machine()}"
        print(f"\n### Networks, batch {batch}, threads {threads}: {title}\n\n{EXPLANATION}")
        chosen = of_setting(results, batch, threads)
        if by_cpu := [one.setting.name for one in chosen if one.cpu_time]:
            print(f"Time of the CPU, on a busy machine: {', '.join(by_cpu)}.\n")
        print(ratio_table(chosen))
    if results:
        print(f"\n### Steps\n\n{step_table(results)}\n")
    for title, table in footprint_tables(list(kept.footprints.values())).items() if kept.footprints else ():
        print(f"\n### {title}\n\n{table}")
    print()
    for line in [*remarks(results), *(f"{what}: {why}" for what, why in kept.failures.items())]:
        print(f"- {line}")


@contextmanager
def folder_of(args: argparse.Namespace) -> Iterator[Path]:
    """Return the folder for the files of the networks, by default one for this run."""
    if args.files is not None:
        yield args.files
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> int:
    """Measure what is asked for, and print all that is known."""
    args = parse()
    kept = Kept.read(args.keep)
    if not args.no_run:
        with folder_of(args) as folder:
            (measure_footprints if args.footprint else measure_races)(args, kept, folder)
    kept.write(args.keep)
    show(kept)
    if args.plot:
        from network_plot import save_ratios

        save_ratios(args.plot, list(kept.races.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
