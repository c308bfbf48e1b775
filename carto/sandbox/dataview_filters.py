"""Filters that a map's dataviews put on their sources: categories taken or left out, ranges of values."""

from __future__ import annotations

import json
from typing import Any

from carto.sandbox import javascript
from carto.sandbox.maps_errors import refused

_RANGES = {
    "greater_than": ">",
    "greater_than_or_equal": ">=",
    "less_than": "<",
    "less_than_or_equal": "<=",
    "min": ">=",
    "max": "<=",
}


def parsed(text: Any) -> dict[str, Any]:
    """Read the parameter ``filters``; what is no JSON object filters nothing."""
    try:
        filters = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    return filters if isinstance(filters, dict) else {}


def checked(filters: Any, dataviews: dict[str, Any]) -> dict[str, Any]:
    """Return the filters of the dataviews that can be filtered, by name.

    Args:
        filters: As `parsed`.
        dataviews: The dataviews of a map.

    Raises:
        MapsError: A range has no limits.
    """
    chosen = (filters or {}).get("dataviews")
    known = {
        name: value
        for name, value in (chosen.items() if isinstance(chosen, dict) else ())
        if isinstance(value, dict) and dataviews.get(name, {}).get("type") in ("aggregation", "histogram")
    }
    for name, value in known.items():
        if dataviews[name]["type"] == "histogram" and not any(_is_number(value.get(limit)) for limit in _RANGES):
            *first, last = _RANGES
            raise refused(
                f"Range filter expect to have at least one value in {', '.join(first)}, or {last} numeric params"
            )
    return known


def filtered(query: str, kind: str, options: dict[str, Any], chosen: dict[str, Any]) -> str:
    """Put the filter of a dataview on a query.

    Args:
        query: Query of the source.
        kind: Type of the dataview: aggregation or histogram.
        options: Options of the dataview.
        chosen: What is to be seen.
    """
    column = str(options.get("column"))
    if kind == "aggregation":
        return _by_category(query, column, chosen)
    return f"SELECT * FROM ({query}) _camshaft_range_filter WHERE {_range(column, chosen)}"  # noqa: S608 -- layers' SQL


def _by_category(query: str, column: str, chosen: dict[str, Any]) -> str:
    conditions = []
    for name, operator in (("accept", "IN"), ("reject", "NOT IN")):
        values = chosen.get(name)
        if isinstance(values, list) and values:
            listed = ",".join(_escaped(value, number) for number, value in enumerate(values))
            conditions.append(f"{column} {operator} ({listed})")
    if not conditions:
        return query
    where = " AND ".join(conditions)
    return f"SELECT *\nFROM ({query}) _camshaft_category_filter\nWHERE {where}"


def _range(column: str, chosen: dict[str, Any]) -> str:
    limits = {name: chosen[name] for name in _RANGES if _is_number(chosen.get(name))}
    if set(limits) == {"min", "max"}:
        return f"{column} BETWEEN {_number(limits['min'])} AND {_number(limits['max'])}"
    return " AND ".join(f"{column} {_RANGES[name]} {_number(value)}" for name, value in limits.items())


def _escaped(value: Any, number: int) -> str:
    """Quote a category so that nothing in it can end the quotation."""
    if _is_number(value):
        return _number(value)
    text = value if isinstance(value, str) else javascript.stringify(value)
    tag = f"$escape_{number}$"
    while tag in text + "$":
        tag = f"{tag[:-1]}_$"
    return f"{tag}{text}{tag}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: float) -> str:
    return javascript.number(float(value))
