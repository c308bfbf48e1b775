"""Import several CSV files of the same columns as one dataset.

    python examples/import_and_merge.py "examples/files/daylight_*.csv" --name daylight

Each file is imported by itself, since that finds the types of its columns. Their rows are then put together in one
transaction, and the datasets of the parts are deleted. If anything fails, nothing stays in the account; the one import
that Ctrl-C interrupts is finished by the server all the same.
"""

from __future__ import annotations

import glob
from pathlib import Path

from account import account_parser, log_in
from datasets_and_maps import print_dataset
from terminal import fail, run, with_progress

from carto.auth import APIKeyAuthClient
from carto.datasets import Dataset, DatasetManager
from carto.sql import BatchSQLClient, Identifier, SQLClient

#: Filled by the server.
OWN_COLUMNS = ("cartodb_id", "the_geom_webmercator")


def main() -> None:
    """Import the files that the arguments name."""
    parser = account_parser(__doc__)
    parser.add_argument("folder_name", help="the files, as a pattern in quotation marks, or a folder with CSV files")
    parser.add_argument("--name", help="name of the dataset (default: that of the first file)")
    options = parser.parse_args()

    paths = files_of(options.folder_name)
    with log_in(parser, options) as auth_client:
        dataset = import_together(auth_client, paths, options.name)
        print_dataset(auth_client, dataset)
    print(f"{len(paths)} files became one dataset.")


def files_of(pattern: str) -> list[Path]:
    """List the files in their alphabetical order; end the script when there are none."""
    found = sorted(glob.glob(str(Path(pattern, "*.csv")) if Path(pattern).is_dir() else pattern))
    if not found:
        fail(f"no files: nothing matches {pattern}")
    return [Path(each) for each in found]


def import_together(auth_client: APIKeyAuthClient, paths: list[Path], name: str | None) -> Dataset:
    """Import the files and merge them; delete what has come when anything fails.

    Args:
        auth_client: The account.
        paths: The files.
        name: A name for the dataset, or None for that of the first file.

    Returns:
        The dataset with the rows of all of them.
    """
    manager = DatasetManager(auth_client)
    parts: list[Dataset] = []
    try:
        for path in with_progress(paths, "importing", " files"):
            parts.append(manager.create(path))
        merge(auth_client, paths, parts)
        if name is not None:
            parts[0].name = name
            parts[0].save()
    except BaseException:
        delete(parts)
        raise
    delete(parts[1:])
    return manager.get(parts[0].id)


def merge(auth_client: APIKeyAuthClient, paths: list[Path], parts: list[Dataset]) -> None:
    """Put the rows of all parts into the first; a batch query may take its time, and is one transaction."""
    sql = SQLClient(auth_client)
    first, *others = [columns_of(sql, part.name) for part in parts]
    for path, columns in zip(paths[1:], others, strict=True):
        if columns != first:
            fail(f"the columns of {path.name} are not those of {paths[0].name}: {listed(columns)}, not {listed(first)}")
    names = ", ".join(str(Identifier(column)) for column in first)
    into = f"INSERT INTO {Identifier(parts[0].name)} ({names})"
    copies = [f"{into} SELECT {names} FROM {Identifier(part.name)} ORDER BY cartodb_id"  # noqa: S608  # all quoted
              for part in parts[1:]]
    if copies:
        BatchSQLClient(auth_client).create_and_wait_for_completion("; ".join(copies))


def columns_of(sql: SQLClient, table: str) -> dict[str, str]:
    """Read the columns of a table and their types, those left out that the server fills."""
    fields = sql.send("SELECT * FROM %s LIMIT 0", params=[Identifier(table)])["fields"]
    return {name: field["type"] for name, field in sorted(fields.items()) if name not in OWN_COLUMNS}


def listed(columns: dict[str, str]) -> str:
    """Write columns with their types."""
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def delete(datasets: list[Dataset]) -> None:
    """Delete datasets that nobody else knows of yet."""
    for dataset in datasets:
        dataset.force_delete()


if __name__ == "__main__":
    run(main)
