"""Files of several layers, to import."""

from __future__ import annotations

from pathlib import Path

import numpy
from pyogrio.raw import write

_POINT = bytes.fromhex("0101000000000000000000F03F0000000000000040")


def write_layers(path: Path, counts: dict[str, int]) -> None:
    """Write a GeoPackage whose layers have so many points.

    Args:
        path: A file that does not exist yet.
        counts: How many points, by the name of the layer.
    """
    for name, count in counts.items():
        write(str(path), numpy.array([_POINT] * count, dtype=object), [numpy.arange(count)], ["number"],
              layer=name, driver="GPKG", geometry_type="Point", crs="EPSG:4326", append=path.exists())
