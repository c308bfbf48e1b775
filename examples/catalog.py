"""What several examples ask PostgreSQL's catalog: the tables of the account, and how to make one of them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from terminal import fail

from carto.sql import Identifier, SQLClient

#: A personal account keeps its tables in the schema public, a member of an organization in one of its own. PostGIS has
#: some tables there, too, which belong to an extension.
TABLES = """
    SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes,
           CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint ELSE pg_stat_get_live_tuples(c.oid) END AS rows,
           EXISTS (
               SELECT FROM pg_trigger t
               WHERE t.tgrelid = c.oid AND t.tgname = 'update_the_geom_webmercator_trigger'
           ) AS cartodbfied
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind = 'r' AND NOT EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
    ORDER BY bytes DESC, name
"""

CREATE_TABLE = Path(__file__).with_name("generate_create_table_statement.sql")


def tables(sql: SQLClient) -> list[dict[str, Any]]:
    """List the tables of the account, the largest first: name, bytes, rows (an estimate) and whether cartodbfied."""
    rows: list[dict[str, Any]] = sql.send(TABLES)["rows"]
    return rows


def identifier(table: str) -> Identifier:
    """Make the name of a table from what was typed: NAME, or SCHEMA.NAME for a table that somebody else shares."""
    return Identifier(*table.split(".", 1))


def create_statements(sql: SQLClient, table: Identifier) -> dict[str, Any]:
    """Ask for the statements that make a table again; end the script when it is not there.

    Returns:
        The row of generate_create_table_statement.sql, which says what is in it.
    """
    query = CREATE_TABLE.read_text(encoding="utf-8")
    row: dict[str, Any] = sql.send(query, params={"table": str(table)})["rows"][0]
    if not row["create_table"]:
        no_table(".".join(table.parts))
    return row


def no_table(table: str) -> NoReturn:
    """End the script, which was asked for a table that is not there."""
    fail(f"there is no table {table} in this account; list_tables.py shows those that are")
