"""Values put into SQL text come out of PostgreSQL as they went in, however hostile they are.

Every query is run under the settings that PostgreSQL has by default and under hostile ones: with
``standard_conforming_strings`` off a backslash has another meaning, and dates and intervals may be read otherwise.
"""

from __future__ import annotations

import enum
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from carto.geometry import Geometry
from carto.sql.parameters import Identifier, bind

if TYPE_CHECKING:
    from carto.sandbox import Sandbox

ROUNDTRIP = hypothesis_settings(max_examples=40, deadline=None)

Ask = Callable[..., "str | None"]

SETTINGS = {
    "usual": "SET standard_conforming_strings = on",
    "hostile": "SET standard_conforming_strings = off SET escape_string_warning = off"
               " SET IntervalStyle = sql_standard SET DateStyle = 'SQL, DMY' SET TimeZone = 'Asia/Kolkata'",
}
HOSTILE = st.sampled_from([
    "'", "\\", '"', "%", "%s", "$$", "$1", ";", "--", "/*", "*/", "E'", "\\'", "''", "{", "}", ",", ":", "(", ")",
    "null", "NULL", "\n", "\r", "\t", "\b", " ", "\x7f", "é", "😀", "\u2028",
])
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.lists(HOSTILE | CHARACTERS, max_size=12).map("".join)
NUMBERS = st.integers() | st.integers(-(2**64), 2**64) | st.sampled_from([2**31, -(2**31), 2**63, -(2**63)])
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False).filter(lambda number: -200 < number.adjusted() < 200)
OFFSETS = st.integers(-15 * 60, 15 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29))


class Mood(enum.Enum):
    GLAD = "😀"


@pytest.fixture(scope="module")
def ask(sandbox: Sandbox) -> Iterator[Ask]:
    """Give a function that runs a query for one value and gives that value's text."""
    names = {settings: f"evaluate_{settings}_{uuid.uuid4().hex}" for settings in SETTINGS}
    quote = f"$quote_{uuid.uuid4().hex}$"  # no generated value can hold it

    with requests.Session() as session:
        def post(sql: str) -> list[dict[str, Any]]:
            response = session.post(f"{sandbox.base_url}api/v2/sql", data={"q": sql, "api_key": sandbox.api_key})
            assert response.status_code == 200, response.text
            rows: list[dict[str, Any]] = response.json()["rows"]
            return rows

        def evaluate(sql: str, params: Any) -> str | None:
            query = f"{quote}{bind(sql, params)}{quote}"
            [row] = post(f"SELECT {names['usual']}({query}) AS usual, {names['hostile']}({query}) AS hostile")
            assert row["usual"] == row["hostile"]
            value: str | None = row["usual"]
            return value

        for settings, name in names.items():
            post(f"CREATE FUNCTION {name}(query text) RETURNS text LANGUAGE plpgsql {SETTINGS[settings]}"
                 " AS $$ DECLARE value text; BEGIN EXECUTE query INTO value; RETURN value; END $$")
        yield evaluate
        for name in names.values():
            post(f"DROP FUNCTION {name}(text)")


def in_hex(text: str) -> str:
    return text.encode().hex()


@given(text=TEXTS)
@ROUNDTRIP
def test_text(ask: Ask, text: str) -> None:
    assert ask("SELECT encode(convert_to(%s, 'UTF8'), 'hex')", [text]) == in_hex(text)


@given(texts=st.tuples(TEXTS, TEXTS, TEXTS))
@ROUNDTRIP
def test_texts_stay_apart(ask: Ask, texts: tuple[str, str, str]) -> None:
    sql = "SELECT encode(convert_to(%(a)s || '%%' || %(b)s, 'UTF8'), 'hex') WHERE %(c)s IN %(list)s"
    a, b, c = texts
    assert ask(sql, {"a": a, "b": b, "c": c, "list": texts}) == in_hex(f"{a}%{b}")


