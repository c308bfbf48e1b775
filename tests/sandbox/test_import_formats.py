"""Each file format that can be imported: what becomes of its file, compared with the docs and with GDAL."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyogrio
import pytest

from carto.sandbox import Sandbox
from carto.sandbox.formats import vector_translate
from tests.conftest import PROJECT_ROOT
from tests.sandbox.import_client import DATA, ImportClient
from tests.sandbox.rails_client import words

CARTO_TYPES = {
    "double precision": "number",
    "bigint": "number",
    "text": "string",
    "boolean": "boolean",
    "timestamp with time zone": "date",
}
CITIES = [("Peñaflor", -3.7, 40.4), ("Sömmerda", 11.1, 51.2), ("Trois-Rivières", -72.5, 46.3), ("Aalst", 4.0, 50.9)]
ROW = re.compile(r"^\| `(\S+)` \|[^|]+\| `(\S+)` \| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Expected:
    """One line of the table in the docs."""

    file: str
    table: str
    rows: int
    gdal: str
    geometry: str
    columns: str

    @property
    def format(self) -> str:
        return Path(self.file).suffix[1:]


def expectations() -> list[Expected]:
    lines = ROW.findall((PROJECT_ROOT / "doc" / "source" / "import-formats.md").read_text(encoding="utf-8"))
    return [Expected(file, table, int(rows), *rest) for file, table, rows, *rest in lines]


EXPECTED = expectations()


@pytest.fixture(scope="module")
def account() -> Iterator[ImportClient]:
    with Sandbox() as running:
        yield ImportClient(running.base_url, running.api_key)


@pytest.fixture(scope="module")
def imported(account: ImportClient) -> dict[str, list[str]]:
    """Import every file once, each without the tables of the others; return the tables by file, copied aside."""
    found: dict[str, list[str]] = {}
    for number, file in enumerate(dict.fromkeys(each.file for each in EXPECTED)):
        before = set(account.tables())
        account.complete(account.start(DATA / file))
        found[file] = sorted(set(account.tables()) - before)
        for table in found[file]:
            account.sql(f"ALTER TABLE {table} RENAME TO f{number}_{table}")
        found[file] = [f"f{number}_{table}" for table in found[file]]
    return found


def table_of(imported: dict[str, list[str]], expected: Expected) -> str:
    return next(table for table in imported[expected.file] if table.partition("_")[2] == expected.table)


def opened_by_gdal(expected: Expected, folder: Path) -> tuple[str, str, dict[str, str]]:
    """Return a path, a layer and options with which GDAL opens what became a table."""
    path = str(DATA / expected.file)
    options: dict[str, str] = {}
    if expected.format in ("csv", "tsv"):
        encodings = {"semicolon-latin1.csv": "latin-1", "tab-utf16.tsv": "utf-16"}
        text = (DATA / expected.file).read_text(encoding=encodings.get(expected.file, "utf-8"))
        path = str(folder / expected.file)
        Path(path).write_text(text, encoding="utf-8")
        options = {"AUTODETECT_TYPE": "YES", "AUTODETECT_SIZE_LIMIT": "0"}
    elif expected.format == "xls":
        path = str(folder / "sheet.gpkg")
        task = {"source": str(DATA / expected.file), "target": path, "arguments": ["-f", "GPKG"]}
        subprocess.run([sys.executable, "-I", vector_translate.__file__], input=json.dumps(task), text=True, check=True)
    elif expected.format == "zip":
        path = f"/vsizip/{path}/Stations 25830.shp"
    elif expected.format == "carto":
        path = f"/vsizip/{{{path}}}/places.gpkg"
    layers = [str(name) for name, _ in pyogrio.list_layers(path)]
    return path, next((name for name in layers if expected.table == f"{Path(path).stem}_{name}"), layers[0]), options


def as_loaded(value: Any, example: Any) -> Any:
    """Return a value of GDAL's in the type of a loaded one; NaN stands for no number."""
    if value is None or value != value:
        return None
    return type(example)(value.replace(",", ".") if isinstance(value, str) else value)


