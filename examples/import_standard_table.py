"""Import a file or a URL as a dataset.

    python examples/import_standard_table.py examples/files/populated_places.csv
    python examples/import_standard_table.py https://example.com/cities.geojson

CSV, Excel, GeoJSON, KML, GPX, GeoPackage, zipped shapefiles and more are understood.
"""

from __future__ import annotations

from account import account_parser, log_in
from datasets_and_maps import print_dataset
from terminal import progress_shown, run

from carto.datasets import DatasetManager


def main() -> None:
    """Import what the arguments name."""
    parser = account_parser(__doc__)
    parser.add_argument("url", help="URL of the data, or path of a file on this machine")
    options = parser.parse_args()

    with log_in(parser, options) as auth_client:
        print_dataset(auth_client, DatasetManager(auth_client).create(options.url, progress=progress_shown()))


if __name__ == "__main__":
    run(main)