@given(texts=st.lists(TEXTS | st.none(), min_size=1, max_size=5))
@ROUNDTRIP
def test_array_of_text(ask: Ask, texts: list[str | None]) -> None:
    sql = ("SELECT json_agg(encode(convert_to(t, 'UTF8'), 'hex') ORDER BY n)"
           " FROM unnest(%s::text[]) WITH ORDINALITY u(t, n)")
    expected = [None if text is None else in_hex(text) for text in texts]
    assert json.loads(ask(sql, [texts]) or "") == expected


@given(names=st.lists(TEXTS.filter(lambda name: 0 < len(name.encode()) < 64), min_size=1, max_size=2))
@ROUNDTRIP
def test_identifiers(ask: Ask, names: list[str]) -> None:
    assert json.loads(ask("SELECT row_to_json(q.*) FROM (SELECT 1 AS %s) q", [Identifier(names[0])]) or "") == {
        names[0]: 1}
    assert ask("SELECT %s FROM (SELECT 5 AS %s) AS %s", [
        Identifier(names[-1], names[0]), Identifier(names[0]), Identifier(names[-1])]) == "5"


@given(data=st.binary())
@ROUNDTRIP
def test_bytes(ask: Ask, data: bytes) -> None:
    assert ask("SELECT encode(%s, 'hex')", [data]) == data.hex()
    assert ask("SELECT encode((%s)[1], 'hex')", [[data]]) == data.hex()


@given(document=st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8))
@ROUNDTRIP
def test_jsonb(ask: Ask, document: Any) -> None:
    assert json.loads(ask("SELECT %s", [{"document": document}]) or "") == {"document": document}
    assert json.loads(ask("SELECT (%s)[1]", [[{"document": document}]]) or "") == {"document": document}
    assert ask("SELECT pg_typeof(%s)", [{"document": document}]) == "jsonb"


@given(number=NUMBERS)
@ROUNDTRIP
def test_integers(ask: Ask, number: int) -> None:
    assert ask("SELECT %s", [number]) == str(number)
    assert ask("SELECT %s::text", [number]) == str(number)
    assert ask("SELECT 5::numeric -%s", [number]) == str(5 - number)
    assert ask("SELECT (%s)[1]", [[number]]) == str(number)


@given(number=st.floats())
@ROUNDTRIP
def test_floats(ask: Ask, number: float) -> None:
    for sql, value in (("SELECT %s::float8", number), ("SELECT (%s)[1]", [number])):
        returned = float(ask(sql, [value]) or "")
        assert returned == number or (returned != returned and number != number)


@given(number=DECIMALS)
@ROUNDTRIP
def test_decimals(ask: Ask, number: Decimal) -> None:
    assert Decimal(ask("SELECT %s", [number]) or "") == number
    assert Decimal(ask("SELECT 0 -%s", [number]) or "") == number.copy_negate()
    assert ask("SELECT pg_typeof(%s)", [number * 1]) in ("numeric", "integer", "bigint")
    assert ask("SELECT pg_typeof(%s)", [[number]]) == "numeric[]"


@given(moment=MOMENTS)
@ROUNDTRIP
def test_moments_and_days(ask: Ask, moment: datetime) -> None:
    expected = moment.isoformat(" ", "microseconds")
    assert ask("SELECT to_char(%s, 'YYYY-MM-DD HH24:MI:SS.US')", [moment]) == expected
    assert ask("SELECT to_char((%s)[1], 'YYYY-MM-DD HH24:MI:SS.US')", [[moment]]) == expected
    assert ask("SELECT to_char(%s, 'YYYY-MM-DD')", [moment.date()]) == expected[:10]
    assert ask("SELECT to_char(%s + %s, 'YYYY-MM-DD HH24:MI:SS.US')", [moment.date(), moment.time()]) == expected


