"""The output formats of the SQL API, one module each; this one lists them."""

from __future__ import annotations

from carto.sandbox.formats import arraybuffer, geojson, json, ogr, svg, topojson
from carto.sandbox.formats.base import Format

_SQLITE = "application/x-sqlite3; charset=utf-8"

FORMATS: dict[str, Format] = {
    "json": Format("json", "application/json; charset=utf-8", json.produce),
    "geojson": Format("geojson", "application/json; charset=utf-8", geojson.produce),
    "svg": Format("svg", "image/svg+xml; charset=utf-8", svg.produce),
    # The servers send this Content-Type, by an oversight of theirs.
    "topojson": Format("topojson", "undefined", topojson.produce),
    "arraybuffer": Format("arraybuffer", "application/octet-stream", arraybuffer.produce),
    "csv": Format("csv", "text/csv; charset=utf-8; header=present", ogr.produce_csv),
    "kml": Format("kml", "application/kml; charset=utf-8", ogr.single_file("KML", "kml")),
    "shp": Format("zip", "application/zip; charset=utf-8", ogr.produce_shapefile),
    "spatialite": Format("sqlite", _SQLITE, ogr.single_file("SQLite", "sqlite")),
    "gpkg": Format("gpkg", _SQLITE, ogr.single_file("GPKG", "gpkg")),
}
