"""/sql over a real socket: parameters, values, errors, notices, headers, time limits, clients that leave."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from carto.sandbox import Sandbox, javascript
from tests.sandbox.api import TIMEOUT_S, Account
from tests.sandbox.processes import peak_of_servers, reads_proc, wait_until

TIMED_OUT = {
    "error": [
        "You are over platform's limits: SQL query timeout error. "
        "Refactor your query before running again or contact CARTO support for more details."
    ],
    "context": "limit",
    "detail": "datasource",
}


@pytest.fixture(scope="module")
def account(sandbox: Sandbox) -> Iterator[Account]:
    account = Account(sandbox.base_url, sandbox.api_key)
    account.rows(
        "create table sql_api_t (name text, the_geom geometry(Geometry,4326));"
        "insert into sql_api_t values ('a', null), ('b', null), ('c', null);"
        "select CDB_CartodbfyTable('sql_api_t'); select CDB_TableMetadataTouch('sql_api_t'::regclass)"
    )
    yield account
    account.rows("drop table sql_api_t")


@pytest.fixture(scope="module")
def limited(limited_sandbox: Sandbox) -> Account:
    return Account(limited_sandbox.account("limited").base_url, "master_of_limited")


def fields(account: Account, q: str) -> dict[str, Any]:
    described: dict[str, Any] = account.post(q).json()["fields"]
    return described


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_any_verb_and_form_body(account: Account, method: str) -> None:
    params = {"q": "select 1 as a", "api_key": account.api_key}
    answer = requests.request(method, account.url, params=params, timeout=TIMEOUT_S)
    assert answer.json()["rows"] == [{"a": 1}]
    if method != "GET":
        answer = requests.request(method, account.url, data=params, timeout=TIMEOUT_S)
        assert answer.json()["rows"] == [{"a": 1}]


def test_bodies(account: Account) -> None:
    query = {"q": "select 'ñ' as a", "api_key": account.api_key or ""}
    for body in ({"json": query}, {"data": query}, {"files": {name: (None, v) for name, v in query.items()}}):
        answer = requests.post(account.url, params={"q": "select 2 as a"}, timeout=TIMEOUT_S, **body)  # type: ignore[arg-type]
        assert answer.json()["rows"] == [{"a": "ñ"}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": b"select 1", "headers": {"Content-Type": "text/plain"}}, "You must indicate a sql query"),
        ({"json": ["select 1"]}, "You must indicate a sql query"),
        ({"json": {"q": ["select 1"]}}, "You must indicate a sql query"),
        ({"json": {"q": None}}, "You must indicate a sql query"),
        (
            {"data": b'{"q": "select', "headers": {"Content-Type": "application/json"}},
            "Unexpected end of JSON input",
        ),
        (
            {"data": b'{"q": x}', "headers": {"Content-Type": "application/json"}},
            "Unexpected token x in JSON at position 6",
        ),
        ({"files": {"q": ("q.sql", "select 1")}}, "Unexpected field"),
    ],
)
def test_bodies_without_a_query(account: Account, arguments: dict[str, Any], message: str) -> None:
    answer = requests.post(account.url, timeout=TIMEOUT_S, **arguments)
    assert (answer.status_code, answer.json()) == (400, {"error": [message]})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("9007199254740993::int8", 9007199254740992),
        ("1.50::numeric", 1.5),
        ("'NaN'::float8", "NaN"),
        ("'-Infinity'::float8", "-Infinity"),
        ("'0044-03-15 BC'::date", "-43-03-15T00:00:00Z"),
        ("'infinity'::timestamp", "Infinity"),
        ("'2020-02-29 13:14:15.678+02'::timestamptz", "2020-02-29T11:14:15Z"),
        (
            "'1 year 2 mons -04:05:06.7'::interval",
            {"years": 1, "months": 2, "hours": -4, "minutes": -5, "seconds": -6, "milliseconds": -700},
        ),
        ("'\\x00ff'::bytea", {"type": "Buffer", "data": [0, 255]}),
        ("array['a','b \"q\", \\',null]", ["a", 'b "q", \\', None]),
        ("array[[1,2],[3,4]]", [[1, 2], [3, 4]]),
        ("array['{\"a\": 1}']::jsonb[]", [{"a": 1}]),
        ("array['1 day']::interval[]", '{"1 day"}'),
        ('\'{"b": 1, "2": 1e400, "1": -0}\'::json', {"1": 0, "2": "Infinity", "b": 1}),
        ("'<(1,2),3>'::circle", {"x": 1, "y": 2, "radius": 3}),
        ("row(1,'a')", "(1,a)"),
    ],
)
def test_values(account: Account, expression: str, value: Any) -> None:
    assert account.value(f"select {expression} as v") == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (100.0, "100"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (5e-324, "5e-324"),
        (-1.7976931348623157e308, "-1.7976931348623157e+308"),
        (math.nan, "null"),
    ],
)
def test_numbers_are_written_as_javascript_does(value: float, text: str) -> None:
    assert javascript.number(value) == text


def test_keys_are_ordered_as_javascript_does(account: Account) -> None:
    answer = account.post('select 1 as b, 2 as "10", 3 as a, 4 as "9", 5 as b')
    assert '{"rows":[{"9":4,"10":2,"b":5,"a":3}]' in answer.text


def test_types_of_fields(account: Account) -> None:
    described = fields(account, "select 1::int2 as i, now() as t, '{}'::json as j, array[1.5] as n, 1::oid as o")
    assert described == {
        "i": {"type": "number", "pgtype": "int2"},
        "t": {"type": "date", "pgtype": "timestamptz"},
        "j": {"type": "JSON", "pgtype": "JSON"},
        "n": {"type": "number[]", "pgtype": "_numeric"},
        "o": {"type": "oid", "pgtype": "oid"},
    }
    assert fields(account, "select the_geom as g, box2d(the_geom) as b from sql_api_t") == {
        "g": {"type": "geometry", "wkbtype": "Unknown", "dims": 2, "srid": 4326},
        "b": {"type": fields(account, "select 'BOX(0 0,1 1)'::box2d as b")["b"]["type"]},
    }
    assert fields(account, "select null::geometry(PointZM,3857) as g") == {
        "g": {"type": "geometry", "wkbtype": "Point", "dims": 4, "srid": 3857}
    }


def test_several_statements_are_one_transaction(account: Account) -> None:
    answer = account.post("select 1 as a; select 2 as b, 3 as c").json()
    assert answer["rows"] == [{"a": 1}, {"b": 2, "c": 3}]
    assert list(answer["fields"]) == ["b", "c"]
    assert answer["total_rows"] == 1
    failed = account.post("insert into sql_api_t (name) values ('x'); select 1/0")
    assert (failed.status_code, failed.json()) == (400, {"error": ["division by zero"]})
    assert account.value("select count(*) from sql_api_t") == 3


def test_nothing_of_one_request_is_left_to_the_next(account: Account) -> None:
    account.rows("begin; create table left_open (a int); set statement_timeout = 1234; create temp table tmp (a int)")
    assert account.value("show statement_timeout") == "0"
    assert account.post("select * from left_open").status_code == 400
    assert account.post("select * from tmp").status_code == 400


def test_copy_inside_a_query(account: Account) -> None:
    out = account.post("copy sql_api_t to stdout; select 1 as a").json()
    assert (out["rows"], out["total_rows"]) == ([{"a": 1}], 1)
    assert account.post("copy sql_api_t (name) from stdin").json() == {
        "error": ["COPY from stdin failed: No source stream defined"]
    }


def test_notices_by_severity(account: Account) -> None:
    body = "begin raise info 'i'; raise notice 'n'; raise warning 'w'; raise notice 'ñ'; end"
    answer = account.post(f"do $$ {body} $$").json()
    assert (answer["infos"], answer["notices"], answer["warnings"]) == (["i"], ["n", "ñ"], ["w"])


@pytest.mark.parametrize(
    ("sql", "status", "body"),
    [
        ("selec 1", 400, {"error": ['syntax error at or near "selec"']}),
        (
            "do $$ begin raise exception 'boom' using detail='d', hint='h'; end $$",
            400,
            {"error": ["boom"], "detail": "d", "hint": "h"},
        ),
        (
            "do $$ begin raise exception 'permission denied by me'; end $$",
            403,
            {"error": ["permission denied by me"]},
        ),
        ("create database other", 403, {"error": ["permission denied to create database"]}),
        ("select 'a\0b'", 400, {"error": ["invalid message format"]}),
    ],
)
def test_errors(account: Account, sql: str, status: int, body: dict[str, Any]) -> None:
    answer = account.post(sql)
    assert (answer.status_code, answer.json()) == (status, body)
    assert answer.headers["Content-Disposition"] == "inline"


@pytest.mark.parametrize("rows", [3, 1500])
def test_an_error_after_the_first_row_is_inside_a_200(account: Account, rows: int) -> None:
    answer = account.post(f"select 1/({rows + 1}-i) as v from generate_series(1,{rows + 10}) i")
    assert answer.status_code == 200
    document = answer.json()
    assert (len(document["rows"]), document["total_rows"]) == (rows, rows)
    assert document["error"] == ["division by zero"]


def test_a_backend_that_dies(account: Account) -> None:
    answer = account.post("select pg_terminate_backend(pg_backend_pid())")
    assert answer.status_code == 200
    assert answer.json()["error"] == ["terminating connection due to administrator command"]
    assert account.value("select 1") == 1


def test_statement_timeouts(limited: Account) -> None:
    started = time.monotonic()
    answer = limited.post("select pg_sleep(5)")
    assert (answer.status_code, answer.json()) == (429, TIMED_OUT)
    assert "Retry-After" not in answer.headers
    assert time.monotonic() - started < 2
    public = Account(limited.url.removesuffix("api/v2/sql"), None)
    assert public.value("show statement_timeout") == "200ms"
    midway = limited.post("select i, pg_sleep(0.1) from generate_series(1,20) i")
    assert (midway.status_code, midway.json()["error"]) == (200, TIMED_OUT["error"])
    csv = limited.get("select pg_sleep(5) as s", format="csv")
    assert (csv.status_code, csv.json()) == (429, TIMED_OUT)


def test_the_quota_of_tables(limited: Account) -> None:
    limited.rows("create table heavy (name text, the_geom geometry(Point,4326));select CDB_CartodbfyTable('heavy')")
    refused = limited.post("insert into heavy (name) select repeat(md5(i::text), 10) from generate_series(1,6000) i")
    assert refused.status_code == 400
    limited.rows("drop table heavy")
    assert re.fullmatch(r"Quota exceeded by \d+(\.\d+)?KB", refused.json()["error"][0])


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"rows_per_page": 2, "page": 1, "order_by": "name"}, ["c"]),
        ({"rows_per_page": 2, "page": 0, "order_by": "name", "sort_order": "desc"}, ["c", "b"]),
        ({"rows_per_page": 1}, ["a", "b", "c"]),
        ({"page": 1}, ["a", "b", "c"]),
        ({"rows_per_page": "x", "page": 1}, ["a", "b", "c"]),
        ({"order_by": "name", "sort_order": "sideways"}, ["a", "b", "c"]),
    ],
)
def test_paging_and_ordering(account: Account, params: dict[str, Any], names: list[str]) -> None:
    answer = account.get("select name from sql_api_t order by cartodb_id;", **params)
    assert [row["name"] for row in answer.json()["rows"]] == names


def test_paging_that_postgresql_refuses(account: Account) -> None:
    query = "select name from sql_api_t"
    assert account.get(query, rows_per_page=2, page=-1).json() == {"error": ["OFFSET must not be negative"]}
    injected = account.get(query, order_by="name; drop table x")
    assert injected.json()["error"] == ['column "name; drop table x" does not exist']


def test_left_out_fields(account: Account) -> None:
    query = "select 1 as a, 2 as b, 3 as c"
    assert account.get(query, skipfields="a,b").json()["rows"] == [{"c": 3}]
    assert account.get(query, skipfields=["a", "c"]).json()["fields"].keys() == {"b"}
    assert account.get(query, skipfields="a, b").json()["rows"] == [{"b": 2, "c": 3}]


def test_headers(account: Account) -> None:
    answer = account.get("select name from sql_api_t", client="me/1.0")
    assert answer.headers["Carto-User"] == "demo"
    assert answer.headers["Carto-Client"] == "me/1.0"
    assert answer.headers["X-Cache-Channel"].endswith("_db:public.sql_api_t")
    assert answer.headers["Cache-Control"] == "no-cache,max-age=31536000,must-revalidate,public"
    assert re.fullmatch(r"t:\S{6}", answer.headers["Surrogate-Key"])
    assert answer.headers["Content-Disposition"].startswith("inline; filename=cartodb-query.json; modif")
    assert account.get("drop table if exists x").headers["Cache-Control"].startswith("no-cache,max-age=0,")
    persistent = account.get("select 1", cache_policy="persist")
    assert persistent.headers["Cache-Control"] == "public,max-age=31536000"


def test_jsonp(account: Account) -> None:
    good = account.get("select 1 as a", callback="cb")
    assert json.loads(good.text.removeprefix("cb(").removesuffix(")"))["rows"] == [{"a": 1}]
    bad = account.get("selec", callback="cb")
    assert (bad.status_code, bad.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert bad.text == ('/**/ typeof cb === \'function\' && cb({"error":["syntax error at or near \\"selec\\""]});')


def test_head_and_options(account: Account) -> None:
    params = {"q": "select 1", "api_key": account.api_key}
    head = requests.head(account.url, params=params, timeout=TIMEOUT_S)
    assert (head.status_code, head.content) == (200, b"")
    options = requests.options(account.url, timeout=TIMEOUT_S)
    assert (options.status_code, options.content, options.headers["Access-Control-Allow-Origin"]) == (200, b"", "*")


def test_version_and_health(account: Account) -> None:
    root = account.url.removesuffix("sql")
    assert requests.get(root + "version", timeout=TIMEOUT_S).json() == {"cartodb_sql_api": "6.0.0"}
    assert requests.get(root + "health", timeout=TIMEOUT_S).json()["ok"] is True


def test_paths_that_nobody_answers(account: Account) -> None:
    unknown = requests.get(account.url + "/nothing", timeout=TIMEOUT_S)
    assert unknown.status_code == 404
    assert "<pre>Cannot GET /user/demo/api/v2/sql/nothing</pre>" in unknown.text


def test_requests_that_are_too_long_or_no_http(account: Account) -> None:
    for request in (b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 9000), b"nonsense\r\n\r\n"):
        with account.connect() as connection:
            connection.sendall(request)
            assert connection.recv(1000) == b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with account.connect() as connection:
        connection.sendall(b"GET /user/te%zz/api/v2/sql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.makefile("rb").readline() == b"HTTP/1.1 400 Bad Request\r\n"


def test_a_client_that_leaves_ends_its_statement(account: Account) -> None:
    running = (
        "select count(*) from pg_stat_activity where query like '%left_alone%' and state = 'active'"
        " and pid <> pg_backend_pid()"
    )
    with account.connect() as connection:
        request = f"GET {account.target('select pg_sleep(60) /* left_alone */')} HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(request.encode())
        wait_until(lambda: account.value(running) == 1)
    wait_until(lambda: account.value(running) == 0)


@reads_proc
def test_many_rows_need_little_memory(account: Account) -> None:
    before = peak_of_servers()
    with requests.get(
        account.url,
        params={"q": "select i, repeat('x', 1000) as t from generate_series(1,100000) i", "api_key": account.api_key},
        stream=True,
        timeout=TIMEOUT_S,
    ) as answer:
        size = sum(len(piece) for piece in answer.iter_content(1 << 16))
    assert size > 100_000_000
    assert peak_of_servers() - before < 20 << 20
