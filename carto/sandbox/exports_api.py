"""``/api/v3/visualization_exports``: maps written into .carto files, and ``/uploads/...``, where these are."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from carto.sandbox import carto_file, table_columns, table_names
from carto.sandbox.accounts import Account
from carto.sandbox.errors import ApiError
from carto.sandbox.parameters import js_string
from carto.sandbox.rails_endpoint import RailsCall, RailsError, rails_endpoint, rails_routes
from carto.sandbox.rails_json import rails_json
from carto.sandbox.state import ServerState
from carto.sandbox.visualization_presenter import Json, base_url
from carto.sandbox.visualizations_store import UUID, Catalog, Row, open_catalog

UPLOADS = "/uploads"
MEDIA_TYPE = "application/zip"
TOKEN_BYTES = 16
_TOKEN = re.compile(f"[0-9a-f]{{{2 * TOKEN_BYTES}}}")
_ABANDON = """
UPDATE carto_sandbox.visualization_exports SET state = 'failure', updated_at = now()
WHERE state NOT IN ('complete', 'failure')
"""

logger = logging.getLogger(__name__)


class Exporter:
    """Writes maps into files, each in a task of its own.

    Args:
        state: What all endpoints share.
    """

    def __init__(self, state: ServerState) -> None:
        self.directory = state.options.data_dir / "exports"
        self._state = state
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, account: Account, export_id: Any, definition: Json, tables: carto_file.Tables) -> None:
        """Begin to write a map.

        Args:
            account: Whose map it is.
            export_id: Where the progress is noted.
            definition: What describes the map.
            tables: Columns of its tables that are written with it, by the tables' names.
        """
        task = asyncio.create_task(self._run(account, export_id, definition, tables))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def start(self) -> None:
        """Give up what was being written when the server ended."""
        for account in self._state.accounts.values():
            if account.database_url is None:
                async with open_catalog(self._state, account) as catalog:
                    await catalog.rows(_ABANDON)

    async def stop(self) -> None:
        """Stop what is being written."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, account: Account, export_id: Any, definition: Json, tables: carto_file.Tables) -> None:
        directory = self.directory / secrets.token_hex(TOKEN_BYTES)
        name = f"{table_names.sanitized(definition['visualization']['name'])}{carto_file.SUFFIX}"
        try:
            await self._note(account, export_id, "exporting")
            await self._write(account, directory, name, definition, tables)
            await self._note(account, export_id, "uploading")
            await self._note(account, export_id, "complete", f"{directory.name}/{name}")
        except (carto_file.ExportFailed, psycopg.Error, ApiError, OSError):
            logger.warning("Export %s failed", export_id, exc_info=True)
            shutil.rmtree(directory, ignore_errors=True)
            await self._note(account, export_id, "failure")

    async def _write(
        self, account: Account, directory: Path, name: str, definition: Json, tables: carto_file.Tables
    ) -> None:
        directory.mkdir(parents=True)
        conninfo = account.conninfo(account.master_key, self._state.cluster_conninfo)
        await carto_file.write(directory / name, definition, tables, conninfo)
        for table in directory.glob("*.gpkg"):
            table.unlink()

    async def _note(self, account: Account, export_id: Any, state: str, file: str | None = None) -> None:
        async with open_catalog(self._state, account) as catalog:
            values = {"state": state, "file": file, "updated_at": "now"}
            await catalog.update("visualization_exports", export_id, values)


def routes(state: ServerState, exporter: Exporter) -> list[Route]:
    """Return the routes of this module.

    Args:
        state: What all endpoints share.
        exporter: Writes the files.
    """
    one = "v3/visualization_exports/{id}"
    creating = rails_endpoint(state, partial(create, exporter), anonymous=True)
    downloading = rails_endpoint(state, partial(download, exporter), anonymous=True)
    uploaded = partial(uploaded_file, exporter.directory)
    return [
        *rails_routes("v3/visualization_exports", creating, ["POST"]),
        *rails_routes(f"{one}/download", downloading, ["GET"]),
        *rails_routes(one, rails_endpoint(state, show, anonymous=True), ["GET"]),
        *(Route(prefix + UPLOADS + "/{token}/{name}", uploaded) for prefix in ("", "/user/{user}", "/u/{user}")),
    ]


