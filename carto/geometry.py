"""Geometries of any library as PostGIS takes them.

Shapely, geojson, pyshp, geopandas and others describe their geometries by the
``__geo_interface__`` protocol, as GeoJSON; PostGIS reads EWKB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from carto.exceptions import CartoUsageException

__all__ = ["DEFAULT_SRID", "Geometry", "to_ewkb"]

DEFAULT_SRID = 4326
MAX_SRID = 999999  # PostGIS allows no more

_CODES = {
    "Point": 1,
    "LineString": 2,
    "LinearRing": 2,  # Shapely's rings; PostGIS has no such type
    "Polygon": 3,
    "MultiPoint": 4,
    "MultiLineString": 5,
    "MultiPolygon": 6,
    "GeometryCollection": 7,
}
_PARTS = {"MultiPoint": "Point", "MultiLineString": "LineString", "MultiPolygon": "Polygon"}
_HAS_Z = 0x80000000
_HAS_SRID = 0x20000000
_LITTLE_ENDIAN = 1


class Geometry:
    """A geometry together with its SRID, for parameters of a query.

    Use it for a GeoJSON mapping, which would be sent as jsonb otherwise, and for
    coordinates that are not longitude and latitude.

    Args:
        shape: A GeoJSON geometry or Feature, or any object with ``__geo_interface__``.
        srid: The EPSG number of its coordinates' system.
    """

    def __init__(self, shape: Any, srid: int = DEFAULT_SRID) -> None:
        self.__geo_interface__: Any = getattr(shape, "__geo_interface__", shape)
        self.srid = _checked_srid(srid)

    def __repr__(self) -> str:
        kind = self.__geo_interface__.get("type") if isinstance(self.__geo_interface__, Mapping) else "?"
        return f"<Geometry {kind}, SRID {self.srid}>"


def to_ewkb(shape: Any) -> bytes | None:
    """Encode a geometry as EWKB, PostGIS's binary form.

    Args:
        shape: An object with ``__geo_interface__``. Its attribute ``srid``, when it
            has one that is not 0, names the coordinates' system (an EPSG number);
            otherwise it is 4326, longitude and latitude.

    Returns:
        The bytes, little-endian, or None for a Feature that has no geometry.

    Raises:
        CartoUsageException: It is no GeoJSON geometry, or its coordinates are not as its type wants.
    """
    geometry = _geometry_of(shape)
    if geometry is None:
        return None
    srid = getattr(shape, "srid", None)
    srid = _checked_srid(srid) if srid and srid != -1 else DEFAULT_SRID  # 0 and -1 mean unknown
    try:
        return _encode(geometry, _dimensions(geometry), srid)
    except (KeyError, TypeError, ValueError, struct.error) as error:
        if isinstance(error, CartoUsageException):
            raise
        raise CartoUsageException(f"the {geometry.get('type')} is not valid GeoJSON: its coordinates "
                                  "or geometries are missing or not nested as its type wants") from None


def _checked_srid(srid: Any) -> int:
    if not isinstance(srid, int) or not 0 < srid <= MAX_SRID:
        raise CartoUsageException(f"an SRID is a whole number from 1 to {MAX_SRID}, such as 4326; got {srid!r}")
    return srid


def _geometry_of(shape: Any) -> Mapping[str, Any] | None:
    """Follow ``__geo_interface__`` and Features down to the GeoJSON geometry."""
    shape = getattr(shape, "__geo_interface__", shape)
    if isinstance(shape, Mapping) and shape.get("type") == "Feature":
        inner = shape.get("geometry")
        return None if inner is None else _geometry_of(inner)
    kind = shape.get("type") if isinstance(shape, Mapping) else type(shape).__name__
    if not isinstance(shape, Mapping) or kind not in _CODES:
        raise CartoUsageException(f"no GeoJSON geometry but {kind!r}; a geometry is one of {', '.join(_CODES)}, "
                                  "or a Feature with one of them")
    return shape


def _dimensions(geometry: Mapping[str, Any]) -> int:
    """Tell how many numbers the first position has; an empty geometry is flat."""
    size = len(next(_positions(geometry), (0, 0)))
    if size not in (2, 3):
        raise CartoUsageException(f"a position has {size} numbers; 2 or 3 are possible")
    return size


def _positions(geometry: Mapping[str, Any]) -> Iterator[Sequence[float]]:
    if geometry["type"] == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from _positions(_part_of_collection(part))
    else:
        yield from _innermost(geometry["coordinates"])


def _innermost(coordinates: Any) -> Iterator[Sequence[float]]:
    for inner in coordinates:
        if isinstance(inner, str) or not hasattr(inner, "__len__"):
            yield coordinates
            return
        yield from _innermost(inner)


def _part_of_collection(part: Any) -> Mapping[str, Any]:
    geometry = _geometry_of(part)
    if geometry is None:
        raise CartoUsageException("a GeometryCollection holds a Feature without geometry")
    return geometry


def _encode(geometry: Mapping[str, Any], size: int, srid: int | None = None) -> bytes:
    """Write the header and what follows it; only the outermost geometry carries the SRID."""
    code = _CODES[geometry["type"]] | (_HAS_Z if size == 3 else 0)
    if srid is None:
        return struct.pack("<BI", _LITTLE_ENDIAN, code) + _body(geometry, size)
    return struct.pack("<BII", _LITTLE_ENDIAN, code | _HAS_SRID, srid) + _body(geometry, size)


def _body(geometry: Mapping[str, Any], size: int) -> bytes:
    kind = geometry["type"]
    if kind == "GeometryCollection":
        return _counted([_encode(_part_of_collection(part), size) for part in geometry["geometries"]])
    coordinates = geometry["coordinates"]
    if kind == "Point":
        # EWKB has no empty point: PostGIS writes and reads one as NaN
        return _packed([coordinates if len(coordinates) else [float("nan")] * size], size)
    if kind == "Polygon":
        return _counted([_line(ring, size) for ring in coordinates])
    if kind in _PARTS:
        return _counted([_encode({"type": _PARTS[kind], "coordinates": part}, size) for part in coordinates])
    return _line(coordinates, size)


def _counted(parts: list[bytes]) -> bytes:
    return struct.pack("<I", len(parts)) + b"".join(parts)


def _line(positions: Sequence[Sequence[float]], size: int) -> bytes:
    return struct.pack("<I", len(positions)) + _packed(positions, size)


def _packed(positions: Sequence[Sequence[float]], size: int) -> bytes:
    if any(len(position) != size for position in positions):
        raise CartoUsageException(f"the geometry mixes positions of {size} numbers with positions of another length")
    return struct.pack(f"<{len(positions) * size}d", *chain.from_iterable(positions))
