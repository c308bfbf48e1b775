"""Fill a table from a CSV file by COPY, and write it into another CSV file by COPY.

The table, copy_example, is made for this, and dropped at the end unless --keep is given. One that is there already is
left alone: drop it or rename it first.

    python examples/copy_example.py --output copy_export.csv
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from account import account_parser, log_in
from terminal import print_table, progress_shown, run, size_text

from carto.sql import CopySQLClient, SQLClient

STATIONS_FILE = Path(__file__).parent / "files" / "copy_from.csv"

CREATE_TABLE = """
    CREATE TABLE copy_example (the_geom geometry(Geometry, 4326), name text, age integer);
    SELECT CDB_CartodbfyTable(current_schema, 'copy_example')
"""
COPY_FROM = "COPY copy_example (the_geom, name, age) FROM stdin WITH (FORMAT csv, HEADER true)"
COPY_TO = "COPY copy_example TO stdout WITH (FORMAT csv, HEADER true)"


def main() -> None:
    """Copy the file into the table, and the table into the other file."""
    parser = account_parser(__doc__)
    parser.add_argument("--input", type=Path, default=STATIONS_FILE, metavar="FILE",
                        help="CSV file with the columns the_geom, name, age (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("copy_export.csv"), metavar="FILE",
                        help="CSV file to write (default: copy_export.csv in the current directory)")
    parser.add_argument("--keep", action="store_true", help="keep the table")
    options = parser.parse_args()
    with log_in(parser, options) as auth_client, example_table(SQLClient(auth_client), options.keep) as sql:
        copy = CopySQLClient(auth_client)
        loaded = copy.copyfrom_file_path(COPY_FROM, options.input, progress=progress_shown())
        copy.copyto_file_path(COPY_TO, options.output, progress=progress_shown())
        count = sql.send("SELECT count(*) AS rows FROM copy_example")["rows"][0]["rows"]
    print_table(["step", "rows", "size", "file"], [
        ["COPY FROM", loaded["total_rows"], size_text(options.input.stat().st_size), options.input],
        ["COPY TO", count, size_text(options.output.stat().st_size), options.output]])


@contextlib.contextmanager
def example_table(sql: SQLClient, keep: bool = False) -> Iterator[SQLClient]:
    """Make the table copy_example, and drop it at the end; a table of that name that is there already is left alone."""
    sql.send(CREATE_TABLE)
    try:
        yield sql
    finally:
        if not keep:
            sql.send("DROP TABLE copy_example")


if __name__ == "__main__":
    run(main)
