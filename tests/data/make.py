"""Makes the files of this directory, one for each format that can be imported; the data are invented.

    python tests/data/make.py

Run it again after a change here; a test says when the files have not been made by it. sheet.xls is not: nothing that
writes such files is at hand; it was made from the same data with the package xlwt.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw

HERE = Path(__file__).parent

# id, name, population, density, capital, founded, longitude, latitude
CITIES = [
    (1, "Peñaflor", 120000, 301.5, True, "1342-05-01", -3.7, 40.4),
    (2, "Sömmerda", 9000, 45.25, False, "1876-11-23", 11.1, 51.2),
    (3, "Trois-Rivières", 45100, 77.0, False, "1634-07-04", -72.5, 46.3),
    (4, "Aalst", 81234, 1012.75, False, "1164-01-01", 4.0, 50.9),
]
NAMES = ["id", "name", "population", "density", "capital", "founded"]
UTM30 = [(440000.0, 4470000.0), (441000.0, 4471000.0), (450000.5, 4472000.0), (460000.0, 4480000.0)]
MERCATOR = [(-411882.0, 4926662.0), (-400000.0, 4930000.0)]


def main() -> None:
    """Write all files into a directory: this one, or the argument."""
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else HERE)
    write_tables()
    write_geojson()
    write_xml()
    write_with_gdal()


def write_tables() -> None:
    lonlat = [[*city[:6], city[7], city[6]] for city in CITIES]
    header = [*NAMES, "lat", "lon"]
    Path("comma.csv").write_text(table(",", header, lonlat), encoding="utf-8")
    Path("semicolon-latin1.csv").write_text(table(";", header, lonlat, comma=True), encoding="latin-1")
    Path("tab-utf16.tsv").write_text(table("\t", header, lonlat, comma=True), encoding="utf-16")
    places = {city[0]: (city[6], city[7]) for city in CITIES}
    wkt = [[*city[:3], f'"POINT({x} {y})"'] for city in CITIES for x, y in [places[city[0]]]]
    Path("wkt.csv").write_text(table(",", [*NAMES[:3], "the_geom"], wkt), encoding="utf-8")
    ewkt = [[n, f'"SRID=3857;LINESTRING({x} {y},{x + 500} {y})"'] for n, (x, y) in enumerate(MERCATOR, 1)]
    Path("ewkt.csv").write_text(table(",", ["id", "wkt"], ewkt), encoding="utf-8")
    wkb = [[*city[:3], point(city[6], city[7], 4326).hex().upper()] for city in CITIES]
    Path("hex.csv").write_text(table(",", [*NAMES[:3], "the_geom"], wkb), encoding="utf-8")


def table(separator: str, header: list[str], rows: list[list[Any]], *, comma: bool = False) -> str:
    def text(value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        return str(value).replace(".", ",") if comma and isinstance(value, float) else str(value)

    return "".join(separator.join(map(text, row)) + "\n" for row in [header, *rows])


def write_geojson() -> None:
    features = [
        feature(dict(zip(NAMES, city[:6], strict=True)), {"type": "Point", "coordinates": city[6:]}) for city in CITIES
    ]
    write_features("points.geojson", features)
    square = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
    far = [[[10, 0], [11, 0], [11, 1], [10, 0]]]
    polygons = [
        feature({"id": 1, "tags": ["a", "b"]}, {"type": "Polygon", "coordinates": square}),
        feature({"id": 2, "tags": []}, {"type": "MultiPolygon", "coordinates": [square, far]}),
    ]
    write_features("polygons.geojson", polygons)


def feature(properties: dict[str, Any], geometry: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def write_features(name: str, features: list[dict[str, Any]]) -> None:
    Path(name).write_text(json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False))


def write_xml() -> None:
    marks = "".join(
        f"<Placemark><name>{city[1]}</name><Point><coordinates>{city[6]},{city[7]}</coordinates></Point></Placemark>"
        for city in CITIES
    )
    kml = f'<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>{marks}</Document></kml>'
    Path("points.kml").write_text(kml, encoding="utf-8")
    archive("points.kmz", {"doc.kml": kml.encode()})
    waypoints = "".join(f'<wpt lat="{c[7]}" lon="{c[6]}"><ele>{c[0]}</ele><name>{c[1]}</name></wpt>' for c in CITIES)
    times = [f"2020-06-01T10:0{n}:00+02:00" for n in range(4)]
    points = "".join(
        f'<trkpt lat="{c[7]}" lon="{c[6]}"><time>{t}</time></trkpt>' for c, t in zip(CITIES, times, strict=True)
    )
    gpx = (
        '<?xml version="1.0"?><gpx version="1.1" creator="make.py" xmlns="http://www.topografix.com/GPX/1/1">'
        f"{waypoints}<trk><name>round</name><trkseg>{points}</trkseg></trk></gpx>"
    )
    Path("hike.gpx").write_text(gpx, encoding="utf-8")


def write_with_gdal() -> None:
    columns = [
        np.array([city[0] for city in CITIES], dtype="int32"),
        np.array([city[1] for city in CITIES], dtype=object),
        np.array([city[2] for city in CITIES], dtype="int32"),
        np.array([city[3] for city in CITIES], dtype="float64"),
        np.array([city[4] for city in CITIES], dtype=bool),
        np.array([city[5] for city in CITIES], dtype="datetime64[D]"),
    ]
    utm = [point(x, y) for x, y in UTM30]
    lines = [line(x, y) for x, y in MERCATOR]
    with tempfile.TemporaryDirectory() as folder:
        shapefile = Path(folder, "Stations 25830.shp")
        # dBASE has no true and false, and no dates before 1700
        write(shapefile, "ESRI Shapefile", columns[:4], NAMES[:4], utm, "Point", "EPSG:25830", ENCODING="ISO-8859-1")
        archive("shapefile-25830.zip", {part.name: part.read_bytes() for part in sorted(shapefile.parent.iterdir())})
        table = Path(folder, "places.gpkg")
        write(table, "GPKG", columns, NAMES, lonlat(), "Point", "EPSG:4326", layer="places")
        definition = {"version": "2.1.3", "visualization": {"name": "Our places", "type": "derived", "layers": [
            {"kind": "carto", "order": 1, "options": {"table_name": "places", "query": "SELECT * FROM places"}},
        ]}}
        archive("map.carto", {"export.json": json.dumps(definition).encode(), "places.gpkg": table.read_bytes()})
    Path("layers.gpkg").unlink(missing_ok=True)
    write(Path("layers.gpkg"), "GPKG", columns, NAMES, utm, "Point", "EPSG:25830", layer="stations")
    ids = [np.array([1, 9876543210], dtype="int64")]
    write(Path("layers.gpkg"), "GPKG", ids, ["number"], lines, "LineString", "EPSG:3857", layer="roads", append=True)
    spreadsheet = [*columns, *(np.array([city[n] for city in CITIES], dtype="float64") for n in (7, 6))]
    write(Path("sheet.xlsx"), "XLSX", spreadsheet, [*NAMES, "latitude", "longitude"])


def lonlat() -> list[bytes]:
    return [point(city[6], city[7]) for city in CITIES]


def write(
    path: Path, driver: str, columns: list[Any], names: list[str], geometries: list[bytes] | None = None,
    kind: str | None = None, crs: str | None = None, **options: Any,
) -> None:  # fmt: skip
    geometry = None if geometries is None else np.array(geometries, dtype=object)
    pyogrio.raw.write(path, geometry, columns, names, driver=driver, geometry_type=kind, crs=crs, **options)


def point(x: float, y: float, srid: int | None = None) -> bytes:
    if srid is None:
        return struct.pack("<BIdd", 1, 1, x, y)
    return struct.pack("<BIIdd", 1, 0x20000001, srid, x, y)


def line(x: float, y: float) -> bytes:
    return struct.pack("<BIIdddd", 1, 2, 2, x, y, x + 500, y)


def archive(name: str, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as packed:
        for member, content in members.items():
            packed.writestr(zipfile.ZipInfo(member), content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
