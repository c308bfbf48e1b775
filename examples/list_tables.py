"""List the tables of an account, the largest first.

A table is cartodbfied when it has CARTO's columns and triggers, so that maps can show it; see the function
CDB_CartodbfyTable. The rows are PostgreSQL's estimate, and the size includes indexes.

    python examples/list_tables.py
"""

from __future__ import annotations

from account import account_parser, log_in
from catalog import tables
from terminal import print_table, run, size_text

from carto.sql import SQLClient


def main() -> None:
    """Print the table of tables."""
    parser = account_parser(__doc__)
    with log_in(parser, parser.parse_args()) as auth_client:
        found = tables(SQLClient(auth_client))
    if not found:
        print("There are no tables in this account.")
        return
    print_table(
        ["table", "size", "rows (estimate)", "cartodbfied"],
        [[each["name"], size_text(each["bytes"]), each["rows"], "yes" if each["cartodbfied"] else "no"]
         for each in found])
    print(f"{len(found)} tables, {size_text(sum(each['bytes'] for each in found))}")


if __name__ == "__main__":
    run(main)
