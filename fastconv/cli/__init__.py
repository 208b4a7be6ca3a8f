"""The command line: one module a command, with ``add_arguments(parser)`` and ``run(args) -> exit code``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "info": "print versions, instruction sets and threads",
    "selftest": "check this installation against NumPy in float64",
    "bench": "time layers of known networks against NumPy",
    "demo": "convolve, normalise and pool two photographs, and save the pictures",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of those of the process.

    Returns
    -------
    int
        Exit code: 0 if all went well.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser("python -m fastconv", description="Fast convolution on NumPy arrays.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        # Only the chosen command is imported: another one may need an extra that is not installed.
        if given[:1] == [name]:
            module = importlib.import_module(f"fastconv.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    args = parser.parse_args(given)
    code: int = args.run(args)
    return code
