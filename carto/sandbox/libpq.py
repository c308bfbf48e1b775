"""Waiting for libpq without blocking the event loop, and reading what it has."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator

from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from carto.sandbox.errors import ApiError, sql_error

COPY_PIECE = 1 << 16  # bytes
_ERROR_RESPONSE = ord("E")
_PEEK_BYTES = 1 << 14


def error_of(result: PGresult) -> ApiError:
    """Make the API's error of PostgreSQL's."""

    def field(which: DiagnosticField) -> str:
        return (result.error_field(which) or b"").decode("utf-8", "replace")

    message = field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message.decode("utf-8", "replace").strip()
    return sql_error(message, field(DiagnosticField.MESSAGE_DETAIL), field(DiagnosticField.MESSAGE_HINT))


async def next_result(pgconn: PGconn) -> PGresult | None:
    """Wait for the next result; None when there are no more.

    Raises:
        ApiError: The result is an error.
    """
    await until_ready(pgconn)
    result = pgconn.get_result()
    if result is not None and result.status == ExecStatus.FATAL_ERROR:
        raise error_of(result)
    return result


async def rest_of_results(pgconn: PGconn) -> int:
    """Read all results that are left, and return the number of rows that the last one reports.

    Raises:
        ApiError: One of them is an error.
    """
    rows = 0
    while (result := await next_result(pgconn)) is not None:
        rows = result.command_tuples or 0
    return rows


async def copy_out(pgconn: PGconn) -> AsyncIterator[bytes]:
    """Give the data of a COPY TO, in pieces of some size as long as it comes fast enough.

    Raises:
        ApiError: PostgreSQL could not finish; nothing was given when the error came with the very first rows.
    """
    rows: list[memoryview] = []
    size = 0
    started = False
    while True:
        length, data = pgconn.get_copy_data(1)
        if length < 0:
            break
        if length > 0:
            rows.append(data)
            size += length
        if rows and (length == 0 or size >= COPY_PIECE):
            yield b"".join(rows)
            rows, size, started = [], 0, True
        if length == 0:
            await until_readable(pgconn)
            pgconn.consume_input()
    try:
        await rest_of_results(pgconn)
    except ApiError:
        if rows and started:
            yield b"".join(rows)
        raise
    yield b"".join(rows)


async def skip_copy_out(pgconn: PGconn) -> None:
    """Drop the data of a COPY TO that nobody asked for."""
    while (length := pgconn.get_copy_data(1)[0]) >= 0:
        if length == 0:
            await until_readable(pgconn)
            pgconn.consume_input()


async def flush(pgconn: PGconn) -> None:
    """Send what libpq still holds, reading what the server says meanwhile."""
    while pgconn.flush():
        await _until(pgconn.socket, reading=True, writing=True)
        pgconn.consume_input()


async def flush_copy(pgconn: PGconn) -> None:
    """Send what libpq still holds of a COPY FROM, during which somebody else reads (see `until_error`)."""
    while pgconn.flush():
        await _until(pgconn.socket, writing=True)


async def until_ready(pgconn: PGconn) -> None:
    """Wait until the next result can be taken without blocking."""
    while pgconn.is_busy():
        await until_readable(pgconn)
        pgconn.consume_input()


async def until_readable(pgconn: PGconn) -> None:
    """Wait until PostgreSQL has sent something."""
    await _until(pgconn.socket, reading=True)


async def until_error(pgconn: PGconn) -> None:
    """Wait until PostgreSQL reports an error during COPY FROM, which libpq itself does not tell before its end."""
    while True:
        await until_readable(pgconn)
        if not pgconn.ssl_in_use and _error_is_waiting(pgconn.socket):
            return
        pgconn.consume_input()
        pgconn.is_busy()  # takes the notices out of the buffer


def _error_is_waiting(descriptor: int) -> bool:
    """Look through the messages that have arrived, leaving them there: type, length, contents."""
    with socket.socket(fileno=os.dup(descriptor)) as peeking:
        waiting = peeking.recv(_PEEK_BYTES, socket.MSG_PEEK)
    position = 0
    while position < len(waiting):
        if waiting[position] == _ERROR_RESPONSE:
            return True
        length = int.from_bytes(waiting[position + 1 : position + 5], "big")
        position += 1 + max(length, 4)
    return not waiting


async def _until(descriptor: int, reading: bool = False, writing: bool = False) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    try:
        if reading:
            loop.add_reader(descriptor, wake)
        if writing:
            loop.add_writer(descriptor, wake)
        await ready
    finally:
        if reading:
            loop.remove_reader(descriptor)
        if writing:
            loop.remove_writer(descriptor)
