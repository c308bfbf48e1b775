"""Run a query under EXPLAIN ANALYZE, show where its time goes, and say what may make it faster.

    python examples/check_query.py "SELECT * FROM my_table WHERE ST_DWithin(the_geom, ST_MakePoint(0, 50), 1)"

The query is executed, so it takes its time; its rows stay in the database. One that changes data is only planned, but
functions that change data are called.
"""

from __future__ import annotations

import re
from typing import Any

from account import account_parser, log_in
from query_advice import Node, advice, changes_data, walk
from terminal import fail, print_table, run

from carto.sql import SQLClient

#: Texts, quoted names and comments: a semicolon in them separates nothing.
QUOTED = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "[^"]*" | \$(\w*)\$.*?\$\1\$ | --[^\n]* | /\*.*?\*/""",
    re.VERBOSE | re.DOTALL)


def main() -> None:
    """Explain the query."""
    parser = account_parser(__doc__)
    parser.add_argument("queryUser", metavar="QUERY", help="the query, without EXPLAIN")
    options = parser.parse_args()
    query = single_statement(options.queryUser)
    with log_in(parser, options) as auth_client:
        sql = SQLClient(auth_client)
        plan = explain(sql, query)
        print_plan(plan["Plan"])
        print_times(plan)
        print_advice(advice(plan["Plan"], lambda schema, table: columns_of(sql, schema, table)))


def single_statement(text: str) -> str:
    """Take off the semicolon at the end, and refuse a second statement, which would be executed as it is."""
    query = text.strip().rstrip(";").rstrip()
    if not query or ";" in QUOTED.sub("", query):
        fail("give one query, and no more than one")
    return query


def explain(sql: SQLClient, query: str) -> dict[str, Any]:
    """Ask for the plan of a query, and what really happened unless it changes data."""
    plan: dict[str, Any] = sql.send(f"EXPLAIN (VERBOSE, FORMAT JSON) {query}")["rows"][0]["QUERY PLAN"][0]
    if not changes_data(plan["Plan"]):
        plan = sql.send(f"EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) {query}")["rows"][0]["QUERY PLAN"][0]
    return plan


def columns_of(sql: SQLClient, schema: str, table: str) -> list[dict[str, Any]]:
    """List the columns of a table: name, whether spatial, and whether an index can find rows by it."""
    rows: list[dict[str, Any]] = sql.send("""
        SELECT a.attname AS name, t.typname IN ('geometry', 'geography') AS spatial, EXISTS (
            SELECT FROM pg_index i
            JOIN pg_class c ON c.oid = i.indexrelid
            JOIN pg_am m ON m.oid = c.relam
            WHERE i.indrelid = a.attrelid
                AND CASE WHEN m.amname IN ('gist', 'spgist', 'brin') THEN a.attnum = ANY(i.indkey)
                         ELSE a.attnum = i.indkey[0] AND t.typname NOT IN ('geometry', 'geography') END
        ) AS indexed
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = to_regclass(quote_ident(%(schema)s) || '.' || quote_ident(%(table)s))
            AND a.attnum > 0 AND NOT a.attisdropped
    """, params={"schema": schema, "table": table})["rows"]
    return rows


def print_plan(plan: Node) -> None:
    """Print the steps of the plan; the deeper ones deliver their rows to those above."""
    print_table(["step", "of", "rows planned", "rows", "times", "ms"], [
        ["  " * depth + node["Node Type"], node.get("Relation Name") or node.get("Index Name"), node["Plan Rows"],
         node.get("Actual Rows"), node.get("Actual Loops"), node.get("Actual Total Time")]
        for depth, node in walk(plan)])


def print_times(plan: dict[str, Any]) -> None:
    """Print how long it all took."""
    if "Execution Time" in plan:
        print(f"Planned in {plan['Planning Time']:.1f} ms, executed in {plan['Execution Time']:.1f} ms. Each step's "
              "rows and ms are those of one time, and its ms hold those of the steps below it.")
    else:
        print("The query changes data: it was planned, but not executed.")


def print_advice(lines: list[str]) -> None:
    """Print the advice, or that there is none."""
    print("\nAdvice:" if lines else "\nNo advice: nothing in the plan looks slow for its size.")
    for line in lines:
        print(f"  - {line}")


if __name__ == "__main__":
    run(main)
