"""Show how a table is made: its columns, indexes, constraints and triggers, and how large it is.

The last table lists the functions of the account, which its triggers and queries may call.

    python examples/table_info.py DATASET
"""

from __future__ import annotations

from typing import Any

from account import account_parser, log_in
from catalog import identifier, no_table
from terminal import print_table, run, size_text

from carto.sql import SQLClient

SIZES = """
    SELECT pg_relation_size(c.oid) AS rows, pg_indexes_size(c.oid) AS indexes, pg_total_relation_size(c.oid) AS total,
           CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint ELSE pg_stat_get_live_tuples(c.oid) END AS count
    FROM pg_class c WHERE c.oid = to_regclass(%(table)s)
"""

COLUMNS = """
    SELECT a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type,
           CASE WHEN a.attnotnull THEN 'no' ELSE 'yes' END AS nullable,
           pg_get_expr(d.adbin, d.adrelid) AS default, col_description(a.attrelid, a.attnum) AS comment
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""

INDEXES = """
    SELECT i.indexrelid::regclass::text AS index, pg_relation_size(i.indexrelid) AS size,
           pg_stat_get_numscans(i.indexrelid) AS scans, pg_get_indexdef(i.indexrelid, 0, true) AS definition
    FROM pg_index i WHERE i.indrelid = to_regclass(%(table)s) ORDER BY index
"""

CONSTRAINTS = """
    SELECT conname AS constraint, pg_get_constraintdef(oid, true) AS definition
    FROM pg_constraint WHERE conrelid = to_regclass(%(table)s) ORDER BY conname
"""

TRIGGERS = """
    SELECT tgname AS trigger, tgfoid::regproc::text AS function,
           regexp_replace(pg_get_triggerdef(oid, true), '^CREATE .*TRIGGER \\S+ | EXECUTE .*$', '', 'g') AS fires
    FROM pg_trigger WHERE tgrelid = to_regclass(%(table)s) AND NOT tgisinternal ORDER BY tgname
"""

#: Extensions keep their functions in the same schema.
FUNCTIONS = """
    SELECT p.proname AS function, pg_get_function_arguments(p.oid) AS arguments,
           pg_get_function_result(p.oid) AS returns, l.lanname AS language
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
    WHERE n.nspname = current_schema() AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    )
    ORDER BY p.proname, arguments
"""


def main() -> None:
    """Print what there is to know about the table."""
    parser = account_parser(__doc__)
    parser.add_argument("dataset_name", help="name of the table, or SCHEMA.NAME for one that somebody else shares")
    options = parser.parse_args()
    with log_in(parser, options) as auth_client:
        show(SQLClient(auth_client), options.dataset_name)


def show(sql: SQLClient, table: str) -> None:
    """Print a table for each kind of thing that belongs to the table."""
    params = {"table": str(identifier(table))}
    sizes = sql.send(SIZES, params=params)["rows"]
    if not sizes:
        no_table(table)
    print_sizes(table, sizes[0])
    print_rows("Columns", sql.send(COLUMNS, params=params))
    print_rows("Indexes", sql.send(INDEXES, params=params))
    print_rows("Constraints", sql.send(CONSTRAINTS, params=params))
    print_rows("Triggers", sql.send(TRIGGERS, params=params))
    print_rows("Functions of the account", sql.send(FUNCTIONS))


def print_sizes(table: str, sizes: dict[str, Any]) -> None:
    """Print how many rows there are, and what they take."""
    print(f"{table}: about {sizes['count']} rows")
    print_table(["rows", "indexes", "total"], [[size_text(sizes[part]) for part in ("rows", "indexes", "total")]])


def print_rows(title: str, answer: dict[str, Any]) -> None:
    """Print the rows of an answer below a title, sizes as people read them."""
    columns = list(answer["fields"])
    print(f"\n{title}" if answer["rows"] else f"\n{title}: none")
    if answer["rows"]:
        print_table(columns, [[size_text(row[name]) if name == "size" else row[name] for name in columns]
                              for row in answer["rows"]])


if __name__ == "__main__":
    run(main)
