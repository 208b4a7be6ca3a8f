"""Options and fixtures of the pytest-benchmark suites."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from peers import peers_ready
from suite import Suite

import fastconv as fc


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare how long and with what the suites run."""
    group = parser.getgroup("fastconv benchmarks")
    group.addoption("--layer-seconds", type=float, default=0.1, help="time for each contender of a layer")
    group.addoption("--threads", type=int, default=fc.get_num_threads(), help="threads of all contenders")
    group.addoption("--isa", default=None, help="instruction set of fastconv")


@pytest.fixture(scope="session", autouse=True)
def settings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run everything with the chosen threads and instruction set."""
    threads = request.config.getoption("--threads")
    with fc.config(num_threads=threads, isa=request.config.getoption("--isa")), peers_ready(threads):
        yield


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest) -> Suite:
    """The one that all tests share, so that consecutive tests of a layer share its arrays."""
    return Suite(request.config.getoption("--layer-seconds"), request.config.getoption("--threads"))
