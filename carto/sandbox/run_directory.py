"""A temporary directory and what runs in it, removed together however this process ends."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from carto.sandbox.server_account import give_to_server_account, popen_arguments, server_may_enter

SOCKET_PATH_LIMIT = 100
"""Bytes that the path of a Unix socket may take: 104 on macOS, 108 on Linux, with the final zero."""


class RunDirectory:
    """A temporary directory and what runs in it, both removed when this process ends, however it does.

    Args:
        keep_open: File descriptor of a pipe that stays open until all is removed.
    """

    def __init__(self, keep_open: int) -> None:
        self.path = Path(_temporary_directory(), f"carto-sandbox-{secrets.token_hex(4)}")
        self._keep_open = keep_open
        self._keeper: subprocess.Popen[bytes] | None = None

    def keep(
        self, commands: list[list[str]], pass_fds: tuple[int, ...] = (), stop: int = signal.SIGQUIT
    ) -> None:
        """Make the directory and start its keeper, which runs the commands and removes everything at the end.

        Args:
            commands: Run one after the other; the last one is a server.
            pass_fds: File descriptors that they inherit.
            stop: Signal that ends them.
        """
        plan = {
            "directory": os.fspath(self.path),
            "commands": commands,
            "run_as": popen_arguments(),
            "pass_fds": pass_fds,
            "stop_signal": stop,
        }
        self.path.mkdir(mode=0o700)
        give_to_server_account(self.path)
        self._keeper = subprocess.Popen(  # noqa: S603 -- our own script
            [sys.executable, "-I", "-S", os.fspath(Path(__file__).with_name("keeper.py")), json.dumps(plan)],
            stdin=subprocess.PIPE,
            stdout=self._keep_open,
            env=_clean_environment(),
            pass_fds=pass_fds,
            start_new_session=True,
        )

    @property
    def kept(self) -> bool:
        """Whether the keeper, and with it the server, is still there."""
        return self._keeper is not None and self._keeper.poll() is None

    def remove(self) -> None:
        """Stop what runs and delete the directory."""
        if self._keeper is not None:
            self._keeper.communicate()


def _temporary_directory() -> str:
    """Give a directory in which sockets have short enough names, and which the server may enter."""
    preferred = tempfile.gettempdir()
    socket = os.path.join(preferred, "carto-sandbox-12345678", ".s.PGSQL.5432.lock")
    usable = len(os.fsencode(socket)) < SOCKET_PATH_LIMIT and server_may_enter(Path(preferred))
    return preferred if usable else "/tmp"  # noqa: S108 -- the name in it cannot be guessed


def _clean_environment() -> dict[str, str]:
    """Give our environment without the settings by which PostgreSQL's programs are led elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
