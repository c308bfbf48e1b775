"""Placeholders, quoting and the SQL form of every type. That PostgreSQL reads them back is tested in tests/sandbox."""

from __future__ import annotations

import enum
from collections import OrderedDict, namedtuple
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from carto.exceptions import CartoUsageException
from carto.geometry import Geometry
from carto.sql.parameters import Identifier, bind, quote_identifier, quote_literal

SECRET = "hunter2-and-more"


class Plain(enum.Enum):
    RED = 1


class Text(str, enum.Enum):
    RED = "it's red"


class Number(enum.IntEnum):
    ONE = 1


class Stranger:
    def __repr__(self) -> str:
        return SECRET


class GeoDict(dict[str, Any]):
    @property
    def __geo_interface__(self) -> dict[str, Any]:
        return self


Pair = namedtuple("Pair", "x y")
POINT = GeoDict(type="Point", coordinates=[1, 2])
POINT_EWKB = "0101000020e6100000000000000000f03f0000000000000040"


def literal(value: Any) -> str:
    return bind("%s", [value])


# Placeholders


def test_without_params_nothing_is_touched() -> None:
    sql = "select '100%' || %s %% %(a)s %"
    assert bind(sql, None) == sql


@pytest.mark.parametrize("query", [None, 5, ["SELECT 1"], Path("query.sql")])
def test_a_query_is_text(query: Any) -> None:
    with pytest.raises(CartoUsageException, match=f"a query is a text, not {type(query).__name__}"):
        bind(query, None)


def test_a_query_may_be_text_that_is_encoded() -> None:
    assert bind("SELECT 'ä', %s".encode(), ["ö"]) == "SELECT 'ä', 'ö'"


def test_positional() -> None:
    assert bind("a = %s and b = %s", [1, "x"]) == "a = 1 and b = 'x'"
    assert bind("a = %s and b = %s", (1, "x")) == "a = 1 and b = 'x'"


def test_named() -> None:
    assert bind("%(a)s, %(b c)s, %(a)s", {"a": 1, "b c": 2, "unused": 3}) == "1, 2, 1"
    assert bind("%(a)s", OrderedDict(a=1)) == "1"


def test_a_parameter_may_look_like_a_placeholder() -> None:
    assert bind("%s, %s", ["%s", "%(a)s %%"]) == "'%s', '%(a)s %%'"


@pytest.mark.parametrize("params", [[], (), {}])
def test_a_doubled_percent_sign_is_one_where_params_are_given(params: Any) -> None:
    assert bind("a like '1%%' and 5 %% 2 = 1 %%%%", params) == "a like '1%' and 5 % 2 = 1 %%"


def test_a_doubled_percent_sign_before_an_s() -> None:
    assert bind("format('%%s', %s)", ["x"]) == "format('%s', 'x')"


def test_placeholders_are_replaced_wherever_they_stand() -> None:
    assert bind("-- %s\n/* %s */ $$%s$$", [1, 2, 3]) == "-- 1\n/* 2 */ $$3$$"


@pytest.mark.parametrize(("sql", "params", "message"), [
    ("%s %(a)s", [1], "can't be mixed"),
    ("%s %(a)s", {"a": 1}, "can't be mixed"),
    ("%s %s", [1], "2 placeholders but 1 parameters"),
    ("%s", [], "1 placeholders but 0 parameters"),
    ("%s", [1, 2], "1 placeholders but 2 parameters"),
    ("select 1", [1], "0 placeholders but 1 parameters"),
    ("%(b)s %(a)s %(c)s", {"c": 1}, "without a parameter: a, b"),
    ("%s", {"a": 1}, "need a list or tuple"),
    ("%s", {}, "need a list or tuple"),
    ("%(a)s", [1], "need a mapping"),
    ("%(a)s", [], "need a mapping"),
    ("%d", [1], "unknown placeholder '%d' in line 1"),
    ("%b", [1], "unknown placeholder '%b'"),
    ("%(a)d", {"a": 1}, r"unknown placeholder '%\(a\)d'"),
    ("a\nlike 'x%'", [], r"unknown placeholder '%'' in line 2 of the query; .* percent sign is written '%%'"),
    ("5 % 2", [], "incomplete placeholder '%' in line 1"),
    ("5 %\n2", [], "incomplete placeholder '%'"),
    ("5 %", [], "incomplete placeholder '%'"),
    ("%(a", {"a": 1}, r"incomplete placeholder '%\('"),
    ("%(a)", {"a": 1}, r"incomplete placeholder '%\(a\)'"),
    ("%()s", {"": 1}, r"incomplete placeholder '%\('"),
])
def test_placeholders_that_do_not_fit(sql: str, params: Any, message: str) -> None:
    with pytest.raises(CartoUsageException, match=message):
        bind(sql, params)