async def create(exporter: Exporter, call: RailsCall) -> Response:
    """Begin to export a map."""
    wanted = js_string(call.params.get("visualization_id", ""))
    _check_uuid("visualization_id", wanted)
    async with open_catalog(call.state, call.account) as catalog:
        visualization = await _exportable(call, catalog, wanted)
        datasets = await _chosen(catalog, visualization, js_string(call.params.get("user_tables_ids") or ""))
        tables = {each["name"]: list(await table_columns.columns(catalog, each)) for each in datasets}
        definition = await carto_file.definition_of(catalog, call.account, visualization)
        user_id = call.account.user_id if call.is_owner else None
        export_id = await catalog.insert(
            "visualization_exports", {"visualization_id": visualization["id"], "user_id": user_id}
        )
        row = await _row(catalog, str(export_id))
    exporter.begin(call.account, export_id, definition, tables)
    return rails_json(_form(call, row), 201)


async def show(call: RailsCall) -> Response:
    """Answer with the state of an export."""
    return rails_json(_form(call, await _found(call)))


async def download(exporter: Exporter, call: RailsCall) -> Response:
    """Answer with the file of an export."""
    row = await _found(call)
    if row["file"] is None:
        raise _error(404, f"Visualization export not found: {row['id']}")
    return _file(exporter.directory / row["file"])


async def uploaded_file(directory: Path, request: Request) -> Response:
    """Answer with a file to whoever knows its name, as object storage does."""
    token, name = request.path_params["token"], request.path_params["name"]
    file = directory / token / name
    is_ours = _TOKEN.fullmatch(token) and file.suffix == carto_file.SUFFIX
    return _file(file) if is_ours and file.is_file() else Response(status_code=404)


async def _exportable(call: RailsCall, catalog: Catalog, wanted: str) -> Row:
    """Return the map that is to be exported.

    Raises:
        RailsError: 404, 403 or 422, it may not be.
    """
    row = await catalog.find(wanted)
    if row is None:
        raise _error(404, f"Visualization not found: {wanted}")
    if not call.is_owner and row["privacy"] not in ("PUBLIC", "LINK"):
        raise _error(403, 'Errors: ["User Must be able to view the visualization"]')
    if row["type"] != "derived":
        raise _error(422, 'Errors: ["Visualization Only derived visualizations can be exported"]')
    return row


async def _chosen(catalog: Catalog, visualization: Row, table_ids: str) -> list[Row]:
    """Return the datasets of a map, or those of them whose tables were asked for.

    Raises:
        RailsError: 422, one that was asked for is not in the map.
    """
    datasets = await catalog.datasets_of_map(visualization["id"])
    wanted = {each.strip().lower() for each in table_ids.split(",") if each.strip()}
    if wanted - {str(dataset["table_id"]) for dataset in datasets}:
        raise _error(422, 'Errors: ["User tables ids not related to the visualization"]')
    return [dataset for dataset in datasets if not wanted or str(dataset["table_id"]) in wanted]


async def _found(call: RailsCall) -> Row:
    """Return the export that the path names.

    Raises:
        RailsError: 400, 404 or 403.
    """
    wanted = call.request.path_params["id"]
    _check_uuid("id", wanted)
    async with open_catalog(call.state, call.account) as catalog:
        row = await _row(catalog, wanted)
    if row["user_id"] is not None and not call.is_owner:
        raise _error(403, "You don't have permission to access that resource")
    return row


async def _row(catalog: Catalog, export_id: str) -> Row:
    found = await catalog.rows("SELECT * FROM carto_sandbox.visualization_exports WHERE id = %s", [export_id])
    if not found:
        raise _error(404, f"Visualization export not found: {export_id}")
    return found[0]


def _check_uuid(name: str, value: str) -> None:
    if not UUID.fullmatch(value):
        raise _error(400, f"Parameter not UUID format. Parameter: {name}. Value: {value}")


def _error(status: int, text: str) -> RailsError:
    return RailsError(status, {"errors": text, "errors_cause": None})


def _form(call: RailsCall, row: Row) -> Json:
    keys = ("id", "visualization_id", "user_id", "state", "created_at", "updated_at")
    url = row["file"] and f"{base_url(call)}{UPLOADS}/{row['file']}"
    return {**{key: row[key] for key in keys}, "url": url}


def _file(path: Path) -> Response:
    return FileResponse(path, media_type=MEDIA_TYPE, filename=path.name)
