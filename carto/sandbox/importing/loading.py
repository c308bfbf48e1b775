"""Loads rows into PostgreSQL: each source becomes a raw table, with its geometries readable by CDB_CartodbfyTable."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import conninfo as conninfo_text
from psycopg import errors, sql

from carto.sandbox.import_errors import ImportFailed
from carto.sandbox.importing import columns
from carto.sandbox.importing.layers import TABULAR, Layer

CONNECT_TIMEOUT_S = 10
_KINDS = "SELECT DISTINCT GeometryType(ST_Force2D(the_geom)) FROM {} WHERE the_geom IS NOT NULL"
_TOLD_BY = (  # errors of PostGIS and of the quota, all of the same class
    ("Quota exceeded", 8001),
    ("SRID", 3008),
    ("spatial_ref_sys", 3008),
    ("could not parse proj", 3008),
    ("transform", 2014),
)
_DECIMAL_COMMA = r"^\s*[-+]?\d+(,\d+)?\s*$"


@contextmanager
def loading_errors(code: int) -> Iterator[None]:
    """Give PostgreSQL's errors a code of imports.

    Args:
        code: For errors that have none of their own.
    """
    try:
        yield
    except errors.QueryCanceled as error:
        raise ImportFailed(6667, str(error)) from error
    except (errors.CharacterNotInRepertoire, errors.UntranslatableCharacter) as error:
        raise ImportFailed(2006, str(error)) from error
    except errors.DependentObjectsStillExist as error:
        raise ImportFailed(2013, str(error)) from error
    except psycopg.Error as error:
        raise ImportFailed(next((told for mark, told in _TOLD_BY if mark in str(error)), code), str(error)) from error


def new_raw_name() -> str:
    """Return a name that no user's table has."""
    return f"carto_import_{uuid.uuid4().hex}"


async def load_layer(connection: psycopg.AsyncConnection, layer: Layer, max_rows: int, *, guess_commas: bool) -> str:
    """Make a raw table of a layer: its columns, and ``the_geom`` if it has any position.

    Args:
        connection: Connection of the account's owner, within a transaction.
        layer: What is read.
        max_rows: How many rows it may have.
        guess_commas: Whether texts that are numbers with a decimal comma become numbers.

    Returns:
        The raw table's name.

    Raises:
        ImportFailed: It can't be read or loaded.
    """
    reserved = await columns.reserved_names(connection)
    geometry_text = None if layer.has_geometry else columns.geometry_column(layer.columns)
    points = None if layer.has_geometry or geometry_text is not None else columns.point_writer(layer.columns)
    names = columns.column_names([each.name for each in layer.columns], reserved, [columns.GEOMETRY])
    described = [(name, each.pg_type) for name, each in zip(names, layer.columns, strict=True)]
    if geometry_text is not None:
        described[geometry_text] = (columns.GEOMETRY, "text")
    elif layer.has_geometry or points is not None:
        described.append((columns.GEOMETRY, "geometry"))
    table = await _create(connection, described)
    rows = layer.rows() if points is None else ([*row, points(row)] for row in layer.rows())
    await _copy(connection, table, rows, max_rows)
    if guess_commas and layer.format in TABULAR:
        await _read_decimal_commas(connection, table, layer, described)
    if geometry_text is not None:
        name = names[geometry_text]
        await _read_geometries(connection, table, "invalid_the_geom" if name.startswith("the_geom") else name)
    elif layer.has_geometry and layer.srid is None:
        await _transform(connection, table, str(layer.crs))
    await _unify_geometries(connection, table)
    return table


async def _create(connection: psycopg.AsyncConnection, described: list[tuple[str, str]]) -> str:
    table = new_raw_name()
    parts = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in described]
    statement = sql.SQL("CREATE TABLE public.{} ({})").format(sql.Identifier(table), sql.SQL(", ").join(parts))
    await connection.execute(statement)
    return table


async def _copy(
    connection: psycopg.AsyncConnection, table: str, rows: Iterator[list[Any]], max_rows: int
) -> None:
    statement = sql.SQL("COPY public.{} FROM STDIN").format(sql.Identifier(table))
    with loading_errors(2001):
        async with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in itertools.islice(rows, max_rows):
                await copy.write_row(row)
            if next(rows, None) is not None:
                raise ImportFailed(6668, f"more than {max_rows} rows")


async def _read_decimal_commas(
    connection: psycopg.AsyncConnection, table: str, layer: Layer, described: list[tuple[str, str]]
) -> None:
    """Make numbers of text columns that hold only such as ``1,5``; where commas part the columns, none does."""
    if layer.options["SEPARATOR"] == "COMMA":
        return
    for name in [name for name, kind in described if kind == "text"]:
        column, target = sql.Identifier(name), sql.Identifier("public", table)
        query = sql.SQL("SELECT bool_and({0} ~ %s) AND bool_or({0} LIKE '%%,%%') FROM {1} WHERE {0} <> ''").format(
            column, target
        )
        found = await (await connection.execute(query, [_DECIMAL_COMMA])).fetchone()
        if found and found[0]:
            change = "ALTER TABLE {0} ALTER {1} TYPE double precision USING replace(nullif({1}, ''), ',', '.')::float8"
            await connection.execute(sql.SQL(change).format(target, column))


