"""The output formats of the SQL API, one module each; this one lists them."""

from __future__ import annotations

from carto.sandbox.formats import geojson, json
from carto.sandbox.formats.base import Format

FORMATS: dict[str, Format] = {
    "json": Format("json", "application/json; charset=utf-8", json.produce),
    "geojson": Format("geojson", "application/json; charset=utf-8", geojson.produce),
}
