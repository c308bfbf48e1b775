"""Vector tiles, decoded by GDAL and compared with what the same query gives."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import pyogrio.raw
import pytest

from tests.sandbox.maps_client import Json, MapsClient, bare, config, features, layer, layer_names

EXTENT = 4096
WORLD_M = 2 * 20037508.342789244


@pytest.fixture(scope="module")
def table(maps: MapsClient) -> Iterator[str]:
    with maps.table() as name:
        yield name


def tile(maps: MapsClient, described: Json, place: str = "0/0/0") -> bytes:
    response = maps.get(f"/{maps.token(described)}/{place}.mvt")
    assert response.status_code in (200, 204), response.text
    return response.content


def shapes(content: bytes, name: str = "layer0") -> list[Any]:
    """Return the coordinates of a tile's points, or the corners of its polygons, counted from the lower left."""
    _, _, geometries, _ = pyogrio.raw.read(content, layer=name, CLIP="NO")
    return [_coordinates(geometry) for geometry in geometries]


def _coordinates(wkb: bytes) -> list[tuple[float, float]]:
    numbers = struct.unpack(f"<{(len(wkb) - 5) // 8}d", wkb[5:]) if wkb[1] == 1 else struct.unpack(
        f"<{(len(wkb) - 13) // 8}d", wkb[13:]
    )
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_features_have_the_columns_of_the_query(maps: MapsClient, table: str) -> None:
    rows = {row["cartodb_id"]: row for row in maps.sql(f"SELECT * FROM {table} WHERE the_geom IS NOT NULL")}
    shown = features(tile(maps, bare(f"SELECT * FROM {table}")))
    assert {row["cartodb_id"] for row in shown} == set(rows)
    for row in shown:
        wanted = rows[row["cartodb_id"]]
        assert {key: row[key] for key in ("name", "kind", "n", "v", "ok")} == {
            key: wanted[key] for key in ("name", "kind", "n", "v", "ok")
        }
        assert not {"seen", "the_geom", "the_geom_webmercator"} & set(row)
    dated = features(tile(maps, bare(f"SELECT * FROM {table}", dates_as_numbers=True)))
    assert dated[0]["seen"] == 1577836800 + 86400


def test_points_are_where_they_belong(maps: MapsClient, table: str) -> None:
    rows = maps.sql(f"SELECT ST_X(the_geom_webmercator) AS x, ST_Y(the_geom_webmercator) AS y FROM {table} WHERE n > 0")
    for zoom, column, row in ((0, 0, 0), (3, 4, 3), (6, 32, 25)):
        width = WORLD_M / 2**zoom
        west, south = column * width - WORLD_M / 2, WORLD_M / 2 - (row + 1) * width
        inside = [
            ((each["x"] - west) / width * EXTENT, (each["y"] - south) / width * EXTENT)
            for each in rows
            if west <= each["x"] <= west + width and south <= each["y"] <= south + width
        ]
        content = tile(maps, bare(f"SELECT * FROM {table}"), f"{zoom}/{column}/{row}")
        found = [shape[0] for shape in shapes(content)] if content else []
        assert len(found) == len(inside)
        for (x, y), (wanted_x, wanted_y) in zip(sorted(found), sorted(inside), strict=True):
            assert math.hypot(x - wanted_x, y - wanted_y) <= 1.5


def test_polygons_are_clipped_to_the_tile_and_its_buffer(maps: MapsClient) -> None:
    sql = "SELECT 1 AS cartodb_id, ST_Transform(ST_MakeEnvelope(-60, -60, 60, 60, 4326), 3857) AS the_geom_webmercator"
    (square,) = shapes(tile(maps, bare(sql), "2/2/1"))
    assert all(0 <= x <= EXTENT and 0 <= y <= EXTENT for x, y in square)
    described = {**bare(sql), "buffersize": {"mvt": 16}}
    (wider,) = shapes(tile(maps, described, "2/2/1"))
    assert min(x for x, _ in wider) == min(y for _, y in wider) == -16 * EXTENT // 256
    assert maps.get(f"/{maps.token(bare(sql, vector_extent=2048))}/2/2/1.mvt").status_code == 200


def test_extents(maps: MapsClient, table: str) -> None:
    small = shapes(tile(maps, bare(f"SELECT * FROM {table}", vector_extent=256)))
    large = shapes(tile(maps, bare(f"SELECT * FROM {table}")))
    for (one,), (other,) in zip(small, large, strict=True):
        assert math.dist((one[0] * 16, one[1] * 16), other) < 24


def test_layers_are_named_by_their_ids(maps: MapsClient, table: str) -> None:
    sql = f"SELECT * FROM {table}"
    assert layer_names(tile(maps, config(layer(sql), {"id": "it's", **layer(sql)}))) == ["layer0", "it's"]


@pytest.mark.parametrize("place", ["5/0/0", "30/0/0", "31/0/0", "100/0/0"])
def test_a_tile_without_features_is_no_content(maps: MapsClient, table: str, place: str) -> None:
    response = maps.get(f"/{maps.token(bare(f'SELECT * FROM {table}'))}/{place}.mvt")
    assert (response.status_code, response.content) == (204, b"")


def test_layers_may_hide_at_some_zooms(maps: MapsClient, table: str) -> None:
    described = bare(f"SELECT * FROM {table}", minzoom=1, maxzoom=2)
    assert [bool(tile(maps, described, place)) for place in ("0/0/0", "1/0/0", "2/1/1", "3/3/3")] == [
        False,
        True,
        True,
        False,
    ]


def test_other_geometry_columns_and_coordinate_systems(maps: MapsClient, table: str) -> None:
    sql = f"SELECT cartodb_id, the_geom AS shape FROM {table}"
    other = bare(sql, geom_column="shape", srid=4326)
    assert shapes(tile(maps, other)) == shapes(tile(maps, bare(f"SELECT * FROM {table}")))


def test_tokens_in_sql(maps: MapsClient, table: str) -> None:
    sql = (
        f"SELECT *, !scale_denominator! AS scale, !pixel_width! AS width FROM {table}"
        " WHERE the_geom_webmercator && !bbox!"
    )
    row = features(tile(maps, bare(sql)))[0]
    assert float(row["scale"]) == pytest.approx(559082264, rel=1e-4)
    assert float(row["width"]) == pytest.approx(156543, rel=1e-4)


def test_percent_signs_and_quotes_are_only_text(maps: MapsClient, table: str) -> None:
    sql = f"SELECT *, '100%s %(x)s' AS \"odd \"\" name\" FROM {table} WHERE name LIKE 'p%';"
    shown = features(tile(maps, bare(sql)))
    assert len(shown) == 12
    assert shown[0]['odd " name'] == "100%s %(x)s"


@pytest.mark.parametrize(
    ("sql", "status", "message"),
    [
        ("SELECT * FROM nothing_of_that_name", 404, 'PgMvtFactory: relation "nothing_of_that_name" does not exist'),
        ("SELECT 1 AS cartodb_id", 404, 'PgMvtRenderer: column "the_geom_webmercator" does not exist'),
        (
            "SELECT 1) AS x; DROP TABLE x; --",
            400,
            "PgMvtFactory: cannot insert multiple commands into a prepared statement",
        ),
    ],
)
def test_errors_name_the_stage(maps: MapsClient, sql: str, status: int, message: str) -> None:
    response = maps.instantiate(bare(sql))
    assert (response.status_code, response.json()["errors"]) == (status, [message])
