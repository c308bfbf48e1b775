"""Store a named map: a template of a map, with placeholders, that is instantiated by its name.

    python examples/import_standard_table.py examples/files/populated_places.csv
    python examples/create_named_map.py examples/files/named_map.json
    python examples/instantiate_named_map.py example_cities examples/files/instantiate_map.json example_token

The file holds the template: version, name, auth, placeholders, layergroup and view.
"""

from __future__ import annotations

from typing import Any

from account import account_parser, log_in
from datasets_and_maps import print_properties
from json_argument import json_file
from terminal import fail, run

from carto.exceptions import CartoBadRequestException
from carto.maps import NamedMap, NamedMapManager


def main() -> None:
    """Store the template of the file that the arguments name."""
    parser = account_parser(__doc__)
    parser.add_argument("named_map_json", help="file with the template")
    parser.add_argument("--replace", action="store_true", help="replace a named map of that name, if there is one")
    options = parser.parse_args()

    template = json_file(options.named_map_json)
    with log_in(parser, options) as auth_client:
        manager = NamedMapManager(auth_client)
        named_map = manager.upsert(template) if options.replace else create(manager, template)
    print_properties({
        "named map": named_map.template_id,
        "opens with": "a token" if (named_map.auth or {}).get("method") == "token" else "its name",
        "placeholders": ", ".join(named_map.placeholders or ()),
        "layers": len((named_map.layergroup or {}).get("layers") or ()),
    })


def create(manager: NamedMapManager, template: dict[str, Any]) -> NamedMap:
    """Store a template; end the script when there is one of that name."""
    try:
        return manager.create(template=template)
    except CartoBadRequestException as error:
        if "already exists" not in str(error):
            raise
        fail(f"{error}; --replace replaces it")


if __name__ == "__main__":
    run(main)
