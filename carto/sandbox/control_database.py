"""The sandbox's own database, where jobs and records are kept that have to outlive the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import psycopg
from psycopg import conninfo as conninfo_text
from psycopg import sql
from psycopg.rows import AsyncRowFactory

from carto.sandbox.state import ServerState

CONTROL_DATABASE = "carto_sandbox"

Row = TypeVar("Row")


def control_conninfo(admin_conninfo: str) -> str:
    """Return the connection string of the control database.

    Args:
        admin_conninfo: Connection string of the cluster's administrator.
    """
    return conninfo_text.make_conninfo(admin_conninfo, dbname=CONTROL_DATABASE)


def create(admin: psycopg.Connection) -> None:
    """Create the control database when it is missing.

    Args:
        admin: Connection of the administrator, in autocommit mode.
    """
    if not admin.execute("SELECT FROM pg_database WHERE datname = %s", [CONTROL_DATABASE]).rowcount:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(CONTROL_DATABASE)))


@contextmanager
def connected(admin_conninfo: str) -> Iterator[psycopg.Connection]:
    """Lend a connection to the control database in autocommit mode.

    Args:
        admin_conninfo: Connection string of the cluster's administrator.
    """
    with psycopg.connect(control_conninfo(admin_conninfo), autocommit=True, client_encoding="utf8") as connection:
        connection.execute("SET client_min_messages = warning")
        yield connection


def forget_account(connection: psycopg.Connection, account: str) -> None:
    """Remove all that is kept of an account: the rows of every table that names accounts.

    Args:
        connection: Connection to the control database.
        account: Name of the account.
    """
    query = (
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'account'"
    )
    for (table,) in connection.execute(query).fetchall():
        connection.execute(sql.SQL("DELETE FROM {} WHERE account = %s").format(sql.Identifier(table)), [account])


class ControlTable(Generic[Row]):
    """A table of the control database, with a connection of its own in autocommit mode.

    Args:
        state: Knows where the database is.
        create_table: Makes the table when it is missing.
        row_factory: What rows become.
    """

    def __init__(self, state: ServerState, create_table: str, row_factory: AsyncRowFactory[Row]) -> None:
        self._state = state
        self._create_table = create_table
        self._row_factory = row_factory

    async def start(self) -> None:
        """Connect; create the table when it is missing."""
        self._connection: psycopg.AsyncConnection[Row] = await psycopg.AsyncConnection.connect(
            control_conninfo(self._state.options.conninfo),
            autocommit=True,
            client_encoding="utf8",
            row_factory=self._row_factory,
        )
        await self._connection.execute("SET client_min_messages = warning")
        await self._connection.execute(self._create_table)

    async def stop(self) -> None:
        """Disconnect."""
        await self._connection.close()
