"""Rows from COPY TO, with the Python values that the SQL API's JSON has for them.

The SQL API's JSON is written by a JavaScript server: numbers are doubles, dates
have no fractions of a second, bytes are objects. COPY TO gives the text that
PostgreSQL writes. What a caller gets must not depend on the road taken, so every
type is brought into the form that the JSON answer has after ``json.loads``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from carto.exceptions import CartoException, CartoUsageException
from carto.sql.copy_statement import without_end
from carto.sql.parameters import quote_identifier

__all__ = ["RowDecoder", "copy_query", "fields_query", "split_lines"]

_Convert = Callable[[str], Any]


def fields_query(sql: str) -> str:
    """Write the statement that asks for a query's columns and none of its rows.

    Args:
        sql: One query, with its parameters bound.

    Returns:
        A statement for the SQL API; the ``fields`` of its answer are what ``RowDecoder`` wants.
    """
    return f"SELECT * FROM {_subquery(sql)} AS q LIMIT 0"  # noqa: S608  # running the caller's SQL is the purpose


def copy_query(sql: str, fields: Mapping[str, Any]) -> str:
    """Write the COPY that sends a query's rows, its columns in the order of ``fields``.

    Args:
        sql: One query, with its parameters bound.
        fields: The ``fields`` of the answer to ``fields_query``.

    Returns:
        A COPY statement in PostgreSQL's text format.
    """
    query = _subquery(sql)
    if len(fields) > 1 and any(_is_array_index(name) for name in fields):
        # JavaScript puts names like "2020" before all others, whatever their place in the query
        query = f"(SELECT {', '.join(map(quote_identifier, fields))} FROM {query} AS q)"  # noqa: S608  # as above
    return f"COPY {query} TO STDOUT"


def _subquery(sql: str) -> str:
    return f"(\n{without_end(sql)}\n)"


def _is_array_index(name: str) -> bool:
    return name.isascii() and name.isdigit() and str(int(name)) == name and int(name) < 2**32 - 1


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut the pieces of a COPY TO in text format into its lines.

    Args:
        chunks: The body of the answer, in pieces of any size. No more than one of
            them and one line is held in memory.

    Yields:
        The lines, without the line feed at their end.

    Raises:
        CartoException: The last line is not complete.
    """
    started: list[bytes] = []
    for chunk in chunks:
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines:
            lines[0] = b"".join([*started, lines[0]])
            started = []
            yield from lines
        if rest:
            started.append(rest)
    if started:
        raise CartoException("the answer to COPY TO ends in the middle of a row")


class RowDecoder:
    """Turns lines of COPY TO in text format into rows like those of a JSON answer.

    Args:
        fields: The ``fields`` of the query's JSON answer, in the order of the columns.
    """

    def __init__(self, fields: Mapping[str, Mapping[str, Any]]) -> None:
        self._names = list(fields)
        self._types = {name: str(field.get("pgtype", "")).lower() for name, field in fields.items()}
        converters = ((name, _converter(pgtype)) for name, pgtype in self._types.items())
        self._converters = [(name, convert) for name, convert in converters if convert is not None]

    def decode(self, line: bytes) -> dict[str, Any]:
        """Read one row.

        Args:
            line: A line of the COPY, without its line feed.

        Returns:
            The row, equal to the one in ``send()['rows']``.

        Raises:
            CartoUsageException: The query has columns of the same name, which a row can't hold.
            CartoException: The line is not what PostgreSQL writes for these columns.
        """
        row = dict(zip(self._names, self._values(line), strict=True))
        for name, convert in self._converters:
            text = row[name]
            if text is not None:
                try:
                    row[name] = convert(text)
                except (ValueError, IndexError) as error:
                    raise CartoException(f"column {name!r} of type {self._types[name]} holds a value that is not "
                                         "in the form that PostgreSQL writes by default") from error
        return row

    def _values(self, line: bytes) -> list[Any]:
        try:
            values: list[Any] = line.decode().split("\t")
        except UnicodeDecodeError as error:
            raise CartoException("a row of the answer to COPY TO is not UTF-8") from error
        if len(values) != len(self._names):
            return self._no_values(line, len(values))
        if b"\\" in line:
            return [_unescape(value) for value in values]
        return values

    def _no_values(self, line: bytes, found: int) -> list[Any]:
        if not line and not self._names:  # a query may have no columns
            return []
        raise CartoUsageException(
            f"the query has {found} columns but {len(self._names)} column names ({', '.join(self._names)}): "
            "give columns of the same name names of their own with AS")


_ESCAPE = r"(?s)\\(.)"
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _unescape(text: str) -> str | None:
    if text == r"\N":
        return None
    if "\\" not in text:
        return text
    return re.sub(_ESCAPE, lambda match: _ESCAPED.get(match[1], match[1]), text)