async def _read_geometries(connection: psycopg.AsyncConnection, table: str, text_name: str) -> None:
    """Make geometries of the texts in ``the_geom``; where one is none, the column stays text.

    Args:
        connection: Connection of the account's owner, within a transaction.
        table: The raw table.
        text_name: Name for the column when it stays text.

    Raises:
        ImportFailed: 3008, their reference system is not known.
    """
    target = sql.Identifier("public", table)
    try:
        async with connection.transaction():
            await connection.execute(
                sql.SQL(
                    "ALTER TABLE {} ALTER the_geom TYPE geometry"
                    " USING cartodb._CDB_ToLonLat(nullif(btrim(the_geom), '')::geometry)"
                ).format(target)
            )
    except psycopg.Error as error:
        if "SRID" in str(error):
            raise ImportFailed(3008, str(error)) from error
        rename = sql.SQL("ALTER TABLE {} RENAME the_geom TO {}").format(target, sql.Identifier(text_name))
        await connection.execute(rename)


async def _transform(connection: psycopg.AsyncConnection, table: str, crs: str) -> None:
    """Bring geometries from a reference system without EPSG code to longitude and latitude."""
    update = sql.SQL("UPDATE {} SET the_geom = ST_Transform(the_geom, %s, 4326)")
    with loading_errors(3008):
        await connection.execute(update.format(sql.Identifier("public", table)), [crs])


async def _unify_geometries(connection: psycopg.AsyncConnection, table: str) -> None:
    """Make all geometries multiple ones where some are.

    Raises:
        ImportFailed: 3201, they are of several kinds.
    """
    target = sql.Identifier("public", table)
    if not await _has_geometries(connection, table):
        return
    rows = await (await connection.execute(sql.SQL(_KINDS).format(target))).fetchall()
    kinds = {row[0] for row in rows}
    if len({re.sub("^MULTI", "", kind) for kind in kinds}) > 1 or "GEOMETRYCOLLECTION" in kinds:
        raise ImportFailed(3201, f"geometries of several kinds: {', '.join(sorted(kinds))}")
    if len(kinds) > 1:
        await connection.execute(sql.SQL("UPDATE {} SET the_geom = ST_Multi(the_geom)").format(target))


async def _has_geometries(connection: psycopg.AsyncConnection, table: str) -> bool:
    query = (
        "SELECT FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'the_geom'"
        " AND atttypid = 'geometry'::regtype"
    )
    return bool((await connection.execute(query, [f"public.{table}"])).rowcount)


async def load_query(connection: psycopg.AsyncConnection, query: str) -> str:
    """Make a raw table of a query in the account's own database.

    Raises:
        ImportFailed: 8003, it failed.
    """
    table = new_raw_name()
    statement = sql.SQL("CREATE TABLE public.{} AS ").format(sql.Identifier(table)).as_string()
    with loading_errors(8003):
        await connection.execute((statement + query.strip().rstrip(";")).encode())
    return table


async def load_remote(connection: psycopg.AsyncConnection, conninfo: dict[str, Any], query: str, max_rows: int) -> str:
    """Make a raw table of a query in another PostgreSQL.

    Args:
        connection: Connection of the account's owner, within a transaction.
        conninfo: Where the other server is, and who asks.
        query: What it is asked.
        max_rows: How many rows the answer may have.

    Raises:
        ImportFailed: 1500, the other server can't be reached or refuses; 6668.
    """
    try:
        there = await psycopg.AsyncConnection.connect(
            conninfo_text.make_conninfo("", **conninfo, connect_timeout=CONNECT_TIMEOUT_S), autocommit=True
        )
    except psycopg.Error as error:
        raise ImportFailed(1500, str(error)) from error
    async with there:
        try:
            return await _load_from(connection, there, query.strip().rstrip(";"), max_rows)
        except psycopg.Error as error:
            raise ImportFailed(1500, str(error)) from error


async def _load_from(
    connection: psycopg.AsyncConnection, there: psycopg.AsyncConnection, query: str, max_rows: int
) -> str:
    await there.execute("SET default_transaction_read_only = on")
    described = await _remote_columns(connection, there, query)
    table = await _create(connection, described)
    # bytes, since the query may hold what psycopg takes for placeholders
    source = f"COPY (SELECT * FROM ({query}) AS asked LIMIT {max_rows + 1}) TO STDOUT".encode()  # noqa: S608
    target = sql.SQL("COPY public.{} FROM STDIN").format(sql.Identifier(table))
    async with there.cursor() as reader, connection.cursor() as writer:
        async with reader.copy(source) as pieces, writer.copy(target) as copy:
            async for piece in pieces:
                await copy.write(piece)
        if writer.rowcount > max_rows:
            raise ImportFailed(6668, f"more than {max_rows} rows")
    return table


async def _remote_columns(
    connection: psycopg.AsyncConnection, there: psycopg.AsyncConnection, query: str
) -> list[tuple[str, str]]:
    """Describe a remote query's columns; types that are not known here become text."""
    cursor = await there.execute(f"SELECT * FROM ({query}) AS asked LIMIT 0".encode())  # noqa: S608
    described = []
    names = columns.column_names([each.name for each in cursor.description or []], set())
    for name, each in zip(names, cursor.description or [], strict=True):
        found = await (await there.execute("SELECT format_type(%s, NULL)", [each.type_code])).fetchone()
        known = await (await connection.execute("SELECT to_regtype(%s)::text", [found and found[0]])).fetchone()
        described.append((name, (known and known[0]) or "text"))
    return described
