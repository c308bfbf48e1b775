"""Columns of a file as those of a table: their names, and the ones that hold a position."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg

from carto.sandbox.import_errors import ImportFailed
from carto.sandbox.importing.layers import Field, Row

MAX_LENGTH = 63
GEOMETRY = "the_geom"
_GEOMETRY_NAMES = ("the_geom", "geometry", "wkb_geometry", "geom", "geojson", "wkt")
_LATITUDE_NAMES = ("latitude", "lat", "latitudedecimal", "latitud", "lati", "decimallatitude", "decimallat",
                   "point_latitude")  # fmt: skip
_LONGITUDE_NAMES = ("longitude", "lon", "lng", "longitudedecimal", "longitud", "long", "decimallongitude",
                    "decimallong", "point_longitude")  # fmt: skip
_POINT_4326 = struct.Struct("<BIIdd")
_POINT_KIND = 0x20000001

# The words that have to be quoted, and the columns that every table has already.
_RESERVED = """
SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')
UNION ALL SELECT attname FROM pg_attribute WHERE attrelid = 'pg_class'::regclass AND attnum < 0
"""


async def reserved_names(connection: psycopg.AsyncConnection) -> set[str]:
    """Ask PostgreSQL which words are no names of columns."""
    return {row[0] for row in await (await connection.execute(_RESERVED)).fetchall()}


def column_names(wanted: Iterable[str], reserved: set[str], taken: Iterable[str] = ()) -> list[str]:
    """Make names of columns: lower case, letters, digits and single underscores, each one once.

    Args:
        wanted: Names in the file.
        reserved: Words that get an underscore before them.
        taken: Names that are not free.
    """
    names: list[str] = []
    used = set(taken)
    for number, name in enumerate(wanted, 1):
        clean = re.sub("_+", "_", re.sub("[^a-z0-9_]", "_", name.lower())).strip() or f"field_{number}"
        if clean[0].isdigit() or clean in reserved:
            clean = "_" + clean
        names.append(_unused(clean[:MAX_LENGTH], used))
        used.add(names[-1])
    return names


def _unused(name: str, used: set[str]) -> str:
    candidate, number = name, 0
    while candidate in used:
        number += 1
        candidate = f"{name[: MAX_LENGTH - len(str(number)) - 1]}_{number}"
    return candidate


def check_headers(fields: Sequence[Field], max_columns: int) -> None:
    """Refuse what no table can be made of.

    Raises:
        ImportFailed: 2004 or 2005.
    """
    if len(fields) > max_columns:
        raise ImportFailed(2004, f"{len(fields)} columns, at most {max_columns} are possible")
    names = [field.name for field in fields]
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise ImportFailed(2005, f"columns with the same name: {', '.join(repeated)}")


def geometry_column(fields: Sequence[Field]) -> int | None:
    """Find the column of text that holds geometries (WKT, EWKT, WKB in hexadecimal or GeoJSON), by its name."""
    texts = {field.name.lower(): index for index, field in enumerate(fields) if field.pg_type == "text"}
    return next((texts[name] for name in _GEOMETRY_NAMES if name in texts), None)


def point_writer(fields: Sequence[Field]) -> Callable[[Row], str | None] | None:
    """Return what makes a point, as EWKB in hexadecimal, of a row's latitude and longitude.

    Args:
        fields: Columns, in the order of the rows' values.

    Returns:
        None when there are no two columns of such names.
    """
    places = {field.name.lower(): index for index, field in enumerate(fields)}
    latitude = next((places[name] for name in _LATITUDE_NAMES if name in places), None)
    longitude = next((places[name] for name in _LONGITUDE_NAMES if name in places), None)
    if latitude is None or longitude is None:
        return None

    def write(row: Row) -> str | None:
        x, y = _degrees(row[longitude], 180), _degrees(row[latitude], 90)
        return None if x is None or y is None else _POINT_4326.pack(1, _POINT_KIND, 4326, x, y).hex()

    return write


def _degrees(value: Any, limit: float) -> float | None:
    """Read a number of degrees, with a decimal point or comma; None for anything else."""
    try:
        number = float(value.replace(",", ".") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        return None
    return number if -limit <= number <= limit else None
