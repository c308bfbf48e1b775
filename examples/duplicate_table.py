"""Copy a table from one account to another.

The columns, indexes and comments are made first (see generate_create_table_statement.sql), then the rows pass through
as a stream, without any file. The accounts stand in secret.conf (see secret.conf.example), or in the environment:

    export CARTO_SOURCE_API_URL=https://USER.carto.com/ CARTO_SOURCE_API_KEY=KEY
    export CARTO_DESTINATION_API_URL=https://OTHER.carto.com/ CARTO_DESTINATION_API_KEY=KEY
    python examples/duplicate_table.py --table my_table

The source may also be in CARTO_API_URL and CARTO_API_KEY. When anything fails, no table is left at the destination; a
table that is there already is left alone.
"""

from __future__ import annotations

import argparse
import configparser
import itertools
import os
from pathlib import Path
from typing import Any

from catalog import create_statements, identifier
from terminal import print_table, progress_shown, run

from carto.auth import APIKeyAuthClient
from carto.sql import CopySQLClient, Identifier, SQLClient

#: Generated columns are left out: the destination computes them.
COLUMNS = """
    SELECT a.attname AS name, pg_get_serial_sequence(c.oid::regclass::text, a.attname) IS NOT NULL AS has_sequence
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN information_schema.columns i
        ON (i.table_schema, i.table_name, i.column_name) = (n.nspname, c.relname, a.attname)
    WHERE c.oid = to_regclass(%(table)s) AND i.is_generated = 'NEVER'
    ORDER BY a.attnum
"""

#: An empty table leaves the sequence as it is.
GO_ON_COUNTING = "SELECT setval(pg_get_serial_sequence(%(table)s, %(column)s), max(%(name)s)) FROM %(rows)s"

BLOCK_SIZE = 65536


def main() -> None:
    """Copy the table, and compare the number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-t", "--table", required=True, metavar="NAME",
                        help="the table, or SCHEMA.NAME for one that is shared with you")
    parser.add_argument("--config", type=Path, metavar="FILE", help="file with the accounts (default: secret.conf)")
    for side in ("source", "destination"):
        parser.add_argument(f"--{side}_url", metavar="URL", help=f"URL of the {side}'s account")
        parser.add_argument(f"--{side}_api_key", metavar="KEY", help=f"master key of the {side}'s account")
    options = parser.parse_args()
    accounts = read_accounts(parser, options.config)
    with log_in_to("source", parser, options, accounts) as source, log_in_to(
            "destination", parser, options, accounts) as destination:
        if (source.base_url, source.username) == (destination.base_url, destination.username):
            parser.error("source and destination are the same account")
        duplicate(source, destination, identifier(options.table))


def read_accounts(parser: argparse.ArgumentParser, path: Path | None) -> configparser.ConfigParser:
    """Read the file with the accounts; it need not be there unless it was asked for."""
    accounts = configparser.ConfigParser(interpolation=None)
    try:
        if not accounts.read(path or "secret.conf", encoding="utf-8") and path:
            parser.error(f"there is no file {path}; secret.conf.example shows what belongs into it")
    except configparser.ParsingError:  # its text repeats lines of the file, and there are keys in them
        parser.error(f"{path or 'secret.conf'} cannot be read: its lines are [source], [destination] or NAME = VALUE")
    except configparser.Error as error:
        parser.error(f"{path or 'secret.conf'} cannot be read: {error.message}")
    return accounts


def log_in_to(side: str, parser: argparse.ArgumentParser, options: argparse.Namespace,
              accounts: configparser.ConfigParser) -> APIKeyAuthClient:
    """Make the authentication client of the source or of the destination; end the script when it was not told which."""
    url, api_key = (
        getattr(options, f"{side}_{option}")
        or os.environ.get(f"CARTO_{side.upper()}_{variable}")
        or accounts.get(side, f"carto_{option}", fallback=None)
        or (os.environ.get(f"CARTO_{variable}") if side == "source" else None)
        for option, variable in (("url", "API_URL"), ("api_key", "API_KEY")))
    if not url or not api_key:
        parser.error(f"no {side}: fill in [{side}] in secret.conf, set CARTO_{side.upper()}_API_URL and "
                     f"CARTO_{side.upper()}_API_KEY, or give --{side}_url and --{side}_api_key")
    return APIKeyAuthClient(base_url=url, api_key=api_key)


def duplicate(source: APIKeyAuthClient, destination: APIKeyAuthClient, table: Identifier) -> None:
    """Make the table at the destination, and fill it; it is dropped again when that fails."""
    from_sql, to_sql = SQLClient(source), SQLClient(destination)
    statements = create_statements(from_sql, table)
    columns = from_sql.send(COLUMNS, params={"table": str(table)})["rows"]
    new_table = Identifier(table.parts[-1])
    to_sql.send(statements["create_table"])
    try:
        copied = copy_rows(CopySQLClient(source), table, CopySQLClient(destination), new_table, columns)
        go_on_counting(to_sql, new_table, columns)
    except BaseException:
        to_sql.send("DROP TABLE %(table)s", params={"table": new_table})
        raise
    there = to_sql.send("SELECT count(*) AS n FROM %(table)s", params={"table": new_table})["rows"][0]["n"]
    print_table(["table", "rows sent", "rows there", "from", "to"],
                [[".".join(table.parts), copied, there, source.base_url, destination.base_url]])
    if statements["foreign_keys"]:
        print(f"Left out, as they refer to other tables:\n{statements['foreign_keys']}")


def copy_rows(source: CopySQLClient, table: Identifier, destination: CopySQLClient, new_table: Identifier,
              columns: list[dict[str, Any]]) -> int:
    """Send the rows from one account to the other, in bounded memory; give their number."""
    names = ", ".join(str(Identifier(column["name"])) for column in columns)
    with source.copyto_stream(f"COPY {table} ({names}) TO stdout") as rows:
        blocks = iter(lambda: rows.read(BLOCK_SIZE), b"")
        first = next(blocks, None)
        if first is None:
            return 0  # the server refuses a COPY without rows
        answer = destination.copyfrom(f"COPY {new_table} ({names}) FROM stdin", itertools.chain([first], blocks),
                                      progress=progress_shown())
    return int(answer["total_rows"])


def go_on_counting(sql: SQLClient, table: Identifier, columns: list[dict[str, Any]]) -> None:
    """Set the sequences of a table behind its greatest values, so that new rows get new ones."""
    for column in columns:
        if column["has_sequence"]:
            sql.send(GO_ON_COUNTING, params={"table": str(table), "column": column["name"],
                                             "name": Identifier(column["name"]), "rows": table})


if __name__ == "__main__":
    run(main)
