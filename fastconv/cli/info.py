"""``python -m fastconv info``: what a bug report needs."""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

import numpy as np

import fastconv as fc


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no options."""


def run(args: argparse.Namespace) -> int:
    """Print the configuration and the versions around it."""
    fc.show_config()
    print(f"installed in:               {Path(fc.__file__).parent}")
    print(f"Python:                     {platform.python_implementation()} {platform.python_version()}")
    print(f"NumPy:                      {np.__version__}")
    print(f"platform:                   {platform.platform()}")
    return 0
