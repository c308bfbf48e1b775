"""Where visualizations are kept: beside the data, in a schema of the account's database that its roles can't touch."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from carto.sandbox import extension
from carto.sandbox.accounts import PUBLIC_ROLE, Account
from carto.sandbox.errors import ApiError
from carto.sandbox.state import ServerState

SCRIPT = Path(__file__).with_name("catalog.sql")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PUBLIC_PRIVACIES = ("PUBLIC", "LINK")

Row = dict[str, Any]

FROM = """
FROM carto_sandbox.visualizations v
LEFT JOIN cartodb.cdb_tablemetadata m ON m.tabname = v.table_oid
LEFT JOIN pg_catalog.pg_class c ON c.oid = v.table_oid
"""
SIZE = "pg_total_relation_size(v.table_oid)"
ROW_COUNT = (
    "CASE WHEN c.reltuples < 0 THEN pg_stat_get_live_tuples(v.table_oid) ELSE c.reltuples::bigint END"
)
_COLUMNS = sql.SQL(
    f"SELECT v.*, coalesce(m.updated_at, v.created_at) AS changed_at, {SIZE} AS size, {ROW_COUNT} AS row_count"
)
_BEST_FIRST = "ORDER BY v.name = %(whole)s DESC, v.type = 'table' DESC, v.updated_at DESC LIMIT 1"
# Kept unless somebody else is about to: readers must not wait for each other.
_FRESH_GEOMETRY_TYPES = """
WITH found AS (
    SELECT id, carto_sandbox.find_geometry_types(table_oid) AS types FROM carto_sandbox.visualizations WHERE id = %(id)s
), free AS (
    SELECT id FROM carto_sandbox.visualizations WHERE id = %(id)s FOR UPDATE SKIP LOCKED
), kept AS (
    UPDATE carto_sandbox.visualizations v SET geometry_types = found.types, geometry_types_at = %(changed_at)s
    FROM found JOIN free USING (id) WHERE v.id = found.id
)
SELECT types FROM found
"""
_MAPS_OF_DATASETS = """
SELECT l.dataset_id, m.*, (
    SELECT count(DISTINCT other.dataset_id) FROM carto_sandbox.layers other WHERE other.visualization_id = m.id
) AS dataset_count
FROM (SELECT DISTINCT visualization_id, dataset_id FROM carto_sandbox.layers WHERE dataset_id = ANY (%s)) AS l
JOIN carto_sandbox.visualizations m ON m.id = l.visualization_id
ORDER BY m.updated_at DESC, m.id
"""


def install(connection: psycopg.Connection) -> None:
    """Create or update the schema `carto_sandbox` and what is in it.

    Args:
        connection: Connection of an administrator to the account's database.
    """
    with connection.transaction():
        connection.execute("SET LOCAL client_min_messages = warning")
        extension.see_postgis(connection)
        connection.execute(SCRIPT.read_bytes())


def admin_conninfo(state: ServerState, account: Account) -> str:
    """Return the connection string with which the sandbox itself reaches an account's database."""
    return account.admin_conninfo(state.options.conninfo)


@asynccontextmanager
async def open_catalog(state: ServerState, account: Account) -> AsyncIterator[Catalog]:
    """Lend an account's catalog for one transaction, brought up to what SQL did to the tables.

    Raises:
        ApiError: 500, the database can't be reached, or is one that was not made by the sandbox.
    """
    async with state.pool.connection(admin_conninfo(state, account)) as connection, connection.transaction():
        try:
            await connection.execute("SELECT carto_sandbox.follow_tables()")
        except (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName) as error:
            raise ApiError(500, "this database was not made by the sandbox: it keeps no datasets") from error
        yield Catalog(connection)


