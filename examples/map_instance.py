"""Show an instance of a map: its layers, the address of its tiles, and a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from saving import write_whole
from terminal import print_table

from carto.maps import BaseMap

#: The middle of the picture: longitude and latitude. At zoom 2, its width goes around the world.
MIDDLE, ZOOM = (5, 25), 2
WIDTH, HEIGHT = 1024, 560


def add_picture_option(parser: argparse.ArgumentParser) -> None:
    """Let the user ask for a picture of the map."""
    parser.add_argument("--picture", type=Path, metavar="FILE",
                        help="save a picture of the map as PNG, of the whole world")


def show_instance(instance: BaseMap, picture: Path | None) -> None:
    """Print what the map is made of and where it is, and draw it where a picture was asked for."""
    layers = (instance.metadata or {}).get("layers") or ()
    print_table(("layer", "type"), [(layer.get("id"), layer.get("type")) for layer in layers])
    print(f"map: {instance.layergroupid}")
    print(f"tiles: {instance.instance_url('{z}/{x}/{y}.png')}")
    if picture is not None:
        write_whole(picture, instance.image(WIDTH, HEIGHT, center=MIDDLE, zoom=ZOOM))
        print(f"picture: {picture.resolve()}")
