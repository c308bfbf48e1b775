"""The output formats other than JSON: contents, headers, errors, and that no temporary file stays."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from carto.sandbox import Sandbox
from carto.sandbox.formats import vector_translate
from carto.sandbox.formats.column_order import geometry_first
from carto.sandbox.node_types import Column
from tests.sandbox.api import Account
from tests.sandbox.processes import wait_until

ROWS = "select * from formats_t order by cartodb_id"


@pytest.fixture(scope="module")
def own_sandbox(module_data_dir: Path) -> Iterator[Sandbox]:
    """Serve a sandbox whose temporary files are in a place of its own."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TMPDIR", str(module_data_dir))
        with Sandbox() as running:
            yield running


@pytest.fixture(scope="module")
def account(own_sandbox: Sandbox) -> Account:
    account = Account(own_sandbox.base_url, own_sandbox.api_key)
    account.rows(
        "create table formats_t (name text, value double precision, the_geom geometry(Geometry,4326));"
        "insert into formats_t (name, value, the_geom) values ('uno', 1.5, 'SRID=4326;POINT(0 0)'),"
        " ('dos, ñ', null, 'SRID=4326;POINT(10 5)'), ('tres', -4, null);"
        "select CDB_CartodbfyTable('formats_t')"
    )
    return account


def good(account: Account, q: str, **params: Any) -> requests.Response:
    answer = account.get(q, **params)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize(
    ("name", "extension", "content_type"),
    [
        ("csv", "csv", "text/csv; charset=utf-8; header=present"),
        ("geojson", "geojson", "application/json; charset=utf-8"),
        ("svg", "svg", "image/svg+xml; charset=utf-8"),
        ("kml", "kml", "application/kml; charset=utf-8"),
        ("shp", "zip", "application/zip; charset=utf-8"),
        ("spatialite", "sqlite", "application/x-sqlite3; charset=utf-8"),
        ("gpkg", "gpkg", "application/x-sqlite3; charset=utf-8"),
        ("topojson", "topojson", "undefined"),
    ],
)
def test_headers(account: Account, name: str, extension: str, content_type: str) -> None:
    answer = good(account, ROWS, format=name)
    assert answer.headers["Content-Type"] == content_type
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith(f"attachment; filename=cartodb-query.{extension}; modification-date=")
    named = good(account, ROWS, format=name.upper(), filename="../my file (1).x").headers["Content-Disposition"]
    assert named.startswith(f"attachment; filename=my_file__1_.{extension};")


@pytest.mark.parametrize("name", ["csv", "kml", "shp", "spatialite", "gpkg", "topojson", "geojson", "svg"])
def test_errors_are_clean(account: Account, name: str) -> None:
    missing = account.get("select * from nope", format=name)
    assert (missing.status_code, missing.json()) == (400, {"error": ['relation "nope" does not exist']})
    denied = Account(account.url.removesuffix("api/v2/sql"), None).get(ROWS, format=name)
    assert (denied.status_code, denied.json()) == (403, {"error": ["permission denied for table formats_t"]})
    no_query = account.get("selec 1", format=name)
    near = "selec" if name == "svg" else "1"
    assert no_query.json() == {"error": [f'syntax error at or near "{near}"']}


def test_unknown_formats(account: Account) -> None:
    for name in ("nope", "constructor"):
        assert account.get(ROWS, format=name).json() == {"error": [f"Invalid format: {name}"]}
    assert good(account, "select 1 as a", format=["csv", "json"]).json()["rows"] == [{"a": 1}]


def test_csv(account: Account) -> None:
    lines = good(account, ROWS, format="csv", skipfields="the_geom_webmercator").content.decode().split("\r\n")
    assert lines == [
        "the_geom,cartodb_id,name,value",
        "0101000020E610000000000000000000000000000000000000,1,uno,1.5",
        '0101000020E610000000000000000024400000000000001440,2,"dos, ñ",',
        ",3,tres,-4",
        "",
    ]
    assert good(account, "select 1 as a", format="csv").content == b"a,\r\n1\r\n"
    values = "select true as b, '2020-02-29 13:14:15.5'::timestamp as t, array[1,2] as a"
    assert good(account, values, format="csv").text == 'b,t,a\r\ntrue,2020-02-29 13:14:15.5,"{1,2}"\r\n'


def test_csv_takes_queries_only(account: Account) -> None:
    answer = account.get("insert into formats_t (name) values ('x')", format="csv")
    assert answer.json() == {"error": ['syntax error at or near "into"']}
    assert account.value("select count(*) from formats_t") == 3


