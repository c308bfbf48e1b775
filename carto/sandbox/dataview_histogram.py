"""Histograms of a column: of numbers in bins of equal width, of dates in days, months and the like."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

from carto.sandbox.map_sql import ColumnType, Database, Row, identifier
from carto.sandbox.maps_errors import refused
from carto.sandbox.parameters import js_string

FEWEST_BINS, MOST_BINS = 6, 48
MOST_AUTOMATIC_PERIODS = 100
PERIODS_S = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "week": 7 * 86400,
    "month": 30 * 86400,
    "quarter": 90 * 86400,
    "year": 365.25 * 86400,
    "decade": 3652.5 * 86400,
    "century": 36525 * 86400,
    "millennium": 365250 * 86400,
}
AGGREGATIONS = ("auto", *PERIODS_S)

Answer = dict[str, Any]


async def read(options: Any, sql: str, params: dict[str, Any], database: Database) -> Answer:
    """Answer what a histogram shows.

    Args:
        options: Options of the dataview.
        sql: Query of its source.
        params: Parameters of the URL.
        database: Where the data is.

    Raises:
        MapsError: Options or parameters make no sense.
    """
    column = options.get("column")
    if not isinstance(column, str):
        raise refused("Histogram expects 'column' in dataview options")
    name, kind = await column_of(column, sql, database)
    if params.get("column_type", "date" if kind.category == "D" else "number") == "date":
        return await _dates(options, name, sql, params, database)
    return await _numbers(name, sql, params, database)


async def column_of(column: str, sql: str, database: Database) -> tuple[str, ColumnType]:
    """Return the SQL and the type of what a dataview's option names: a column, or an expression of columns."""
    columns = await database.columns(sql)
    if column in columns:
        return identifier(column), columns[column]
    found = await database.columns(f"SELECT {column} AS value FROM ({sql}) AS source")  # noqa: S608 -- the map's SQL
    return f"({column})", found["value"]


async def _numbers(column: str, sql: str, params: dict[str, Any], database: Database) -> Answer:
    """Put the finite numbers between ``start`` and ``end`` into bins."""
    start, end = (_number(params.get(name)) for name in ("start", "end"))
    limits = [f"{column} >= {start!r}"] if start is not None else []
    limits += [f"{column} <= {end!r}"] if end is not None else []
    counted = f"({sql}) AS source WHERE {' AND '.join(limits) or 'true'}"
    value = f"{column}::float8"
    finite = f"{value} NOT IN ('NaN', 'Infinity', '-Infinity')"
    (basics,) = await database.rows(
        f"SELECT coalesce(sum(CASE WHEN {column} IS NULL THEN 1 ELSE 0 END), 0) AS nulls,"  # noqa: S608 -- quoted
        f" coalesce(sum(CASE WHEN {value} IN ('Infinity', '-Infinity') THEN 1 ELSE 0 END), 0) AS infinities,"
        f" coalesce(sum(CASE WHEN {value} = 'NaN' THEN 1 ELSE 0 END), 0) AS nans,"
        f" coalesce(avg({value}) FILTER (WHERE {finite}), 0) AS avg, min({value}) FILTER (WHERE {finite}) AS low,"
        f" max({value}) FILTER (WHERE {finite}) AS high, max({column} - {column}) AS is_number FROM {counted}"
    )
    counts = {name: plain(basics[name]) for name in ("nulls", "infinities", "nans", "avg")}
    if basics["low"] is None:
        return {**counts, "bins": [], "type": "histogram"}
    low = basics["low"] if start is None else start
    high = basics["high"] if end is None else end
    chosen = int(_number(params.get("bins")) or 0)
    values = f"SELECT {value} AS v FROM {counted} AND {finite}"  # noqa: S608 -- the map's SQL
    bins = chosen if chosen > 0 else await _automatic_bins(values, database)
    number = "0"
    if high > low:
        number = f"least(width_bucket(v, {low!r}, {high!r}, {bins}) - 1, {bins - 1})"
    rows = await database.rows(
        f"SELECT {number} AS bin, min(v) AS min, max(v) AS max, avg(v) AS avg, count(*) AS freq"  # noqa: S608
        f" FROM ({values}) AS source GROUP BY 1 ORDER BY 1"
    )
    width = plain((high - low) / bins)
    start_of_bins = {"bin_width": width, "bins_count": bins, "bins_start": plain(low)}
    return {**start_of_bins, **counts, "bins": [_bin(row) for row in rows], "type": "histogram"}


