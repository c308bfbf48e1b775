"""Save every dataset of the account as a file.

    python examples/export_all_datasets.py --format csv --save_folder backup

A dataset that can't be exported is named at the end, and the others are saved all the same. The URL of the account
may also stand in CARTO_BASE_URL.
"""

from __future__ import annotations

from pathlib import Path

from account import account_parser, log_in
from datasets_and_maps import check_key
from export_dataset import EXTENSIONS, export
from saving import save_all
from terminal import run

from carto.datasets import Dataset, DatasetManager
from carto.sql import Identifier


def main() -> None:
    """Export the datasets of the account that the options or the environment name."""
    parser = account_parser(__doc__, url_variable="CARTO_BASE_URL")
    parser.add_argument("--format", choices=EXTENSIONS, default="csv", help="format of the files (default: csv)")
    parser.add_argument("--save_folder", type=Path, default=Path("files"), metavar="FOLDER",
                        help="where the files go (default: ./files)")
    options = parser.parse_args()

    with log_in(parser, options) as auth_client:
        def save(dataset: Dataset, path: Path) -> None:
            export(auth_client, Identifier(dataset.name), options.format, path, progress=False)

        check_key(auth_client)
        datasets = list(DatasetManager(auth_client).iterate(order="name", order_direction="asc"))
        save_all("datasets", datasets, options.save_folder, EXTENSIONS[options.format], save)


if __name__ == "__main__":
    run(main)
