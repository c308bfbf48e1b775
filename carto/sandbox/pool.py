"""Connections to the accounts' databases, kept between requests and handed out clean."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg.pq import TransactionStatus

from carto.sandbox.errors import cannot_connect

MAX_CONNECTIONS = 60  # below the 100 that PostgreSQL allows, which jobs and users' own psql need as well
MAX_IDLE = 8  # for each database and role
CONNECT_TIMEOUT_S = 10
CANCEL_TIMEOUT_S = 5


class Pool:
    """Lends connections; a borrower that leaves one in an odd state has it closed."""

    def __init__(self) -> None:
        self._idle: dict[str, list[psycopg.AsyncConnection]] = defaultdict(list)
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    @asynccontextmanager
    async def connection(self, conninfo: str) -> AsyncIterator[psycopg.AsyncConnection]:
        """Lend a connection in autocommit mode, with no trace of earlier requests.

        Args:
            conninfo: Connection string.

        Raises:
            ApiError: 500, the database can't be reached or refuses the role.
        """
        async with self._slots:
            connection = await self._take(conninfo)
            try:
                yield connection
            finally:
                await self._give_back(conninfo, connection)

    async def forget(self, conninfo: str) -> None:
        """Close the idle connections of one connection string, which nobody will ask for again."""
        for connection in self._idle.pop(conninfo, []):
            await connection.close()

    async def close(self) -> None:
        """Close all idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                await connection.close()
        self._idle.clear()

    async def _take(self, conninfo: str) -> psycopg.AsyncConnection:
        idle = self._idle[conninfo]
        while idle:
            connection = idle.pop()
            if await _is_alive(connection):
                return connection
        try:
            # Statements that psycopg prepared would be gone after DISCARD ALL, and it would go on using them.
            return await psycopg.AsyncConnection.connect(
                conninfo,
                autocommit=True,
                client_encoding="utf8",
                connect_timeout=CONNECT_TIMEOUT_S,
                prepare_threshold=None,
            )
        except psycopg.OperationalError as error:
            raise cannot_connect() from error

    async def _give_back(self, conninfo: str, connection: psycopg.AsyncConnection) -> None:
        idle = self._idle[conninfo]
        reusable = not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE
        if reusable and len(idle) < MAX_IDLE:
            idle.append(connection)
            return
        if connection.info.transaction_status == TransactionStatus.ACTIVE:
            await _cancel(connection)
        await connection.close()


async def _cancel(connection: psycopg.AsyncConnection) -> None:
    with suppress(psycopg.Error):
        await connection.cancel_safe(timeout=CANCEL_TIMEOUT_S)


async def _is_alive(connection: psycopg.AsyncConnection) -> bool:
    try:
        await connection.execute("DISCARD ALL")
    except psycopg.Error:
        await connection.close()
        return False
    return True
