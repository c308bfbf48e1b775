"""Names of tables: what CARTO makes of a wanted name, and which is still free."""

from __future__ import annotations

import re

import psycopg

MAX_LENGTH = 63  # bytes, as PostgreSQL has it
_TAKEN = """
SELECT relname FROM pg_catalog.pg_class
WHERE relnamespace = to_regnamespace('public') AND starts_with(relname, %s)
"""
_RESERVED = "SELECT FROM pg_get_keywords() WHERE catcode IN ('R', 'T') AND word = %s"


def sanitized(wanted: str) -> str:
    """Return the name that CARTO makes of a wanted one: lower case, letters, digits and single underscores."""
    name = re.sub("_+", "_", re.sub("[^a-z0-9_]", "_", wanted.lower()))
    if not name[:1].isalpha():
        name = f"table_{name.lstrip('_')}".rstrip("_")
    return name[:MAX_LENGTH]


async def free_name(connection: psycopg.AsyncConnection, wanted: str) -> str:
    """Return the sanitized name, with a number when something has that name.

    Args:
        connection: Connection to the account's database.
        wanted: Name that the user would like.
    """
    name = sanitized(wanted)
    if (await connection.execute(_RESERVED, [name])).rowcount:
        name += "_t"
    cursor = await connection.execute(_TAKEN, [name[: MAX_LENGTH - 6]])
    taken = {row[0] for row in await cursor.fetchall()}
    number = 0
    free = name
    while free in taken:
        number += 1
        free = f"{name[: MAX_LENGTH - len(str(number)) - 1]}_{number}"
    return free
