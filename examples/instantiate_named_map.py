"""Make an instance of a named map, with values for its placeholders.

    python examples/instantiate_named_map.py example_cities examples/files/instantiate_map.json example_token

create_named_map.py stores such a map.
"""

from __future__ import annotations

from account import account_parser, log_in
from json_argument import json_file
from map_instance import add_picture_option, show_instance
from terminal import fail, run

from carto.exceptions import CartoForbiddenException
from carto.maps import NamedMap


def main() -> None:
    """Instantiate the map that the arguments name."""
    parser = account_parser(__doc__)
    parser.add_argument("named_map_id", help="name of the map")
    parser.add_argument("template_json", nargs="?", help="file with values for the placeholders, by name")
    parser.add_argument("named_map_token", nargs="?", help="one of the map's tokens, if it is not open to everybody")
    add_picture_option(parser)
    options = parser.parse_args()

    values = json_file(options.template_json) if options.template_json else {}
    with log_in(parser, options) as auth_client:
        named_map = NamedMap(auth_client)
        named_map.template_id = options.named_map_id  # to read the template takes the master key, to use it does not
        try:
            named_map.instantiate(values, options.named_map_token)
        except CartoForbiddenException:
            token = "with this token" if options.named_map_token else "without a token"
            fail(f"the named map {options.named_map_id} does not open {token}")
        show_instance(named_map, options.picture)


if __name__ == "__main__":
    run(main)
