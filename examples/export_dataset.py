"""Save a dataset as a file.

    python examples/export_dataset.py --dataset populated_places --format gpkg

CSV comes through COPY, in any size. The other formats are made by the server as a whole, which sets limits to
their size and time, and pass through this machine's memory.
"""

from __future__ import annotations

from pathlib import Path

from account import account_parser, log_in
from catalog import identifier
from saving import file_names, write_whole
from terminal import progress_shown, run, size_text

from carto.auth import APIKeyAuthClient
from carto.sql import CopySQLClient, Identifier, SQLClient

#: The endings of the files, by the SQL API's name of the format.
EXTENSIONS = {"csv": "csv", "geojson": "geojson", "gpkg": "gpkg", "kml": "kml", "shp": "zip",
              "spatialite": "sqlite", "svg": "svg", "topojson": "topojson"}
#: A copy of the_geom for drawing, which the server makes by itself.
DERIVED = "the_geom_webmercator"


def main() -> None:
    """Export the dataset that the options name."""
    parser = account_parser(__doc__)
    parser.add_argument("--dataset", required=True, metavar="NAME",
                        help="name of the dataset, or SCHEMA.NAME for one that somebody else shares")
    parser.add_argument("--format", choices=EXTENSIONS, default="csv", help="format of the file (default: csv)")
    parser.add_argument("--output", type=Path, metavar="FILE",
                        help="the file (default: the dataset's name, in the current directory)")
    options = parser.parse_args()

    path = options.output or Path(*file_names([options.dataset], EXTENSIONS[options.format]))
    with log_in(parser, options) as auth_client:
        export(auth_client, identifier(options.dataset), options.format, path, progress_shown())
    print(f"{options.dataset} is in {path.resolve()} ({size_text(path.stat().st_size)})")


def export(auth_client: APIKeyAuthClient, table: Identifier, file_format: str, path: Path, progress: bool) -> None:
    """Write a dataset to a file, which is as before when anything fails.

    Args:
        auth_client: The account.
        table: The dataset's table.
        file_format: One of EXTENSIONS.
        path: The file.
        progress: Whether to show how much of a CSV file has come.
    """
    if file_format == "csv":
        query = copy_query(SQLClient(auth_client), table)
        CopySQLClient(auth_client).copyto_file_path(query, path, progress=progress)
    else:
        content = SQLClient(auth_client).send("SELECT * FROM %s", parse_json=False, format=file_format,
                                              params=[table], skipfields=DERIVED)
        write_whole(path, content)


def copy_query(sql: SQLClient, table: Identifier) -> str:
    """Write the COPY of a table's own columns, in the order of its rows."""
    fields = sql.send("SELECT * FROM %s LIMIT 0", params=[table])["fields"]
    columns = ", ".join(str(Identifier(name)) for name in fields if name != DERIVED)
    order = "ORDER BY cartodb_id" if "cartodb_id" in fields else ""
    query = f"SELECT {columns} FROM {table} {order}"  # noqa: S608  # identifiers are quoted
    return f"COPY ({query}) TO stdout WITH (FORMAT csv, HEADER true)"


if __name__ == "__main__":
    run(main)
