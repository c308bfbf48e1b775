"""Import a file of cities, and draw a map of them as a picture.

    export CARTO_API_URL=https://USER.carto.com/ CARTO_API_KEY=KEY
    python examples/maps.py

Works the same against the sandbox (`python -m carto.sandbox`). The dataset that it makes is deleted at
the end. `maps.ipynb` shows named and anonymous maps in a notebook.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from account import account_parser, log_in
from terminal import run

from carto.auth import APIKeyAuthClient
from carto.datasets import DatasetManager
from carto.maps import AnonymousMap

CITIES_FILE = Path(__file__).parent / "files" / "populated_places.csv"

STYLE = """
    Map { background-color: #f2efe9; }
    #layer {
        marker-width: 7; marker-fill: #0f6fc6; marker-line-color: #ffffff; marker-line-width: 1;
        marker-allow-overlap: true;
    }
    #layer::labels {
        text-name: [name]; text-face-name: 'DejaVu Sans Book'; text-size: 10; text-fill: #333333;
        text-halo-fill: #ffffff; text-halo-radius: 1; text-dy: -8;
    }
"""


def main() -> None:
    """Draw on the account that the options or the environment name."""
    parser = account_parser(__doc__)
    parser.add_argument("--output", type=Path, default=Path("populated_places.png"),
                        help="the picture (default: populated_places.png in the current directory)")
    options = parser.parse_args()

    with log_in(parser, options) as auth_client:
        dataset = DatasetManager(auth_client).create(CITIES_FILE)
        try:
            layers = [{"type": "mapnik", "options": {
                "sql": f"SELECT * FROM {dataset.name}",  # noqa: S608  # the server chose the name
                "cartocss": STYLE, "cartocss_version": "2.3.0"}}]
            picture = draw({"version": "1.8.0", "layers": layers}, auth_client)
        finally:
            dataset.delete()
    options.output.write_bytes(picture)
    print(f"The map of {CITIES_FILE.name} is in {options.output.resolve()}")


def draw(config: dict[str, Any], auth_client: APIKeyAuthClient) -> bytes:
    """Draw an anonymous map of the cities as PNG."""
    anonymous = AnonymousMap(auth_client)
    anonymous.instantiate(config)
    return anonymous.image(1024, 560, center=(5, 25), zoom=2)


if __name__ == "__main__":
    run(main)
