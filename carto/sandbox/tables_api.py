"""``/api/v1/tables``: one table, its columns, and new tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import sql
from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import table_columns, table_names
from carto.sandbox.parameters import js_string, parse_int
from carto.sandbox.rails_endpoint import Handler, RailsCall, RailsError, change_errors, rails_endpoint, rails_routes
from carto.sandbox.rails_json import rails_json
from carto.sandbox.state import ServerState
from carto.sandbox.visualization_presenter import Json, Presenter, base_url, table_privacy
from carto.sandbox.visualizations_store import Catalog, Row, open_catalog

UNTITLED = "untitled_table"
DEFAULT_COLUMNS = "name text, description text"
PRIVACY_NUMBERS = {0: "PRIVATE", 1: "PUBLIC", 2: "LINK"}


def routes(state: ServerState) -> list[Route]:
    """Return the routes of this module."""

    def of(path: str, handler: Handler, verb: str) -> list[Route]:
        return rails_routes(f"v1/tables{path}", rails_endpoint(state, handler), [verb])

    return [
        *of("", create, "POST"),
        *of("/{id}", show, "GET"),
        *of("/{id}", update, "PUT"),
        *of("/{id}/columns", list_columns, "GET"),
        *of("/{id}/columns", add_column, "POST"),
        *of("/{id}/columns/{column}", show_column, "GET"),
        *of("/{id}/columns/{column}", change_column, "PUT"),
        *of("/{id}/columns/{column}", drop_column, "DELETE"),
    ]


async def show(call: RailsCall) -> Response:
    """Answer with one table."""
    async with open_catalog(call.state, call.account) as catalog:
        return rails_json(await _form(call, catalog, await _found(call, catalog)))


async def create(call: RailsCall) -> Response:
    """Make a table, empty or from a query."""
    sent = call.params
    try:
        async with as_owner(call) as connection:
            name = await table_names.free_name(connection, js_string(sent.get("name") or UNTITLED))
            await connection.execute(_creation(sent, name))
            await connection.execute("SELECT cartodb.CDB_CartodbfyTable('public', %s::regclass)", [_qualified(name)])
    except psycopg.Error as error:
        reason = error.diag.message_primary or str(error)
        raise RailsError(400, {"description": [reason], "stack": []}) from error
    async with open_catalog(call.state, call.account) as catalog:
        row = await _dataset(catalog, name)
        await catalog.change(row["id"], _described(sent))
        form = await _form(call, catalog, await _dataset(catalog, name))
    return rails_json(form, headers={"Location": f"{base_url(call)}/api/v1/tables/{row['table_id']}"})


def _creation(sent: Json, name: str) -> sql.Composed:
    table = sql.Identifier("public", name)
    if sent.get("from_query"):
        return sql.SQL("CREATE TABLE {} AS {}").format(table, sql.SQL(js_string(sent["from_query"])))
    columns = js_string(sent.get("schema") or DEFAULT_COLUMNS)
    return sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(columns))


def _described(sent: Json) -> Json:
    """Return the columns of a dataset that a request for its table sets."""
    values = {"description": sent["description"] and js_string(sent["description"])} if "description" in sent else {}
    if "tags" in sent:
        tags = sent["tags"] or []
        listed = tags if isinstance(tags, list) else js_string(tags).split(",")
        values["tags"] = [js_string(tag).strip() for tag in listed if js_string(tag).strip()]
    return values


async def update(call: RailsCall) -> Response:
    """Change privacy, tags or description, or make points of two columns."""
    sent = call.params
    async with open_catalog(call.state, call.account) as catalog:
        row = await _found(call, catalog)
        values = _described(sent)
        if "privacy" in sent:
            values["privacy"] = _privacy(sent["privacy"])
            await catalog.set_table_privacy(row, values["privacy"])
        await catalog.change(row["id"], values)
    if sent.get("latitude_column") and sent.get("longitude_column"):
        with change_errors():
            async with as_owner(call) as connection:
                columns = sent["latitude_column"], sent["longitude_column"]
                await table_columns.georeference(connection, row["name"], *columns)
    async with open_catalog(call.state, call.account) as catalog:
        return rails_json({**await _form(call, catalog, await _dataset(catalog, row["name"])), "warnings": []})


def _privacy(sent: Any) -> str:
    number = parse_int(sent)
    if number not in PRIVACY_NUMBERS:
        raise RailsError(400, {"errors": ["privacy has an invalid value"]})
    return PRIVACY_NUMBERS[number]


async def list_columns(call: RailsCall) -> Response:
    """Answer with the names and types of all columns."""
    async with open_catalog(call.state, call.account) as catalog:
        return rails_json(await table_columns.schema(catalog, await _found(call, catalog)))


async def show_column(call: RailsCall) -> Response:
    """Answer with the type of one column."""
    _, kind = await _found_column(call)
    return rails_json({"type": table_columns.carto_type(kind)})


async def add_column(call: RailsCall) -> Response:
    """Add a column."""
    name = table_names.sanitized(js_string(call.params.get("name") or ""))
    table = await table_name(call)
    with change_errors():
        async with as_owner(call) as connection:
            await table_columns.add(connection, table, name, js_string(call.params.get("type") or "text"))
    return await _changed_column(call, name)


async def change_column(call: RailsCall) -> Response:
    """Change the type of a column, or its name."""
    table, _ = await _found_column(call)
    name = call.request.path_params["column"]
    _refuse_reserved(name)
    new_name = table_names.sanitized(js_string(call.params.get("new_name") or name))
    with change_errors():
        async with as_owner(call) as connection:
            if call.params.get("type"):
                await table_columns.change_type(connection, table, name, js_string(call.params["type"]))
            if new_name != name:
                await table_columns.rename(connection, table, name, new_name)
    return await _changed_column(call, new_name)


async def drop_column(call: RailsCall) -> Response:
    """Drop a column."""
    table, _ = await _found_column(call)
    name = call.request.path_params["column"]
    _refuse_reserved(name)
    with change_errors():
        async with as_owner(call) as connection:
            await table_columns.drop(connection, table, name)
    return Response(status_code=204)


def _refuse_reserved(name: str) -> None:
    if name in table_columns.RESERVED:
        raise RailsError(400, {"errors": [f"Column {name} is reserved by CARTO and can't be changed"]})


async def _changed_column(call: RailsCall, name: str) -> Response:
    async with open_catalog(call.state, call.account) as catalog:
        kind = (await table_columns.columns(catalog, await _found(call, catalog)))[name]
    return rails_json({"name": name, "type": kind, "cartodb_type": table_columns.carto_type(kind)})


async def _found_column(call: RailsCall) -> tuple[str, str]:
    """Return the name of the table and the database type of the column that the path names."""
    name = call.request.path_params["column"]
    async with open_catalog(call.state, call.account) as catalog:
        row = await _found(call, catalog)
        kind = (await table_columns.columns(catalog, row)).get(name)
    if kind is None:
        raise RailsError(404, {"errors": f"Column {name} doesn't exist"})
    return row["name"], kind


async def table_name(call: RailsCall) -> str:
    """Return the name of the table that the path names.

    Raises:
        RailsError: 404, there is none.
    """
    async with open_catalog(call.state, call.account) as catalog:
        return str((await _found(call, catalog))["name"])


async def _found(call: RailsCall, catalog: Catalog) -> Row:
    """Return the dataset of the table that the path names.

    Raises:
        RailsError: 404, there is none.
    """
    row = await catalog.find_table(call.request.path_params["id"])
    if row is None:
        raise RailsError(404)
    return row


async def _dataset(catalog: Catalog, name: str) -> Row:
    row = await catalog.find_table(name)
    if row is None:  # somebody dropped it meanwhile
        raise RailsError(404)
    return row


async def _form(call: RailsCall, catalog: Catalog, row: Row) -> Json:
    presenter = await Presenter.of(call, catalog, [row])
    maps = (await catalog.maps_of_datasets([row["id"]]))[row["id"]]
    counted = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("public", row["name"]))
    return {
        "id": row["table_id"],
        "name": row["name"],
        "privacy": table_privacy(row),
        "schema": await table_columns.schema(catalog, row),
        "updated_at": row["changed_at"],
        "rows_counted": (await catalog.rows(counted))[0]["count"],
        "table_size": row["size"],
        "map_id": row["map_id"],
        "description": row["description"],
        "geometry_types": row["geometry_types"] or [],
        "table_visualization": {**presenter.visualization(row), "related_tables": []},
        "dependent_visualizations": presenter.dependents([each for each in maps if each["dataset_count"] == 1]),
        "non_dependent_visualizations": presenter.dependents([each for each in maps if each["dataset_count"] > 1]),
        "synchronization": presenter.synchronization(row),
    }


@asynccontextmanager
async def as_owner(call: RailsCall) -> AsyncIterator[psycopg.AsyncConnection]:
    """Lend a connection of the account's owner, in a transaction: what a table brings along runs with its rights."""
    conninfo = call.account.conninfo(call.account.master_key, call.state.cluster_conninfo)
    async with call.state.pool.connection(conninfo) as connection, connection.transaction():
        yield connection


def _qualified(name: str) -> str:
    return sql.Identifier("public", name).as_string()
