"""Where visualizations are kept: beside the data, in a schema of the account's database that its roles can't touch."""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import sql

SCRIPT = Path(__file__).with_name("catalog.sql")


def install(connection: psycopg.Connection, owner_role: str) -> None:
    """Create or update the schema `carto_sandbox` and what is in it.

    Args:
        connection: Connection of an administrator to the account's database.
        owner_role: Role behind the account's master key.
    """
    owner = sql.Identifier(owner_role)
    with connection.transaction():
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute(SCRIPT.read_bytes())
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA carto_sandbox TO {}").format(owner))
        grant = "GRANT EXECUTE ON FUNCTION carto_sandbox.ensure_dataset(regclass) TO {}"
        connection.execute(sql.SQL(grant).format(owner))


async def ensure_dataset(connection: psycopg.AsyncConnection, table: str) -> tuple[str, str]:
    """Return the ids of a table's dataset, recording it when it is not known.

    Works inside a transaction that has just made the table, too. A table that took the place of a dropped one of its
    name takes over the record of that one, with its ids, privacy and permissions. Until it has done so, it must not be
    committed into the schema public under another name: it would become a dataset of its own.

    Args:
        connection: Connection of the account's owner or of the administrator. A blocking connection calls
            ``SELECT * FROM carto_sandbox.ensure_dataset('public.name')`` by itself.
        table: Name of a table of the schema public.

    Returns:
        The visualization's id and the table's.
    """
    name = sql.Identifier("public", table).as_string()
    cursor = await connection.execute(
        "SELECT visualization_id::text, table_id::text FROM carto_sandbox.ensure_dataset(%s::regclass)", [name]
    )
    found = await cursor.fetchone()
    assert found is not None, "the function gives one row, or an error"
    return found[0], found[1]
