"""SQLClient and BatchSQLClient against a local CARTO, over a real socket."""

import gc
import os
import threading
import time
import tracemalloc

import pytest

from carto.auth import APIKeyAuthClient, NoAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoForbiddenException,
    CartoJobException,
    CartoPartialResultException,
    CartoUnauthorizedException,
)
from carto.sql import BatchSQLClient, Identifier, SQLClient


@pytest.fixture(scope="module")
def batch(client):
    return BatchSQLClient(client)


@pytest.fixture
def table(sql):
    """A table of its own for each test, and its name."""
    name = f"sdk_{threading.get_native_id()}"
    sql.send("CREATE TABLE %s (id int, name text)", params=[Identifier(name)])
    yield name
    sql.send("DROP TABLE %s", params=[Identifier(name)])


def test_select(sql):
    answer = sql.send("SELECT 1 AS a, 'x' AS b")
    assert answer["rows"] == [{"a": 1, "b": "x"}]
    assert answer["fields"]["a"] == {"type": "number", "pgtype": "int4"}
    assert answer["total_rows"] == 1


@pytest.mark.parametrize("do_post", [True, False])
def test_get_and_post_answer_alike(sql, do_post):
    assert sql.send("SELECT 'ñ 日本 😀 %' AS t", do_post=do_post)["rows"] == [{"t": "ñ 日本 😀 %"}]


@pytest.mark.parametrize("length", [1000, 1100, 20_000, 2_000_000])
def test_queries_of_any_length(sql, length):
    query = "SELECT length(%s) AS n"
    assert sql.send(query, do_post=False, params=["x" * length])["rows"] == [{"n": length}]


def test_formats(sql):
    query = "SELECT 1 AS a, ST_SetSRID(ST_MakePoint(1, 2), 4326) AS the_geom"
    assert sql.send(query, format="geojson")["features"][0]["geometry"] == {"type": "Point", "coordinates": [1, 2]}
    assert sql.send("SELECT 1 AS a, 2 AS b", format="csv") == b"a,b\r\n1,2\r\n"
    assert b'"rows":[{"a":1}]' in sql.send("SELECT 1 AS a", parse_json=False)


def test_paging_and_order(sql):
    query = "SELECT n FROM generate_series(1, 10) AS n"
    answer = sql.send(query, page=1, rows_per_page=3, order_by="n", sort_order="desc")
    assert [row["n"] for row in answer["rows"]] == [7, 6, 5]


def test_writes_tell_how_many_rows(sql, table):
    answer = sql.send("INSERT INTO %s VALUES (1, %s), (2, %s)", params=[Identifier(table), "O'Brien", None])
    assert answer["total_rows"] == 2
    rows = sql.send("SELECT * FROM %(t)s WHERE name = %(n)s", params={"t": Identifier(table), "n": "O'Brien"})["rows"]
    assert rows == [{"id": 1, "name": "O'Brien"}]


def test_errors_are_the_databases(sql):
    with pytest.raises(CartoBadRequestException, match="division by zero"):
        sql.send("SELECT 1/0")
    with pytest.raises(CartoBadRequestException) as caught:
        sql.send("SELECT nofunction(1)")
    assert "function nofunction(integer) does not exist" in str(caught.value)
    assert caught.value.hint.startswith("No function matches")


def test_rows_before_an_error_are_no_success(sql):
    with pytest.raises(CartoPartialResultException, match="division by zero") as caught:
        sql.send("SELECT 1/(90000 - n) AS x FROM generate_series(1, 100000) AS n")
    assert 0 < len(caught.value.rows) < 90000


def test_keys(sandbox, table):
    wrong = SQLClient(APIKeyAuthClient(sandbox.base_url, "no-such-key"))
    with pytest.raises(CartoUnauthorizedException):
        wrong.send("SELECT 1")
    nobody = SQLClient(NoAuthClient(sandbox.base_url))
    with pytest.raises(CartoForbiddenException, match="permission denied"):
        nobody.send("SELECT * FROM %s", params=[Identifier(table)])
    assert nobody.send("SELECT 1 AS a")["rows"] == [{"a": 1}]


def test_the_key_in_the_query_works_as_well(sandbox, table):
    sql = SQLClient(APIKeyAuthClient(sandbox.base_url, sandbox.api_key, api_key_in="query"))
    assert sql.send("SELECT count(*) AS n FROM %s", params=[Identifier(table)])["rows"] == [{"n": 0}]


