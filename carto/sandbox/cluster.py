"""A private PostgreSQL cluster: prepare its directories, start it, wait until it answers."""

from __future__ import annotations

import contextlib
import fcntl
import locale
import os
import shutil
import signal
import time
from pathlib import Path

import psycopg

from carto.sandbox import SandboxError
from carto.sandbox.extension import create_postgis
from carto.sandbox.postgres_programs import Programs, find_programs
from carto.sandbox.run_directory import RunDirectory
from carto.sandbox.server_account import give_to_server_account, server_account, server_may_enter

SUPERUSER = "postgres"
LOCK_TIMEOUT_S = 3.0

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_min_messages": "log",  # the errors of statements go to their callers
    "log_checkpoints": "off",
    "jit": "off",
}
TEMPORARY_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Cluster:
    """A PostgreSQL server of our own, reached through a Unix socket in the run directory.

    Args:
        run_directory: Directory for the socket, and for the data when they are temporary.
        data_dir: Directory that keeps the data; None for temporary data.
    """

    def __init__(self, run_directory: RunDirectory, data_dir: Path | None) -> None:
        self._run_directory = run_directory
        self._kept = data_dir is not None
        # A directory of its own, since PostgreSQL's account becomes its owner when we are root.
        self._home = (data_dir or run_directory.path) / "cluster"
        self._data = self._home / "data"

    @property
    def conninfo(self) -> str:
        """Connection string of the superuser."""
        return f"host={self._run_directory.path} user={SUPERUSER} dbname=postgres"

    def start(self) -> None:
        """Start PostgreSQL, making its data directory first where there is none; does not wait.

        Raises:
            SandboxRequirementError: PostgreSQL or PostGIS is not installed.
            SandboxError: The data directory is in use or cannot be used.
        """
        programs = find_programs(self._major_version())
        pass_fds = (self._lock(),) if self._kept else ()
        commands = [self._server_command(programs)]
        if not self._data.exists():
            commands = [*self._creation_commands(programs), *commands]
        # A fast shutdown writes everything down, an immediate one does not care.
        self._run_directory.keep(commands, pass_fds, signal.SIGINT if self._kept else signal.SIGQUIT)
        for descriptor in pass_fds:
            os.close(descriptor)

    def wait_until_ready(self) -> None:
        """Wait until the server answers and PostGIS is in the template of new databases.

        There is no deadline here: whoever started this process has one for everything together.

        Raises:
            SandboxError: The server ended, or PostGIS cannot be used.
        """
        with self._connect_when_ready() as connection:
            try:
                create_postgis(connection)
            except psycopg.Error as error:
                raise SandboxError(f"PostGIS cannot be used: {error}") from error

    def _connect_when_ready(self) -> psycopg.Connection:
        while self._run_directory.kept:
            with contextlib.suppress(psycopg.OperationalError):
                return psycopg.connect(self.conninfo, dbname="template1", autocommit=True)
            time.sleep(0.02)
        raise SandboxError("PostgreSQL could not be started.")

    def _major_version(self) -> int | None:
        version = self._data / "PG_VERSION"
        return int(version.read_text()) if version.exists() else None

    def _lock(self) -> int:
        """Take the data directory's lock, which PostgreSQL inherits and so holds for as long as it runs."""
        self._prepare_home()
        descriptor = os.open(self._home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise SandboxError(f"Another sandbox is using {self._home.parent}") from None
                time.sleep(0.1)
        # Nothing runs here, whatever a crash left behind: its process id may belong to somebody else by now.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        return descriptor

    def _prepare_home(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        account = server_account()
        if account and not server_may_enter(self._home.parent):
            raise SandboxError(
                f"PostgreSQL runs as the user {account.pw_name}, who may not enter {self._home.parent}: "
                "choose another data directory, or run the sandbox as an ordinary user"
            )
        give_to_server_account(self._home)

    def _creation_commands(self, programs: Programs) -> list[list[str]]:
        unfinished = self._home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        initdb = [
            os.fspath(programs.directory / "initdb"),
            f"--pgdata={unfinished}",
            f"--username={SUPERUSER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            f"--lc-ctype={_character_type()}",
            "--no-instructions",
            *([] if self._kept else ["--no-sync"]),
        ]
        return [initdb, ["mv", os.fspath(unfinished), os.fspath(self._data)]]

    def _server_command(self, programs: Programs) -> list[str]:
        settings = {**SETTINGS, "unix_socket_directories": os.fspath(self._run_directory.path)}
        if not self._kept:
            settings |= TEMPORARY_SETTINGS
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [os.fspath(programs.directory / "postgres"), "-D", os.fspath(self._data), *options]


def _character_type() -> str:
    """Give a locale in which PostgreSQL knows the letters of all languages, for upper and ILIKE."""
    for name in ("C.UTF-8", "en_US.UTF-8"):
        with contextlib.suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, name)
            return name
    return "C"