@pytest.mark.parametrize("params", ["abc", b"abc", 5, {1, 2}, iter([1]), object()])
def test_params_that_are_no_collection(params: Any) -> None:
    with pytest.raises(CartoUsageException, match=f"list, a tuple or a mapping; got {type(params).__name__}"):
        bind("%s", params)


def test_quotes_around_a_placeholder_are_refused_for_values_with_quotes_of_their_own() -> None:
    with pytest.raises(CartoUsageException, match=r"parameter 1: leave out the quotes around '%s'"):
        bind("name = '%s'", ["x; drop table y; --"])
    with pytest.raises(CartoUsageException, match=r"parameter 'n': leave out the quotes around '%\(n\)s'"):
        bind("name = '%(n)s'", {"n": "back\\slash"})
    assert bind("interval '%s days'", [5]) == "interval '5 days'"
    assert bind("'%s'", [5]) == "'5'"


# Values


@pytest.mark.parametrize(("value", "expected"), [
    (None, "NULL"),
    (True, "true"),
    (False, "false"),
    (0, "0"),
    (7, "7"),
    (-7, "(-7)"),
    (10**40, "1" + "0" * 40),
    (-(10**40), "(-1" + "0" * 40 + ")"),
    (1.5, "1.5"),
    (-1.5, "(-1.5)"),
    (1e300, "1e+300"),
    (float("nan"), "'NaN'::float8"),
    (float("inf"), "'Infinity'::float8"),
    (float("-inf"), "'-Infinity'::float8"),
    (Decimal("1.50"), "1.50"),
    (Decimal("-1E+5"), "(-1E+5)"),
    (Decimal("NaN"), "'NaN'::numeric"),
    (Decimal("sNaN"), "'NaN'::numeric"),
    (Decimal("-Infinity"), "'-Infinity'::numeric"),
    ("", "''"),
    ("it's", "'it''s'"),
    ("a\\b'c", " E'a\\\\b''c'"),
    (b"\x00\xff", " E'\\\\x00ff'::bytea"),
    (bytearray(b"\x01"), " E'\\\\x01'::bytea"),
    (memoryview(b"abcdef")[::2], " E'\\\\x616365'::bytea"),
    (date(2020, 2, 29), "'2020-02-29'::date"),
    (datetime(2020, 2, 29, 1, 2, 3, 4), "'2020-02-29 01:02:03.000004'::timestamp"),
    (datetime(2020, 2, 29, 1, tzinfo=timezone.utc), "'2020-02-29 01:00:00+00:00'::timestamptz"),
    (datetime(2020, 7, 1, tzinfo=ZoneInfo("Europe/Madrid")), "'2020-07-01 00:00:00+02:00'::timestamptz"),
    (time(1, 2, 3), "'01:02:03'::time"),
    (time(1, 2, 3, tzinfo=timezone.utc), "'01:02:03+00:00'::timetz"),
    (timedelta(days=-1, microseconds=5), "'-1 days +0 seconds +5 microseconds'::interval"),
    (UUID(int=5), "'00000000-0000-0000-0000-000000000005'::uuid"),
    ({"a": "it's", "b": [1, None, {}]}, "'{\"a\": \"it''s\", \"b\": [1, null, {}]}'::jsonb"),
    ({"ñ": "\n"}, " E'{\"ñ\": \"\\\\n\"}'::jsonb"),
    (Plain.RED, "'RED'"),
    (Text.RED, "'it''s red'"),
    (Number.ONE, "1"),
    (Identifier("points"), '"points"'),
    (Identifier("public", 'odd "name"'), '"public"."odd ""name"""'),
    (POINT, f"'{POINT_EWKB}'::geometry"),
    (Geometry({"type": "Point", "coordinates": [1, 2]}), f"'{POINT_EWKB}'::geometry"),
    (GeoDict(type="Feature", geometry=None, properties={}), "NULL"),
    ((1, "a"), "(1, 'a')"),
    (Pair(1, None), "(1, NULL)"),
    ((1,), "(1)"),
    (((1, 2), (3, [4])), "((1, 2), (3, '{4}'::int4[]))"),
])
def test_literal(value: Any, expected: str) -> None:
    assert literal(value) == expected