def test_an_error_while_gdal_writes(account: Account) -> None:
    answer = account.get("select 1/(1001-i) as v from generate_series(1,2000) i", format="csv")
    assert answer.status_code == 400
    (message,) = answer.json()["error"]
    assert message.startswith("ogr2ogr command return code 1, Error: Warning 6: dataset …:cartodb-query.csv")
    assert "ERROR 1: ERROR:  division by zero" in message


def columns(names: str) -> list[Column]:
    return [Column(name, 25, -1) for name in names.split()]


def names_of(ordered: list[Column]) -> str:
    return " ".join(column.name for column in ordered)


def test_the_geometry_is_the_first_column() -> None:
    assert names_of(geometry_first(columns("a b the_geom c"))) == "the_geom a b c"
    ten = "a b c d e f g h i the_geom"
    assert names_of(geometry_first(columns(ten))) == "the_geom a b c d e f g h i"


def test_beyond_ten_columns_the_order_is_that_of_the_servers() -> None:
    many = geometry_first(columns("a b c d e f g h the_geom i j k"))
    assert many[0].name == "the_geom"
    assert sorted(names_of(many).split()) == sorted(["a", "b", "c", "d", "e", "f", "g", "h", "the_geom", "i", "j", "k"])
    assert names_of(many) != "the_geom a b c d e f g h i j k"


def test_geojson(account: Account) -> None:
    document = good(account, ROWS, format="geojson", dp=1).json()
    assert document["type"] == "FeatureCollection"
    assert document["features"][1] == {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [10, 5]},
        "properties": {"cartodb_id": 2, "name": "dos, ñ", "value": None},
    }
    assert document["features"][2]["geometry"] is None
    assert good(account, f"{ROWS};", format="geojson", callback="cb").text.startswith('cb({"type"')
    nan = good(account, "select 'NaN'::float8 as n, null::geometry as the_geom", format="geojson").json()
    assert nan["features"][0]["properties"] == {"n": None}
    no_geometry = account.get("select 1 as a", format="geojson")
    assert no_geometry.json() == {"error": ['column "the_geom" does not exist']}


def test_geojson_with_an_error_in_the_middle(account: Account) -> None:
    query = "select 1/(1001-i) as v, st_makepoint(i,i) as the_geom from generate_series(1,2000) i"
    answer = good(account, query, format="geojson").json()
    assert (len(answer["features"]), answer["error"]) == (1000, ["division by zero"])


def test_svg(account: Account) -> None:
    text = good(account, ROWS, format="svg").text
    assert '<svg viewBox="-6 -6 1036 524" style=' in text
    assert '<circle r="5" cx="0" cy="512" />\n<circle r="5" cx="1024" cy="0" />\n</svg>\n' in text
    line = "select 'LINESTRING(0 0,3 1,1 2)'::geometry as the_geom"
    assert '<path d="M 0 682.666667 L 1024 341.333333 341.333333 0" />' in good(account, line, format="svg").text
    empty = good(account, "select null::geometry as the_geom", format="svg").text
    assert '<svg style="' in empty


def test_topojson_shares_borders(account: Account) -> None:
    squares = (
        "select 'left' as name, 'POLYGON((0 0,5 0,5 10,0 10,0 0))'::geometry as the_geom"
        " union all select 'right', 'POLYGON((5 0,10 0,10 10,5 10,5 0))'::geometry"
    )
    topology = good(account, squares, format="topojson").json()
    left, right = topology["objects"]["0"], topology["objects"]["1"]
    assert left["properties"] == {"name": "left"}
    shared = {arc if arc >= 0 else ~arc for arc in left["arcs"][0]} & {
        arc if arc >= 0 else ~arc for arc in right["arcs"][0]
    }
    assert len(shared) == 1
    assert len(topology["arcs"]) == 3
    assert ring(topology, left["arcs"][0]) == [(0, 0), (0, 10), (5, 10), (5, 0), (0, 0)]


def ring(topology: dict[str, Any], arcs: list[int]) -> list[tuple[int, int]]:
    """Put a ring together again, rounded to whole degrees, from its lowest point on."""
    scale, translate = topology["transform"]["scale"], topology["transform"]["translate"]
    points: list[tuple[int, int]] = []
    for number in arcs:
        x = y = 0
        positions = []
        for dx, dy in topology["arcs"][number if number >= 0 else ~number]:
            x, y = x + dx, y + dy
            positions.append((round(x * scale[0] + translate[0]), round(y * scale[1] + translate[1])))
        points += (positions if number >= 0 else positions[::-1])[1 if points else 0 :]
    start = points.index(min(points))
    return [*points[start:-1], *points[: start + 1]]


