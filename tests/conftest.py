"""Fixtures: every instruction set, thread counts, types, seeded random numbers, fresh interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calls import ISAS
from hypothesis import settings

import fastconv as fc

settings.register_profile("default", deadline=None, max_examples=60)
settings.register_profile("ci", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs under every instruction set as it is."""
    for item in items:
        if isinstance(item, pytest.Function) and "isa" in item.fixturenames:
            item.add_marker("every_isa")


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test once under every instruction set."""
    with fc.config(isa=request.param):
        yield request.param


@pytest.fixture(params=[1, 2, 3], ids="{}_threads".format)
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Run the test with one, two and three threads; three does not divide most loops."""
    with fc.config(num_threads=request.param):
        yield request.param


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> Any:
    """Run the test in both native types."""
    return request.param


@pytest.fixture
def rng() -> np.random.Generator:
    """The same random numbers in every run."""
    return np.random.default_rng(20240229)


@pytest.fixture
def fresh_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a new interpreter that imports the same package; the timeout only guards against a hang."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        package = Path(fc.__file__).parent.parent
        path = os.pathsep.join([str(package), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, "PYTHONPATH": path, **environment}
        command = [sys.executable, "-X", "faulthandler", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)

    return run