def test_threads_share_a_client(sql):
    answers = []

    def ask(number):
        answers.append(sql.send("SELECT %s AS n", params=[number])["rows"][0]["n"])

    threads = [threading.Thread(target=ask, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == list(range(20))


class TestIterate:
    def test_rows_are_those_of_send(self, sql):
        query = ("SELECT n, n::text AS t, n::numeric / 3 AS d, '2020-02-29 12:34:56.789+02'::timestamptz AS at, "
                 "ARRAY[n, NULL] AS list, ST_SetSRID(ST_MakePoint(n, 0), 4326) AS g, nullif(n, 3) AS maybe "
                 "FROM generate_series(1, 5) AS n")
        assert list(sql.iterate(f"{query};")) == sql.send(query)["rows"]

    def test_parameters(self, sql):
        assert list(sql.iterate("SELECT %s AS t", ["a\tb\\N\nc"])) == [{"t": "a\tb\\N\nc"}]

    @pytest.mark.parametrize("end", [" -- one", "; -- done", " /* x; */ ; /* y */"])
    def test_what_may_stand_behind_a_query(self, sql, end):
        assert sql.send(f"SELECT ';--' AS a{end}")["rows"] == list(sql.iterate(f"SELECT ';--' AS a{end}")) == [
            {"a": ";--"}]

    def test_no_rows(self, sql):
        assert list(sql.iterate("SELECT 1 AS a WHERE false")) == []

    def test_an_error_of_the_database(self, sql):
        with pytest.raises(CartoBadRequestException, match="does not exist"):
            list(sql.iterate("SELECT * FROM no_such_table"))

    def test_an_error_on_the_way_is_raised(self, sql):
        with pytest.raises((CartoPartialResultException, CartoBadRequestException), match="division by zero"):
            list(sql.iterate("SELECT 1/(90000 - n) AS x FROM generate_series(1, 100000) AS n"))

    def test_memory_is_bounded(self, sql):
        query = "SELECT n, repeat('x', 100) AS t FROM generate_series(1, %s) AS n"

        def peak(rows):
            gc.collect()
            tracemalloc.start()
            count = sum(1 for _ in sql.iterate(query, [rows]))
            _, highest = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert count == rows
            return highest

        small = peak(5_000)
        assert peak(50_000) < small + 500_000

    def test_leaving_early_leaves_nothing_open(self, sandbox):
        with APIKeyAuthClient(sandbox.base_url, sandbox.api_key) as client:
            sql = SQLClient(client)
            sql.send("SELECT 1")
            before = open_files()
            for _ in range(5):
                rows = sql.iterate("SELECT n, repeat('x', 1000) AS t FROM generate_series(1, 100000) AS n")
                next(rows)
                rows.close()
            assert open_files() <= before


def open_files():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


class TestBatch:
    def test_done(self, sql, batch, table):
        seen = []
        job = batch.create_and_wait_for_completion(f"INSERT INTO {table} VALUES (7, 'batch')", progress=seen.append)
        assert job["status"] == "done"
        assert seen[-1] == job
        assert sql.send(f"SELECT * FROM {table}")["rows"] == [{"id": 7, "name": "batch"}]

    def test_a_list_stops_at_the_part_that_failed(self, sql, batch, table):
        queries = [f"INSERT INTO {table} VALUES (1, 'a')", "SELECT 1/0", f"INSERT INTO {table} VALUES (2, 'b')"]
        with pytest.raises(CartoJobException, match=r"division by zero \(query 2\)") as caught:
            batch.create_and_wait_for_completion(queries)
        assert caught.value.state == "failed"
        assert sql.send(f"SELECT id FROM {table}")["rows"] == [{"id": 1}]

    def test_fallbacks(self, sql, batch, table):
        query = {"query": [{"query": "SELECT * FROM no_such_table",
                            "onerror": f"INSERT INTO {table} VALUES (3, '<%= error_message %>')"}]}
        with pytest.raises(CartoJobException, match="no_such_table"):
            batch.create_and_wait_for_completion(query)
        wait_for(lambda: sql.send(f"SELECT name FROM {table}")["rows"])
        assert "no_such_table" in sql.send(f"SELECT name FROM {table}")["rows"][0]["name"]

    def test_cancel(self, batch):
        job = batch.create("SELECT pg_sleep(60)")
        wait_for(lambda: batch.read(job["job_id"])["status"] == "running")
        assert batch.cancel(job["job_id"]) == "cancelled"
        with pytest.raises(CartoJobException, match="cancelled"):
            batch.wait_for_completion(job["job_id"])

    def test_cancelling_what_is_done(self, batch):
        job = batch.create_and_wait_for_completion("SELECT 1")
        assert batch.cancel(job["job_id"]) == "done"

    def test_update_of_a_pending_job(self, sql, batch, table):
        blocker = batch.create("SELECT pg_sleep(60)")
        job = batch.create("SELECT 1/0")
        batch.update(job["job_id"], f"INSERT INTO {table} VALUES (9, 'updated')")
        batch.cancel(blocker["job_id"])
        assert batch.wait_for_completion(job["job_id"])["status"] == "done"
        assert sql.send(f"SELECT id FROM {table}")["rows"] == [{"id": 9}]

    def test_a_deadline(self, batch):
        with pytest.raises(CartoJobException, match=r"not finished after 0\.5 seconds") as caught:
            batch.create_and_wait_for_completion("SELECT pg_sleep(60)", timeout=0.5)
        assert batch.cancel(caught.value.job_id) == "cancelled"

    def test_only_the_master_key(self, sandbox):
        with pytest.raises(CartoForbiddenException):
            BatchSQLClient(NoAuthClient(sandbox.base_url)).create("SELECT 1")

    def test_unknown_jobs(self, batch):
        with pytest.raises(CartoBadRequestException, match="not found"):
            batch.read("00000000-0000-0000-0000-000000000000")


def wait_for(condition, seconds=20):
    """Ask until something is true; a deadline, since a test must end."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)
