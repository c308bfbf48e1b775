"""A private PostgreSQL cluster: find the programs, prepare its directories, start it, wait until it answers."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import locale
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from carto.sandbox import SandboxError, SandboxRequirementError

BIN_VARIABLE = "CARTO_SANDBOX_POSTGRES_BIN"
"""Environment variable naming the directory of initdb and postgres, where they are in an unusual place."""

BIN_PATTERNS = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat and its kin, with the packages of postgresql.org
    "/usr/lib/postgresql*/bin",  # SUSE
    "/usr/libexec/postgresql*",  # Alpine
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin",
)
UNPRIVILEGED_USERS = ("postgres", "nobody")
SUPERUSER = "postgres"
SOCKET_PATH_LIMIT = 100
"""Bytes that the path of a Unix socket may take: 104 on macOS, 108 on Linux, with the final zero."""
READY_TIMEOUT_S = 60.0
LOCK_TIMEOUT_S = 5.0

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "jit": "off",
}
TEMPORARY_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Programs:
    """One installed PostgreSQL.

    Attributes:
        directory: Where initdb and postgres are.
        version: Version, such as (15, 18).
        has_postgis: Whether PostGIS is installed for it.
    """

    directory: Path
    version: tuple[int, ...]
    has_postgis: bool


def find_programs(major: int | None = None) -> Programs:
    """Find the newest installed PostgreSQL that has PostGIS.

    Args:
        major: Major version that the data directory needs; None for any.

    Raises:
        SandboxRequirementError: There is none; the message says what to install.
    """
    found = [programs for programs in map(_inspect, _directories()) if programs]
    usable = [each for each in found if each.has_postgis and major in (None, each.version[0])]
    if not usable:
        raise SandboxRequirementError(_what_to_install(found, major))
    return max(usable, key=lambda each: each.version)


def _directories() -> Iterator[Path]:
    if os.environ.get(BIN_VARIABLE):
        yield Path(os.environ[BIN_VARIABLE])
        return
    for pattern in BIN_PATTERNS:
        yield from map(Path, glob.glob(pattern))
    yield Path(sys.prefix, "bin")  # conda
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent


def _inspect(directory: Path) -> Programs | None:
    initdb = directory / "initdb"
    if not (initdb.exists() and (directory / "postgres").exists()):
        return None
    # `initdb --show` knows where the extensions are, also where pg_config was not installed.
    shown = subprocess.run(
        [initdb, "--show", "--pgdata=/nonexistent"], capture_output=True, text=True, check=False, **_as_account()
    )
    values = dict(re.findall(r"^(\w+)=(.*)$", shown.stdout + shown.stderr, re.MULTILINE))
    version = re.match(r"[\d.]+", values.get("VERSION", ""))
    if version is None:
        return None
    control = Path(values["share_path"], "extension", "postgis.control")
    return Programs(directory, tuple(map(int, version[0].strip(".").split("."))), control.exists())


def _what_to_install(found: Iterable[Programs], major: int | None) -> str:
    seen = ", ".join(f"{'.'.join(map(str, each.version))} in {each.directory}" for each in found)
    version = str(major or "")
    if major is not None:
        missing = f"The data directory was made by PostgreSQL {major}, which is not installed with PostGIS"
    elif seen:
        missing, version = "PostGIS is not installed", str(max(each.version for each in found)[0])
    else:
        missing = "PostgreSQL is not installed"
    debian = f"postgresql-{version} postgresql-{version}-postgis-3" if version else "postgresql postgresql-postgis"
    return (
        f"{missing} (found: PostgreSQL {seen or 'none'}). The sandbox needs PostgreSQL with PostGIS. Install them:\n"
        f"  Debian, Ubuntu:  sudo apt-get install {debian}\n"
        f"  macOS:           brew install postgis\n"
        f"Installed in an unusual place? Set {BIN_VARIABLE} to the directory of initdb and postgres. Or use a "
        f"server that you have: --database-url."
    )


def _server_account() -> tuple[int, int] | None:
    """Give the user and group to run PostgreSQL as, which refuses root; None to stay the caller."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise SandboxError(f"PostgreSQL refuses to run as root, and there is no user {' or '.join(UNPRIVILEGED_USERS)}")