def test_every_file_and_every_format_stands_in_the_docs() -> None:
    assert {each.file for each in EXPECTED} == {path.name for path in DATA.iterdir() if path.is_file()} - {"make.py"}
    assert {each.format for each in EXPECTED} == set(words("csv tsv geojson zip gpkg kml kmz gpx xlsx xls carto"))


def test_the_files_are_those_that_the_script_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DATA / "make.py", tmp_path], check=True)
    binary = (".xlsx", ".gpkg", ".carto")  # they hold the time at which they were made
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix not in binary}
    assert len(made) == 12
    del made["shapefile-25830.zip"]  # a dBASE table holds the day at which it was made
    assert {name: content == (DATA / name).read_bytes() for name, content in made.items()} == dict.fromkeys(made, True)


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda each: f"{each.file}-{each.table}")
def test_a_table_is_what_the_docs_say(
    account: ImportClient, imported: dict[str, list[str]], expected: Expected
) -> None:
    table = table_of(imported, expected)
    found = account.sql(
        f"SELECT count(*) AS n, array_agg(DISTINCT GeometryType(the_geom) || ' ' || ST_SRID(the_geom)) AS geometries,"
        f" bool_and(the_geom_webmercator = CDB_TransformToWebmercator(the_geom)) AS projected FROM {table}"
    )
    assert found == [{"n": expected.rows, "geometries": [expected.geometry], "projected": True}]
    columns = ", ".join(f"{name} {CARTO_TYPES[kind]}" for name, kind in account.columns(table).items())
    assert columns == expected.columns


@pytest.mark.filterwarnings("ignore:Ignoring invalid WKT")  # GDAL knows no EWKT
@pytest.mark.parametrize("expected", EXPECTED, ids=lambda each: f"{each.file}-{each.table}")
def test_a_table_is_what_gdal_reads(
    account: ImportClient, imported: dict[str, list[str]], expected: Expected, tmp_path: Path
) -> None:
    table = table_of(imported, expected)
    path, layer, options = opened_by_gdal(expected, tmp_path)
    info = pyogrio.read_info(path, layer=layer, force_feature_count=True, **options)
    assert info["features"] == expected.rows
    if expected.gdal != "none":
        assert f"{info['geometry_type']} {info['crs'].removeprefix('EPSG:')}" == expected.gdal
    gdal_columns = len(info["fields"]) - (expected.file in ("wkt.csv", "ewkt.csv", "hex.csv"))
    assert len(account.columns(table)) == gdal_columns
    _, _, geometry, fields = pyogrio.raw.read(path, layer=layer, **options)
    rows = account.sql(f"SELECT *, encode(ST_AsBinary(ST_Force2D(the_geom)), 'hex') AS wkb FROM {table} ORDER BY 1")
    for name, kind, values in zip(info["fields"], info["ogr_types"], fields, strict=True):
        column = name.lower() if name.lower() in rows[0] else f"_{name.lower()}"
        if column in rows[0] and column != "the_geom" and "Date" not in kind and "List" not in kind:
            assert [row[column] for row in rows] == [as_loaded(value, rows[0][column]) for value in values]
    if expected.gdal.endswith(" 4326") and expected.geometry.startswith("POINT"):
        flat = [value.tobytes() if hasattr(value, "tobytes") else value for value in geometry]
        assert [bytes.fromhex(row["wkb"])[-16:] for row in rows] == [wkb[5:21] for wkb in flat]


@pytest.mark.parametrize("file", ["comma.csv", "semicolon-latin1.csv", "tab-utf16.tsv", "points.geojson", "points.kml",
                                  "points.kmz", "hike.gpx", "sheet.xlsx", "sheet.xls", "map.carto"])  # fmt: skip
