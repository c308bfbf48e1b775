"""Make an anonymous map: one that is described by the request that makes it.

    python examples/import_standard_table.py examples/files/populated_places.csv
    python examples/create_anonymous_map.py examples/files/anonymous_map.json --picture cities.png

The file holds a MapConfig: its version, and layers with SQL and CartoCSS.
"""

from __future__ import annotations

from account import account_parser, log_in
from json_argument import json_file
from map_instance import add_picture_option, show_instance
from terminal import run

from carto.maps import AnonymousMap


def main() -> None:
    """Make the map of the file that the arguments name."""
    parser = account_parser(__doc__)
    parser.add_argument("anonymous_map_json", help="file with the MapConfig")
    add_picture_option(parser)
    options = parser.parse_args()

    config = json_file(options.anonymous_map_json)
    with log_in(parser, options) as auth_client:
        anonymous = AnonymousMap(auth_client)
        anonymous.instantiate(config)
        show_instance(anonymous, options.picture)
    print("The tiles can be seen without the API key where the tables are public.")


if __name__ == "__main__":
    run(main)
