"""/sql/copyfrom and /sql/copyto: PostgreSQL's COPY over HTTP, streamed both ways."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn
from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import libpq
from carto.sandbox.endpoint import Call, account_routes, endpoint, json_response, json_text, log_statement
from carto.sandbox.errors import ApiError, sql_error
from carto.sandbox.execution import encoded
from carto.sandbox.gunzip import Gunzip
from carto.sandbox.parameters import js_string, well_formed
from carto.sandbox.state import ServerState
from carto.sandbox.streaming import LiveResponse, while_connected

COPY_TIMEOUT_MS = 5 * 3600 * 1000
DEFAULT_FILENAME = "carto-sql-copyto.dmp"
_QUOTA_LEFT = "SELECT cartodb._CDB_UserQuotaInBytes() - cartodb.CDB_UserDataSize('public')"
_UNESCAPED = "!'()*~"  # besides letters, digits and -_. what encodeURIComponent leaves alone


def routes(state: ServerState) -> list[Route]:
    """Return the routes of this module."""
    upload = endpoint(state, "copy_from", copy_from, reads_body=False)
    download = endpoint(state, "copy_to", copy_to)
    return [
        *account_routes("sql/copyfrom", upload, ["POST"]),
        *account_routes("sql/copyto", download, ["GET", "HEAD", "POST"]),
    ]


async def copy_from(call: Call) -> Response:
    """Feed the body into COPY FROM STDIN; all of its rows or none."""
    started = time.monotonic()
    sql = _copy_statement(call, call.query)
    bytes_left = await _bytes_left(call)
    async with _copying(call, sql, ExecStatus.COPY_IN) as pgconn:
        await _upload(call, pgconn, bytes_left)
        pgconn.put_copy_end()
        await libpq.flush(pgconn)
        rows = await libpq.rest_of_results(pgconn)
    if not rows:
        raise ApiError(400, "No rows copied")
    return json_response({"time": round(time.monotonic() - started, 3), "total_rows": rows}, 200, call.headers)


async def copy_to(call: Call) -> Response:
    """Stream what COPY TO STDOUT gives; an error after the first piece ends the body."""
    sql = _copy_statement(call, call.params)
    pieces = _download(call, sql)
    first = await while_connected(call.request.receive, pieces.__anext__())
    filename = js_string(call.params.get("filename") or DEFAULT_FILENAME)
    disposition = f"attachment; filename={quote(well_formed(filename), safe=_UNESCAPED)}"
    headers = {**call.headers, "Content-Disposition": disposition}
    if not first:
        return Response(b"", 200, headers, "application/octet-stream")
    return LiveResponse(first, pieces, headers, "application/octet-stream")


def _copy_statement(call: Call, params: dict[str, Any]) -> str:
    sql = params.get("q")
    if not sql:
        raise ApiError(400, "SQL is missing")
    text = well_formed(js_string(sql))
    if not text.upper().startswith("COPY "):
        raise ApiError(400, "SQL must start with COPY")
    log_statement(call, text)
    return text


@asynccontextmanager
async def _copying(call: Call, sql: str, direction: ExecStatus) -> AsyncIterator[PGconn]:
    """Start a COPY; one that is left unfinished has its connection closed, and is rolled back."""
    async with call.state.pool.connection(call.conninfo) as connection:
        try:
            await connection.execute(f"SET statement_timeout = {COPY_TIMEOUT_MS}")
            connection.pgconn.send_query(encoded(sql))
            await libpq.flush(connection.pgconn)
            result = await libpq.next_result(connection.pgconn)
            if result is None or result.status != direction:
                wanted = "FROM STDIN" if direction == ExecStatus.COPY_IN else "TO STDOUT"
                raise ApiError(400, f"Only COPY ... {wanted} is possible here")
            yield connection.pgconn
        except psycopg.OperationalError as error:
            raise sql_error(str(error).strip()) from error


async def _bytes_left(call: Call) -> float:
    """Ask how much of the account's quota is left."""
    if call.account.quota_bytes is None:
        return math.inf
    owner = call.account.conninfo(call.account.master_key, call.state.cluster_conninfo)
    async with call.state.pool.connection(owner) as connection:
        row = await (await connection.execute(_QUOTA_LEFT)).fetchone()
        return float(row[0]) if row else math.inf


async def _upload(call: Call, pgconn: PGconn, bytes_left: float) -> None:
    """Send the body to PostgreSQL until its end, or until PostgreSQL refuses it."""
    sending = asyncio.ensure_future(_send_body(call, pgconn, bytes_left))
    failing = asyncio.ensure_future(libpq.until_error(pgconn))
    try:
        await asyncio.wait({sending, failing}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
    finally:
        for task in (sending, failing):
            task.cancel()
        await asyncio.wait({sending, failing})


async def _send_body(call: Call, pgconn: PGconn, bytes_left: float) -> None:
    gunzip = Gunzip() if call.request.headers.get("content-encoding") == "gzip" else None
    async for received in call.request.stream():
        for piece in gunzip.unpack(received) if gunzip else (received,):
            bytes_left -= len(piece)
            if bytes_left < 0:
                raise ApiError(400, "DB Quota exceeded")
            pgconn.put_copy_data(piece)
            await libpq.flush_copy(pgconn)
    if gunzip:
        gunzip.finish()


async def _download(call: Call, sql: str) -> AsyncGenerator[bytes, None]:
    """Give the data, and behind it the error that cut it short."""
    started = False
    try:
        async with _copying(call, sql, ExecStatus.COPY_OUT) as pgconn:
            async for piece in libpq.copy_out(pgconn):
                yield piece
                started = True
    except ApiError as error:
        if not started:
            raise
        yield json_text(error.body()).encode()