class Catalog:
    """The visualizations of one account, within one transaction.

    Args:
        connection: Connection of the administrator.
    """

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self.connection = connection

    async def rows(self, query: str | sql.SQL | sql.Composed, values: Any = ()) -> list[Row]:
        """Run a query and return its rows by column."""
        async with self.connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, values or None)  # without values a % is a %
            return await cursor.fetchall() if cursor.description else []

    async def select(self, rest: sql.Composable, values: Mapping[str, Any]) -> list[Row]:
        """Return visualizations with what the database knows of their tables.

        Args:
            rest: WHERE and what follows; the visualization is ``v``, its table ``c``, its last change ``m``.
            values: Values of the placeholders.
        """
        found = await self.rows(sql.SQL(" ").join([_COLUMNS, sql.SQL(FROM), rest]), values)
        for row in found:
            if row["table_oid"] is not None and row["geometry_types_at"] != row["changed_at"]:
                row["geometry_types"] = await self._fresh_geometry_types(row)
        return found

    async def _fresh_geometry_types(self, row: Row) -> list[str]:
        values = {"id": row["id"], "changed_at": row["changed_at"]}
        found: list[str] = (await self.rows(_FRESH_GEOMETRY_TYPES, values))[0]["types"]
        return found

    async def find(self, name_or_id: str) -> Row | None:
        """Return the visualization of an id or a name, with or without a schema; of two, the dataset."""
        return await self._first("v.id", name_or_id)

    async def find_table(self, name_or_id: str) -> Row | None:
        """Return the dataset of a table's id or name, with or without a schema."""
        return await self._first("v.table_id", name_or_id, "v.type = 'table'")

    async def _first(self, id_column: str, name_or_id: str, condition: str = "true") -> Row | None:
        """Return what an id or a name means: a name may hold a dot, which else ends the name of a schema."""
        last = name_or_id.partition(".")[2] or name_or_id
        matching = f"{id_column} = %(last)s" if UUID.fullmatch(last) else "v.name IN (%(whole)s, %(last)s)"
        rest = sql.SQL(f"WHERE {condition} AND {matching} {_BEST_FIRST}")
        return next(iter(await self.select(rest, {"whole": name_or_id, "last": last})), None)

    async def datasets(self, names_or_ids: Iterable[str]) -> list[Row] | None:
        """Return the datasets of several tables, or None when one of them does not exist."""
        found = [await self.find_table(each) for each in names_or_ids]
        return None if None in found else [row for row in found if row]

    async def datasets_of_map(self, visualization_id: Any) -> list[Row]:
        """Return the datasets that a map shows."""
        shown = "SELECT dataset_id FROM carto_sandbox.layers WHERE visualization_id = %(id)s"
        rest = sql.SQL(f"WHERE v.id IN ({shown}) ORDER BY v.name")
        return await self.select(rest, {"id": visualization_id})

    async def maps_of_datasets(self, ids: Sequence[Any]) -> dict[Any, list[Row]]:
        """Return the maps that show each of some datasets, newest first."""
        found: dict[Any, list[Row]] = {each: [] for each in ids}
        for row in await self.rows(_MAPS_OF_DATASETS, [list(ids)]):
            found[row["dataset_id"]].append(row)
        return found

    async def layers(self, visualization_id: Any) -> list[Row]:
        """Return the layers of a map from the lowest up, those of datasets with the present ``table_name``."""
        return await self.rows(
            "SELECT l.*, v.name AS table_name FROM carto_sandbox.layers l"
            " LEFT JOIN carto_sandbox.visualizations v ON v.id = l.dataset_id"
            " WHERE l.visualization_id = %s ORDER BY l.position, l.id",
            [visualization_id],
        )

    async def insert(self, table: str, values: Mapping[str, Any]) -> Any:
        """Put a row into one of the sandbox's own tables and return its id."""
        query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
            sql.Identifier("carto_sandbox", table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        )
        return (await self.rows(query, values))[0]["id"]

    async def update(self, table: str, row_id: Any, values: Mapping[str, Any]) -> None:
        """Change columns of a row in one of the sandbox's own tables."""
        assignments = [sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in values]
        query = sql.SQL("UPDATE {} SET {} WHERE id = %(row_id)s").format(
            sql.Identifier("carto_sandbox", table), sql.SQL(", ").join(assignments)
        )
        await self.rows(query, {**values, "row_id": row_id})

    async def add(self, values: Mapping[str, Any]) -> Any:
        """Record a new visualization and return its id."""
        return await self.insert("visualizations", values)

    async def add_layer(
        self, visualization_id: Any, position: int, kind: str, options: Mapping[str, Any], dataset_id: Any = None
    ) -> None:
        """Put a layer into a map."""
        await self.rows(
            "INSERT INTO carto_sandbox.layers (visualization_id, dataset_id, position, kind, options)"
            " VALUES (%s, %s, %s, %s, %s)",
            [visualization_id, dataset_id, position, kind, Jsonb(options)],
        )

    async def change(self, visualization_id: Any, values: Mapping[str, Any]) -> None:
        """Change columns of a visualization; unless told otherwise, ``updated_at`` becomes now."""
        await self.update("visualizations", visualization_id, {"updated_at": "now", **values})

    async def set_table_privacy(self, dataset: Row, privacy: str) -> None:
        """Let the public role read a dataset's table, or not."""
        verb = "GRANT SELECT ON {} TO {}" if privacy in PUBLIC_PRIVACIES else "REVOKE SELECT ON {} FROM {}"
        await self.rows(sql.SQL(verb).format(_table(dataset), sql.Identifier(PUBLIC_ROLE)))

    async def rename_table(self, dataset: Row, name: str) -> None:
        """Rename a dataset's table.

        Raises:
            psycopg.Error: PostgreSQL refused.
        """
        await self.rows(sql.SQL("ALTER TABLE {} RENAME TO {}").format(_table(dataset), sql.Identifier(name)))

    async def delete(self, visualization: Row) -> None:
        """Delete a visualization, and with a dataset its table and the maps that show nothing else.

        Raises:
            psycopg.Error: PostgreSQL refused, for example because a view reads the table.
        """
        if visualization["type"] == "table":
            await self.rows(sql.SQL("DROP TABLE {}").format(_table(visualization)))
        await self.rows("DELETE FROM carto_sandbox.visualizations WHERE id = %s", [visualization["id"]])

    async def free_map_name(self, wanted: str, kind: str) -> str:
        """Return a name that no visualization of that type has: as it is, or with a number."""
        taken = {
            row["name"]
            for row in await self.rows(
                "SELECT name FROM carto_sandbox.visualizations WHERE type = %s AND starts_with(name, %s)",
                [kind, wanted],
            )
        }
        names = [wanted, *(f"{wanted} {number}" for number in range(1, len(taken) + 1))]
        return next(name for name in names if name not in taken)


def _table(dataset: Row) -> sql.Identifier:
    return sql.Identifier("public", dataset["name"])
