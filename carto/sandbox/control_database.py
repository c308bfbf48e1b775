"""The sandbox's own database, where jobs and records are kept that have to outlive the server."""

from __future__ import annotations

from typing import TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import AsyncRowFactory

from carto.sandbox.state import CONTROL_DATABASE, ServerState

Row = TypeVar("Row")


async def connect(state: ServerState, row_factory: AsyncRowFactory[Row]) -> psycopg.AsyncConnection[Row]:
    """Connect to the control database in autocommit mode, and create it when it is missing.

    Args:
        state: Knows where it is.
        row_factory: What rows become.
    """
    await _create(state)
    connection = await psycopg.AsyncConnection.connect(
        state.control_conninfo, autocommit=True, client_encoding="utf8", row_factory=row_factory
    )
    await connection.execute("SET client_min_messages = warning")
    return connection


async def _create(state: ServerState) -> None:
    async with await psycopg.AsyncConnection.connect(state.options.conninfo, autocommit=True) as connection:
        known = await connection.execute("SELECT FROM pg_database WHERE datname = %s", [CONTROL_DATABASE])
        if known.rowcount == 0:
            await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(CONTROL_DATABASE)))
