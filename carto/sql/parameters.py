"""Parameters of a query: values put into SQL text so that they stay values.

The SQL API takes a query as text and has no parameters of its own, so they are
bound here. Placeholders and types follow psycopg 3's rules for binding on the
client; quoting is safe whatever ``standard_conforming_strings`` is set to.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import singledispatch
from typing import Any, NamedTuple

from carto.exceptions import CartoUsageException
from carto.geometry import to_ewkb

__all__ = ["Identifier", "bind", "quote_identifier", "quote_literal"]

MAX_DIMENSIONS = 6  # of PostgreSQL's arrays


class Identifier:
    """The name of a table, column or other object, to be put into a query as a parameter.

    Args:
        parts: The name, or a schema and the name, as in ``Identifier("public", "points")``.

    Raises:
        CartoUsageException: A part is no text, is empty, or holds a character that no name can have.
    """

    def __init__(self, *parts: str) -> None:
        if not parts:
            raise CartoUsageException("an Identifier needs a name")
        self.parts = parts
        self._quoted = ".".join(map(quote_identifier, parts))

    def __str__(self) -> str:
        return self._quoted

    def __repr__(self) -> str:
        return f"Identifier({', '.join(map(repr, self.parts))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identifier) and other.parts == self.parts

    def __hash__(self) -> int:
        return hash(self.parts)


def quote_identifier(name: str) -> str:
    """Quote a name for use in SQL.

    Args:
        name: One name, without its schema.

    Returns:
        The name in double quotes.

    Raises:
        CartoUsageException: The name is no text, is empty, or holds a character that no name can have.
    """
    if not isinstance(name, str) or not name:
        raise CartoUsageException(f"a name in SQL is text of at least one character; got {type(name).__name__}")
    check_characters(name)
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    r"""Quote text as a string constant of SQL.

    Args:
        text: Any text.

    Returns:
        The constant. With a backslash in it, it has the form ``E'...'``, which means the
        same whether ``standard_conforming_strings`` is on or off.

    Raises:
        CartoUsageException: The text holds a character that PostgreSQL can't store (NUL, or half a surrogate pair).
    """
    check_characters(text)
    quoted = "'" + text.replace("'", "''") + "'"
    if "\\" not in quoted:
        return quoted
    return " E" + quoted.replace("\\", r"\\")  # the blank keeps the E apart from a word before it


def check_characters(text: str) -> None:
    """Refuse a text with a character that PostgreSQL can't store (NUL, or half a surrogate pair)."""
    if "\0" in text:
        raise CartoUsageException("PostgreSQL can't store the character NUL (\\x00) in text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CartoUsageException(
            f"the text can't be written as UTF-8: half a surrogate pair at position {error.start}") from None


def query_text(sql: Any) -> str:
    """Read the text of a query, and refuse what no server could.

    Args:
        sql: The query, as text or as UTF-8.

    Returns:
        The text.

    Raises:
        CartoUsageException: It is no text, is not UTF-8, or holds a character that PostgreSQL can't store.
    """
    if isinstance(sql, bytes):
        try:
            return query_text(sql.decode())
        except UnicodeDecodeError as error:
            problem = f"the bytes of a query are UTF-8, which these are not at position {error.start}"
        raise CartoUsageException(problem)
    if not isinstance(sql, str):
        raise CartoUsageException(f"a query is a text, not {type(sql).__name__}")
    check_characters(sql)
    return sql


def bind(sql: str | bytes, params: Sequence[Any] | Mapping[str, Any] | None) -> str:
    """Put parameters into a query.

    ``%s`` stands for the next value of a sequence, ``%(name)s`` for a value of a mapping,
    ``%%`` for a percent sign. The query is not parsed: do not put placeholders in
    quotes or comments. A negative number comes in parentheses.

    A list becomes an array (write ``= ANY(%s)``), a dict jsonb, an object with
    ``__geo_interface__`` a geometry, a tuple a row (``IN %s`` takes one, too), an
    ``Identifier`` a quoted name.

    Args:
        sql: The query, as text or as UTF-8. Without params it is left as it is, percent signs and all.
        params: The values, or None.

    Returns:
        The query with its values.

    Raises:
        CartoUsageException: The query is no text that can be sent, placeholders and params don't match, or a value
            can't be sent. It says which, and never what the value is.
    """
    sql = query_text(sql)
    if params is None:
        return sql
    placeholders = list(_placeholders(sql))
    names = [match["name"] for match in placeholders if match[0] != "%%"]
    values = iter(_arranged(names, params))
    pieces: list[str] = []
    end = 0
    for match in placeholders:
        pieces += sql[end:match.start()], "%" if match[0] == "%%" else _put(next(values), match)
        end = match.end()
    return "".join(pieces) + sql[end:]