@given(moment=MOMENTS, offset=OFFSETS)
@ROUNDTRIP
def test_moments_with_an_offset(ask: Ask, moment: datetime, offset: timezone) -> None:
    aware = moment.replace(tzinfo=offset)
    expected = aware.astimezone(timezone.utc).replace(tzinfo=None).isoformat(" ", "microseconds")
    assert ask("SELECT to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')", [aware]) == expected
    assert ask("SELECT to_char((%s)[1] AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')", [[aware]]) == expected
    seconds = Decimal(ask("SELECT extract(timezone FROM %s)", [aware.timetz()]) or "")
    assert timedelta(seconds=int(seconds)) == offset.utcoffset(None)


@given(span=st.timedeltas())
@ROUNDTRIP
def test_intervals(ask: Ask, span: timedelta) -> None:
    expected = Decimal(span // timedelta(microseconds=1)) / 10**6
    assert Decimal(ask("SELECT extract(epoch FROM %s)", [span]) or "") == expected
    assert Decimal(ask("SELECT extract(epoch FROM (%s)[1])", [[span]]) or "") == expected


@pytest.mark.parametrize(("value", "type_name"), [
    ("x", "unknown"),
    (5, "integer"),
    (2**40, "bigint"),
    (2**70, "numeric"),
    (0.5, "numeric"),
    (float("nan"), "double precision"),
    (Decimal("NaN"), "numeric"),
    (True, "boolean"),
    (b"x", "bytea"),
    (uuid.UUID(int=7), "uuid"),
    (date(2020, 2, 29), "date"),
    (time(1), "time without time zone"),
    (time(1, tzinfo=timezone.utc), "time with time zone"),
    (datetime(2020, 2, 29), "timestamp without time zone"),
    (datetime(2020, 2, 29, tzinfo=timezone.utc), "timestamp with time zone"),
    (timedelta(1), "interval"),
    ({}, "jsonb"),
    (Geometry({"type": "Point", "coordinates": [1, 2]}), "geometry"),
    ((1, "x"), "record"),
    ([5], "integer[]"),
    ([2**40], "bigint[]"),
    ([2**70], "numeric[]"),
    ([1, 0.5], "double precision[]"),
    ([1, Decimal("0.5")], "numeric[]"),
    ([True], "boolean[]"),
    ([b"x"], "bytea[]"),
    ([uuid.UUID(int=7)], "uuid[]"),
    ([date(2020, 2, 29)], "date[]"),
    ([time(1)], "time without time zone[]"),
    ([timedelta(1)], "interval[]"),
    ([{}], "jsonb[]"),
    ([Geometry({"type": "Point", "coordinates": [1, 2]})], "geometry[]"),
])
def test_types(ask: Ask, value: Any, type_name: str) -> None:
    assert ask("SELECT pg_typeof(%s)", [value]) == type_name


@pytest.mark.parametrize(("value", "column_type"), [
    ("it's \\ 'x'", "text"),
    ("x", "varchar(5)"),
    (7, "smallint"),
    (7, "integer"),
    (7, "bigint"),
    (7, "numeric"),
    (7, "float8"),
    (0.1, "float8"),
    (0.1, "numeric"),
    (Decimal("0.1"), "numeric"),
    (Decimal(7), "integer"),
    (True, "boolean"),
    (b"\0\\", "bytea"),
    (date(2020, 2, 29), "date"),
    (date(2020, 2, 29), "timestamp"),
    (datetime(2020, 2, 29, 1, 2, 3, 4), "timestamp"),
    (datetime(2020, 2, 29, tzinfo=timezone.utc), "timestamptz"),
    (time(1, 2, 3), "time"),
    (timedelta(-5, 7), "interval"),
    (uuid.UUID(int=7), "uuid"),
    (str(uuid.UUID(int=7)), "uuid"),
    ({"a": 1}, "jsonb"),
    (Mood.GLAD, "text"),
])
def test_values_are_found_by_any(ask: Ask, value: Any, column_type: str) -> None:
    table = f"(SELECT %s::{column_type} AS col) AS one"
    for sql, found in (("col = %s", value), ("col = ANY(%s)", [value]), ("col = ANY(%s)", [None, value]),
                       ("col IN %s", (value, None))):
        assert ask(f"SELECT count(*) FROM {table} WHERE {sql}", [value, found]) == "1", sql
    assert ask(f"SELECT count(*) FROM {table} WHERE col = ANY(%s)", [value, []]) == "0"


def test_null_nested_and_overlapping_arrays(ask: Ask) -> None:
    assert ask("SELECT %s", [None]) is None
    assert ask("SELECT %s::text", [[[1, None], [3, 4]]]) == "{{1,NULL},{3,4}}"
    assert ask("SELECT ARRAY[1, 2] && %s", [[2, 3]]) == "true"
    assert ask("SELECT cardinality(%s::int[])", [[]]) == "0"


def test_no_comment_begins_at_a_negative_number(ask: Ask) -> None:
    assert ask("SELECT 5 -%s", [-1]) == "6"
    assert ask("SELECT - %s::int", [-1]) == "1"
    assert ask("SELECT 2 ^ %s", [-1.0]) == "0.5000000000000000"


def test_rows(ask: Ask) -> None:
    sql = "SELECT count(*) FROM (VALUES (1, 'a'), (2, 'b')) t(x, y) WHERE (x, y) IN %s"
    assert ask(sql, [((1, "a"), (2, "it's"))]) == "1"


GEOMETRIES = [
    {"type": "Point", "coordinates": [-3.7, 40.4]},
    {"type": "Point", "coordinates": [1, 2, 3]},
    {"type": "LineString", "coordinates": [[0, 0], [1e-9, 1e9]]},
    {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 0]], [[2, 1], [3, 1], [3, 2], [2, 1]]]},
    {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]},
    {"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]], [[2, 2], [3, 3]]]},
    {"type": "MultiPolygon", "coordinates": [[[[0, 0, 1], [4, 0, 1], [4, 4, 1], [0, 0, 1]]]]},
    {"type": "GeometryCollection", "geometries": [
        {"type": "Point", "coordinates": [1, 2]}, {"type": "MultiPoint", "coordinates": [[3, 4]]}]},
    {"type": "LineString", "coordinates": []},
    {"type": "MultiPolygon", "coordinates": []},
    {"type": "GeometryCollection", "geometries": []},
]