async def _automatic_bins(values: str, database: Database) -> int:
    """Choose a number of bins by how far the middle half of the values reaches."""
    (row,) = await database.rows(
        f"WITH parts AS (SELECT v, ntile(4) OVER (ORDER BY v) AS quarter FROM ({values}) AS source)"  # noqa: S608
        " SELECT count(*) AS count, max(v) - min(v) AS reach,"
        " max(v) FILTER (WHERE quarter = 3) - max(v) FILTER (WHERE quarter = 1) AS middle FROM parts"
    )
    if not row["middle"]:
        return 1
    by_reach = round(row["reach"] / (2 * row["middle"]))
    return int(max(min(FEWEST_BINS, row["count"]), min(by_reach, MOST_BINS)))


async def _dates(options: Any, column: str, sql: str, params: dict[str, Any], database: Database) -> Answer:
    aggregation = js_string(params.get("aggregation") or options.get("aggregation") or "auto")
    if aggregation not in AGGREGATIONS:
        raise refused(f"Invalid aggregation value. Valid ones: {', '.join(AGGREGATIONS)}")
    offset = int(_number(params.get("offset", options.get("offset"))) or 0)
    limits = [
        f"{column} {sign} to_timestamp({_number(params[name])!r})"
        for name, sign in (("start", ">="), ("end", "<="))
        if name in params
    ]
    source = f"({sql}) AS source WHERE {' AND '.join(limits) or 'true'}"
    (known,) = await database.rows(
        f"SELECT date_part('epoch', min({column})) AS low, date_part('epoch', max({column})) AS high FROM {source}"  # noqa: S608
    )
    if known["low"] is None:
        return {"aggregation": aggregation, "offset": offset, "nulls": 0, "bins": [], "type": "histogram"}
    period = _automatic_period(known["high"] - known["low"]) if aggregation == "auto" else aggregation
    local = f"{column}::timestamptz AT TIME ZONE 'UTC' + interval '{offset} seconds'"
    step = "3 months" if period == "quarter" else f"1 {period}"
    rows = await database.rows(
        f"WITH periods AS (SELECT date_trunc('{period}', {local}) AS begins, count(*) AS freq"  # noqa: S608
        f" FROM {source} GROUP BY 1),"
        " bounds AS (SELECT min(begins) AS first, max(begins) AS last FROM periods),"
        " numbered AS (SELECT begins, number - 1 AS bin FROM bounds,"
        f" generate_series(first, last, interval '{step}') WITH ORDINALITY AS series (begins, number))"
        f" SELECT bin, date_part('epoch', begins) - {offset} AS timestamp, freq"
        " FROM periods LEFT JOIN numbered USING (begins) ORDER BY begins"
    )
    bins = [_period(row) for row in rows]
    first = bins[0]["timestamp"]
    return {
        "aggregation": period,
        "offset": offset,
        "timestamp_start": first,
        "bin_width": plain(float(PERIODS_S[period])),
        "bins_count": 1 + max(row["bin"] for row in rows if row["bin"] is not None),
        "bins_start": first,
        "nulls": 0,
        "bins": bins,
        "type": "histogram",
    }


def _automatic_period(seconds: float) -> str:
    """Choose the shortest period of which there are not too many."""
    fitting = (name for name, length in PERIODS_S.items() if seconds / length <= MOST_AUTOMATIC_PERIODS)
    return next(fitting, "millennium")


def _bin(row: Row) -> Answer:
    return {name: plain(value) for name, value in row.items()}


def _period(row: Row) -> Answer:
    timestamp = plain(row["timestamp"])
    at = dict.fromkeys(("min", "max", "avg"), timestamp)
    return {"bin": row["bin"], **at, "freq": row["freq"], "timestamp": timestamp}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: whole numbers without fraction, dates as text, nothing for NaN."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() else value
    return value.isoformat() if isinstance(value, datetime) else value