_PLACEHOLDER = r"(?s)%(?:\((?P<name>[^)]+)\))?(?P<format>.)?"


def _placeholders(sql: str) -> Iterator[re.Match[str]]:
    """Find what a percent sign begins, and refuse what is not a placeholder."""
    for match in re.finditer(_PLACEHOLDER, sql):
        if match[0] == "%%" or match["format"] == "s":
            yield match
            continue
        line = sql.count("\n", 0, match.start()) + 1
        problem = "incomplete" if (match["format"] or " ") in "( \t\r\n" else "unknown"
        raise CartoUsageException(
            f"{problem} placeholder '{match[0].strip()}' in line {line} of the query; only %s and %(name)s are known, "
            "and where params are given, a percent sign is written '%%'")


def _arranged(names: list[str | None], params: Any) -> list[tuple[str, Any]]:
    """Give every placeholder its value, with what errors call it."""
    if any(names) and None in names:
        raise CartoUsageException("positional (%s) and named (%(name)s) placeholders can't be mixed")
    if isinstance(params, Mapping):
        return _by_name(names, params)
    if isinstance(params, Sequence) and not isinstance(params, (str, bytes, bytearray, memoryview)):
        return _by_position(names, params)
    raise CartoUsageException(f"params are a list, a tuple or a mapping; got {type(params).__name__}"
                              + ("; a single one is written [value]" if isinstance(params, (str, bytes)) else ""))


