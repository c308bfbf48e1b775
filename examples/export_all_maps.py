"""Save every map of the account as a .carto file, which can be imported again.

    python examples/export_all_maps.py --save_folder backup

A map that can't be exported is named at the end, and the others are saved all the same. The URL of the account may
also stand in CARTO_BASE_URL.
"""

from __future__ import annotations

from pathlib import Path

from account import account_parser, log_in
from datasets_and_maps import check_key
from saving import save_all
from terminal import run

from carto.visualizations import Visualization, VisualizationManager


def main() -> None:
    """Export the maps of the account that the options or the environment name."""
    parser = account_parser(__doc__, url_variable="CARTO_BASE_URL")
    parser.add_argument("--save_folder", type=Path, default=Path(), metavar="FOLDER",
                        help="where the files go (default: the current directory)")
    options = parser.parse_args()

    with log_in(parser, options) as auth_client:
        check_key(auth_client)
        maps = list(VisualizationManager(auth_client).iterate(order="name", order_direction="asc"))
        save_all("maps", maps, options.save_folder, "carto", Visualization.download)


if __name__ == "__main__":
    run(main)
