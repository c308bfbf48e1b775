"""A local CARTO: the same HTTP APIs on a real PostgreSQL with PostGIS, without any account.

In a test, a script or a notebook::

    from carto.sandbox import Sandbox

    with Sandbox() as carto:
        print(carto.base_url, carto.api_key)

or ``carto = Sandbox().start()`` and, later, ``carto.stop()``. From a shell: ``python -m carto.sandbox``.

This module only starts and stops the server, which runs in a process of its own (`carto.sandbox.supervisor`)
and is tied to this one by a pipe: however this process ends, the server, its PostgreSQL and its temporary
files go with it. Needs the extra: ``pip install '.[sandbox]'`` from a clone, and PostgreSQL with PostGIS.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

__all__ = ["Sandbox", "SandboxAccount", "SandboxError", "SandboxRequirementError"]

STOP_TIMEOUT_S = 30.0
LOG_TAIL_BYTES = 4000
START_SUPERVISOR = "import sys; sys.path[:] = sys.argv[1:]; from carto.sandbox.supervisor import main; sys.exit(main())"
"""The child imports what this process would, wherever that comes from."""


class SandboxError(Exception):
    """The sandbox could not be started, or is not running."""


class SandboxRequirementError(SandboxError):
    """Something that the sandbox needs is not installed; the message says what to install."""


@dataclass(frozen=True)
class SandboxAccount:
    """One account that the sandbox serves.

    Attributes:
        name: User name.
        base_url: URL to give to a client.
        api_key: Master key.
        keys: Every API key by its name as they were at the start, the master key's among them.
        organization: Organization that it belongs to; empty when there is none.
    """

    name: str
    base_url: str
    api_key: str = field(repr=False)
    keys: Mapping[str, str] = field(repr=False)
    organization: str = ""


class Sandbox:
    """A CARTO server on this machine, running from `start` to `stop`; also a context manager.

    Several may run at once. A sandbox can be started again after it was stopped.

    Args:
        port: TCP port; 0 takes a free one.
        host: Address to listen on. The default is reached from this machine alone.
        data_dir: Directory that keeps the data from one start to the next; by default everything is
            temporary. One sandbox at a time can use it.
        database_url: An existing PostgreSQL server, used instead of a private one, such as
            ``postgresql://me:secret@host/postgres``. Its role must be a superuser, or what a managed service
            gives instead: it creates roles, databases, PostGIS and event triggers. What is created there (the
            roles and databases ``cartodb_user_*``, the role ``publicuser``, the database ``carto_sandbox``)
            stays when the sandbox stops.
        accounts: Accounts to serve: a JSON file ``{"accounts": [...]}``, or that list itself. The default
            is one account, ``demo``. See `carto.sandbox.accounts` for the fields.
        image_hosts: Hosts besides this machine from which maps may take tiles and images.
        verbose: Write every request and the server's messages to standard error.
        start_timeout: Seconds that starting may take.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        data_dir: str | os.PathLike[str] | None = None,
        database_url: str | None = None,
        accounts: str | os.PathLike[str] | Sequence[Mapping[str, Any]] | None = None,
        image_hosts: Sequence[str] = (),
        verbose: bool = False,
        start_timeout: float = 60.0,
    ) -> None:
        self._options: dict[str, Any] = {
            "port": port,
            "host": host,
            "data_dir": _absolute(data_dir),
            "database_url": database_url,
            "accounts": _absolute(accounts) if isinstance(accounts, (str, os.PathLike)) else accounts,
            "image_hosts": list(image_hosts),
            "verbose": verbose,
        }
        self._start_timeout = start_timeout
        self._process: _ServerProcess | None = None
        self._answer: dict[str, Any] = {}
        self._finalizer: weakref.finalize[..., Sandbox] | None = None

    def start(self) -> Sandbox:
        """Start the server and wait until it answers; nothing happens when it runs already.

        Returns:
            This sandbox.

        Raises:
            SandboxRequirementError: A Python package, PostgreSQL or PostGIS is missing.
            SandboxError: The server did not start; the message holds the end of its log.
        """
        if self.running:
            return self
        if os.name == "nt":
            raise SandboxRequirementError("The sandbox needs Linux or macOS; on Windows, use it inside WSL")
        self.stop()
        process = _ServerProcess(self._options)
        self._finalizer = weakref.finalize(self, process.stop)
        try:
            self._answer = process.wait_until_ready(self._start_timeout)
        except BaseException:
            self.stop()
            raise
        self._process = process
        return self

    def stop(self) -> None:
        """Stop the server and wait until its processes and temporary files are gone."""
        if self._finalizer is not None:
            self._finalizer()
        self._process = None
        self._answer = {}

    def wait(self) -> None:
        """Block until the server ends by itself, which it never does unless it is killed."""
        if self._process is not None:
            self._process.wait_until_gone(None)

    @property
    def running(self) -> bool:
        """Whether the server is up."""
        return self._process is not None and self._process.alive

    @property
    def base_url(self) -> str:
        """URL of the first account, to give to a client."""
        return self._first.base_url

    @property
    def api_key(self) -> str:
        """Master key of the first account."""
        return self._first.api_key

    @property
    def organization(self) -> str:
        """Organization of the first account; empty unless it was described with one."""
        return self._first.organization

    @property
    def admin_url(self) -> str:
        """URL under which delays and faults are asked for (`carto.sandbox.faults`)."""
        return str(self._started["admin_url"])

    @property
    def accounts(self) -> dict[str, SandboxAccount]:
        """All accounts by name."""
        return {entry["name"]: SandboxAccount(**entry) for entry in self._started["accounts"]}

    def account(self, name: str) -> SandboxAccount:
        """Give one account by its name.

        Raises:
            SandboxError: There is no such account.
        """
        try:
            return self.accounts[name]
        except KeyError:
            raise SandboxError(f"No account {name!r} here, only {', '.join(self.accounts)}") from None

    @property
    def _first(self) -> SandboxAccount:
        return SandboxAccount(**self._started["accounts"][0])

    @property
    def _started(self) -> dict[str, Any]:
        if self._process is None:
            raise SandboxError("The sandbox is not running: call start() or use it in a with statement")
        return self._answer

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Sandbox at {self.base_url}>" if self.running else "<Sandbox, stopped>"


