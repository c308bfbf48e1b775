"""Lines of COPY TO become the rows of the JSON answer: the recorded answers of the real server are the model.

The COPY lines are what PostgreSQL 15 writes for the recorded statements, in the time zone UTC.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carto.exceptions import CartoException, CartoUsageException
from carto.sql.rows import RowDecoder, copy_query, fields_query, split_lines

RECORDING = Path(__file__).parent.parent / "wire" / "sql-api.jsonl"

COPIED = {
    "types_numbers": (
        b'7\t2147483647\t9007199254740993\t12345678901234567890.123456789\t1.50\t1.1\t'
        b'0.30000000000000004\tNaN\tInfinity\t-Infinity\tNaN\tInfinity\t-0\t1e-320\t'
        b'1e+308'),
    "types_text_bool": (
        b'text \xc3\xb1 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80 "q" \\\\ / \\t nl\\n\tvc\tch   \tnm\tunknown\tt\tf'),
    "types_dates": (
        b'2020-02-29\t0044-03-15 BC\tinfinity\t2020-02-29 13:14:15.123456\t'
        b'2020-02-29 11:14:15.123456+00\tinfinity\t-infinity\t1883-01-01 00:00:00\t'
        b'10001-01-01 00:00:00\t13:14:15.5\t13:14:15.5+02\t'
        b'1 year 2 mons 3 days 04:05:06.789\t00:00:00'),
    "types_misc": (
        b'\\\\x00ff10\ta0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\t10.0.0.1/8\t'
        b"08:00:2b:01:02:03\t$12.34\t101\t101\t1234\t<a/>\t[1,5)\t'a':1 'b':2\t(1,2)\t"
        b'(3,4),(1,2)\t<(1,2),3>\t((0,0),(1,1))\tpoints\t(1,a)\t\tc'),
    "types_arrays": (
        b'{1,2}\t{1,NULL,3}\t{9007199254740993}\t{1.5,NULL}\t{1.5,NaN,Infinity}\t'
        b'{a,"b \\\\"q\\\\"",NULL}\t{a}\t{t,NULL}\t{2020-01-02}\t'
        b'{"2020-01-02 03:04:05.678"}\t{"2020-01-02 02:04:05+00"}\t'
        b'{"{\\\\"a\\\\":1}"}\t{"{\\\\"a\\\\": 1}"}\t'
        b'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}\t{"1 day"}\t{"\\\\\\\\x01"}\t{}\t'
        b'{{1,2},{3,4}}\t{0101000000000000000000F03F0000000000000040}'),
    "types_geometry_exprs": (
        b'0101000000000000000000F03F0000000000000040\t'
        b'0101000020E6100000000000000000F03F0000000000000040\tPOINT(1 2)\t'
        b'{"type":"Point","coordinates":[1,2]}\t'
        b'\\\\x0101000000000000000000f03f0000000000000040\tBOX(1 2,1 2)\t'
        b'{0101000000000000000000F03F0000000000000040}'),
}


def decoded(pgtype: str, text: str) -> Any:
    return RowDecoder({"v": {"type": "?", "pgtype": pgtype}}).decode(text.encode())["v"]


def typed(value: Any) -> Any:
    """Tell 1, 1.0 and True apart, at any depth."""
    return json.dumps(value, sort_keys=True)


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    with RECORDING.open(encoding="utf-8") as lines:
        exchanges = [json.loads(line) for line in lines]
    return {exchange["name"]: exchange["response"] for exchange in exchanges}


@pytest.mark.parametrize("name", COPIED)
def test_recorded_answers(name: str, recorded: dict[str, Any]) -> None:
    answer = json.loads(recorded[name]["body"])
    row = RowDecoder(answer["fields"]).decode(COPIED[name])
    assert typed(row) == typed(answer["rows"][0])
    assert list(row) == list(answer["fields"])


@pytest.mark.parametrize(("pgtype", "text", "value"), [
    ("int8", "9007199254740991", 9007199254740991),
    ("int8", "-9223372036854775808", -9223372036854776000),
    ("numeric", "999999999999999999999", 1e21),
    ("numeric", "123456789012345678901", 123456789012345680000),
    ("numeric", "1" + "0" * 400, "Infinity"),
    ("numeric", "100.00", 100),
    ("numeric", "0.1", 0.1),
    ("float8", "-Infinity", "-Infinity"),
    ("float8", "1e-07", 1e-07),
    ("float4", "3.4e+38", 3.4e38),
    ("oid", "4294967295", 4294967295),
    ("JSON", '{"a": [1.0, 1e400, 2.5]}', {"a": [1, "Infinity", 2.5]}),
    ("jsonb", r'{"a\\tb": "\\u00e9"}', {"a\tb": "é"}),
    ("jsonb", "null", None),
    ("bytea", r"\\x", {"type": "Buffer", "data": []}),
    ("bytea", r"a\\\\b\\377\\000", {"type": "Buffer", "data": [97, 92, 98, 255, 0]}),
    ("interval", "-1 years -2 mons +3 days -04:05:06.789", {
        "years": -1, "months": -2, "days": 3, "hours": -4, "minutes": -5, "seconds": -6, "milliseconds": -789}),
    ("interval", "2 years 1 mon", {"years": 2, "months": 1}),
    ("interval", "1 day", {"days": 1}),
    ("interval", "100:00:00.000001", {"hours": 100, "milliseconds": 0.001}),
    ("point", "(1.5,-Infinity)", {"x": 1.5, "y": "-Infinity"}),
    ("circle", "<(0,0),1e+300>", {"x": 0, "y": 0, "radius": 1e300}),
    ("date", "0044-03-15 BC", "-43-03-15T00:00:00Z"),
    ("date", "0001-01-01 BC", "0-01-01T00:00:00Z"),
    ("timestamp", "0800-12-25 01:02:03", "800-12-25T01:02:03Z"),
    ("timestamptz", "2020-02-29 23:30:00-05:30", "2020-03-01T05:00:00Z"),
    ("timestamptz", "1880-01-01 00:53:28+00:53:28", "1880-01-01T00:00:00Z"),
    ("timestamptz", "0001-01-01 00:00:00+01 BC", "-1-12-31T23:00:00Z"),
    ("timestamptz", "9999-12-31 23:00:00.5-02", "10000-01-01T01:00:00Z"),
    ("timestamptz", "2020-02-29 11:14:15.999999+00", "2020-02-29T11:14:15Z"),
    ("uuid", "A", "A"),
    ("", "anything", "anything"),
    ("text", "", ""),
    ("text", r"\N", None),
    ("text", r"\\N", r"\N"),
    ("text", r"\b\f\n\r\t\v\\\\n\.", "\b\f\n\r\t\v\\\\n."),
    ("int4", r"\N", None),
    ("_int4", r"\N", None),
    ("_int4", "[0:1]={1,2}", [1, 2]),
    ("_int4", "{{{1},{NULL}}}", [[[1], [None]]]),
    ("_text", r'{"","NULL",null,NULL,"a\\"b\\\\c{},"}', ["", "NULL", "null", None, 'a"b\\c{},']),
    ("_text", r'{"line\nfeed",é}', ["line\nfeed", "é"]),
    ("_bytea", r'{"\\\\x00ff"}', [{"type": "Buffer", "data": [0, 255]}]),
    ("_point", '{"(1,2)"}', [{"x": 1, "y": 2}]),
    ("_interval", '{"1 day"}', '{"1 day"}'),
    ("_name", "{a,b}", "{a,b}"),
    ("_money", '{"$1,000.00"}', ["$1,000.00"]),
])
def test_values(pgtype: str, text: str, value: Any) -> None:
    assert typed(decoded(pgtype, text)) == typed(value)


def test_geometry_stays_as_it_is() -> None:
    fields = {"the_geom": {"type": "geometry", "wkbtype": "Unknown", "dims": 2, "srid": 4326}}
    assert RowDecoder(fields).decode(b"0101") == {"the_geom": "0101"}


def test_a_query_without_columns() -> None:
    assert RowDecoder({}).decode(b"") == {}


def test_columns_of_the_same_name_are_refused() -> None:
    with pytest.raises(CartoUsageException, match=r"2 columns but 1 column names \(a\).*with AS"):
        RowDecoder({"a": {"type": "number", "pgtype": "int4"}}).decode(b"1\t2")


@pytest.mark.parametrize(("pgtype", "text"), [
    ("int4", "x"), ("float8", "x"), ("jsonb", "{"), ("bytea", r"\\xzz"), ("date", "29/02/2020"),
    ("interval", "P1D"), ("point", "1,2"), ("_int4", "1,2"), ("_int4", "{1"), ("_int4", "{1}}"),
])
def test_values_that_postgresql_does_not_write(pgtype: str, text: str) -> None:
    with pytest.raises(CartoException, match=f"column 'v' of type {pgtype} holds a value"):
        decoded(pgtype, text)


def test_rows_are_utf_8() -> None:
    with pytest.raises(CartoException, match="not UTF-8"):
        RowDecoder({"v": {"type": "string", "pgtype": "text"}}).decode(b"\xff")


# Lines


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_do_not_depend_on_the_chunks(size: int) -> None:
    body = b"one\n\ntwo and more\n\xc3\xa9\n"
    chunks = [body[start:start + size] for start in range(0, len(body), size)]
    assert list(split_lines([*chunks, b""])) == [b"one", b"", b"two and more", b"\xc3\xa9"]


def test_no_chunks_no_lines() -> None:
    assert list(split_lines([])) == []
    assert list(split_lines([b""])) == []


def test_lines_come_before_the_next_chunk_is_asked_for() -> None:
    asked: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            asked.append(number)
            yield b"a\nb"

    lines = split_lines(chunks())
    assert next(lines) == b"a"
    assert asked == [0]


def test_a_row_cut_off_is_an_error() -> None:
    lines = split_lines([b"whole\nhal", b"f"])
    assert next(lines) == b"whole"
    with pytest.raises(CartoException, match="middle of a row"):
        next(lines)


# Statements


def test_fields_query_survives_semicolons_and_comments() -> None:
    for end in ("", ";", " -- one\n ; \n", "; -- done", " /* a; */ ;; /* b */ -- done;"):
        assert fields_query(f"select ';--' -- a\n as a{end}") == (
            "SELECT * FROM (\nselect ';--' -- a\n as a\n) AS q LIMIT 0")


def test_copy_query_is_the_query_itself() -> None:
    assert copy_query("select 1 as a;", {"a": {}}) == "COPY (\nselect 1 as a\n) TO STDOUT"
    assert copy_query("select 1 as \"1\"", {"1": {}}) == "COPY (\nselect 1 as \"1\"\n) TO STDOUT"


def test_copy_query_names_columns_that_javascript_has_moved() -> None:
    fields = {"2020": {}, 'a "b"': {}}
    assert copy_query("select 'x' as \"a \"\"b\"\"\", 1 as \"2020\"", fields) == (
        'COPY (SELECT "2020", "a ""b""" FROM (\nselect \'x\' as "a ""b""", 1 as "2020"\n) AS q) TO STDOUT')


@pytest.mark.parametrize("name", ["01", "-1", "4294967295", "1.5", "²", "٣"])
def test_names_that_javascript_leaves_in_place(name: str) -> None:
    assert copy_query("q", {"a": {}, name: {}}) == "COPY (\nq\n) TO STDOUT"
