"""Import a file of cities as a dataset, list the datasets of the account, publish it, and look at its rows.

    export CARTO_API_URL=https://USER.carto.com/ CARTO_API_KEY=KEY
    python examples/datasets.py

Works the same against the sandbox (`python -m carto.sandbox`). The dataset that it makes is deleted at the end.
"""

from __future__ import annotations

import time
from pathlib import Path

from account import account_parser, log_in
from terminal import run

from carto.auth import APIKeyAuthClient
from carto.datasets import Dataset, DatasetManager
from carto.permissions import PRIVATE, PUBLIC
from carto.sql import Identifier, SQLClient

CITIES_FILE = Path(__file__).parent / "files" / "populated_places.csv"
ROWS_SHOWN = 10


def main() -> None:
    """Take the tour on the account that the options or the environment name."""
    parser = account_parser(__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the dataset")
    options = parser.parse_args()

    with log_in(parser, options) as auth_client:
        manager = DatasetManager(auth_client)
        start = time.perf_counter()
        dataset = manager.create(CITIES_FILE, privacy=PRIVATE)
        print(f"{CITIES_FILE.name} became {dataset.name} in {time.perf_counter() - start:.1f} s")
        try:
            print_datasets(manager)
            publish(dataset)
            print_rows(auth_client, dataset)
        finally:
            if not options.keep:
                dataset.delete()


def print_datasets(manager: DatasetManager) -> None:
    """Print the datasets of the account as a table."""
    print(f"\n{'dataset':<32}{'privacy':<10}{'rows':>8}{'bytes':>12}  geometry")
    for each in manager.iterate(order="name", order_direction="asc"):
        table = each.table
        geometry = ", ".join(table.geometry_types or [])
        print(f"{each.name:<32}{each.privacy:<10}{table.row_count or 0:>8,}{table.size or 0:>12,}  {geometry}")


def publish(dataset: Dataset) -> None:
    """Let everybody read the dataset."""
    before = dataset.privacy
    dataset.privacy = PUBLIC
    dataset.save()
    print(f"\n{dataset.name} was {before} and is {dataset.privacy}: {dataset.url}")


def print_rows(auth_client: APIKeyAuthClient, dataset: Dataset) -> None:
    """Print the first page of the dataset's rows."""
    columns = "name, round(ST_X(the_geom)::numeric, 2) AS longitude, round(ST_Y(the_geom)::numeric, 2) AS latitude"
    page = SQLClient(auth_client).send(
        f"SELECT {columns} FROM %(table)s ORDER BY cartodb_id",  # noqa: S608  # the columns stand above
        params={"table": Identifier(dataset.name)}, rows_per_page=ROWS_SHOWN, page=0)
    print(f"\n{'name':<24}{'longitude':>10}{'latitude':>10}")
    for row in page["rows"]:
        print(f"{row['name']:<24}{row['longitude']:>10}{row['latitude']:>10}")


if __name__ == "__main__":
    run(main)
