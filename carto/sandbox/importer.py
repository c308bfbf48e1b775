"""Turns a file, a query or a remote table into tables of an account.

This is the server's side: the work itself is done in a process of its own (`carto.sandbox.importing`), so that a
broken file, a hanging host or a huge spreadsheet reaches neither the server nor other imports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carto.sandbox.accounts import Account
from carto.sandbox.import_errors import ImportFailed
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
]

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
    """A query in the account's own database, run as its owner."""

    sql: str


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
        content_guessing: Taken, and without effect.
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
    rolls it back.

    Args:
        state: What all endpoints share.
        account: Whose tables they become.
        source: Where the rows come from.
        options: How they become tables.
        on_state: Called with each state that is reached.

    Raises:
        ImportFailed: There is a code for what went wrong.
    """
    raise NotImplementedError


async def download(
    account: Account, url: str, directory: Path, etag: str | None = None, modified_at: str | None = None
) -> Download | None:
    """Fetch a URL into a directory.

    Args:
        account: Who asks; only loopback hosts are reached unless the account's option ``remote_imports`` is set.
        url: An http, https or ftp URL.
        directory: An existing directory.
        etag: ETag of an earlier download.
        modified_at: Last-Modified of an earlier download.

    Returns:
        What was fetched; None when the server says that it has not changed since.

    Raises:
        ImportFailed: 1001, 1020, 1100-1103, 6666.
    """
    raise NotImplementedError