@pytest.mark.parametrize(("value", "expected"), [
    ([], "'{}'"),
    ([None], "'{NULL}'"),
    ([[], []], "'{{},{}}'"),
    ([1, -2, None], "'{1,-2,NULL}'::int4[]"),
    ([2**31 - 1, -(2**31) + 1], "'{2147483647,-2147483647}'::int4[]"),
    ([1, 2**31], "'{1,2147483648}'::int8[]"),
    ([1, 2**63], "'{1,9223372036854775808}'::numeric[]"),
    ([1.5, float("inf")], "'{1.5,Infinity}'::float8[]"),
    ([1, 1.5], "'{1,1.5}'::float8[]"),
    ([2**53 + 1, 1.5], "'{9007199254740993,1.5}'::numeric[]"),
    ([Decimal("1.1"), 1, 0.5], "'{1.1,1,0.5}'::numeric[]"),
    ([True, None], "'{true,NULL}'::bool[]"),
    (["a", "b c", "", "null", "NULL", "it's", "{}", ",", "é"],
     "'{a,\"b c\",\"\",\"null\",\"NULL\",it''s,\"{}\",\",\",é}'"),
    (['"'], ' E\'{"\\\\""}\''),
    (["\\"], ' E\'{"\\\\\\\\"}\''),
    ([b"\x01"], " E'{\"\\\\\\\\x01\"}'::bytea[]"),
    ([date(2020, 1, 2)], "'{2020-01-02}'::date[]"),
    ([UUID(int=5)], "'{00000000-0000-0000-0000-000000000005}'::uuid[]"),
    ([[1, 2], [3, 4]], "'{{1,2},{3,4}}'::int4[]"),
    ([["a"], [None]], "'{{a},{NULL}}'"),
    ([POINT, POINT], f"'{{{POINT_EWKB}:{POINT_EWKB}}}'::geometry[]"),
    ([[POINT], [None]], f"'{{{{{POINT_EWKB}}}:{{NULL}}}}'::geometry[]"),
    ([{"a": 1}], " E'{\"{\\\\\"a\\\\\": 1}\"}'::jsonb[]"),
    ([Plain.RED, "x"], "'{RED,x}'"),
])
def test_array(value: list[Any], expected: str) -> None:
    assert literal(value) == expected


@pytest.mark.parametrize(("value", "expected"), [
    (np.int64(-3), "(-3)"),
    (np.uint8(3), "3"),
    (np.float64(1.5), "1.5"),
    (np.float32(0.5), "0.5"),
    (np.float64("nan"), "'NaN'::float8"),
    (np.bool_(True), "true"),
    (np.str_("it's"), "'it''s'"),
    (np.array([[1, 2], [3, 4]]), "'{{1,2},{3,4}}'::int4[]"),
    ([np.int64(1), 2], "'{1,2}'::int4[]"),
    ([np.array([1]), np.array([2])], "'{{1},{2}}'::int4[]"),
])
def test_numpy(value: Any, expected: str) -> None:
    assert literal(value) == expected


