"""Turns a file, a query or a remote table into tables of an account.

This is the server's side: the work itself is done in a process of its own (`carto.sandbox.importing`), so that a
broken file, a hanging host or a huge spreadsheet reaches neither the server nor other imports.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from carto.sandbox import connectors
from carto.sandbox.accounts import Account
from carto.sandbox.import_errors import UNKNOWN, ImportFailed
from carto.sandbox.state import ServerState

__all__ = [
    "ConnectorSource",
    "Download",
    "FileSource",
    "ImportFailed",
    "ImportOptions",
    "ImportResult",
    "ImportedTable",
    "QuerySource",
    "Source",
    "download",
    "import_source",
    "imports_directory",
    "uncancelled",
]

_START_WORKER = (
    "import sys; sys.path[:] = sys.argv[1:]; from carto.sandbox.importing.worker import main; sys.exit(main())"
)
_LONGEST_MESSAGE = 1 << 26  # the map of a .carto file is one line

OnState = Callable[[str], None]
"""Called with each state that an import reaches: unpacking, importing, guessing."""


@dataclass(frozen=True)
class FileSource:
    """A file on disk; the caller removes it.

    Attributes:
        path: Where it is.
        filename: What the user calls it: the extension tells the format, the rest names the table.
    """

    path: Path
    filename: str


@dataclass(frozen=True)
class QuerySource:
    """A query in the account's own database, run as its owner.

    Attributes:
        sql: One statement that gives rows.
        name: Name of the table, unless the options say otherwise.
    """

    sql: str
    name: str = "untitled_table"


@dataclass(frozen=True)
class ConnectorSource:
    """A table or query in another database, as in the ``connector`` object of the Import API."""

    connector: dict[str, Any]


Source = FileSource | QuerySource | ConnectorSource


@dataclass(frozen=True)
class ImportOptions:
    """How a source becomes tables.

    Attributes:
        table_name: Wanted name; None takes that of the file or its layers. It is normalised and, unless the
            strategy says otherwise, made unique.
        collision_strategy: None gives a taken name a number, ``skip`` leaves the layer out, ``overwrite`` replaces the
            rows of the table of that name, whose columns have to be among the new ones (2012).
        replaces: Exact name of an existing table whose contents the source's first layer becomes, with its new
            columns; oid, grants and triggers stay. For synchronizations; wins over the two above.
        type_guessing: Whether columns of text become numbers, dates and booleans where all values are.
        quoted_fields_guessing: Whether that includes values in quotes.
        content_guessing: Whether rows of a file without geometries get the shapes of the countries that they name.
    """

    table_name: str | None = None
    collision_strategy: str | None = None
    replaces: str | None = None
    type_guessing: bool = True
    quoted_fields_guessing: bool = True
    content_guessing: bool = False


@dataclass(frozen=True)
class ImportedTable:
    """A table as it stands in the database now.

    Attributes:
        name: Its name in the schema public.
        oid: PostgreSQL's id of it.
        layer: What the source calls it.
        created: False when an existing table got new contents.
    """

    name: str
    oid: int
    layer: str
    created: bool


@dataclass(frozen=True)
class ImportResult:
    """What an import made.

    Attributes:
        tables: Its tables, in the order of the source; empty when all were skipped.
        warnings: Keys of the Import API such as ``rejected_layers``; empty when there are none.
        map: Contents of ``export.json`` when the source was a .carto file: a zip of that and, for each table,
            a GeoPackage ``NAME.gpkg`` with one layer ``NAME``.
    """

    tables: list[ImportedTable]
    warnings: dict[str, Any] = field(default_factory=dict)
    map: dict[str, Any] | None = None


@dataclass(frozen=True)
class Download:
    """A file fetched from a URL.

    Attributes:
        path: Where it was put.
        filename: Its name according to the server's headers, else the URL.
        etag: The ETag header, if any.
        modified_at: The Last-Modified header as it came, if any.
        checksum: SHA-256 of the contents, in hexadecimal.
    """

    path: Path
    filename: str
    etag: str | None
    modified_at: str | None
    checksum: str


async def import_source(
    state: ServerState,
    account: Account,
    source: Source,
    options: ImportOptions,
    on_state: OnState = lambda _state: None,
) -> ImportResult:
    """Make tables of a source, all or none: geometries in EPSG:4326, cartodbfied, owned by the account.

    Grants and the records of visualizations are the caller's business. Cancelling the task ends the import and
    rolls it back, unless it is being committed already.

    Args:
        state: What all endpoints share.
        account: Whose tables they become.
        source: Where the rows come from.
        options: How they become tables.
        on_state: Called with each state that is reached.

    Raises:
        ImportFailed: There is a code for what went wrong.
    """
    with tempfile.TemporaryDirectory(prefix="unpacked-", dir=imports_directory(state)) as directory:
        task = {
            "do": "load",
            "conninfo": account.conninfo(account.master_key, state.cluster_conninfo),
            "source": _described(source),
            "options": asdict(options),
            "limits": asdict(account.import_limits),
            "directory": directory,
            "timeout_ms": account.batch_timeout_ms,
        }
        result = await _work(task, on_state)
    tables = [ImportedTable(**table) for table in result["tables"]]
    return ImportResult(tables, result["warnings"], result["map"])


async def download(
    account: Account, url: str, directory: Path, etag: str | None = None, modified_at: str | None = None
) -> Download | None:
    """Fetch a URL into a directory.

    Args:
        account: Who asks; hosts other than this machine are reached only if its import limits say so.
        url: An http, https or ftp URL.
        directory: An existing directory.
        etag: ETag of an earlier download.
        modified_at: Last-Modified of an earlier download.

    Returns:
        What was fetched; None when the server says that it has not changed since.

    Raises:
        ImportFailed: 1001, 1020, 1100-1103, 6666.
    """
    target = directory / f"download-{secrets.token_hex(8)}"
    wanted = {
        "url": url,
        "remote_hosts": account.import_limits.remote_hosts,
        "max_bytes": account.import_limits.file_bytes,
        "etag": etag,
        "modified_at": modified_at,
    }
    answer = await _work({"do": "fetch", "wanted": wanted, "target": str(target)}, lambda _state: None)
    return None if answer is None else Download(path=target, **answer)


def imports_directory(state: ServerState) -> Path:
    """Return the directory for files on their way into the database."""
    directory = state.options.data_dir / "imports"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def _described(source: Source) -> dict[str, Any]:
    """Write a source for the process that reads it."""
    if isinstance(source, FileSource):
        return {"path": str(source.path.absolute()), "filename": source.filename}
    if isinstance(source, QuerySource):
        return {"query": source.sql, "name": source.name}
    return connectors.source_of(source.connector)


async def _work(task: dict[str, Any], on_state: OnState) -> Any:
    """Have a process do a task and return its result; it is killed when this is cancelled.

    Raises:
        ImportFailed: The process said so, or ended without a word.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _START_WORKER, *sys.path, stdin=PIPE, stdout=PIPE, limit=_LONGEST_MESSAGE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(task).encode() + b"\n")
    try:
        return await _answer_of(process.stdout, on_state)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        process.stdin.close()


async def _answer_of(messages: asyncio.StreamReader, on_state: OnState) -> Any:
    async for line in messages:
        message = json.loads(line)
        if message.get("committing"):
            return await uncancelled(_answer_of(messages, on_state))
        if "state" in message:
            on_state(message["state"])
        elif "failed" in message:
            raise ImportFailed(message["failed"], message["detail"], message["http_status"])
        else:
            return message["result"]
    raise ImportFailed(UNKNOWN, "the process of the import ended without an answer")


async def uncancelled(work: Coroutine[Any, Any, Any]) -> Any:
    """Wait for what can't be undone any more, even when told to stop."""
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        return await working
