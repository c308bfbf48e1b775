"""Dataviews: one number, the largest categories, or a histogram of what a map's source gives."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from carto.sandbox import dataview_histogram
from carto.sandbox.dataview_histogram import column_of
from carto.sandbox.map_sql import Database, Row, at_zoom_0, literal
from carto.sandbox.mapconfig import MapConfig
from carto.sandbox.maps_errors import refused
from carto.sandbox.parameters import js_string

OPERATIONS = ("count", "sum", "avg", "min", "max")
DEFAULT_CATEGORIES = 6
_NUMBERS = ("start", "end", "bins", "offset", "categories")
_EARTH = 4326
_FLOATS = ("float4", "float8", "numeric")

Params = dict[str, Any]
Answer = dict[str, Any]


async def read(config: MapConfig, name: str, params: Params, database: Database) -> Answer:
    """Answer what a dataview shows.

    Args:
        config: The map.
        name: Name of the dataview.
        params: Parameters of the URL.
        database: Where the data is.

    Raises:
        MapsError: There is no such dataview, or options or parameters make no sense.
    """
    dataview = _dataview(config, name)
    params = _checked(params)
    sql = _source(config, name, dataview, params)
    return await _reader(dataview)(config.options_of(name), sql, params, database)


async def search(config: MapConfig, name: str, params: Params, database: Database) -> Answer:
    """Search the categories of an aggregation for a text.

    Args:
        config: The map.
        name: Name of the dataview.
        params: Parameters of the URL; ``q`` is the text.
        database: Where the data is.

    Raises:
        MapsError: There is no such dataview, or options or parameters make no sense.
    """
    dataview = _dataview(config, name)
    if dataview.get("type") == "formula":
        return {"operation": config.options_of(name).get("operation"), "result": 0, "nulls": 0}
    if dataview.get("type") != "aggregation":
        raise refused(f"Dataview '{name}' cannot be searched", type="dataview")
    text = js_string(params.get("q", ""))
    source = _source(config, name, dataview, params)
    measure = await _measured(config.options_of(name), source, database)
    if not text:
        return {"type": "aggregation", "categories": []}
    rows = await database.rows(
        f"SELECT {measure.category}::text AS category, {measure.value} AS value FROM ({source}) AS source"  # noqa: S608
        f" WHERE {measure.category}::text ILIKE {literal(f'%{text}%')} GROUP BY 1 ORDER BY 2 DESC"
    )
    return {"type": "aggregation", "categories": [_plain(row) for row in rows]}


def _dataview(config: MapConfig, name: str) -> Any:
    if name not in config.dataviews:
        raise refused(f"Dataview '{name}' does not exist", status=400, type="dataview")
    return config.dataviews[name]


def _reader(dataview: Any) -> Callable[[Any, str, Params, Database], Awaitable[Answer]]:
    readers = {"formula": _formula, "aggregation": _aggregation, "histogram": dataview_histogram.read}
    kind = js_string(dataview.get("type"))
    if kind not in readers:
        raise refused(f'Invalid dataview type: "{kind}"', type="dataview")
    return readers[kind]


def _checked(params: Params) -> Params:
    for name in _NUMBERS:
        if name in params and not _is_number(params[name]):
            raise refused(f"Invalid number format for parameter '{name}'")
    if params.get("own_filter") == "1" and params.get("no_filters") == "1":
        raise refused("Both own_filter and no_filters cannot be sent in the same request", type="dataview")
    return params


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _source(config: MapConfig, name: str, dataview: Any, params: Params) -> str:
    """Return the SQL whose rows a dataview looks at: other dataviews' filters, and the place, are applied."""
    names = set(config.dataviews) - {name}
    if params.get("own_filter") == "1":
        names.add(name)
    if params.get("no_filters") == "1":
        names = set()
    sql = at_zoom_0(config.node_query(dataview["source"]["id"], names))
    place = _place(params)
    return f"SELECT * FROM ({sql}) AS everywhere WHERE {place}" if place else sql  # noqa: S608 -- the map's SQL


def _place(params: Params) -> str:
    """Return the condition that a feature is where the caller looks."""
    if params.get("bbox"):
        return _in_bbox(js_string(params["bbox"]))
    for name, condition in (("circle", _in_circle), ("polygon", _in_polygon)):
        if params.get(name):
            try:
                return condition(json.loads(js_string(params[name])))
            except (KeyError, TypeError, ValueError) as error:
                raise refused(f"Invalid {name} filter: {js_string(params[name])}") from error
    return ""


def _in_bbox(text: str) -> str:
    parts = text.split(",")
    if len(parts) != 4 or not all(_is_number(part) for part in parts):
        raise refused('Invalid bbox filter, expected format="west,south,east,north"')
    west, south, east, north = map(float, parts)
    boxes = " OR ".join(
        f"ST_Intersects(the_geom_webmercator, ST_Transform(ST_MakeEnvelope({part},{_EARTH}),3857))"
        for part in _in_one_world(west, max(south, -85.06), east, min(north, 85.06))
    )
    return f"({boxes})"


def _in_one_world(west: float, south: float, east: float, north: float) -> list[str]:
    """Cut a box in two where it crosses the antimeridian; one that goes all around is the world."""
    if east - west >= 360:
        spans = [(-180.0, 180.0)]
    else:
        start = (west + 180) % 360 - 180
        end = start + (east - west)
        spans = [(start, end)] if end <= 180 else [(start, 180.0), (-180.0, end - 360)]
    return [f"{left!r},{south!r},{right!r},{north!r}" for left, right in spans]


