"""One running sandbox, made from its options: PostgreSQL, the accounts in it, the HTTP server in front."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
import uvicorn

from carto.sandbox import SandboxError
from carto.sandbox.accounts import Account, accounts_of, demo_account, load_accounts
from carto.sandbox.cluster import Cluster
from carto.sandbox.loopback import is_loopback
from carto.sandbox.node_http import NodeHttpProtocol
from carto.sandbox.provisioning import provision_all
from carto.sandbox.run_directory import RunDirectory
from carto.sandbox.server import ServerOptions, create_app

GRACE_PERIOD_S = 1
"""Seconds that running requests get to finish when the server stops."""

MAX_PORT = 65_535

_SECRET_PARAMETERS = ("api_key", "map_key", "auth_token", "auth_token[]")
_PARAMETER = re.compile(r"([^?&=\s]+)=[^&\s\"]*")

Options = Mapping[str, Any]
Report = Callable[[Mapping[str, Any]], None]


def run(options: Options, keep_open: int, report: Report) -> None:
    """Serve a sandbox until this process is told to stop.

    Args:
        options: As given to `carto.sandbox.Sandbox`.
        keep_open: File descriptor that stays open until nothing of the sandbox is left.
        report: Called once, when the server answers, with what a client has to know.

    Raises:
        SandboxError: Something is wrong with the options, or PostgreSQL does not start.
    """
    data_dir = Path(options["data_dir"]) if options["data_dir"] else None
    listener = _listen(options["host"], options["port"])
    accounts = _accounts(options["accounts"], data_dir, is_private=is_loopback(listener.getsockname()[0]))
    with _run_directory(keep_open) as run_directory:
        conninfo = _database(options["database_url"], run_directory, data_dir)
        accounts = _provisioned(conninfo, accounts)
        files = data_dir or run_directory.path
        config = uvicorn.Config(
            create_app(ServerOptions(accounts, conninfo, files, tuple(options["image_hosts"]))),
            http=NodeHttpProtocol,
            log_config=None,
            access_log=options["verbose"],
            timeout_graceful_shutdown=GRACE_PERIOD_S,
        )
        logging.getLogger("uvicorn.access").addFilter(_hide_keys)
        _Server(config, lambda: report(_description(listener, accounts))).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= MAX_PORT:
        raise SandboxError(f"Cannot listen on port {port}: ports go from 1 to {MAX_PORT}, and 0 means any free one")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SandboxError(f"Cannot listen on {host}, port {port}: {error.strerror}") from error


def _accounts(given: str | list[dict[str, Any]] | None, data_dir: Path | None, *, is_private: bool) -> list[Account]:
    if given is None:
        return [demo_account(_kept_key(data_dir) if data_dir else None, has_known_tokens=is_private)]
    try:
        accounts = load_accounts(given) if isinstance(given, str) else accounts_of(given)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SandboxError(f"The accounts cannot be used: {type(error).__name__}: {error}") from error
    if not accounts:
        raise SandboxError("The accounts cannot be used: there is none")
    return accounts


def _kept_key(data_dir: Path) -> str:
    """Give the master key that goes with a data directory, the same at every start."""
    data_dir.mkdir(parents=True, exist_ok=True)
    file = data_dir / "demo_api_key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(demo_account().master_key.token)
    return file.read_text()


@contextlib.contextmanager
def _run_directory(keep_open: int) -> Iterator[RunDirectory]:
    directory = RunDirectory(keep_open)
    try:
        yield directory
    finally:
        directory.remove()


def _database(url: str | None, run_directory: RunDirectory, data_dir: Path | None) -> str:
    """Give the connection string of an administrator, of our own server unless there is a URL."""
    if url:
        run_directory.keep([])
        return url
    cluster = Cluster(run_directory, data_dir)
    cluster.start()
    cluster.wait_until_ready()
    return cluster.conninfo


def _provisioned(conninfo: str, accounts: list[Account]) -> list[Account]:
    try:
        return provision_all(conninfo, accounts)
    except psycopg.Error as error:
        raise SandboxError(f"The accounts' databases cannot be prepared: {error}") from error


def _description(listener: socket.socket, accounts: list[Account]) -> dict[str, Any]:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- this asks nobody to listen there
    root = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return {
        "admin_url": f"{root}/sandbox/",
        "accounts": [
            {
                "name": account.name,
                "base_url": f"{root}/user/{account.name}/",
                "api_key": account.master_key.token,
                "keys": {key.name: key.token for key in account.keys},
                "organization": account.organization or "",
            }
            for account in accounts
        ],
    }


def _hide_keys(record: logging.LogRecord) -> bool:
    """Take the keys out of the URLs of the access log."""
    record.msg = _PARAMETER.sub(_hidden, record.getMessage())
    record.args = ()
    return True


def _hidden(parameter: re.Match[str]) -> str:
    return f"{parameter[1]}=..." if unquote(parameter[1]).lower() in _SECRET_PARAMETERS else parameter[0]


class _Server(uvicorn.Server):
    """uvicorn's server, telling when it answers."""

    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_ready()
