"""Which tables a query reads, and what the answer's cache headers make of that."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime

import psycopg

from carto.sandbox.errors import ApiError
from carto.sandbox.pool import Pool

ONE_YEAR_S = 365 * 24 * 3600
FALLBACK_TTL_S = 300
MIN_TTL_S = 10
_MAY_WRITE = re.compile(r"\b(alter|insert|update|delete|create|drop|reindex|truncate|refresh)\b", re.IGNORECASE)
_TABLES = """
SELECT quote_ident(n.nspname), quote_ident(c.relname), m.updated_at
  FROM unnest(cartodb.CDB_QueryTablesText(%s)) AS t (name)
  JOIN pg_class c ON c.oid = t.name::regclass
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN cartodb.CDB_TableMetadata m ON m.tabname = c.oid
 ORDER BY t.name
"""


@dataclass(frozen=True)
class ReadTable:
    """A table that a query reads.

    Attributes:
        schema: Its schema, quoted where SQL needs it.
        name: Its name, quoted where SQL needs it.
        updated_at: When its rows last changed; None when nobody keeps note of that.
    """

    schema: str
    name: str
    updated_at: datetime | None


async def cache_headers(pool: Pool, conninfo: str, database: str, sql: str, cache_policy: str) -> dict[str, str]:
    """Return the headers by which caches tell whether an answer is stale.

    Args:
        pool: Connections.
        conninfo: Connection string of the account's owner, who may look at all of its tables.
        database: Name of the account's database.
        sql: The query.
        cache_policy: "persist" for an answer that never gets stale.
    """
    tables = None if may_write(sql) else await tables_read(pool, conninfo, sql)
    headers = {"Cache-Control": _cache_control(sql, tables, cache_policy)}
    noted = [table for table in tables or () if table.updated_at is not None]
    if noted:
        names = [f"{table.schema}.{table.name}" for table in noted]
        headers["X-Cache-Channel"] = f"{database}:{','.join(names)}"
        headers["Surrogate-Key"] = " ".join(surrogate_key(f"{database}:{name}") for name in names)
    dates = [table.updated_at for table in noted if table.updated_at]
    modified = max(dates) if dates and len(dates) == len(tables or ()) else datetime.now(timezone.utc)
    headers["Last-Modified"] = format_datetime(modified.astimezone(timezone.utc), usegmt=True)
    return headers


def may_write(sql: str) -> bool:
    """Guess from its words whether a text changes anything."""
    return _MAY_WRITE.search(sql) is not None


async def tables_read(pool: Pool, conninfo: str, sql: str) -> list[ReadTable] | None:
    """Ask PostgreSQL's planner which tables a query reads; None when the query can't be planned.

    Args:
        pool: Connections.
        conninfo: Connection string of the account's owner, who may look at all of its tables.
        sql: The query.
    """
    if not sql:
        return None
    try:
        async with pool.connection(conninfo) as connection:
            cursor = await connection.execute(_TABLES, [sql])
            return [ReadTable(*row) for row in await cursor.fetchall()]
    except (psycopg.Error, ApiError):
        return None


def _cache_control(sql: str, tables: list[ReadTable] | None, cache_policy: str) -> str:
    if cache_policy == "persist":
        return f"public,max-age={ONE_YEAR_S}"
    if may_write(sql):
        seconds = 0
    elif tables is not None and all(table.updated_at for table in tables):
        seconds = ONE_YEAR_S
    else:
        seconds = fallback_ttl_s()
    return f"no-cache,max-age={seconds},must-revalidate,public"


def fallback_ttl_s() -> int:
    """Return the seconds until caches ask again for what depends on tables whose changes nobody notes."""
    return max(MIN_TTL_S, FALLBACK_TTL_S - int(time.time()) % FALLBACK_TTL_S)


def surrogate_key(name: str) -> str:
    """Return the short form of a table's name by which caches forget what depends on it."""
    digest = base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()
    return f"t:{digest[:6]}"
