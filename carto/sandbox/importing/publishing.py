"""Makes a dataset of a raw table: under a name of its own, or in place of an existing table's rows."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from carto.sandbox import table_names
from carto.sandbox.import_errors import ImportFailed
from carto.sandbox.importing.loading import loading_errors

# Names are chosen by one import at a time; the lock ends with its transaction.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('carto_sandbox.importing'))"
_COLUMNS = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
"""
_RELATION = "SELECT oid, relkind::text FROM pg_class WHERE relname = %s AND relnamespace = 'public'::regnamespace"
_TAKEN = "SELECT FROM pg_class WHERE relname = ANY (%s) AND relnamespace = 'public'::regnamespace"
_OVER_QUOTA = """
SELECT cartodb.CDB_UserDataSize('public') > cartodb._CDB_UserQuotaInBytes() AND cartodb._CDB_UserQuotaInBytes() > 0
"""
_SET_SEQUENCE = """
SELECT setval(pg_get_serial_sequence({name}, 'cartodb_id'), greatest(max(cartodb_id), 0) + 1, false) FROM {table}
"""
_CARTO_TYPES = {
    **dict.fromkeys(("smallint", "integer", "bigint", "real", "double precision", "numeric"), "number"),
    **dict.fromkeys(("text", "character varying", "character"), "string"),
    **dict.fromkeys(("date", "timestamp without time zone", "timestamp with time zone"), "date"),
}
_ALWAYS_REPLACED = ("cartodb_id", "the_geom_webmercator")


@dataclass(frozen=True)
class Published:
    """A finished table: its name and OID, and whether it is new."""

    name: str
    oid: int
    created: bool


async def exists(connection: psycopg.AsyncConnection, wanted: str) -> bool:
    """Tell whether something has a wanted name, or the one that it becomes."""
    names = [wanted, table_names.sanitized(wanted)]
    return bool((await connection.execute(_TAKEN, [names])).rowcount)


async def check_ids(connection: psycopg.AsyncConnection, raw: str) -> None:
    """Refuse a file's ``cartodb_id`` that can't be the table's.

    Raises:
        ImportFailed: 2011.
    """
    table = f"public.{raw}"
    query = (
        "SELECT 'cartodb_id' IN (SELECT cartodb.CDB_ColumnNames(%(t)s::regclass))"
        " AND NOT cartodb._CDB_HasUsableId(%(t)s::regclass)"
    )
    found = await (await connection.execute(query, {"t": table})).fetchone()
    if found and found[0]:
        raise ImportFailed(2011, "cartodb_id is not whole, not unique, or missing somewhere")


async def publish(
    connection: psycopg.AsyncConnection, raw: str, wanted: str, *, overwrites: bool, replaces: str | None
) -> Published:
    """Turn a raw table into a dataset.

    Args:
        connection: Connection of the account's owner, within a transaction.
        raw: Name of the raw table.
        wanted: Name that the dataset should have.
        overwrites: Whether a table of that name gets the new rows, if its columns allow.
        replaces: Name of an existing table that gets the new rows and columns.

    Raises:
        ImportFailed: 2010, 2012, 2013, 2014, 3008 or 8001.
    """
    await connection.execute(_LOCK)
    target = replaces or (table_names.sanitized(wanted) if overwrites else None)
    if target is not None and await exists(connection, target):
        published = await _replace_rows(connection, raw, target, keeps_columns=replaces is None)
    else:
        published = await _publish_new(connection, raw, wanted)
    found = await (await connection.execute(_OVER_QUOTA)).fetchone()
    if found and found[0]:
        raise ImportFailed(8001, f"no room for {published.name}")
    return published


async def _publish_new(connection: psycopg.AsyncConnection, raw: str, wanted: str) -> Published:
    name = await table_names.free_name(connection, wanted)
    rename = sql.SQL("ALTER TABLE public.{} RENAME TO {}").format(sql.Identifier(raw), sql.Identifier(name))
    await connection.execute(rename)
    return Published(name, await _cartodbfy(connection, name), created=True)


async def _cartodbfy(connection: psycopg.AsyncConnection, name: str) -> int:
    table = sql.Identifier("public", name)
    with loading_errors(2010):
        query = "SELECT cartodb.CDB_CartodbfyTable('public', %s::regclass)::oid"
        made = await (await connection.execute(query, [table.as_string()])).fetchone()
        await connection.execute(sql.SQL("ANALYZE {}").format(table))
    assert made is not None, "the function gives one row, or an error"
    return int(made[0])


async def _replace_rows(
    connection: psycopg.AsyncConnection, raw: str, target: str, *, keeps_columns: bool
) -> Published:
    """Give an existing table new rows; its oid, grants, triggers and record stay."""
    found = await (await connection.execute(_RELATION, [target])).fetchone()
    if found is None or found[1] != "r":
        raise ImportFailed(2013, f"{target} is not a table")
    new = await _columns(connection, await _cartodbfy(connection, raw))
    old = await _columns(connection, found[0])
    lost = [name for name, kind in old.items() if _carto_type(new.get(name)) != _carto_type(kind)]
    lost = [name for name in lost if name not in _ALWAYS_REPLACED]
    if lost and keeps_columns:
        raise ImportFailed(2012, f"not in the new file, or of another type: {', '.join(lost)}")
    table, source = sql.Identifier("public", target), sql.Identifier("public", raw)
    names = sql.SQL(", ").join(map(sql.Identifier, new))
    with loading_errors(2013):
        await connection.execute(sql.SQL("TRUNCATE {}").format(table))
        for change in _changes(old, new, lost):
            await connection.execute(sql.SQL("ALTER TABLE {} {}").format(table, change))
        await connection.execute(sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(table, names, names, source))
        await connection.execute(sql.SQL("DROP TABLE {}").format(source))
    oid = await _cartodbfy(connection, target)  # it may never have been, or have lost something since
    await connection.execute(sql.SQL(_SET_SEQUENCE).format(name=sql.Literal(table.as_string()), table=table))
    return Published(target, oid, created=False)


async def _columns(connection: psycopg.AsyncConnection, oid: int) -> dict[str, str]:
    return dict(await (await connection.execute(_COLUMNS, [oid])).fetchall())


def _carto_type(pg_type: str | None) -> str | None:
    return _CARTO_TYPES.get(pg_type or "", pg_type)


def _changes(old: dict[str, str], new: dict[str, str], lost: list[str]) -> list[sql.Composed]:
    """List what turns the columns of an empty table into the new ones."""
    dropped = [sql.SQL("DROP COLUMN {}").format(sql.Identifier(name)) for name in lost]
    added = [
        sql.SQL("ADD COLUMN {} {}").format(sql.Identifier(name), sql.SQL(kind))
        for name, kind in new.items()
        if name not in old or name in lost
    ]
    retyped = [
        sql.SQL("ALTER COLUMN {} TYPE {}").format(sql.Identifier(name), sql.SQL(kind))
        for name, kind in new.items()
        if name in old and name not in lost and name not in _ALWAYS_REPLACED and old[name] != kind
    ]
    return [*dropped, *added, *retyped]
