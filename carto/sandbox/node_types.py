"""Values and types of PostgreSQL as node-pg's type parsers and the SQL API present them in JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from carto.sandbox.javascript import NonFinite, number, parse_float, quote, stringify

Encoder = Callable[[bytes], str]
"""Turns PostgreSQL's text of a value into JSON."""

NO_TYPMOD = -1
_WKB_TYPES = (
    "Unknown",
    "Point",
    "LineString",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
    "CircularString",
    "CompoundCurve",
    "CurvePolygon",
    "MultiCurve",
    "MultiSurface",
    "PolyhedralSurface",
    "Triangle",
    "Tin",
)
_DATE = re.compile(
    r"(\d+)-(\d\d)-(\d\d)(?: (\d\d:\d\d:\d\d)(?:\.\d+)?)?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?( BC)?"
)
_INTERVAL = re.compile(
    r"(?:([+-]?\d+)\s+years?)?\s*(?:([+-]?\d+)\s+mons?)?\s*(?:([+-]?\d+)\s+days?)?\s*"
    r"(?:([+-])?(\d*):(\d\d):(\d\d)\.?(\d{1,6})?)?"
)


@dataclass(frozen=True)
class Column:
    """A column of a result.

    Attributes:
        name: Its name.
        oid: OID of its type.
        typmod: Type modifier, -1 for none.
    """

    name: str
    oid: int
    typmod: int


def describe(column: Column, type_names: dict[int, str]) -> dict[str, Any]:
    """Describe a column as in the ``fields`` of a JSON answer.

    Args:
        column: The column.
        type_names: Names of the built-in types, of geometry and of raster; all others stay unknown.
    """
    name = type_names.get(column.oid)
    if name is None:
        return {"type": f"unknown({column.oid})"}
    if name == "geometry":
        return _describe_geometry(column.typmod)
    # The servers' own table of names has this one in capitals.
    pgtype = "JSON" if name == "json" else name
    return {"type": _broad_type(pgtype), "pgtype": pgtype}


def _broad_type(name: str) -> str:
    broad = name
    if "bool" in name:
        broad = "boolean"
    elif re.search("int|float|numeric", name):
        broad = "number"
    elif re.search("text|char|unknown", name):
        broad = "string"
    elif re.search("date|time", name):
        broad = "date"
    return f"{broad}[]" if name.startswith("_") else broad


def _describe_geometry(typmod: int) -> dict[str, Any]:
    # PostGIS packs SRID (21 bits), type (6 bits), has z and has m; without a modifier the servers read -1 so.
    srid = ((typmod & 0x0FFFFF00) - (typmod & 0x10000000)) >> 8 if typmod != NO_TYPMOD else -1
    kind = (typmod & 0xFC) >> 2
    described: dict[str, Any] = {"type": "geometry"}
    if kind < len(_WKB_TYPES):
        described["wkbtype"] = _WKB_TYPES[kind]
    return {**described, "dims": 2 + ((typmod & 2) >> 1) + (typmod & 1), "srid": srid}


def encoders(non_finite: NonFinite) -> dict[int, Encoder]:
    """Return the encoders by type OID; any other type is sent as a string of PostgreSQL's text.

    Args:
        non_finite: What to write for NaN and the infinities.
    """

    def with_parser(parse: Callable[[str], Any]) -> Encoder:
        return lambda value: stringify(parse(value.decode()), non_finite)

    def double(value: bytes) -> str:
        text = value.decode()
        if len(text) <= _EXACT_LENGTH and text != "-0" and _PLAIN_DECIMAL.match(text):
            return text
        return number(parse_float(text), non_finite)

    table = {oid: with_parser(parse) for oid, parse in _PARSERS.items()}
    table |= dict.fromkeys(_DOUBLES, double)
    table |= dict.fromkeys(_INTEGERS, bytes.decode)
    return table


def encode_text(value: bytes) -> str:
    """Write the text of a value as a JSON string."""
    return quote(value.decode())


def _parse_bool(text: str) -> bool:
    return text == "t"


def _parse_bytea(text: str) -> dict[str, Any]:
    return {"type": "Buffer", "data": list(bytes.fromhex(text[2:]))}