def _by_name(names: list[str | None], params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    if None in names:
        raise CartoUsageException("positional placeholders (%s) need a list or tuple of params; got a mapping")
    missing = sorted({str(name) for name in names if name not in params})
    if missing:
        raise CartoUsageException(f"the query has placeholders without a parameter: {', '.join(missing)}")
    return [(f"parameter {name!r}", params[str(name)]) for name in names]


def _by_position(names: list[str | None], params: Sequence[Any]) -> list[tuple[str, Any]]:
    if any(names):
        raise CartoUsageException("named placeholders (%(name)s) need a mapping of params; got a sequence")
    if len(names) != len(params):
        raise CartoUsageException(f"the query has {len(names)} placeholders but {len(params)} parameters were passed")
    return [(f"parameter {number}", value) for number, value in enumerate(params, 1)]


def _put(named_value: tuple[str, Any], place: re.Match[str]) -> str:
    """Write a value for its place in the query."""
    name, value = named_value
    try:
        literal = _literal(value)
    except CartoUsageException as error:
        raise CartoUsageException(f"{name}: {error}") from None
    start, end = place.span()
    if "'" in literal and place.string[start - 1:start] == place.string[end:end + 1] == "'":
        # together with quotes of the query, ours would end the text before the value instead of beginning it
        raise CartoUsageException(f"{name}: leave out the quotes around '{place[0]}' in the query; "
                                  "values are quoted where they need it")
    return literal


def _literal(value: Any) -> str:
    if isinstance(value, Identifier):
        return str(value)
    if isinstance(value, tuple):
        return _row(value)
    element = _element(value)
    if element is None:
        return "NULL"
    if isinstance(element, list):
        return _array(element)
    if not element.bare:
        return _typed(element.text, element.type_name)
    # in parentheses, since "-%s" must not become a comment and -1::text means -(1::text)
    return f"({element.text})" if element.text.startswith("-") else element.text


def _typed(text: str, type_name: str) -> str:
    return quote_literal(text) + (f"::{type_name}" if type_name else "")


def _row(values: tuple[Any, ...]) -> str:
    if not values:
        raise CartoUsageException("an empty tuple has no form in SQL; for a list of values that may be empty, "
                                  "pass a list and write = ANY(%s)")
    return f"({', '.join(map(_literal, values))})"


class _Element(NamedTuple):
    """A value as PostgreSQL reads it in an array, and in quotes.

    ``type_name`` is empty where PostgreSQL is to find the type, as psycopg leaves it
    to do for text; ``bare`` values need no quotes outside of an array.
    """

    text: str
    type_name: str = ""
    bare: bool = False


_NUMBERS = {"int4", "int8", "float8", "numeric"}


def _array(values: list[Any]) -> str:
    types: set[str] = set()
    text = _array_text(values, types)
    type_name = _common_type(types)
    return _typed(text, type_name and f"{type_name}[]")


def _array_text(values: list[Any], types: set[str], dimensions: int = 1) -> str:
    """Write an array's text, and gather the types of its elements."""
    if dimensions > MAX_DIMENSIONS:
        raise CartoUsageException(f"lists are nested more than {MAX_DIMENSIONS} deep, which no array can be")
    texts: list[str] = []
    for value in values:
        element = _element(value)
        if element is None:
            texts.append("NULL")
        elif isinstance(element, list):
            texts.append(_array_text(element, types, dimensions + 1))
        else:
            types.add(element.type_name)
            texts.append(_array_element(element.text))
    delimiter = ":" if "geometry" in types else ","  # PostGIS chose its own
    return "{" + delimiter.join(texts) + "}"


_NEEDS_QUOTES = r'[\s{}",:\\]'


def _array_element(text: str) -> str:
    if text and text.upper() != "NULL" and not re.search(_NEEDS_QUOTES, text):
        return text
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def _common_type(types: set[str]) -> str:
    if len(types) < 2:
        return next(iter(types), "")
    if types <= {"int4", "int8"}:
        return "int8"
    if types == {"int4", "float8"}:
        return "float8"
    if types <= _NUMBERS:
        return "numeric"  # the only one that holds all of them without loss
    names = sorted(name or "text" for name in types)
    raise CartoUsageException(f"a list mixes values of the types {', '.join(names)}; an array has one type")


def _element(value: Any) -> _Element | list[Any] | None:
    """Find the form of a value: None is NULL, and a list an array."""
    if value is None or isinstance(value, list):
        return value
    if hasattr(value, "__geo_interface__"):  # before dict, which geojson's objects are
        ewkb = to_ewkb(value)
        return None if ewkb is None else _Element(ewkb.hex(), "geometry")
    if _is_numpy_number(value):
        value = value.tolist()
        if isinstance(value, list):
            return value
    if isinstance(value, datetime) and value != value:  # pandas' NaT
        return None
    return _form(value)


def _is_numpy_number(value: Any) -> bool:
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return kind in ("b", "i", "u", "f") and hasattr(value, "tolist")


@singledispatch
def _form(value: Any) -> _Element:
    uuid = sys.modules.get("uuid")  # slow to import, and who has a UUID has done so
    if uuid is not None and isinstance(value, uuid.UUID):
        return _Element(str(value), "uuid")
    raise CartoUsageException(
        f"a value of type {type(value).__name__} can't be sent; accepted are str, bytes, int, float, Decimal, bool, "
        "None, date, time, datetime, timedelta, UUID, Enum, list (an array), tuple (a row), dict (jsonb), objects with "
        "__geo_interface__ (a geometry) and carto.sql.Identifier (rows and names not within a list)")


@_form.register
def _(value: str) -> _Element:
    return _Element(str.__str__(value))


@_form.register
def _(value: Enum) -> _Element:
    return _Element(value.name)  # as psycopg does; members that are str or int are sent as such


@_form.register(bytes)
@_form.register(bytearray)
@_form.register(memoryview)
def _(value: bytes | bytearray | memoryview) -> _Element:
    return _Element(rf"\x{bytes(value).hex()}", "bytea")


@_form.register
def _(value: bool) -> _Element:
    return _Element("true" if value else "false", "bool", bare=True)


@_form.register
def _(value: int) -> _Element:
    size = value.bit_length()
    if size >= 64:
        return _form(Decimal(value))
    return _Element(int.__repr__(value), "int4" if size < 32 else "int8", bare=True)


@_form.register
def _(value: float) -> _Element:
    if math.isfinite(value):
        return _Element(float.__repr__(value), "float8", bare=True)
    return _Element("NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity", "float8")


@_form.register
def _(value: Decimal) -> _Element:
    if value.is_nan():
        return _Element("NaN", "numeric")
    return _Element(Decimal.__str__(value), "numeric", bare=value.is_finite())


@_form.register
def _(value: date) -> _Element:
    return _Element(value.isoformat(), "date")


@_form.register
def _(value: datetime) -> _Element:
    return _Element(value.isoformat(" "), "timestamp" if value.utcoffset() is None else "timestamptz")


@_form.register
def _(value: time) -> _Element:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise CartoUsageException("a time's zone must have a fixed offset, as timezone(timedelta(hours=1)) has")
    return _Element(value.isoformat(), "time" if value.tzinfo is None else "timetz")


@_form.register
def _(value: timedelta) -> _Element:
    # a sign before each part, because of IntervalStyle sql_standard
    return _Element(f"{value.days:+d} days {value.seconds:+d} seconds {value.microseconds:+d} microseconds", "interval")


@_form.register
def _(value: dict) -> _Element:  # type: ignore[type-arg]  # singledispatch wants the bare class
    try:
        return _Element(json.dumps(value, ensure_ascii=False, allow_nan=False), "jsonb")
    except (TypeError, ValueError, RecursionError):
        raise CartoUsageException("a dict to be sent as jsonb holds something that JSON has no form for: JSON has "
                                  "text, finite numbers, true, false, null, lists and objects") from None
