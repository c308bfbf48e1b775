"""Export a map to a .carto file: the map with the data it shows, which can be imported again.

    python examples/export_map.py "My cities" --output cities.carto

Without --output, the address of the file on the server is printed, from where it can be fetched for some hours.
"""

from __future__ import annotations

from pathlib import Path

from account import account_parser, log_in
from datasets_and_maps import export_url, find_map
from terminal import progress_shown, run, size_text


def main() -> None:
    """Export the map that the arguments name."""
    parser = account_parser(__doc__)
    parser.add_argument("map_name", help="name of the map, or its id")
    parser.add_argument("--output", type=Path, metavar="FILE", help="fetch the file to this machine")
    options = parser.parse_args()

    with log_in(parser, options) as auth_client:
        exported = find_map(auth_client, options.map_name)
        if options.output is None:
            print(export_url(exported))
            return
        exported.download(options.output, progress=progress_shown())
    print(f"{exported.name} is in {options.output.resolve()} ({size_text(options.output.stat().st_size)})")


if __name__ == "__main__":
    run(main)