@pytest.mark.parametrize("geojson", GEOMETRIES)
@pytest.mark.parametrize("srid", [4326, 3857])
def test_geometries(ask: Ask, geojson: dict[str, Any], srid: int) -> None:
    shape = Geometry(geojson, srid=srid)
    same = "ST_AsEWKB(%s) = ST_AsEWKB(ST_SetSRID(ST_GeomFromGeoJSON(%s), %s))"
    assert ask(f"SELECT {same}", [shape, json.dumps(geojson), srid]) == "true"
    assert ask("SELECT ST_SRID((%s)[2])", [[shape, shape]]) == str(srid)
    assert ask("SELECT ST_SRID((%s)[2][1])", [[[None], [shape]]]) == str(srid)


def test_an_empty_point(ask: Ask) -> None:
    assert ask("SELECT ST_AsText(%s)", [Geometry({"type": "Point", "coordinates": []})]) == "POINT EMPTY"


@given(coordinates=st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=2, max_size=6))
@ROUNDTRIP
def test_coordinates_are_exact(ask: Ask, coordinates: list[tuple[float, float]]) -> None:
    sql = ("SELECT ST_AsHEXEWKB(%s) = ST_AsHEXEWKB(ST_SetSRID(ST_MakeLine(ARRAY(SELECT ST_MakePoint(x, y)"
           " FROM unnest(%s::float8[], %s::float8[]) WITH ORDINALITY u(x, y, n) ORDER BY n)), 4326))")
    xs, ys = zip(*coordinates, strict=True)
    line = Geometry({"type": "LineString", "coordinates": coordinates})
    assert ask(sql, [line, list(xs), list(ys)]) == "true"