def _as_account() -> dict[str, Any]:
    account = _server_account()
    return {"user": account[0], "group": account[1], "extra_groups": []} if account else {}


class RunDirectory:
    """A temporary directory and what runs in it, both removed when this process ends, however it does.

    Args:
        keep_open: File descriptor of a pipe that stays open until all is removed.
    """

    def __init__(self, keep_open: int) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="carto-sandbox-", dir=_short_temporary_directory()))
        self._keep_open = keep_open
        self._keeper: subprocess.Popen[bytes] | None = None

    def keep(self, commands: list[list[str]], pass_fds: tuple[int, ...] = (), stop: int = signal.SIGQUIT) -> None:
        """Start the keeper: it runs the commands and removes everything at the end.

        Args:
            commands: Run one after the other; the last one is a server.
            pass_fds: File descriptors that they inherit.
            stop: Signal that ends them.
        """
        account = _server_account()
        if account:
            os.chown(self.path, *account)
        plan = {
            "directory": os.fspath(self.path),
            "commands": commands,
            "account": account,
            "pass_fds": pass_fds,
            "stop_signal": stop,
        }
        self._keeper = subprocess.Popen(
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
        if self._keeper is None:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self._keeper.communicate()


def _short_temporary_directory() -> str:
    """Give a temporary directory whose sockets have short enough names, and which the server can enter."""
    preferred = tempfile.gettempdir()
    socket_name = os.path.join(preferred, "carto-sandbox-12345678", ".s.PGSQL.5432.lock")
    return preferred if len(socket_name) < SOCKET_PATH_LIMIT and _can_enter(Path(preferred)) else "/tmp"  # noqa: S108


def _can_enter(directory: Path) -> bool:
    """Tell whether the server's user may pass through this directory and those above it."""
    if _server_account() is None:
        return True
    return all(each.stat().st_mode & 0o001 for each in (directory, *directory.parents))


def _clean_environment() -> dict[str, str]:
    """Give our environment without the settings by which PostgreSQL's programs are led elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}


class Cluster:
    """A PostgreSQL server of our own, reached through a Unix socket in the run directory.

    Args:
        run_directory: Directory for the socket, and for the data when they are temporary.
        data_dir: Directory that keeps the data; None for temporary data.
    """

    def __init__(self, run_directory: RunDirectory, data_dir: Path | None) -> None:
        self._run_directory = run_directory
        self._kept = data_dir is not None
        self._home = data_dir or run_directory.path
        self._data = self._home / "postgresql"

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

        Raises:
            SandboxError: The server ended, or took too long.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            if not self._run_directory.kept:
                raise SandboxError("PostgreSQL could not be started")
            with contextlib.suppress(psycopg.OperationalError), self._connect() as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
                return
            if time.monotonic() > deadline:
                raise SandboxError(f"PostgreSQL did not answer within {READY_TIMEOUT_S:g} s")
            time.sleep(0.02)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.conninfo, dbname="template1", autocommit=True)

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
                    raise SandboxError(f"The data directory {self._home} is in use by another sandbox") from None
                time.sleep(0.1)
        # Nothing runs here, whatever a crash left behind: its process id may belong to somebody else by now.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        return descriptor

    def _prepare_home(self) -> None:
        try:
            self._home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SandboxError(f"The data directory {self._home} cannot be made: {error.strerror}") from error
        account = _server_account()
        if account is None:
            return
        if not _can_enter(self._home.parent):
            user = pwd.getpwuid(account[0]).pw_name
            raise SandboxError(f"The data directory {self._home} is in a place that the user {user} may not enter")
        os.chown(self._home, *account)

    def _creation_commands(self, programs: Programs) -> list[list[str]]:
        unfinished = self._home / "postgresql.new"
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
    """Give a locale in which PostgreSQL knows the letters of all languages (upper, ILIKE), where there is one."""
    for name in ("C.UTF-8", "en_US.UTF-8"):
        with contextlib.suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, name)
            return name
    return "C"
