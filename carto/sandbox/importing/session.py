"""One import from beginning to end: unpack, read, load, publish, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from carto.sandbox.import_errors import ImportFailed
from carto.sandbox.importing import columns, countries, fetching, layers, loading, publishing
from carto.sandbox.importing.archives import unpack
from carto.sandbox.importing.layers import Layer

MAX_TABLES = 26

Json = dict[str, Any]


class Session:
    """One import.

    Args:
        task: ``conninfo`` of the account's owner, ``source``, ``options``, ``limits``, ``directory`` for unpacked
            files, ``timeout_ms`` for each statement.
        report: Called with what the server should know.
    """

    def __init__(self, task: Json, report: Callable[[Json], None]) -> None:
        self._task = task
        self._source: Json = task["source"]
        self._options: Json = task["options"]
        self._limits: Json = task["limits"]
        self._report = report
        self._tables: list[Json] = []
        self._warnings: Json = {}
        self._map: Json | None = None

    async def run(self) -> Json:
        """Do it; all tables or none are there afterwards.

        Returns:
            ``tables``, ``warnings`` and ``map``.

        Raises:
            ImportFailed: It came to nothing.
        """
        found = self._open_file() if "path" in self._source else []
        with loading.loading_errors(2001):
            connection = await psycopg.AsyncConnection.connect(self._task["conninfo"], client_encoding="utf8")
            async with connection:
                await self._prepare(connection)
                if "path" in self._source:
                    await self._import_layers(connection, found)
                else:
                    await self._import_query(connection)
                self._report({"committing": True})
        return {"tables": self._tables, "warnings": self._warnings, "map": self._map}

    async def _prepare(self, connection: psycopg.AsyncConnection) -> None:
        timeout = sql.Literal(self._task["timeout_ms"] or 0)
        await connection.execute(sql.SQL("SET statement_timeout = {}").format(timeout))
        await connection.execute("SET timezone = 'UTC'; SET client_min_messages = warning")

    def _open_file(self) -> list[Layer]:
        self._report({"state": "unpacking"})
        path, name = Path(self._source["path"]), self._source["filename"]
        if not path.exists():
            raise ImportFailed(1000, f"{name} is gone")
        if path.stat().st_size > self._limits["file_bytes"]:
            raise ImportFailed(6666, f"{name} has {path.stat().st_size} bytes")
        contents = unpack(path, name, Path(self._task["directory"]), self._limits["file_bytes"])
        self._map = contents.map
        self._report({"state": "importing"})
        guessing = {
            "guess_types": self._options["type_guessing"],
            "guess_quoted": self._options["quoted_fields_guessing"],
        }
        found = [layer for file in contents.files for layer in layers.layers_of(file, **guessing)]
        if not found and self._map is None:
            raise ImportFailed(1005, f"there are no rows in {name}")
        if len(found) > MAX_TABLES:
            self._warnings["max_tables_per_import"] = MAX_TABLES
        return found[:MAX_TABLES]

    async def _import_layers(self, connection: psycopg.AsyncConnection, found: list[Layer]) -> None:
        for layer in found[:1] if self._options["replaces"] else found:
            wanted = self._options["table_name"] or layer.name
            if self._options["collision_strategy"] == "skip" and await publishing.exists(connection, wanted):
                continue
            columns.check_headers(layer.columns, self._limits["columns"])
            guess = self._options["type_guessing"] and self._options["quoted_fields_guessing"]
            raw = await loading.load_layer(connection, layer, self._limits["rows"], guess_commas=guess)
            await publishing.check_ids(connection, raw)
            if self._options["content_guessing"]:
                await self._guess_content(connection, raw)
            await self._publish(connection, raw, wanted, layer.name)

    async def _guess_content(self, connection: psycopg.AsyncConnection, raw: str) -> None:
        self._report({"state": "guessing"})
        await countries.locate(connection, raw)
        self._report({"state": "importing"})

    async def _import_query(self, connection: psycopg.AsyncConnection) -> None:
        wanted = self._options["table_name"] or self._source["name"]
        if self._options["collision_strategy"] == "skip" and await publishing.exists(connection, wanted):
            return
        if "conninfo" in self._source:
            self._check_remote_host()
            raw = await loading.load_remote(
                connection, self._source["conninfo"], self._source["query"], self._limits["rows"]
            )
        else:
            raw = await loading.load_query(connection, self._source["query"])
        await self._publish(connection, raw, wanted, self._source["name"])

    def _check_remote_host(self) -> None:
        host = self._source["conninfo"]["host"]
        is_local = host.startswith("/") or fetching.is_loopback(host)  # with a slash it is a Unix socket's directory
        if not self._limits["remote_hosts"] and not is_local:
            raise ImportFailed(1102, f"{host} is another machine, which remote_hosts has to allow")

    async def _publish(self, connection: psycopg.AsyncConnection, raw: str, wanted: str, source_name: str) -> None:
        overwrites = self._options["collision_strategy"] == "overwrite"
        replaces = self._options["replaces"]
        done = await publishing.publish(connection, raw, wanted, overwrites=overwrites, replaces=replaces)
        self._tables.append({"name": done.name, "oid": done.oid, "layer": source_name, "created": done.created})
