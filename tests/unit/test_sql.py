"""SQLClient: how a query travels, and what becomes of the answer."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from responses import matchers

from carto.auth import APIKeyAuthClient, NoAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoInvalidResponseException,
    CartoPartialResultException,
    CartoQueryTimeoutException,
    CartoServerException,
    CartoUsageException,
)
from carto.sql import MAX_GET_QUERY_LEN, SQLClient

SQL_URL = "https://me.carto.com/api/v2/sql"
ANSWER = {"rows": [{"a": 1}], "time": 0.001, "fields": {"a": {"type": "number", "pgtype": "int4"}}, "total_rows": 1}


@pytest.fixture
def sql():
    return SQLClient(APIKeyAuthClient("https://me.carto.com/", "secret-key"))


@pytest.fixture
def server():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def sent_query(call):
    """The parameters of a request and the place where they stood."""
    in_url = parse_qs(urlsplit(call.request.url).query)
    in_body = parse_qs(call.request.body or "")
    return in_url, in_body


def test_carto_pythons_attributes(sql):
    assert sql.api_url == "api/v2/sql"
    assert (sql.api_key, sql.username, sql.base_url) == ("secret-key", "me", "https://me.carto.com/")
    assert SQLClient(sql.auth_client, "v1").api_url == "api/v1/sql"


def test_a_query_is_posted_as_a_form(sql, server):
    server.post(SQL_URL, json=ANSWER)
    assert sql.send("select 1 as a") == ANSWER
    in_url, in_body = sent_query(server.calls[0])
    assert in_body == {"q": ["select 1 as a"]}
    assert set(in_url) == {"client"}


def test_a_short_query_goes_by_get_when_that_is_wanted(sql, server):
    server.get(SQL_URL, json=ANSWER)
    sql.send("select 1 as a", do_post=False)
    assert sent_query(server.calls[0])[0]["q"] == ["select 1 as a"]


@pytest.mark.parametrize(("query", "method"), [
    ("x" * (MAX_GET_QUERY_LEN - 1), "GET"),
    ("x" * MAX_GET_QUERY_LEN, "POST"),
    ("😀" * 500, "GET"),  # 12 bytes each in a URL: 6,000
    ("😀" * 700, "POST"),  # 8,400, more than a server reads in one line
])
def test_a_long_query_is_posted_in_any_case(sql, server, query, method):
    server.add(method, SQL_URL, json=ANSWER)
    sql.send(query, do_post=False)
    assert server.calls[0].request.method == method
    assert len(server.calls[0].request.url) < 8192


def test_other_keywords_are_parameters_of_the_api(sql, server):
    server.post(SQL_URL, json=ANSWER, match=[matchers.urlencoded_params_matcher(
        {"q": "select 1", "format": "geojson", "dp": "3", "skipfields": "b", "page": "0", "rows_per_page": "2"})])
    sql.send("select 1", format="geojson", dp=3, skipfields="b", page=0, rows_per_page=2)


def test_timeout_and_idempotent_are_not_parameters_of_the_api(sql, server):
    server.post(SQL_URL, json=ANSWER, match=[matchers.request_kwargs_matcher({"timeout": 5})], status=200)
    sql.send("select 1", timeout=5, idempotent=True)
    assert sent_query(server.calls[0])[1] == {"q": ["select 1"]}


def test_queries_wait_five_minutes_by_default(sql, server):
    server.post(SQL_URL, json=ANSWER, match=[matchers.request_kwargs_matcher({"timeout": (10, 300)})])
    assert sql.send("select 1") == ANSWER


def test_a_clients_own_timeout_goes_before_the_default(server):
    server.post(SQL_URL, json=ANSWER, match=[matchers.request_kwargs_matcher({"timeout": 7})])
    client = APIKeyAuthClient("https://me.carto.com/", "secret-key", timeout=7)
    assert SQLClient(client).send("select 1") == ANSWER


def test_the_query_cannot_be_replaced(sql):
    with pytest.raises(CartoUsageException, match="q is the name"):
        sql.send("select 1", q="drop table t")


def test_params_are_bound(sql, server):
    server.post(SQL_URL, json=ANSWER)
    sql.send("select * from t where name = %s and n > %s", params=["O'Brien", 3])
    assert sent_query(server.calls[0])[1]["q"] == ["select * from t where name = 'O''Brien' and n > 3"]


@pytest.mark.parametrize("do_post", [True, False])
@pytest.mark.parametrize("params", [None, [1]])
@pytest.mark.parametrize(("query", "problem"), [
    ("select '\ud800' %s", "half a surrogate pair at position 8"), ("select '\0' %s", "NUL"),
    ("select 'ñ' %s".encode("latin-1"), "UTF-8, which these are not at position 8"), (None, "a text, not NoneType"),
])
def test_a_query_that_cannot_be_sent_is_refused(sql, query, problem, params, do_post):
    with pytest.raises(CartoUsageException, match=problem):
        sql.send(query, do_post=do_post, params=params)


def test_another_parameter_that_cannot_be_sent_is_refused(sql):
    for do_post in (True, False):
        with pytest.raises(CartoUsageException, match="can't be encoded"):
            sql.send("select 1", do_post=do_post, filename="\ud800")


def test_a_percent_sign_is_only_special_with_params(sql, server):
    server.post(SQL_URL, json=ANSWER)
    sql.send("select 'a%' like '%s'")
    assert sent_query(server.calls[0])[1]["q"] == ["select 'a%' like '%s'"]


def test_an_error_of_the_database_has_all_its_parts(sql, server):
    body = {"error": ["duplicate key value"], "detail": "Key (id)=(1) already exists.", "hint": "Use another."}
    server.post(SQL_URL, json=body, status=400)
    with pytest.raises(CartoBadRequestException) as caught:
        sql.send("insert into t values (1)")
    error = caught.value
    assert (error.errors, error.detail, error.hint) == (["duplicate key value"], body["detail"], body["hint"])
    assert str(error) == "duplicate key value\nDetail: Key (id)=(1) already exists.\nHint: Use another."


def test_a_position_is_marked_in_the_query(sql, server):
    query = "select 1,\n  bad from t"
    server.post(SQL_URL, json={"error": ["no bad"], "position": query.index("bad") + 1}, status=400)
    with pytest.raises(CartoBadRequestException) as caught:
        sql.send(query)
    assert str(caught.value) == "no bad\nLINE 2:   bad from t\n          ^"
    line, caret = str(caught.value).splitlines()[1:]
    assert line[caret.index("^"):].startswith("bad")


@pytest.mark.parametrize("position", [0, -3, 99, "x", None])
def test_a_position_outside_of_the_query_is_left_out(sql, server, position):
    server.post(SQL_URL, json={"error": ["no"], "position": position}, status=400)
    with pytest.raises(CartoBadRequestException) as caught:
        sql.send("select 1")
    assert str(caught.value) == "no"


@pytest.mark.parametrize(("body", "rows"), [
    ({**ANSWER, "error": ["division by zero"]}, [{"a": 1}]),
    ({"type": "FeatureCollection", "features": [{"type": "Feature"}], "error": ["division by zero"]},
     [{"type": "Feature"}]),
    ({"error": ["division by zero"]}, []),
])
@pytest.mark.parametrize("parse_json", [True, False])
def test_a_success_that_ends_in_an_error_is_one(sql, server, body, rows, parse_json):
    server.post(SQL_URL, json=body)
    with pytest.raises(CartoPartialResultException, match="division by zero") as caught:
        sql.send("select 1/n from t", parse_json=parse_json, format="geojson" if "features" in body else None)
    assert caught.value.rows == rows
    assert caught.value.status_code == 200


def test_a_column_called_error_is_none(sql, server):
    answer = {**ANSWER, "rows": [{"error": "x"}]}
    server.post(SQL_URL, json=answer)
    assert sql.send("select 'x' as error") == answer
    assert json.loads(sql.send("select 'x' as error", parse_json=False)) == answer


@pytest.mark.parametrize("body", ["<html><body>Please log in</body></html>", "", '{"rows": ['])
def test_a_success_that_is_not_json_is_an_error(sql, server, body):
    server.post(SQL_URL, body=body)
    with pytest.raises(CartoInvalidResponseException) as caught:
        sql.send("select 1")
    assert "<" not in str(caught.value)


def test_a_statement_timeout_is_told_apart_and_never_repeated(sql, server):
    server.post(SQL_URL, status=429, json={"error": ["timeout"], "context": "limit", "detail": "datasource"})
    with pytest.raises(CartoQueryTimeoutException):
        sql.send("select pg_sleep(100)", idempotent=True)
    assert len(server.calls) == 1


def test_a_failure_is_repeated_only_when_the_query_may_be(sql, server, monkeypatch):
    monkeypatch.setattr("carto._http.retry.time.sleep", lambda seconds: None)
    server.post(SQL_URL, status=503)
    with pytest.raises(CartoServerException):
        sql.send("insert into t values (1)")
    assert len(server.calls) == 1
    with pytest.raises(CartoServerException):
        sql.send("select 1", idempotent=True)
    assert len(server.calls) == 4


@pytest.mark.parametrize(("wanted", "parse_json"), [("csv", True), ("json", False), ("kml", True), (None, False)])
def test_what_is_not_parsed_is_bytes(sql, server, wanted, parse_json):
    server.post(SQL_URL, body=b"a\r\n1\r\n")
    assert sql.send("select 1 as a", parse_json=parse_json, format=wanted) == b"a\r\n1\r\n"


def test_without_a_key_there_is_no_warning(server):
    """filterwarnings is "error" in this suite."""
    server.post(SQL_URL, json=ANSWER)
    server.get(SQL_URL, json=ANSWER)
    sql = SQLClient(NoAuthClient("https://me.carto.com"))
    assert sql.send("select 1 as a") == ANSWER
    assert sql.send("select 1 as a", do_post=False) == ANSWER
    assert "Authorization" not in server.calls[0].request.headers


def fields_answer():
    return {"rows": [], "time": 0, "total_rows": 0,
            "fields": {"n": {"type": "number", "pgtype": "int4"}, "s": {"type": "string", "pgtype": "text"}}}


def test_iterate_asks_for_the_columns_and_copies_the_rows(sql, server):
    server.post(SQL_URL, json=fields_answer())
    server.get(SQL_URL + "/copyto", body=b"1\ta\n2\t\\N\n3\tb\\tc\n")
    rows = sql.iterate("select n, s from t where n < %s;", params=[4])
    assert len(server.calls) == 0  # nothing is sent before the first row is wanted
    assert list(rows) == [{"n": 1, "s": "a"}, {"n": 2, "s": None}, {"n": 3, "s": "b\tc"}]
    copy = parse_qs(urlsplit(server.calls[1].request.url).query)["q"][0]
    assert copy.split() == ["COPY", "(", "select", "n,", "s", "from", "t", "where", "n", "<", "4", ")", "TO", "STDOUT"]


def test_iterate_checks_its_parameters_at_once(sql):
    with pytest.raises(CartoUsageException):
        sql.iterate("select %s", params=[])


def test_iterate_does_not_pass_a_part_for_the_whole(sql, server):
    server.post(SQL_URL, json=fields_answer())
    server.get(SQL_URL + "/copyto", body=b'1\ta\n2\tb\n{"error":["division by zero"]}')
    with pytest.raises(CartoPartialResultException, match="division by zero"):
        list(sql.iterate("select n, s from t"))