def test_names_and_positions_arrive(account: ImportClient, imported: dict[str, list[str]], file: str) -> None:
    table = imported[file][-1]
    rows = account.sql(f"SELECT name, ST_X(the_geom) AS x, ST_Y(the_geom) AS y FROM {table} ORDER BY cartodb_id")
    assert [(row["name"], row["x"], row["y"]) for row in rows] == CITIES


def test_projected_files_are_transformed(account: ImportClient, imported: dict[str, list[str]]) -> None:
    tables = [*imported["shapefile-25830.zip"], imported["layers.gpkg"][1]]
    for table in tables:
        rows = account.sql(
            f"SELECT ST_X(back) AS x, ST_Y(back) AS y FROM"
            f" (SELECT cartodb_id, ST_Transform(the_geom, 25830) AS back FROM {table}) AS t ORDER BY cartodb_id"
        )
        assert [row["x"] for row in rows] == pytest.approx([440000, 441000, 450000.5, 460000], abs=0.001)
        assert [row["y"] for row in rows] == pytest.approx([4470000, 4471000, 4472000, 4480000], abs=0.001)


def test_numbers_beyond_32_bits_are_not_rounded(account: ImportClient, imported: dict[str, list[str]]) -> None:
    table = imported["layers.gpkg"][0]
    assert account.columns(table) == {"number": "bigint"}
    assert account.sql(f"SELECT max(number)::text AS n FROM {table}") == [{"n": "9876543210"}]


def test_moments_keep_their_offset(account: ImportClient, imported: dict[str, list[str]]) -> None:
    table = next(name for name in imported["hike.gpx"] if name.endswith("track_points"))
    assert account.sql(f"SELECT min(time) AS t FROM {table}") == [{"t": "2020-06-01T08:00:00Z"}]


def test_several_layers_give_several_tables(account: ImportClient) -> None:
    job = account.complete(account.start(DATA / "layers.gpkg", "Our layers.gpkg"))
    assert (job["tables_created_count"], job["table_name"]) == (2, "our_layers_stations")
    assert {"our_layers_stations", "our_layers_roads"} <= set(account.tables())


def test_a_carto_file_brings_its_map_back(account: ImportClient) -> None:
    account.sql("CREATE TABLE places (a int)")  # the name is taken, so that the map has to follow the table
    job = account.complete(account.start(DATA / "map.carto", create_vis="true"))
    assert job["table_name"] == "places_1"
    made = account.dataset(job["derived_visualization_id"])
    assert (made["name"], made["type"]) == ("Our places", "derived")
    assert [table["name"] for table in made["related_tables"]] == ["places_1"]


def test_an_exported_map_is_imported_again(account: ImportClient) -> None:
    table = account.table_of(DATA / "comma.csv", "cities.csv")
    made = account.new_map(table, name="Cities of Europe")
    export = account.json("POST", "v3/visualization_exports", json={"visualization_id": made["id"]})
    while export["state"] not in ("complete", "failure"):
        export = account.json("GET", f"v3/visualization_exports/{export['id']}")
    assert export["state"] == "complete"
    content = account.call("GET", f"v3/visualization_exports/{export['id']}/download").content
    job = account.complete(account.start(content, "cities.carto", create_vis="true"))
    assert account.columns(job["table_name"]) == account.columns(table)
    listed = ", ".join(["cartodb_id", "the_geom", *account.columns(table)])
    compared = f"SELECT {listed} FROM {table} EXCEPT SELECT {listed} FROM {job['table_name']}"
    assert account.sql(compared) == []
    assert account.dataset(job["derived_visualization_id"])["name"] == "Cities of Europe 1"