def _parse_date(text: str) -> str | float:
    match = _DATE.fullmatch(text)
    if match is None:
        return -math.inf if text.startswith("-") else math.inf
    year, month, day, clock, sign, hours, minutes, seconds, before_christ = match.groups()
    number_of_year = 1 - int(year) if before_christ else int(year)
    if not sign:
        return f"{number_of_year}-{month}-{day}T{clock or '00:00:00'}Z"
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0), seconds=int(seconds or 0))
    return _in_utc(number_of_year, f"{month}-{day}T{clock}", -offset if sign == "-" else offset)


def _in_utc(year: int, rest: str, offset: timedelta) -> str:
    # datetime knows the years 1 to 9999 only; the calendar repeats itself every 400 years.
    cycles, within = divmod(year, 400)
    moment = datetime.fromisoformat(f"{within + 2000}-{rest}") - offset
    return f"{moment.year - 2000 + 400 * cycles}-{moment:%m-%dT%H:%M:%S}Z"


def _parse_interval(text: str) -> dict[str, float]:
    match = _INTERVAL.match(text)
    years, months, days, sign, hours, minutes, seconds, fraction = match.groups() if match else (None,) * 8
    factor = -1 if sign == "-" else 1
    parts: dict[str, float] = {
        "years": int(years or 0),
        "months": int(months or 0),
        "days": int(days or 0),
        "hours": int(hours or 0) * factor,
        "minutes": int(minutes or 0) * factor,
        "seconds": int(seconds or 0) * factor,
        "milliseconds": int((fraction or "0").ljust(6, "0")) / 1000 * factor,
    }
    return {name: value for name, value in parts.items() if value}


def _parse_point(text: str) -> dict[str, float]:
    x, _, y = text[1:-1].partition(",")
    return {"x": parse_float(x), "y": parse_float(y)}


def _parse_circle(text: str) -> dict[str, float]:
    center, _, radius = text[1:-1].rpartition(",")
    return {**_parse_point(center), "radius": parse_float(radius)}


def _array_of(parse_item: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> list[Any]:
        start = text.index("=") + 1 if text.startswith("[") else 0
        return _ArrayReader(text, start + 1, parse_item).read()

    return parse


class _ArrayReader:
    """Reads PostgreSQL's text of an array, such as ``{1,NULL,"a, b",{2}}``."""

    _ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}"]+)', re.DOTALL)

    def __init__(self, text: str, position: int, parse_item: Callable[[str], Any]) -> None:
        self._text = text
        self._position = position
        self._parse_item = parse_item

    def read(self) -> list[Any]:
        items: list[Any] = []
        while True:
            character = self._text[self._position]
            if character in ",{}":
                self._position += 1
            if character == "}":
                return items
            if character == "{":
                items.append(self.read())
            elif character != ",":
                items.append(self._read_item())

    def _read_item(self) -> Any:
        match = self._ITEM.match(self._text, self._position)
        if match is None:
            raise ValueError(f"not an array: {self._text!r}")
        self._position = match.end()
        quoted, bare = match.groups()
        if bare == "NULL":
            return None
        return self._parse_item(re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if bare is None else bare)


_PLAIN_DECIMAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d{0,5}[1-9])?\Z")
_EXACT_LENGTH = 15  # digits that every double keeps
_DOUBLES = (20, 700, 701, 1700)  # int8, float4, float8, numeric
_INTEGERS = (21, 23, 26)  # int2, int4, oid
_PARSERS: dict[int, Callable[[str], Any]] = {
    16: _parse_bool,
    17: _parse_bytea,
    114: json.loads,
    600: _parse_point,
    718: _parse_circle,
    1082: _parse_date,
    1114: _parse_date,
    1184: _parse_date,
    1186: _parse_interval,
    3802: json.loads,
    # Arrays. Those that are missing, such as interval[], reach the client as text.
    1000: _array_of(_parse_bool),
    1001: _array_of(_parse_bytea),
    1017: _array_of(_parse_point),
    **dict.fromkeys((1005, 1007, 1028), _array_of(int)),
    **dict.fromkeys((1016, 1021, 1022, 1231), _array_of(parse_float)),
    **dict.fromkeys((651, 791, 1008, 1009, 1014, 1015, 1040, 1041, 1183, 1270, 2951, 3907), _array_of(str)),
    **dict.fromkeys((1115, 1182, 1185), _array_of(_parse_date)),
    **dict.fromkeys((199, 3807), _array_of(json.loads)),
}
