"""The processes of the sandboxes that a test has started, read from /proc, and waiting for what they do."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

reads_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are read from /proc")


def servers() -> set[int]:
    """Find the servers that this process started."""
    return children({os.getpid()}, b"carto.sandbox.supervisor")


def children(parents: set[int], mark: bytes) -> set[int]:
    """Find processes by their parents and a part of their commands."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat, command = (process / "stat").read_text(), (process / "cmdline").read_bytes()
            if int(stat.rpartition(")")[2].split()[1]) in parents and mark in command:
                found.add(int(process.name))
    return found


def peak_of_servers() -> int:
    """Return the bytes that the servers of this process have used at most."""
    statuses = [Path(f"/proc/{server}/status").read_text() for server in servers()]
    return sum(int(status.partition("VmHWM:")[2].split()[0]) * 1024 for status in statuses)


def wait_until(is_reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)
