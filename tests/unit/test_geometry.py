"""EWKB of every GeoJSON geometry. The expected bytes are PostGIS's own, from ST_AsEWKB; tests/sandbox asks it again."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest

from carto.exceptions import CartoUsageException
from carto.geometry import Geometry, to_ewkb

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 0]]


class Shape:
    """A geometry of some library."""

    def __init__(self, geojson: Any, **attributes: Any) -> None:
        self.__geo_interface__ = geojson
        self.__dict__.update(attributes)


def encoded(geojson: Any) -> str:
    ewkb = to_ewkb(Shape(geojson))
    assert ewkb is not None
    return ewkb.hex().upper()


@pytest.mark.parametrize(("kind", "coordinates", "ewkb"), [
    ("Point", [1, 2],
     "0101000020E6100000000000000000F03F0000000000000040"),
    ("Point", [1, 2, 3],
     "01010000A0E6100000000000000000F03F00000000000000400000000000000840"),
    ("Point", [],
     "0101000020E6100000000000000000F87F000000000000F87F"),
    ("LineString", [[0, 0], [1.5, -2]],
     "0102000020E61000000200000000000000000000000000000000000000000000000000F83F00000000000000C0"),
    ("LineString", [],
     "0102000020E610000000000000"),
    ("Polygon", [SQUARE],
     "0103000020E6100000010000000400000000000000000000000000000000000000000000000000F03F00000000000000"
     "00000000000000F03F000000000000F03F00000000000000000000000000000000"),
    ("Polygon", [],
     "0103000020E610000000000000"),
    ("Polygon", [SQUARE, [[0, 0], [1, 0], [0, 1], [0, 0]]],
     "0103000020E6100000020000000400000000000000000000000000000000000000000000000000F03F00000000000000"
     "00000000000000F03F000000000000F03F00000000000000000000000000000000040000000000000000000000000000"
     "0000000000000000000000F03F00000000000000000000000000000000000000000000F03F0000000000000000000000"
     "0000000000"),
    ("MultiPoint", [[1, 2], [3, 4]],
     "0104000020E6100000020000000101000000000000000000F03F00000000000000400101000000000000000000084000"
     "00000000001040"),
    ("MultiPoint", [],
     "0104000020E610000000000000"),
    ("MultiPoint", [[1, 2, 3]],
     "01040000A0E6100000010000000101000080000000000000F03F00000000000000400000000000000840"),
    ("MultiLineString", [[[0, 0], [1, 2]], []],
     "0105000020E61000000200000001020000000200000000000000000000000000000000000000000000000000F03F0000"
     "000000000040010200000000000000"),
    ("MultiPolygon", [[SQUARE], []],
     "0106000020E6100000020000000103000000010000000400000000000000000000000000000000000000000000000000"
     "F03F0000000000000000000000000000F03F000000000000F03F00000000000000000000000000000000010300000000"
     "000000"),
    ("MultiPolygon", [[], [[[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 0, 1]]]],
     "01060000A0E6100000020000000103000080000000000103000080010000000400000000000000000000000000000000"
     "000000000000000000F03F000000000000F03F0000000000000000000000000000F03F000000000000F03F0000000000"
     "00F03F000000000000F03F00000000000000000000000000000000000000000000F03F"),
    ("GeometryCollection", [],
     "0107000020E610000000000000"),
    ("GeometryCollection", [{"type": "Point", "coordinates": [1, 2]}, {"type": "LineString", "coordinates": []}],
     "0107000020E6100000020000000101000000000000000000F03F0000000000000040010200000000000000"),
    ("GeometryCollection",
     [{"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2, 3]}]}],
     "01070000A0E6100000010000000107000080010000000101000080000000000000F03F00000000000000400000000000"
     "000840"),
])
def test_geometry_types(kind: str, coordinates: Any, ewkb: str) -> None:
    member = "geometries" if kind == "GeometryCollection" else "coordinates"
    assert encoded({"type": kind, member: coordinates}) == ewkb


def test_rings_of_shapely_are_lines() -> None:
    assert encoded({"type": "LinearRing", "coordinates": SQUARE}) == encoded(
        {"type": "LineString", "coordinates": SQUARE})


@pytest.mark.parametrize("positions", [
    ((0, 0), (1, 0), (1, 1), (0, 0)),
    np.array(SQUARE),
    [array("d", position) for position in SQUARE],
])
def test_positions_in_other_sequences(positions: Any) -> None:
    assert encoded({"type": "Polygon", "coordinates": [positions]}) == encoded(
        {"type": "Polygon", "coordinates": [SQUARE]})


def test_a_feature_is_its_geometry() -> None:
    point = {"type": "Point", "coordinates": [1, 2]}
    assert encoded({"type": "Feature", "geometry": point, "properties": {"a": 1}}) == encoded(point)
    assert encoded({"type": "Feature", "geometry": Shape(point)}) == encoded(point)
    assert to_ewkb(Shape({"type": "Feature", "geometry": None})) is None


@pytest.mark.parametrize("unknown", [None, 0, -1])
def test_srid_of_the_object(unknown: int | None) -> None:
    point = {"type": "Point", "coordinates": [1, 2]}
    assert to_ewkb(Shape(point, srid=unknown)) == to_ewkb(Shape(point))
    assert to_ewkb(Shape(point, srid=3857)) == to_ewkb(Geometry(point, srid=3857))
    assert to_ewkb(Shape(point, srid=3857)) != to_ewkb(Shape(point))


def test_geometry_takes_mappings_and_objects() -> None:
    point = {"type": "Point", "coordinates": [1, 2]}
    assert to_ewkb(Geometry(point)) == to_ewkb(Geometry(Shape(point))) == to_ewkb(Shape(point))
    assert repr(Geometry(point, srid=3857)) == "<Geometry Point, SRID 3857>"


@pytest.mark.parametrize("srid", [0, -1, 10**6, "4326", None, 4326.0])
def test_srids_that_cannot_be(srid: Any) -> None:
    with pytest.raises(CartoUsageException, match="whole number from 1 to 999999"):
        Geometry({"type": "Point", "coordinates": [1, 2]}, srid=srid)


@pytest.mark.parametrize(("geojson", "message"), [
    ({"type": "Circle", "coordinates": [1, 2]}, "no GeoJSON geometry but 'Circle'"),
    ({"type": "FeatureCollection", "features": []}, "no GeoJSON geometry but 'FeatureCollection'"),
    ({"coordinates": [1, 2]}, "no GeoJSON geometry but None"),
    ("POINT(1 2)", "no GeoJSON geometry but 'str'"),
    ({"type": "Feature", "geometry": [1, 2]}, "no GeoJSON geometry but 'list'"),
    ({"type": "Point"}, "the Point is not valid GeoJSON"),
    ({"type": "Point", "coordinates": None}, "the Point is not valid GeoJSON"),
    ({"type": "Point", "coordinates": ["a", "b"]}, "the Point is not valid GeoJSON"),
    ({"type": "Point", "coordinates": 5}, "the Point is not valid GeoJSON"),
    ({"type": "LineString", "coordinates": [1, 2]}, "the LineString is not valid GeoJSON"),
    ({"type": "Polygon", "coordinates": SQUARE}, "the Polygon is not valid GeoJSON"),
    ({"type": "Point", "coordinates": [[1, 2], [3, 4]]}, "the Point is not valid GeoJSON"),
    ({"type": "GeometryCollection", "coordinates": []}, "the GeometryCollection is not valid GeoJSON"),
    ({"type": "GeometryCollection", "geometries": [{"type": "Feature", "geometry": None}]}, "Feature without geometry"),
    ({"type": "Point", "coordinates": [1]}, "a position has 1 numbers; 2 or 3"),
    ({"type": "Point", "coordinates": [1, 2, 3, 4]}, "a position has 4 numbers; 2 or 3"),
    ({"type": "LineString", "coordinates": [[1, 2], [1, 2, 3]]}, "mixes positions of 2 numbers"),
])
def test_what_is_no_geometry(geojson: Any, message: str) -> None:
    with pytest.raises(CartoUsageException, match=message):
        to_ewkb(Shape(geojson))