def test_a_moment_that_is_no_moment_is_null() -> None:
    class NaT(datetime):
        """Like pandas' NaT, which is a datetime and equal to nothing."""

        __hash__ = datetime.__hash__

        def __eq__(self, other: object) -> bool:
            return False

        def __ne__(self, other: object) -> bool:
            return True

    assert literal(NaT(1, 1, 1)) == "NULL"


def test_a_negative_number_after_a_minus_sign_is_no_comment() -> None:
    assert bind("5 -%s", [-1]) == "5 -(-1)"
    assert bind("5 -%s", [Decimal("-0.5")]) == "5 -(-0.5)"


@pytest.mark.parametrize(("value", "message"), [
    (Stranger(), "a value of type Stranger can't be sent; accepted are str, bytes, int"),
    ({1, 2}, "a value of type set can't be sent"),
    (1j, "a value of type complex can't be sent"),
    (np.datetime64("2020-01-01"), "a value of type datetime64 can't be sent"),
    (np.complex128(1), "a value of type complex128 can't be sent"),
    ("a\0b", "NUL"),
    (["a\0b"], "NUL"),
    ("\ud800", "half a surrogate pair at position 0"),
    ({"a": Stranger()}, "JSON has no form for"),
    ({"a": float("nan")}, "JSON has no form for"),
    ((), "empty tuple"),
    (["a", 1], "mixes values of the types int4, text"),
    ([True, 1], "mixes values of the types bool, int4"),
    ([datetime(2020, 1, 1), datetime(2020, 1, 1, tzinfo=timezone.utc)], "types timestamp, timestamptz"),
    ([(1, 2)], "a value of type tuple can't be sent; .* not within a list"),
    ([Identifier("a")], "a value of type Identifier can't be sent; .* not within a list"),
    ([[[[[[[1]]]]]]], "more than 6 deep"),
    (time(1, tzinfo=ZoneInfo("Europe/Madrid")), "fixed offset"),
    (GeoDict(type="FeatureCollection", features=[]), "'FeatureCollection'; a geometry is one of Point, "),
])
def test_values_that_cannot_be_sent(value: Any, message: str) -> None:
    with pytest.raises(CartoUsageException, match=rf"^parameter 2: .*{message}"):
        bind("%s, %s", [1, value])


def test_a_list_within_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(CartoUsageException, match="6 deep"):
        literal(endless)


@pytest.mark.parametrize("value", [f"{SECRET}\0", {"a": f"{SECRET}", "b": Stranger()}, [SECRET, 5], Stranger()])
def test_errors_name_the_parameter_and_hide_its_value(value: Any) -> None:
    with pytest.raises(CartoUsageException, match=r"^parameter 'key': ") as caught:
        bind("%(key)s", {"key": value})
    assert SECRET not in str(caught.value)


# Quoting


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", 5, None])
def test_names_that_no_object_can_have(name: Any) -> None:
    with pytest.raises(CartoUsageException):
        quote_identifier(name)
    with pytest.raises(CartoUsageException):
        Identifier("public", name)


def test_an_identifier_needs_a_name() -> None:
    with pytest.raises(CartoUsageException, match="needs a name"):
        Identifier()


def test_identifiers_are_values() -> None:
    assert Identifier("a", "b") == Identifier("a", "b") != Identifier("a.b")
    assert len({Identifier("a"), Identifier("a")}) == 1
    assert Identifier("a") != "a"
    assert repr(Identifier("a", "b")) == "Identifier('a', 'b')"
    assert f"{Identifier('a', 'b')}" == '"a"."b"'


def test_quote_literal_keeps_plain_text_plain() -> None:
    assert quote_literal("a\nb") == "'a\nb'"
    assert quote_literal("a\\") == " E'a\\\\'"
