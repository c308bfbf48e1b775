"""Write the CREATE TABLE statements of all tables of an account, as a script that makes them again, without rows.

The statements come from generate_create_table_statement.sql, which says what is in them. Constraints that refer to
other tables stand at the end, where those exist.

    python examples/export_create_tables.py --output tables.sql
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from account import account_parser, log_in
from catalog import create_statements, tables
from terminal import run, with_progress

from carto.sql import Identifier, SQLClient


def main() -> None:
    """Write the script to the file, or print it."""
    parser = account_parser(__doc__)
    parser.add_argument("--output", type=Path, metavar="FILE", help="file to write (default: print the statements)")
    options = parser.parse_args()
    with log_in(parser, options) as auth_client:
        found = read_tables(SQLClient(auth_client))
    keys = [row["foreign_keys"] for row in found if row["foreign_keys"]]
    text = "".join(f"{statements}\n\n" for statements in [row["create_table"] for row in found] + keys)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
        print(f"The statements of {len(found)} tables are in {options.output}")
    else:
        sys.stdout.write(text)


def read_tables(sql: SQLClient) -> list[dict[str, Any]]:
    """Ask for the statements of each table."""
    names = sorted(table["name"] for table in tables(sql))
    return [create_statements(sql, Identifier(name)) for name in with_progress(names, "Reading", " tables")]


if __name__ == "__main__":
    run(main)