def _javascript_number(number: float) -> int | float | str:
    """Give a double the form that JavaScript prints and ``json.loads`` reads."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if not number.is_integer() or abs(number) >= 1e21:
        return number
    if abs(number) < 2**53:
        return int(number)
    return int(Decimal(repr(number)))  # the shortest digits, then zeros, as JavaScript prints them


def _number(text: str) -> int | float | str:
    return _javascript_number(float(text))


def _boolean(text: str) -> bool:
    return text == "t"


_JSON = json.JSONDecoder(parse_int=_number, parse_float=_number)


_OCTAL = rb"\\(\\|[0-3][0-7]{2})"


def _bytea(text: str) -> dict[str, Any]:
    if text.startswith(r"\x"):
        data = bytes.fromhex(text[2:])
    else:  # bytea_output = escape
        data = re.sub(_OCTAL, lambda match: b"\\" if match[1] == b"\\" else bytes([int(match[1], 8)]), text.encode())
    return {"type": "Buffer", "data": list(data)}


_MOMENT = (
    r"(?P<year>\d{4,})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?: (?P<time>\d\d:\d\d:\d\d)(?:\.\d+)?(?P<offset>[+-]\d\d(?::\d\d){0,2})?)?(?P<bc> BC)?")


def _moment(text: str) -> str:
    """Write a date or timestamp in UTC, without fractions and without zeros before the year."""
    if text in ("infinity", "-infinity"):
        return text.replace("infinity", "Infinity")
    match = _matched(_MOMENT, text)
    year = 1 - int(match["year"]) if match["bc"] else int(match["year"])
    time, offset = match["time"] or "00:00:00", match["offset"]
    if offset and offset.strip("+-0:"):
        return _in_utc(year, f"{match['month']}-{match['day']}T{time}", offset)
    return f"{year}-{match['month']}-{match['day']}T{time}Z"


def _in_utc(year: int, rest: str, offset: str) -> str:
    # datetime knows the years 1 to 9999 only, but the calendar repeats itself every 400 years
    cycle = 2000 + year % 400
    hours, minutes, seconds = (int(part) for part in f"{offset[1:]}:00:00".split(":")[:3])
    ahead = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    moment = datetime.fromisoformat(f"{cycle}-{rest}")
    moment += ahead if offset.startswith("-") else -ahead
    return f"{moment.year - cycle + year}-{moment:%m-%dT%H:%M:%S}Z"


_INTERVAL = (
    r"(?:(?P<years>[+-]?\d+) years? ?)?(?:(?P<months>[+-]?\d+) mons? ?)?(?:(?P<days>[+-]?\d+) days? ?)?"
    r"(?:(?P<sign>[+-])?(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?")


def _interval(text: str) -> dict[str, int | float | str]:
    """Take an interval apart; parts that are zero are left out."""
    match = _matched(_INTERVAL, text)
    parts: dict[str, float] = {part: int(match[part] or 0) for part in ("years", "months", "days")}
    sign = -1 if match["sign"] == "-" else 1
    for part in ("hours", "minutes", "seconds"):
        parts[part] = sign * int(match[part] or 0)
    parts["milliseconds"] = sign * int((match["fraction"] or "0").ljust(6, "0")) / 1000
    return {part: _javascript_number(float(value)) for part, value in parts.items() if value}


_POINT = r"\((?P<x>[^,]+),(?P<y>[^)]+)\)"
_CIRCLE = r"<\((?P<x>[^,]+),(?P<y>[^)]+)\),(?P<radius>[^>]+)>"


def _numbers(pattern: str, text: str) -> dict[str, Any]:
    return {name: _number(number) for name, number in _matched(pattern, text).groupdict().items()}


def _matched(pattern: str, text: str) -> re.Match[str]:
    match = re.fullmatch(pattern, text)
    if match is None:
        raise ValueError("not in the expected form")
    return match


_ARRAY_PART = r'(?s)[{}]|"((?:[^"\\]|\\.)*)"|([^{},"]+)'


def _array(convert: _Convert | None, text: str) -> list[Any]:
    """Read an array, of any number of dimensions; bounds before it are passed over."""
    levels: list[list[Any]] = [[]]
    for token in re.finditer(_ARRAY_PART, text[text.index("{"):]):
        quoted, plain = token.groups()
        if token[0] == "{":
            levels.append([])
        elif token[0] == "}":
            inner = levels.pop()
            levels[-1].append(inner)
        elif plain == "NULL":
            levels[-1].append(None)
        else:
            element = plain if quoted is None else re.sub(_ESCAPE, r"\1", quoted)
            levels[-1].append(element if convert is None else convert(element))
    [[array]] = levels
    return list(array)


_CONVERTERS: dict[str, _Convert] = {
    "bool": _boolean,
    "bytea": _bytea,
    "circle": partial(_numbers, _CIRCLE),
    "date": _moment,
    "float4": _number,
    "float8": _number,
    "int2": int,
    "int4": int,
    "int8": _number,
    "interval": _interval,
    "json": _JSON.decode,
    "jsonb": _JSON.decode,
    "numeric": _number,
    "oid": int,
    "point": partial(_numbers, _POINT),
    "timestamp": _moment,
    "timestamptz": _moment,
}
# Arrays of all other types are text in the JSON answers too, as PostgreSQL writes them.
_ARRAYS_OF_VALUES = {"bool", "bytea", "date", "float4", "float8", "int2", "int4", "int8", "json", "jsonb",
                     "numeric", "oid", "point", "timestamp", "timestamptz"}
_ARRAYS_OF_TEXT = {"bpchar", "cidr", "inet", "macaddr", "money", "numrange", "regproc", "text", "time",
                   "timetz", "uuid", "varchar"}


def _converter(pgtype: str) -> _Convert | None:
    """Choose how a column is read; None leaves it as the text that it is."""
    element = pgtype.removeprefix("_")
    if element == pgtype:
        return _CONVERTERS.get(pgtype)
    if element in _ARRAYS_OF_VALUES:
        return partial(_array, _CONVERTERS[element])
    return partial(_array, None) if element in _ARRAYS_OF_TEXT else None