def test_topojson_of_other_geometries(account: Account) -> None:
    query = (
        "select 'GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,2 2))'::geometry as the_geom"
        " union all select 'MULTIPOINT(0 0,1 1)'::geometry union all select null"
    )
    topology = good(account, query, format="topojson").json()
    assert [object_["type"] for object_ in topology["objects"].values()] == ["GeometryCollection", "MultiPoint"]
    point, line = topology["objects"]["0"]["geometries"]
    assert (point["coordinates"], line["arcs"]) == ([4999, 4999], [0])
    assert topology["arcs"] == [[[0, 0], [9999, 9999]]]
    assert good(account, f"select * from ({query}) q where false", format="topojson").json()["objects"] == {}


def test_arraybuffer(account: Account) -> None:
    query = "select 1.5::float8 as f, 'añ' as t, 300 as n__uint8, array[1,2] as l__int16"
    data = good(account, query, format="arraybuffer").content
    kind, size = struct.unpack_from(">II", data)
    assert (kind, size) == (11, len(data) - 8)
    header = struct.unpack_from(">II", data, 8)
    assert header[0] == 10
    assert struct.pack("<f", 1.5) in data
    assert struct.pack(">IIB", 2, 1, 300 % 256) in data
    assert struct.pack(">II", 4, 4) + struct.pack("<hh", 1, 2) in data
    assert "añ".encode("utf-16-le") in data
    refused = account.get(ROWS, format="arraybuffer")
    assert refused.json() == {"error": ["geometry types are not supported"]}
    assert good(account, f"{ROWS} limit 0", format="arraybuffer").content == b""


def read(path: str) -> tuple[dict[str, Any], list[Any]]:
    """Read a file as GDAL does: what it says about its first layer, and geometries with values."""
    raw = pytest.importorskip("pyogrio.raw")
    meta, _, geometry, values = raw.read(path)
    return meta, [geometry, *values]


def test_shapefile(account: Account, tmp_path: Path) -> None:
    content = good(account, ROWS, format="shp", filename="places").content
    assert sorted(zipfile.ZipFile(io.BytesIO(content)).namelist()) == [
        f"places.{extension}" for extension in ("cpg", "dbf", "prj", "shp", "shx")
    ]
    file = tmp_path / "places.zip"
    file.write_bytes(content)
    meta, (geometry, ids, names, values) = read(f"/vsizip/{file}")
    assert (meta["crs"], list(meta["fields"])) == ("EPSG:4326", ["cartodb_id", "name", "value"])
    assert [list(ids), list(names), values[0]] == [[1, 2, 3], ["uno", "dos, ñ", "tres"], 1.5]
    assert struct.unpack("<dd", geometry[1][5:21]) == (10, 5)


@pytest.mark.parametrize(("name", "extension"), [("gpkg", "gpkg"), ("spatialite", "sqlite"), ("kml", "kml")])
def test_files_of_gdal(account: Account, tmp_path: Path, name: str, extension: str) -> None:
    file = tmp_path / f"file.{extension}"
    file.write_bytes(good(account, ROWS, format=name).content)
    meta, (geometry, *values) = read(str(file))
    assert len(geometry) == 3
    assert struct.unpack("<dd", geometry[1][5:21]) == (10, 5)
    assert any("dos, ñ" in list(column) for column in values)
    assert meta["crs"] == "EPSG:4326"


def test_files_without_geometry(account: Account, tmp_path: Path) -> None:
    file = tmp_path / "file.gpkg"
    file.write_bytes(good(account, "select 1 as a, 'x'::text as t", format="gpkg").content)
    _, (geometry, numbers, texts) = read(str(file))
    assert (geometry, list(numbers), list(texts)) == (None, [1], ["x"])
    names = zipfile.ZipFile(io.BytesIO(good(account, "select 1 as a", format="shp").content)).namelist()
    assert sorted(names) == ["cartodb-query.cpg", "cartodb-query.dbf"]


def test_no_temporary_file_stays(account: Account, module_data_dir: Path) -> None:
    for name in ("csv", "shp", "gpkg"):
        good(account, "select 1 as a", format=name)
        assert account.get("select 1/(9-i) as a from generate_series(1,9) i", format=name).status_code == 400
    (directory,) = module_data_dir.glob("carto-sandbox-*")
    wait_until(lambda: not list(directory.glob("tmp*")))


def test_gdal_finds_its_own_proj_whatever_a_wheel_has_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJ_LIB", "/nowhere")
    source, target = tmp_path / "point.geojson", tmp_path / "point.gpkg"
    source.write_text('{"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":[1,2]}}')
    task = {"source": str(source), "target": str(target), "arguments": ["-f", "GPKG", "-a_srs", "EPSG:4326"]}
    command = [sys.executable, "-I", vector_translate.__file__]
    done = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert target.exists()
