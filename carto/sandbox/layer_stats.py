"""Numbers about a layer's features, which the answer to an instantiation has on demand."""

from __future__ import annotations

import json
from typing import Any

import psycopg

from carto.sandbox.attributes import rows_as_json
from carto.sandbox.map_sql import ColumnType, Database, identifier, selected
from carto.sandbox.mapconfig import Layer

DEFAULT_CATEGORIES = 32768
DEFAULT_SAMPLE_ROWS = 1000
_KINDS = {"N": "number", "S": "string", "B": "boolean", "D": "date"}

Document = dict[str, Any]


async def stats_of(layer: Layer, database: Database) -> Document:
    """Return the estimated number of features, and what the layer's ``metadata`` option asks for.

    Args:
        layer: A layer drawn from a query.
        database: Where it is read from.
    """
    stats: Document = {"estimatedFeatureCount": await database.estimated_rows(layer.sql)}
    asked = layer.options.get("metadata")
    if isinstance(asked, dict):
        try:
            stats |= await _asked_stats(layer, asked, database)
        except psycopg.Error:
            return stats
    return stats


async def _asked_stats(layer: Layer, asked: Document, database: Database) -> Document:
    stats: Document = {}
    source = f"({selected(layer.sql)}) AS source"
    if asked.get("featureCount"):
        (row,) = await database.rows(f"SELECT count(*) AS count FROM {source}")  # noqa: S608 -- the map's SQL
        stats["featureCount"] = row["count"]
    if asked.get("geometryType"):
        geometry = identifier(layer.geometry_column)
        rows = await database.rows(
            f"SELECT ST_GeometryType({geometry}) AS type FROM {source} WHERE {geometry} IS NOT NULL LIMIT 1"  # noqa: S608
        )
        stats["geometryType"] = rows[0]["type"] if rows else None
    if asked.get("columns") or asked.get("columnStats"):
        stats["columns"] = await _columns(source, asked.get("columnStats"), await database.columns(layer.sql), database)
    if isinstance(asked.get("sample"), dict):
        stats["sample"] = await _sample(source, asked["sample"], database)
    if asked.get("columnStats") or asked.get("dimensions"):
        stats["dimensions"] = {}
    return stats


async def _columns(source: str, asked: Any, types: dict[str, ColumnType], database: Database) -> Document:
    columns: Document = {}
    for name, kind in types.items():
        known = kind.name if kind.name in ("geometry", "raster") else _KINDS.get(kind.category, kind.name)
        columns[name] = {"type": known}
        if asked:
            columns[name] |= await _column(source, identifier(name), known, asked, database)
    return columns


async def _column(source: str, name: str, kind: str, asked: Any, database: Database) -> Document:
    if kind in ("number", "date"):
        functions = ("min", "max", "avg", "sum") if kind == "number" else ("min", "max")
        computed = ", ".join(f"{function}({name}) AS {function}" for function in functions)
        return _parsed(await rows_as_json(database, f"SELECT {computed} FROM {source}"))[0]  # noqa: S608 -- the map's
    if kind != "string":
        return {}
    most = asked.get("topCategories") if isinstance(asked, dict) else None
    nulls = "true" if not isinstance(asked, dict) or asked.get("includeNulls", True) else f"{name} IS NOT NULL"
    rows = await database.rows(
        f"SELECT {name}::text AS category, count(*) AS frequency FROM {source} WHERE {nulls}"  # noqa: S608 -- the map's
        f" GROUP BY 1 ORDER BY 2 DESC LIMIT {_count(most, DEFAULT_CATEGORIES)}"
    )
    return {"categories": rows}


async def _sample(source: str, asked: Document, database: Database) -> list[Document]:
    included = asked.get("include_columns")
    names = [str(name) for name in included] if isinstance(included, list) else []
    columns = ", ".join(map(identifier, names)) or "*"
    limit = _count(asked.get("num_rows"), DEFAULT_SAMPLE_ROWS)
    return _parsed(await rows_as_json(database, f"SELECT {columns} FROM {source} LIMIT {limit}"))  # noqa: S608


def _count(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < default else default


def _parsed(rows: list[str]) -> list[Document]:
    return [json.loads(row) for row in rows]