class _ServerProcess:
    """The supervisor's process, with the two pipes that tie it to this one.

    The supervisor ends when its standard input does. Its standard output carries one line of JSON and is
    held open by it and by the keeper of its files: the end of that stream means that nothing is left.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._owner = os.getpid()
        self._log: IO[bytes] | None = None if options["verbose"] else tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(  # noqa: S603 -- our own program
            [sys.executable, "-c", START_SUPERVISOR, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        self._input.write(json.dumps(options).encode() + b"\n")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self, timeout: float) -> dict[str, Any]:
        line = self._read_until(b"\n", timeout)
        if line is None:
            raise SandboxError(f"The sandbox was not ready in {timeout:g} s (start_timeout).{self._log_tail()}")
        if not line:
            raise SandboxError(f"The sandbox ended before it was ready.{self._log_tail()}")
        answer: dict[str, Any] = json.loads(line)
        if "missing" in answer:
            raise SandboxRequirementError(answer["missing"])
        if "error" in answer:
            raise SandboxError(answer["error"] + self._log_tail())
        return answer

    def wait_until_gone(self, timeout: float | None) -> bool:
        return self._read_until(None, timeout) is not None

    def stop(self) -> None:
        """Stop by closing the pipe, by force when that takes too long; a forked child only lets go of it."""
        self._input.close()
        if os.getpid() == self._owner:
            if not self.wait_until_gone(STOP_TIMEOUT_S):
                self._process.kill()
                self.wait_until_gone(STOP_TIMEOUT_S)
            self._process.wait()
        self._process.poll()
        self._output.close()
        if self._log is not None:
            self._log.close()

    def _read_until(self, end: bytes | None, timeout: float | None) -> bytes | None:
        """Read up to `end`, or to the end of the stream; None when it did not come in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        received = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            while end is None or not received.endswith(end):
                if not selector.select(None if deadline is None else max(deadline - time.monotonic(), 0)):
                    return None
                chunk = os.read(self._output.fileno(), 65536)
                if not chunk:
                    break
                received += chunk
        return received

    def _log_tail(self) -> str:
        if self._log is None:
            return ""
        size = os.fstat(self._log.fileno()).st_size
        tail = os.pread(self._log.fileno(), LOG_TAIL_BYTES, max(size - LOG_TAIL_BYTES, 0))
        text = tail.decode(errors="replace").strip()
        return f"\nEnd of its log:\n{text}" if text else ""


def _absolute(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(Path(path).expanduser().absolute())
