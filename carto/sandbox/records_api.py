"""``/api/v1/tables/ID/records``: single rows of a table, by their ``cartodb_id``."""

from __future__ import annotations

import json
from typing import Any

from psycopg import sql
from psycopg.rows import scalar_row
from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox.parameters import js_string
from carto.sandbox.rails_endpoint import Handler, RailsCall, RailsError, change_errors, rails_endpoint, rails_routes
from carto.sandbox.rails_json import rails_json
from carto.sandbox.state import ServerState
from carto.sandbox.tables_api import as_owner, table_name
from carto.sandbox.visualization_presenter import Json

_NO_COLUMNS = ("api_key", "callback", "cartodb_id", "id", "table_id")
_ROW = sql.SQL("to_jsonb(r) - 'the_geom_webmercator' || jsonb_build_object('the_geom', ST_AsGeoJSON(r.the_geom))")
_SELECT = sql.SQL("SELECT {row} FROM {table} AS r WHERE cartodb_id = {record}")
_INSERT = sql.SQL("INSERT INTO {table} AS r ({columns}) VALUES ({places}) RETURNING {row}")
_INSERT_DEFAULTS = sql.SQL("INSERT INTO {table} AS r DEFAULT VALUES RETURNING {row}")
_UPDATE = sql.SQL("UPDATE {table} AS r SET ({columns}) = ROW ({places}) WHERE cartodb_id = {record} RETURNING {row}")
_DELETE = sql.SQL("DELETE FROM {table} AS r WHERE cartodb_id = {record} RETURNING {row}")


def routes(state: ServerState) -> list[Route]:
    """Return the routes of this module."""

    def of(path: str, handler: Handler, verb: str) -> list[Route]:
        return rails_routes(f"v1/tables/{{id}}/records{path}", rails_endpoint(state, handler), [verb])

    return [
        *of("", create, "POST"),
        *of("/{record:int}", show, "GET"),
        *of("/{record:int}", update, "PUT"),
        *of("/{record:int}", delete, "DELETE"),
    ]


async def create(call: RailsCall) -> Response:
    """Add a row."""
    values = _values(call)
    row = await _run(call, _INSERT if values else _INSERT_DEFAULTS, values)
    return rails_json(row)


async def show(call: RailsCall) -> Response:
    """Answer with a row."""
    return rails_json(await _run(call, _SELECT, {}))


async def update(call: RailsCall) -> Response:
    """Change the columns of a row that were sent."""
    values = _values(call)
    return rails_json(await _run(call, _UPDATE if values else _SELECT, values))


async def delete(call: RailsCall) -> Response:
    """Delete a row."""
    await _run(call, _DELETE, {})
    return Response(status_code=204)


def _values(call: RailsCall) -> Json:
    """Return what was sent for columns, all parameters but those of the request itself, as PostgreSQL reads it."""
    sent = {name: value for name, value in call.params.items() if name not in _NO_COLUMNS}
    return {name: value if value is None else _text(value) for name, value in sent.items()}


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (dict, list)) else js_string(value)


def _places(values: Json) -> sql.Composed:
    """Write the places of the values; a geometry comes as GeoJSON."""
    places = [
        sql.SQL("ST_GeomFromGeoJSON({}::text)" if name == "the_geom" else "{}").format(sql.Placeholder(name))
        for name in values
    ]
    return sql.SQL(", ").join(places)


async def _run(call: RailsCall, statement: sql.SQL, values: Json) -> Any:
    """Run a statement about one row and return the row.

    Raises:
        RailsError: 400, PostgreSQL refuses; 404, there is no such row.
    """
    query = statement.format(
        row=_ROW,
        table=sql.Identifier("public", await table_name(call)),
        record=sql.Literal(call.request.path_params.get("record")),
        columns=sql.SQL(", ").join(map(sql.Identifier, values)),
        places=_places(values),
    )
    with change_errors():
        async with as_owner(call) as connection, connection.cursor(row_factory=scalar_row) as cursor:
            row = await (await cursor.execute(query, values)).fetchone()
    if row is None:
        raise RailsError(404, {"errors": ["Row doesn't exist"]})
    return row
