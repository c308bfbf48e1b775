"""The columns of tables as the API shows and changes them."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from carto.sandbox.visualizations_store import Catalog, Row

HIDDEN = "the_geom_webmercator"
RESERVED = ("cartodb_id", "the_geom", HIDDEN)
_FIRST = {"cartodb_id": 0, "the_geom": 1}
_LAST = {"created_at": 3, "updated_at": 4}
_CARTO_TYPES = {
    "number": ("smallint", "integer", "bigint", "real", "double precision", "numeric"),
    "string": ("text", "character varying", "character"),
    "boolean": ("boolean",),
    "date": ("date", "timestamp with time zone", "timestamp without time zone"),
    "geometry": ("geometry",),
}
_CARTO_TYPE_OF = {name: kind for kind, names in _CARTO_TYPES.items() for name in names}
_DATABASE_TYPES = {"number": "double precision", "string": "text", "date": "timestamp with time zone"}
_COLUMNS = """
SELECT attname AS name, carto_sandbox.type_name(atttypid) AS type FROM pg_catalog.pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attname <> %s
"""


def carto_type(database_type: str) -> str:
    """Return CARTO's name for a type of PostgreSQL; one that it has no name for keeps its own."""
    return _CARTO_TYPE_OF.get(database_type, database_type)


def database_type(wanted: str) -> sql.SQL:
    """Return PostgreSQL's type for one that a caller asks for, in CARTO's words or its own."""
    return sql.SQL(_DATABASE_TYPES.get(wanted, wanted))


async def columns(catalog: Catalog, dataset: Row) -> dict[str, str]:
    """Return the database types of a table's columns by name, in the order in which they are shown."""
    rows = await catalog.rows(_COLUMNS, [dataset["table_oid"], HIDDEN])
    rows.sort(key=lambda row: (_FIRST.get(row["name"], _LAST.get(row["name"], 2)), row["name"]))
    return {row["name"]: row["type"] for row in rows}


async def schema(catalog: Catalog, dataset: Row) -> list[list[str]]:
    """Show a table's columns: pairs of name and type, geometries with their kind."""
    kinds = dataset["geometry_types"] or ["ST_Geometry"]
    kind = kinds[0].removeprefix("ST_").lower()
    shown = []
    for name, type_name in (await columns(catalog, dataset)).items():
        known = carto_type(type_name)
        shown.append([name, known, "geometry", kind] if known == "geometry" else [name, known])
    return shown


async def add(connection: psycopg.AsyncConnection, table: str, name: str, kind: str) -> None:
    """Add a column.

    Args:
        connection: Connection of the account's owner.
        table: Name of the table.
        name: Name of the column.
        kind: Its type, in CARTO's words or PostgreSQL's.
    """
    statement = sql.SQL("ALTER TABLE {} ADD COLUMN {} {}")
    await connection.execute(statement.format(_table(table), sql.Identifier(name), database_type(kind)))


async def change_type(connection: psycopg.AsyncConnection, table: str, name: str, kind: str) -> None:
    """Turn a column's values into another type; see `add`."""
    statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING {}::{}")
    column, wanted = sql.Identifier(name), database_type(kind)
    await connection.execute(statement.format(_table(table), column, wanted, column, wanted))


async def rename(connection: psycopg.AsyncConnection, table: str, name: str, new_name: str) -> None:
    """Rename a column; see `add`."""
    statement = sql.SQL("ALTER TABLE {} RENAME COLUMN {} TO {}")
    await connection.execute(statement.format(_table(table), sql.Identifier(name), sql.Identifier(new_name)))


async def drop(connection: psycopg.AsyncConnection, table: str, name: str) -> None:
    """Drop a column; see `add`."""
    statement = sql.SQL("ALTER TABLE {} DROP COLUMN {}")
    await connection.execute(statement.format(_table(table), sql.Identifier(name)))


async def georeference(connection: psycopg.AsyncConnection, table: str, latitude: Any, longitude: Any) -> None:
    """Make points of two columns with degrees; see `add`."""
    statement = sql.SQL("UPDATE {} SET the_geom = cartodb.CDB_LatLng({}::float8, {}::float8)")
    await connection.execute(
        statement.format(_table(table), sql.Identifier(str(latitude)), sql.Identifier(str(longitude)))
    )


def _table(name: str) -> sql.Identifier:
    return sql.Identifier("public", name)