def test_type_guessing_can_be_turned_off(account: ImportClient) -> None:
    table = account.table_of(DATA / "comma.csv", "texts.csv", type_guessing="false")
    assert set(account.columns(table).values()) == {"text"}
    assert account.sql(f"SELECT density FROM {table} WHERE cartodb_id = 1") == [{"density": "301.5"}]
    assert account.sql(f"SELECT count(*) AS n FROM {table} WHERE the_geom IS NOT NULL") == [{"n": 4}]
    sheet = account.table_of(DATA / "sheet.xlsx", "text sheet.xlsx", type_guessing="false")
    assert set(account.columns(sheet).values()) == {"text"}


def test_quoted_values_stay_text_when_told_so(account: ImportClient) -> None:
    content = b'a,b\n1,"2"\n3,"4"\n'
    guessed = account.columns(account.table_of(content, "quoted.csv"))
    assert guessed == {"a": "double precision", "b": "double precision"}
    told = account.columns(account.table_of(content, "quoted.csv", quoted_fields_guessing="false"))
    assert told == {"a": "double precision", "b": "text"}


def test_a_column_is_looked_at_to_its_end(account: ImportClient) -> None:
    rows = "".join(f"{n},{n}\n" for n in range(200_000))
    table = account.table_of(f"a,b\n{rows}1,late\n".encode(), "long.csv")
    assert account.columns(table) == {"a": "double precision", "b": "text"}
    assert account.sql(f"SELECT count(b) AS n FROM {table}") == [{"n": 200_001}]


def test_names_of_columns(account: ImportClient) -> None:
    header = "Área Total,2010,select,ctid,a b,a-b,cartodb_ID,the_geom"
    table = account.table_of(f"{header}\n1,2,3,4,5,6,7,no geometry\n".encode(), "odd.csv")
    assert list(account.columns(table)) == [
        "_rea_total", "_2010", "_select", "_ctid", "a_b", "a_b_1", "invalid_the_geom"
    ]  # fmt: skip
    assert account.sql(f"SELECT cartodb_id FROM {table}") == [{"cartodb_id": 7}]


@pytest.mark.parametrize(
    ("filename", "table"),
    [
        ("Stores of 2020 (new).csv", "stores_of_2020_new_"),
        ("2020.csv", "table_2020"),
        ("Select.csv", "select_t"),
        ("ñandú.csv", "table_and"),
        ("x" * 80 + ".csv", "x" * 63),
        ("dir/name.csv", "name"),
    ],
)
def test_names_of_tables(account: ImportClient, filename: str, table: str) -> None:
    assert account.table_of(b"a\n1\n", filename) == table
    assert account.table_of(b"a\n1\n", filename) == f"{table[:61]}_1"


def test_archives(account: ImportClient, tmp_path: Path) -> None:
    for ending in ("zip", "tar", "gztar", "bztar"):
        folder = tmp_path / ending
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / f"{ending}.CSV").write_text("a\n1\n")
        (folder / "readme.md").write_text("no table")
        (folder / "._junk.csv").write_bytes(b"\0")
        packed = Path(shutil.make_archive(str(tmp_path / f"archive-{ending}"), ending, folder))
        assert account.table_of(packed) == ending


def test_a_gzipped_file(account: ImportClient) -> None:
    assert account.table_of(gzip.compress(b"a\n1\n"), "packed.csv.gz") == "packed"


def test_an_archive_of_too_many_files(account: ImportClient, tmp_path: Path) -> None:
    packed = tmp_path / "many.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(28):
            archive.writestr(f"many{number:02}.csv", "a\n1\n")
    job = account.complete(account.start(packed))
    assert (job["tables_created_count"], job["warnings"]) == (26, {"max_tables_per_import": 26})


def test_a_reference_system_without_a_code(account: ImportClient, tmp_path: Path) -> None:
    """A national grid of somebody's own, as WKT alone: PROJ transforms it."""
    wkt = ('PROJCS["mine",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
           'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
           'PARAMETER["False_Easting",1000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",-3.5],'
           'PARAMETER["Scale_Factor",1.0],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]')  # fmt: skip
    with zipfile.ZipFile(DATA / "shapefile-25830.zip") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    packed = tmp_path / "mine.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, wkt if name.endswith(".prj") else content)
    table = account.table_of(packed)
    found = account.sql(f"SELECT min(ST_X(the_geom)) AS x, ST_SRID(min(the_geom)) AS srid FROM {table}")
    assert found[0]["srid"] == 4326
    assert 1.6 < found[0]["x"] < 1.9  # 439 km east of 3.5 degrees west


