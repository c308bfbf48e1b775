"""Import a URL as a dataset that the server fetches again at an interval.

    python examples/import_sync_table_as_dataset.py https://example.com/stations.csv 3600

import_sync_table.py works with the synchronization itself: it can have it run at once.
"""

from __future__ import annotations

from account import account_parser, log_in
from datasets_and_maps import print_dataset
from terminal import progress_shown, run

from carto.datasets import DatasetManager


def main() -> None:
    """Import the URL that the arguments name."""
    parser = account_parser(__doc__)
    parser.add_argument("url", help="URL of the data")
    parser.add_argument("sync_time", type=int, help="seconds from one time to the next, 900 or more")
    options = parser.parse_args()

    with log_in(parser, options) as auth_client:
        manager = DatasetManager(auth_client)
        print_dataset(auth_client, manager.create(options.url, options.sync_time, progress=progress_shown()))


if __name__ == "__main__":
    run(main)
