"""The SQL endpoint."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox.endpoint import Call, account_routes, endpoint, json_response
from carto.sandbox.state import ServerState

VERBS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def routes(state: ServerState) -> list[Route]:
    """Return the routes of this module."""
    return account_routes("sql", endpoint(state, "query", answer_query), VERBS)


async def answer_query(call: Call) -> Response:
    """Run one statement and answer its rows."""
    async with call.state.pool.connection(call.conninfo) as connection:
        cursor = await connection.execute(call.params["q"].encode())
        rows = await cursor.fetchall() if cursor.description else []
        names = [column.name for column in cursor.description or ()]
        return json_response({"rows": [dict(zip(names, row, strict=True)) for row in rows]}, headers=call.headers)