def _in_circle(circle: Any) -> str:
    longitude, latitude, radius_m = (float(circle[name]) for name in ("lng", "lat", "radius"))
    middle = f"ST_SetSRID(ST_MakePoint({longitude!r},{latitude!r}),{_EARTH})::geography"
    return f"ST_DWithin(ST_Transform(the_geom_webmercator,{_EARTH})::geography, {middle}, {radius_m!r})"


def _in_polygon(polygon: Any) -> str:
    if polygon["type"] not in ("Polygon", "MultiPolygon") or not polygon["coordinates"]:
        raise ValueError("no polygon")
    shape = f"ST_SetSRID(ST_GeomFromGeoJSON({literal(json.dumps(polygon))}),{_EARTH})"
    return f"ST_Intersects(the_geom_webmercator, ST_Transform({shape},3857))"


async def _formula(options: Any, sql: str, _params: Params, database: Database) -> Answer:
    operation = options.get("operation")
    if operation not in OPERATIONS:
        raise refused(f"Formula does not support '{js_string(operation)}' operation")
    column = options.get("column")
    if not column and operation != "count":
        raise refused("Formula expects 'column' in dataview options")
    name, floats = "1", False
    if column and column != "*":
        name, kind = await column_of(js_string(column), sql, database)
        floats = kind.name in _FLOATS
    finite = _finite(name) if floats else "true"
    (row,) = await database.rows(
        f"SELECT {operation}({name}) FILTER (WHERE {finite}) AS result,"  # noqa: S608 -- all of it quoted
        f" sum(CASE WHEN {name} IS NULL THEN 1 ELSE 0 END) AS nulls"
        + (f", {_counted(name)}" if floats else "")
        + f" FROM ({sql}) AS source"
    )
    return {"operation": operation, **_plain(row), "type": "formula"}


class _Measure(NamedTuple):
    """SQL of an aggregation: the category, its value, the condition for that, and the numbers it leaves out."""

    category: str
    value: str
    finite: str
    left_out: str


async def _aggregation(options: Any, sql: str, params: Params, database: Database) -> Answer:
    measure = await _measured(options, sql, database)
    column = measure.category
    limit = math.inf if params.get("own_filter") == "1" else float(params.get("categories", DEFAULT_CATEGORIES))
    source = f"({sql}) AS source"
    (summary,) = await database.rows(
        "SELECT count(1) AS count,"  # noqa: S608 -- the map's SQL
        f" sum(CASE WHEN {column} IS NULL THEN 1 ELSE 0 END) AS nulls, {measure.left_out},"
        f" count(DISTINCT {column}) + max(CASE WHEN {column} IS NULL THEN 1 ELSE 0 END) AS categories FROM {source}"
    )
    rows = await database.rows(
        f"SELECT {column}::text AS category, {measure.value} AS value FROM {source}"  # noqa: S608 -- the map's SQL
        f" WHERE {column} IS NOT NULL AND {measure.finite} GROUP BY {column} ORDER BY 2 DESC NULLS LAST"
    )
    found = [row for row in map(_plain, rows) if row["value"] is not None]
    values = [row["value"] for row in found]
    known = _plain({name: count or 0 for name, count in summary.items()})
    shown = [{**row, "agg": False} for row in found[: len(found) if math.isinf(limit) else max(0, int(limit) - 1)]]
    return {
        "aggregation": options["aggregation"],
        "count": known["count"],
        "nulls": known["nulls"],
        "nans": known["nans"],
        "infinities": known["infinities"],
        "min": min(values, default=0),
        "max": max(values, default=0),
        "categoriesCount": known["categories"],
        "categories": shown + _other(options["aggregation"], values[len(shown) :]),
        "type": "aggregation",
    }


def _other(aggregation: str, values: list[float]) -> list[Answer]:
    """Put the smaller categories into one."""
    if not values:
        return []
    together = {"min": min, "max": max}.get(aggregation, sum)(values)
    value = together / len(values) if aggregation == "avg" else together
    return [{"category": "Other", "value": value, "agg": True}]


async def _measured(options: Any, sql: str, database: Database) -> _Measure:
    column = options.get("column")
    if not isinstance(column, str):
        raise refused("Aggregation expects 'column' in dataview options")
    category, _ = await column_of(column, sql, database)
    aggregation = options.get("aggregation")
    if aggregation not in OPERATIONS:
        raise refused(f"Aggregation does not support '{js_string(aggregation)}' operation")
    if aggregation == "count":
        return _Measure(category, "count(1)", "true", "0 AS nans, 0 AS infinities")
    if not isinstance(options.get("aggregationColumn"), str):
        raise refused("Aggregation expects 'aggregationColumn' in dataview options")
    name, kind = await column_of(options["aggregationColumn"], sql, database)
    if kind.name in _FLOATS:
        return _Measure(category, f"{aggregation}({name})", _finite(name), _counted(name))
    return _Measure(category, f"{aggregation}({name})", "true", "0 AS nans, 0 AS infinities")


def _finite(name: str) -> str:
    return f"{name}::float8 NOT IN ('NaN', 'Infinity', '-Infinity')"


def _counted(name: str) -> str:
    return (
        f"sum(CASE WHEN {name}::float8 = 'NaN' THEN 1 ELSE 0 END) AS nans,"
        f" sum(CASE WHEN {name}::float8 IN ('Infinity', '-Infinity') THEN 1 ELSE 0 END) AS infinities"
    )


def _plain(row: Row) -> Answer:
    return {name: dataview_histogram.plain(value) for name, value in row.items()}
