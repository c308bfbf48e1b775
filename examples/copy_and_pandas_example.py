"""Read a table into a pandas data frame: COPY sends the rows, and pandas reads them from the stream as CSV.

Without --table, that is the table of copy_example.py, made from its file and dropped at the end.

    python examples/copy_and_pandas_example.py --table my_table
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from account import account_parser, log_in
from catalog import identifier
from copy_example import COPY_FROM, STATIONS_FILE, example_table
from terminal import print_table, progress_shown, require, run

from carto.auth import APIKeyAuthClient
from carto.sql import CopySQLClient, SQLClient


def main() -> None:
    """Read the table, and print what pandas knows of its columns."""
    parser = account_parser(__doc__)
    parser.add_argument("--table", help="a table of yours, or SCHEMA.NAME for one that somebody else shares")
    options = parser.parse_args()
    require("pandas")
    with log_in(parser, options) as auth_client, table_to_read(auth_client, options.table) as table:
        frame = read_table(auth_client, table)
    print(f"{table}: {len(frame)} rows in a data frame of {frame.memory_usage(deep=True).sum()} bytes\n")
    print(frame.head().to_string())
    print()
    print_table(["column", "type", "values", "different", "least", "greatest"],
                [describe(frame[column]) for column in frame.columns])


@contextlib.contextmanager
def table_to_read(auth_client: APIKeyAuthClient, table: str | None) -> Iterator[str]:
    """Give the name of the table, after making the example's where none was asked for."""
    if table is not None:
        yield table
        return
    with example_table(SQLClient(auth_client)):
        CopySQLClient(auth_client).copyfrom_file_path(COPY_FROM, STATIONS_FILE)
        yield "copy_example"


def read_table(auth_client: APIKeyAuthClient, table: str) -> Any:
    """Read all rows of a table into a data frame; nothing is kept beside it, neither in memory nor on the disk."""
    query = f"COPY {identifier(table)} TO stdout WITH (FORMAT csv, HEADER true)"
    with CopySQLClient(auth_client).copyto_stream(query, progress=progress_shown()) as stream:
        return require("pandas").read_csv(stream)


def describe(column: Any) -> list[Any]:
    """Describe a column of the frame: its name, its type, its values, and for numbers the range."""
    is_number = column.dtype.kind in "iuf"
    return [column.name, str(column.dtype), int(column.count()), column.nunique(),
            column.min() if is_number else None, column.max() if is_number else None]


if __name__ == "__main__":
    run(main)
