"""List the maps of the account, or tell all about one, and export it.

    python examples/map_info.py
    python examples/map_info.py --map "My cities"
    python examples/map_info.py --export "My cities"

--export prints the address of a .carto file, which can be fetched for some hours and imported again.
"""

from __future__ import annotations

from account import account_parser, log_in
from datasets_and_maps import check_key, export_url, find_map, print_properties, time_text
from terminal import print_table, run

from carto.auth import APIKeyAuthClient
from carto.visualizations import Visualization, VisualizationManager


def main() -> None:
    """Show what the options ask for."""
    parser = account_parser(__doc__)
    parser.add_argument("--map", metavar="NAME", help="name or id of the map to tell about")
    parser.add_argument("--export", nargs="?", const="", metavar="NAME",
                        help="name or id of the map to export (default: the one of --map)")
    options = parser.parse_args()
    if options.export == "" and not options.map:
        parser.error("--export needs the name of a map, or --map")

    with log_in(parser, options) as auth_client:
        if options.map:
            print_map(find_map(auth_client, options.map))
        if options.export is not None:
            print(export_url(find_map(auth_client, options.export or options.map)))
        if not options.map and options.export is None:
            print_maps(auth_client)


def print_maps(auth_client: APIKeyAuthClient) -> None:
    """Print the maps of the account as a table."""
    check_key(auth_client)
    maps = list(VisualizationManager(auth_client).iterate(order="name", order_direction="asc"))
    if not maps:
        print("There are no maps in this account.")
        return
    print_table(("map", "privacy", "changed", "id"),
                [(each.name, each.privacy, time_text(each.updated_at), each.id) for each in maps])


def print_map(found: Visualization) -> None:
    """Print everything about one map."""
    print_properties({
        "map": found.name,
        "id": found.id,
        "title": found.title,
        "description": found.description,
        "tags": ", ".join(found.tags or ()),
        "privacy": found.privacy,
        "tables": ", ".join(str(table.name) for table in found.related_tables or ()),
        "views in 30 days": sum((found.stats or {}).values()),
        "made": time_text(found.created_at),
        "changed": time_text(found.updated_at),
        "map id": found.map_id,
        "active layer": found.active_layer_id,
        "URL": found.url,
    })


if __name__ == "__main__":
    run(main)
