"""Work in a forked child."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

HANG = 60  # seconds after which a child counts as hanging

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
quiet = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def exit_status_of_child(work: Callable[[], bool]) -> int | None:
    """Fork, run ``work`` in the child, return 0 if it was true; None if the child hangs."""
    child = os.fork()
    if child == 0:
        status = 2
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    deadline = time.monotonic() + HANG
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
