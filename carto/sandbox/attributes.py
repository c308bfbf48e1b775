"""The attributes of one feature: the columns that its layer exposes, as JSON."""

from __future__ import annotations

import re
from typing import cast

from psycopg.pq.abc import PGresult

from carto.sandbox import javascript
from carto.sandbox.execution import columns_of
from carto.sandbox.formats.rows import row_encoder
from carto.sandbox.layer_filter import layer_number
from carto.sandbox.map_sql import Database, at_zoom_0, identifier
from carto.sandbox.mapconfig import MapConfig
from carto.sandbox.maps_errors import refused
from carto.sandbox.node_types import encoders

_SQL_ENCODERS = encoders(javascript.as_string)
_DATES = (1082, 1114, 1184)
"""OIDs of date, timestamp and timestamptz."""
_FRACTION = re.compile(rb"\.(\d+)")
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?\Z")


async def attributes_of(config: MapConfig, token: str, layer_name: str, feature: str, database: Database) -> str:
    """Return the attributes of a feature as JSON.

    Args:
        config: The map.
        token: What the map is kept under.
        layer_name: The layer's number as it stands in the URL.
        feature: The feature's id as it stands in the URL.
        database: Where the layer is read from.

    Raises:
        MapsError: There is no such layer or feature, or the layer exposes nothing.
    """
    number = layer_number(layer_name)
    if number is None or number >= len(config.layers):
        raise refused(f"Map {token} has no layer number {layer_name}")
    layer = config.layers[number]
    exposed = layer.options.get("attributes")
    if not isinstance(exposed, dict):
        raise refused(f"Layer {layer_name} has no exposed attributes")
    if not _NUMBER.match(feature):
        raise refused(f"Invalid feature id '{feature}': it is no number")
    columns = ", ".join(identifier(str(name)) for name in exposed["columns"])
    rows = await rows_as_json(
        database,
        f"SELECT {columns} FROM ({at_zoom_0(layer.sql)}) AS _windshaft_subquery"  # noqa: S608 -- all of it checked
        f" WHERE {identifier(exposed['id'])} = {feature} LIMIT 2",
    )
    if len(rows) != 1:
        found = f"Multiple features ({len(rows)}) identified by '{exposed['id']}' = {feature} in layer {layer_name}"
        raise refused(found, status=400 if rows else 404)
    return rows[0]


async def rows_as_json(database: Database, statement: str) -> list[str]:
    """Run one statement and write each of its rows as JSON.

    Args:
        database: Where it is run.
        statement: SQL.

    Raises:
        psycopg.Error: PostgreSQL refused it.
    """
    result = await database.text_result(statement)
    encode = row_encoder(columns_of(result), (), {**_SQL_ENCODERS, **dict.fromkeys(_DATES, _date)})
    return [encode(cast(PGresult, _OneRow(result, number))) for number in range(result.ntuples)]


def _date(value: bytes) -> str:
    """Write a time with milliseconds, which the SQL API leaves out."""
    fraction = _FRACTION.search(value)
    milliseconds = fraction.group(1).decode().ljust(3, "0")[:3] if fraction else "000"
    return _SQL_ENCODERS[_DATES[-1]](value).replace('Z"', f'.{milliseconds}Z"')


class _OneRow:
    """One row of a result, as results of a single row show it."""

    def __init__(self, result: PGresult, number: int) -> None:
        self._result = result
        self._number = number

    def get_value(self, _row: int, column: int) -> bytes | None:
        """Return a value in PostgreSQL's text form."""
        return self._result.get_value(self._number, column)
