"""/sql: runs a query with the caller's role and streams the answer in the format asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime, timezone
from email.utils import format_datetime

from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox.endpoint import Call, account_routes, endpoint, log_statement
from carto.sandbox.formats import FORMATS
from carto.sandbox.formats.base import Format, Run
from carto.sandbox.parameters import js_string
from carto.sandbox.query_parameters import QueryParameters, read_parameters
from carto.sandbox.query_tables import cache_headers
from carto.sandbox.state import ServerState
from carto.sandbox.streaming import LiveResponse, while_connected

VERBS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def routes(state: ServerState) -> list[Route]:
    """Return the routes of this module."""
    return account_routes("sql", endpoint(state, "query", answer_query), VERBS)


async def answer_query(call: Call) -> Response:
    """Run a query; the answer begins as soon as its first piece is there."""
    parameters = read_parameters(call.params, frozenset(FORMATS))
    log_statement(call, parameters.q)
    output = FORMATS[parameters.format]
    owner = call.account.conninfo(call.account.master_key, call.state.cluster_conninfo)
    policy = js_string(call.query.get("cache_policy", ""))
    call.headers |= await cache_headers(call.state.pool, owner, call.account.database, parameters.sql, policy)
    pieces = _pieces(call, parameters, output)
    first = await while_connected(call.request.receive, pieces.__anext__())
    headers = call.headers | {"Content-Disposition": _disposition(parameters, output)}
    return LiveResponse(first, pieces, headers, output.content_type)


async def _pieces(call: Call, parameters: QueryParameters, output: Format) -> AsyncGenerator[bytes, None]:
    async with call.state.pool.connection(call.conninfo) as connection:
        names = await call.state.type_names(call.account, connection)
        run = Run(parameters, connection, call.conninfo, names, call.state.options.data_dir)
        async for piece in output.produce(run):
            yield piece


def _disposition(parameters: QueryParameters, output: Format) -> str:
    kind = "attachment" if parameters.attachment else "inline"
    now = format_datetime(datetime.now(timezone.utc), usegmt=True)
    return f'{kind}; filename={parameters.filename}.{output.extension}; modification-date="{now}";'
