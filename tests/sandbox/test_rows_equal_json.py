"""The rows of ``iterate``, which come by COPY, are the rows of ``send``, which come as JSON: value by value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from carto.auth import APIKeyAuthClient
from carto.exceptions import CartoUsageException
from carto.sql import SQLClient

if TYPE_CHECKING:
    from carto.sandbox import Sandbox

# Every type with the values that are hardest to carry; each column also has a NULL.
VALUES = {
    "smallint": ["0", "-32768"],
    "integer": ["2147483647", "-1"],
    "bigint": ["9007199254740991", "9007199254740993", "-9223372036854775808"],
    "numeric": ["1.50", "0.000000123", "12345678901234567890.123456789", "1e21", "1e-400", "1e400", "NaN", "-Infinity"],
    "numeric(10,2)": ["7", "-0.5"],
    "real": ["1.1", "-0", "3.4e38", "NaN", "Infinity"],
    "double precision": ["0.1", "1e-320", "1e308", "1e20", "1e21", "123456789012345678", "1e-7", "-0", "-Infinity"],
    "boolean": ["t", "f"],
    "text": ["", "\t tab \n feed \\ \\N \\. \b\f\r\v", "null", "ñ 日本 😀 \"q\" / 'a'", "\u2028\x7f\x01"],
    "varchar(5)": ["a b"],
    "char(5)": ["ab"],
    '"char"': ["c"],
    "name": ["a name"],
    "date": ["2020-02-29", "0044-03-15 BC", "0099-01-01", "infinity", "10001-01-01"],
    "time": ["13:14:15.5", "24:00:00"],
    "timetz": ["13:14:15.5+02"],
    "timestamp": ["2020-02-29 13:14:15.999999", "1883-01-01", "0001-01-01 00:00:01 BC", "-infinity", "12345-06-07"],
    "timestamptz": ["2020-02-29 13:14:15.1+02", "1969-12-31 23:59:59.9+00", "0044-03-15 BC", "infinity"],
    "interval": ["1 year 2 mons 3 days 04:05:06.789", "0", "-1 year -2 days", "-04:05:06.000001", "1 mon -1 day +99:0"],
    "json": ['{"a": [1, 2.50, null, "x\\n\\u00e9"], "2": {"b": 12345678901234567890}}', "null", "5.0", '"s"', "1e400"],
    "jsonb": ['{"z": 1, "a": [1e3]}', "null", '"tab\\t"'],
    "bytea": ["\\x", "\\x00ff105c"],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "inet": ["10.0.0.1/8"],
    "cidr": ["10.0.0.0/8"],
    "macaddr": ["08:00:2b:01:02:03"],
    "money": ["1234.5"],
    "bit(3)": ["101"],
    "varbit": ["1"],
    "oid": ["4294967295"],
    "regclass": ["pg_class"],
    "xml": ["<a>\n</a>"],
    "int4range": ["[1,5)", "empty"],
    "tstzrange": ["[2020-01-01,2020-01-02)"],
    "tsvector": ["'a':1 'b':2"],
    "point": ["(1.5,-2)", "(NaN,Infinity)"],
    "box": ["(3,4),(1,2)"],
    "circle": ["<(1,2),3.5>"],
    "polygon": ["((0,0),(1,1))"],
    "path": ["[(0,0),(1,1)]"],
    "smallint[]": ["{1,NULL}"],
    "integer[]": ["{}", "{{1,2},{3,4}}", "[0:1]={5,6}"],
    "bigint[]": ["{9007199254740993}"],
    "numeric[]": ["{1.50,NULL,NaN,1e21}"],
    "real[]": ["{1.1,Infinity}"],
    "double precision[]": ["{0.1,-0,1e300}"],
    "boolean[]": ["{t,f,NULL}"],
    "text[]": ['{a,"b \\"q\\"",NULL,"NULL","","{x,y}","\\\\ \\\\N"," é\t\n"}', "{{a,b},{c,NULL}}"],
    "varchar[]": ["{a}"],
    "char(3)[]": ["{a}"],
    "name[]": ["{a,b}"],
    "date[]": ["{2020-01-02,infinity}"],
    "timestamp[]": ['{"2020-01-02 03:04:05.678"}'],
    "timestamptz[]": ['{"2020-01-02 03:04:05+01"}'],
    "time[]": ["{03:04:05.5}"],
    "interval[]": ['{"1 day"}'],
    "json[]": ['{"{\\"a\\": [1, \\"x,y\\"]}",NULL,"null"}'],
    "jsonb[]": ['{"{\\"a\\": 1.0}"}'],
    "bytea[]": ['{"\\\\x01ff"}'],
    "uuid[]": ["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"],
    "inet[]": ["{10.0.0.1}"],
    "money[]": ["{$1.00}"],
    "oid[]": ["{1,4294967295}"],
    "point[]": ['{"(1,2)","(3,4)"}'],
    "box[]": ["{(3,4),(1,2);(1,1),(0,0)}"],
    "int4range[]": ['{"[1,5)"}'],
    "geometry": ["POINT(1 2)", "SRID=4326;POLYGON((0 0,1 0,1 1,0 0))", "POINT EMPTY"],
    "geometry(Point,4326)": ["SRID=4326;POINT(-3.7 40.4)"],
    "geometry(MultiPolygonZ,3857)": ["SRID=3857;MULTIPOLYGON Z(((0 0 1,1 0 1,1 1 1,0 0 1)))"],
    "geometry[]": ["{0101000000000000000000F03F0000000000000040}"],
    "geography": ["POINT(1 2)"],
    "box2d": ["BOX(1 2,3 4)"],
}


@pytest.fixture(scope="module")
def sql(sandbox: Sandbox) -> Iterator[SQLClient]:
    with APIKeyAuthClient(sandbox.base_url, sandbox.api_key) as client:
        yield SQLClient(client)


def exact(rows: list[dict[str, Any]]) -> list[str]:
    """Write rows so that 1, 1.0 and True differ, and the order of the columns counts."""
    return [json.dumps([list(row), row], sort_keys=True) for row in rows]


def assert_equal(sql: SQLClient, query: str, params: Any = None) -> int:
    """Compare both ways of reading, and count the rows."""
    answer = sql.send(query, params=params)
    rows = list(sql.iterate(query, params))
    assert exact(rows) == exact(answer["rows"])
    return len(rows)


@pytest.mark.parametrize("type_name", VALUES)
def test_every_type(sql: SQLClient, type_name: str) -> None:
    values = [*VALUES[type_name], None]
    query = f"SELECT n, v::{type_name} AS v FROM unnest(%s::text[]) WITH ORDINALITY u(v, n) ORDER BY n"
    assert assert_equal(sql, query, [values]) == len(values)


def test_enums_domains_and_records(sql: SQLClient) -> None:
    mood, size = (f"{name}_{uuid4().hex}" for name in ("mood", "size"))
    sql.send(f"CREATE TYPE {mood} AS ENUM ('sad', 'very glad'); CREATE DOMAIN {size} AS numeric CHECK (value > 0)")
    try:
        query = (f"SELECT 'very glad'::{mood} AS e, ARRAY['sad', 'very glad']::{mood}[] AS ea, 5.0::{size} AS d,"
                 f" ARRAY[5.0]::{size}[] AS da, row(1, 'a b') AS r, q FROM (VALUES (1, 'x')) q(a, b)")
        assert assert_equal(sql, query) == 1
    finally:
        sql.send(f"DROP TYPE {mood}; DROP DOMAIN {size}")


def test_numbers_of_every_size(sql: SQLClient) -> None:
    query = ("SELECT i, f, f::numeric AS n, f::real AS r, (f * 1e10)::numeric(60, 10) AS d, ARRAY[f, -f] AS a"
             " FROM (SELECT i, sin(i) * 10.0::float8 ^ (i % 60 - 30) AS f FROM generate_series(1, 600) i) s ORDER BY i")
    assert assert_equal(sql, query) == 600


def test_columns_of_a_cartodbfied_table(sql: SQLClient) -> None:
    table = f"rows_{uuid4().hex}"
    sql.send(f"CREATE TABLE {table} (name text, the_geom geometry(Geometry, 4326));"
             f"INSERT INTO {table} (name, the_geom) VALUES ('a', ST_SetSRID(ST_MakePoint(1, 2), 4326)), (NULL, NULL);"
             f"SELECT CDB_CartodbfyTable('{table}')")
    try:
        assert assert_equal(sql, f"SELECT * FROM {table} ORDER BY cartodb_id") == 2
    finally:
        sql.send(f"DROP TABLE {table}")


@pytest.mark.parametrize(("query", "count"), [
    ("SELECT 1 AS a WHERE false", 0),
    ("SELECT FROM generate_series(1, 3)", 3),
    ("VALUES (1, 'a'), (2, 'b') -- and a comment\n;\n", 2),
    ("WITH q AS (SELECT 5 AS \"odd \"\"name\"\"\", 'ñ' AS \"ñ\") SELECT * FROM q", 1),
    ("SELECT 'x' AS b, 1 AS \"2020\", 2 AS \"3\", 3 AS \"01\"", 1),
    ("SELECT i AS \"1\", -i AS a FROM generate_series(1, 50) i ORDER BY -i", 50),
    ("SELECT '' AS only", 1),
    ("SELECT NULL AS only", 1),
    ("SELECT repeat('é\t\\', 200000) AS long, i FROM generate_series(1, 2) i", 2),
    ("SELECT 'to' || chr(10) || 'copy' AS a, 'COPY t TO STDOUT; --' AS b", 1),
])
def test_shapes_of_results(sql: SQLClient, query: str, count: int) -> None:
    assert assert_equal(sql, query) == count


def test_columns_of_the_same_name_need_names_of_their_own(sql: SQLClient) -> None:
    with pytest.raises(CartoUsageException, match="give columns of the same name names of their own"):
        list(sql.iterate("SELECT 1 AS a, 2 AS a"))