def test_latin1_in_a_dbase_table_without_its_encoding(account: ImportClient, tmp_path: Path) -> None:
    with zipfile.ZipFile(DATA / "shapefile-25830.zip") as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if not name.endswith(".cpg")}
    packed = tmp_path / "old.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    rows = account.sql(f"SELECT name FROM {account.table_of(packed)} ORDER BY cartodb_id")
    assert [row["name"] for row in rows] == [name for name, _, _ in CITIES]


def test_a_file_that_refers_to_other_files_is_not_followed(account: ImportClient, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("password\nhidden\n")
    virtual = f'<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource>{secret}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'  # noqa: E501
    job = account.wait(account.start(virtual.encode(), "virtual.csv"))
    if job["state"] == "complete":  # read as the text that it is
        assert "hidden" not in json.dumps(account.sql(f"SELECT * FROM {job['table_name']}"))
    assert account.failure(virtual.encode(), "virtual.json")["error_code"] == 3007


def test_a_geopackage_of_the_sql_api_keeps_its_ids(account: ImportClient) -> None:
    table = account.table_of(DATA / "comma.csv", "numbered.csv")
    account.sql(f"UPDATE {table} SET cartodb_id = cartodb_id * 10")
    query = {"q": f"SELECT * FROM {table}", "format": "gpkg", "filename": "numbered"}
    copy = account.table_of(account.call("GET", "v2/sql", params=query).content, "again.gpkg")
    rows = account.sql(f"SELECT cartodb_id, name FROM {copy} ORDER BY 1")
    assert [(row["cartodb_id"], row["name"]) for row in rows] == [
        (10 * number, name) for number, (name, _, _) in enumerate(CITIES, 1)
    ]
    account.sql(f"INSERT INTO {copy} (name) VALUES ('new')")
    assert account.sql(f"SELECT max(cartodb_id) AS n FROM {copy}") == [{"n": 41}]


def test_numbers_in_the_first_line_are_rows_only_if_all_are(account: ImportClient) -> None:
    table = account.table_of(b"1,2.5\n3,4\n", "headless.csv")
    assert account.columns(table) == {"field_1": "double precision", "field_2": "double precision"}
    assert account.sql(f"SELECT count(*) AS n FROM {table}") == [{"n": 2}]
    assert list(account.columns(account.table_of(b"name,2010\nx,4\n", "years.csv"))) == ["name", "_2010"]


@pytest.mark.parametrize(("file_format", "extension"), [("csv", "csv"), ("geojson", "geojson"), ("shp", "zip"),
                                                        ("kml", "kml")])  # fmt: skip
def test_what_the_sql_api_writes_is_read_again(account: ImportClient, file_format: str, extension: str) -> None:
    table = account.table_of(DATA / "comma.csv", "written.csv")
    query = {"q": f"SELECT * FROM {table} ORDER BY cartodb_id", "format": file_format, "filename": f"as_{file_format}"}
    content = account.call("GET", "v2/sql", params=query).content
    copy = account.table_of(content, f"as_{file_format}.{extension}")
    rows = account.sql(f"SELECT name, ST_X(the_geom) AS x, ST_Y(the_geom) AS y FROM {copy} ORDER BY cartodb_id")
    assert [row["name"] for row in rows] == [name for name, _, _ in CITIES]
    assert [(row["x"], row["y"]) for row in rows] == [pytest.approx((x, y)) for _, x, y in CITIES]
    assert "the_geom_webmercator_0" not in account.columns(copy)
