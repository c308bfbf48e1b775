"""SQL of map layers: cleaning and wrapping it, the tokens in it, and running one statement as a key's role."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from psycopg.pq.abc import PGresult
from psycopg.rows import dict_row

from carto.sandbox.map_view import TILE_SIZE, View
from carto.sandbox.pool import Pool

STANDARD_PIXEL_M = 0.00028
"""Size of a pixel that scale denominators are counted with, in metres."""

_FINAL_SEMICOLON = re.compile(r";\s*\Z")
_WRAPPED = re.compile(r"<%=\s*sql\s*%>")
_SYNTAX_ERROR = "42601"
_NO_PERMISSION = "42501"
Row = dict[str, Any]


class ColumnType(NamedTuple):
    """The type of a column.

    Attributes:
        name: Its name in ``pg_type``.
        category: N for numbers, S for texts, B for booleans, D for dates; see ``pg_type.typcategory``.
    """

    name: str
    category: str


@dataclass(frozen=True)
class Database:
    """An account's database, reached as one role.

    Attributes:
        pool: Connections.
        conninfo: Connection string of the role.
        statement_timeout_ms: Longest run of one of the role's statements in milliseconds; None for no limit.
    """

    pool: Pool
    conninfo: str
    statement_timeout_ms: int | None = None

    async def rows(self, statement: str) -> list[Row]:
        """Run one statement and return its rows.

        Args:
            statement: SQL; a second statement in it is a syntax error.

        Raises:
            psycopg.Error: PostgreSQL refused it.
        """
        async with self.pool.connection(self.conninfo) as connection:
            # Binary results make psycopg use the protocol that takes no more than one statement.
            cursor = connection.cursor(binary=True, row_factory=dict_row)
            await cursor.execute(statement.encode())
            return await cursor.fetchall()

    async def text_result(self, statement: str) -> PGresult:
        """Run one statement and return its result with values in PostgreSQL's text form; see `rows`."""
        async with self.pool.connection(self.conninfo) as connection:
            cursor = connection.cursor()
            # A parameter makes psycopg use the protocol that takes no more than one statement.
            doubled = statement.replace("%", "%%")
            await cursor.execute(f"WITH nothing AS (SELECT %s::text) {doubled}".encode(), [""])
            if cursor.pgresult is None:
                raise psycopg.ProgrammingError("the statement gives no rows")
            return cursor.pgresult

    async def columns(self, sql: str) -> dict[str, ColumnType]:
        """Return the types of a query's columns.

        Raises:
            psycopg.Error: PostgreSQL refused the query.
        """
        async with self.pool.connection(self.conninfo) as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(f"{selected(sql)} LIMIT 0".encode())
            types = {column.name: column.type_code for column in cursor.description or ()}
            known = await connection.execute(
                "SELECT oid, typname::text, typcategory::text FROM pg_type WHERE oid = ANY (%s)", [list(types.values())]
            )
            found = {oid: ColumnType(name, category) for oid, name, category in await known.fetchall()}
        return {name: found[oid] for name, oid in types.items()}

    async def estimated_rows(self, sql: str) -> int:
        """Ask PostgreSQL's planner how many rows a query gives; -1 when it does not know the query."""
        try:
            (row,) = await self.rows(f"EXPLAIN (FORMAT JSON) {selected(sql)}")
        except psycopg.Error:
            return -1
        return int(row["QUERY PLAN"][0]["Plan"]["Plan Rows"])

    async def check_names(self, sql: str) -> None:
        """Have a query planned, for the errors that name tables, columns and functions.

        Syntax errors and missing permissions are left to whoever runs it.

        Raises:
            psycopg.Error: PostgreSQL can't plan the query.
        """
        try:
            await self.rows(f"EXPLAIN {at_zoom_0(sql)}")
        except psycopg.Error as error:
            if error.sqlstate not in (_SYNTAX_ERROR, _NO_PERMISSION):
                raise


def layer_query(sql: str, wrapper: str | None = None) -> str:
    """Return the SQL of a layer without its final semicolon, inside the layer's wrapper if it has one."""
    query = _FINAL_SEMICOLON.sub("", sql)
    return _WRAPPED.sub(lambda _match: query, wrapper) if wrapper else query


def selected(sql: str) -> str:
    """Return the statement that gives all rows of a layer's SQL."""
    return f"SELECT * FROM ({at_zoom_0(sql)}) AS cdbq"  # noqa: S608 -- run with the rights of whom it comes from


def at_zoom_0(sql: str) -> str:
    """Replace the tokens in a layer's SQL by what they are when the whole world is drawn on one tile."""
    return with_tokens(sql, View.of_tile(0, 0, 0))


def with_tokens(sql: str, view: View) -> str:
    """Replace ``!bbox!`` and the like in a layer's SQL.

    Args:
        sql: The SQL.
        view: What is drawn.
    """
    if "!" not in sql:
        return sql
    west, south, east, north = view.extent
    pixel = (east - west) / TILE_SIZE
    values = {
        "!bbox!": f"ST_MakeEnvelope({west!r},{south!r},{east!r},{north!r},3857)",
        "!pixel_width!": repr(pixel),
        "!pixel_height!": repr(pixel),
        "!scale_denominator!": repr(pixel / STANDARD_PIXEL_M),
    }
    for token, value in values.items():
        sql = sql.replace(token, value)
    return sql


def identifier(name: str) -> str:
    """Quote the name of a column."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text, whatever is in it."""
    return "'" + text.replace("'", "''") + "'"
