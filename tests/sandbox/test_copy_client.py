"""CopySQLClient against a local CARTO: what goes in comes out, and what fails leaves nothing."""

import csv
import io
import os
import threading
import time
import tracemalloc

import pytest
import requests

from carto.auth import APIKeyAuthClient, NoAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoConnectionException,
    CartoForbiddenException,
    CartoInvalidResponseException,
    CartoPartialResultException,
    CartoServerException,
    CartoTimeoutException,
)
from carto.sql import CopySQLClient

ROWS = [(number, f"ñame, \"{number}\"\n\ttwo") for number in range(1000)]


def as_csv(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


@pytest.fixture(scope="module")
def copy(client):
    return CopySQLClient(client)


@pytest.fixture
def table(sql):
    name = f"copied_{os.getpid()}"
    sql.send(f"CREATE TABLE {name} (id int, name text)")
    yield name
    sql.send(f"DROP TABLE {name}")


def count(sql, table):
    return sql.send(f"SELECT count(*) AS n FROM {table}")["rows"][0]["n"]


@pytest.fixture(params=[True, False], ids=["gzip", "plain"])
def compress(request):
    return request.param


@pytest.mark.parametrize("source", [
    lambda path: as_csv(ROWS), lambda path: as_csv(ROWS).encode(), lambda path: path,
    lambda path: as_csv(ROWS).encode().splitlines(keepends=True), lambda path: iter(as_csv(ROWS)),
    lambda path: io.BytesIO(path.read_bytes()), lambda path: io.StringIO(as_csv(ROWS)),
], ids=["text", "bytes", "path", "list", "characters", "file", "text file"])
def test_rows_go_in_from_any_source(copy, sql, table, tmp_path, source, compress):
    path = tmp_path / "rows.csv"
    path.write_text(as_csv(ROWS), newline="")
    answer = copy.copyfrom(f"COPY {table} (id, name) FROM STDIN WITH (FORMAT csv)", source(path), compress)
    assert answer["total_rows"] == len(ROWS)
    assert answer["time"] >= 0
    rows = sql.send(f"SELECT id, name FROM {table} ORDER BY id")["rows"]
    assert [(row["id"], row["name"]) for row in rows] == ROWS


def test_statements_as_people_write_them(copy, sql, table):
    copy.copyfrom(f"\n-- load it\ncopy\n{table} from stdin with (format csv, delimiter ';') ;\n", ["1;one\n"])
    assert copy.copyto_stream(f" copy(select * from {table}) to stdout; -- all").read() == b"1\tone\n"


@pytest.mark.parametrize("options", ["", " WITH (FORMAT csv, HEADER true)", " WITH (FORMAT binary)"])
def test_what_comes_out_goes_in_again(copy, sql, table, tmp_path, options):
    copy.copyfrom(f"COPY {table} FROM STDIN WITH (FORMAT csv)", as_csv(ROWS))
    copy.copyto_file_path(f"COPY {table} TO STDOUT{options}", tmp_path / "rows")
    sql.send(f"TRUNCATE {table}")
    copy.copyfrom_file_path(f"COPY {table} FROM STDIN{options}", tmp_path / "rows")
    rows = sql.send(f"SELECT id, name FROM {table} ORDER BY id")["rows"]
    assert [(row["id"], row["name"]) for row in rows] == ROWS


def test_every_way_out_gives_the_same(copy, tmp_path):
    query = "COPY (SELECT i, md5(i::text) FROM generate_series(1, 50000) i) TO STDOUT WITH (FORMAT csv)"
    file = io.BytesIO()
    copy.copyto_file_path(query, tmp_path / "rows")
    copy.copyto_file_object(query, file)
    expected = file.getvalue()
    assert expected.count(b"\n") == 50_000
    assert (tmp_path / "rows").read_bytes() == expected
    assert copy.copyto_stream(query).read() == copy.copyto(query).content == expected
    assert b"".join(copy.copyto_stream(query)) == expected


def test_long_queries_go_out_in_the_body(copy):
    text = "ñ" * 20_000
    assert copy.copyto_stream(f"COPY (SELECT '{text}') TO STDOUT").read().decode() == text + "\n"


def test_no_rows(copy, sql, table, tmp_path):
    copy.copyto_file_path(f"COPY {table} TO STDOUT", tmp_path / "rows")
    assert (tmp_path / "rows").read_bytes() == b""
    assert copy.copyto_stream(f"COPY {table} TO STDOUT WITH (FORMAT binary)").read()[:6] == b"PGCOPY"
    with pytest.raises(CartoBadRequestException, match="No rows copied"):
        copy.copyfrom(f"COPY {table} FROM STDIN", [])


def test_a_bad_row_is_told_and_leaves_nothing(copy, sql, table, compress):
    with pytest.raises(CartoBadRequestException, match="invalid input syntax"):
        copy.copyfrom(f"COPY {table} FROM STDIN", [b"1\tone\n", b"x\ttwo\n"], compress)
    assert count(sql, table) == 0


def test_a_refusal_stops_a_long_upload_at_once(copy, compress):
    def rows():
        for _ in range(3000):
            yield noise

    noise = os.urandom(32_768).hex() + "\n"
    started = time.monotonic()
    with pytest.raises(CartoBadRequestException, match="does not exist"):
        copy.copyfrom("COPY nowhere FROM STDIN", rows(), compress)
    assert time.monotonic() - started < 2


def test_a_producer_that_fails_leaves_nothing(copy, sql, table, compress):
    def rows():
        for number in range(100_000):
            yield f"{number}\tname\n"
        raise BrokenPipeError("my own")

    with pytest.raises(BrokenPipeError, match="my own"):
        copy.copyfrom(f"COPY {table} FROM STDIN", rows(), compress)
    assert count(sql, table) == 0
    copying = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'COPY copied%' AND state = 'active'"
    deadline = time.monotonic() + 5
    while sql.send(copying)["rows"][0]["n"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sql.send(copying)["rows"][0]["n"] == 0


def test_what_a_key_may_not_do(sandbox, copy, table):
    with NoAuthClient(sandbox.base_url) as nobody:
        anonymous = CopySQLClient(nobody)
        with pytest.raises(CartoForbiddenException, match="permission denied"):
            anonymous.copyfrom(f"COPY {table} FROM STDIN", [b"1\tone\n"])
        with pytest.raises(CartoForbiddenException, match="permission denied"):
            anonymous.copyto_stream(f"COPY {table} TO STDOUT")
        assert anonymous.copyto_stream("COPY (SELECT 1) TO STDOUT").read() == b"1\n"


@pytest.mark.parametrize("options", ["", " WITH (FORMAT csv)", " WITH (FORMAT binary)"])
def test_a_query_that_fails_on_its_way_never_looks_whole(copy, tmp_path, options):
    query = f"COPY (SELECT 1/(300000 - i), repeat('x', 50) FROM generate_series(1, 300001) i) TO STDOUT{options}"
    with pytest.raises((CartoPartialResultException, CartoBadRequestException), match="division by zero"):
        copy.copyto_file_path(query, tmp_path / "rows")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises((CartoPartialResultException, CartoBadRequestException), match="division by zero"):
        copy.copyto_stream(query).read()


@pytest.fixture
def fault(sandbox):
    """Let the next request meet a fault."""
    faults = sandbox.admin_url + "faults"

    def add(kind, **options):
        requests.post(faults, json={"kind": kind, **options}, timeout=10).raise_for_status()

    yield add
    requests.delete(faults, timeout=10)


BIG = "COPY (SELECT generate_series(1, 200000), NULL) TO STDOUT"


@pytest.mark.parametrize("size", [None, 1000, 1_000_000])
@pytest.mark.parametrize("options", ["", " WITH (FORMAT csv)", " WITH (FORMAT binary)"])
def test_data_that_is_cut_off_with_a_clean_end(copy, fault, tmp_path, options, size):
    fault("truncate", bytes=size)
    with pytest.raises(CartoPartialResultException, match="cut off"):
        copy.copyto_file_path(BIG + options, tmp_path / "rows")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [1000, 1_000_000])
@pytest.mark.parametrize("options", ["", " WITH (FORMAT csv)", " WITH (FORMAT binary)"])
def test_data_that_ends_in_an_error(copy, fault, options, size):
    fault("error_tail", bytes=size, message="out of luck")
    file = io.BytesIO()
    with pytest.raises(CartoPartialResultException, match="out of luck") as caught:
        copy.copyto_file_object(BIG + options, file)
    assert caught.value.received == len(file.getvalue())
    assert b"out of luck" not in file.getvalue()


@pytest.mark.parametrize(("kind", "error"), [("reset_in_body", CartoConnectionException),
                                             ("stall_in_body", CartoTimeoutException)])
def test_a_connection_that_breaks_within_the_data(copy, fault, tmp_path, kind, error):
    fault(kind, bytes=1000, **({"seconds": 3} if kind == "stall_in_body" else {}))
    with pytest.raises(error, match="not complete"):
        copy.copyto_file_path(BIG, tmp_path / "rows", timeout=0.5)
    assert list(tmp_path.iterdir()) == []


def test_a_copy_is_not_repeated_after_a_failure(copy, fault, sql, table):
    fault("unavailable", count=1, path="/sql/copyfrom")
    with pytest.raises(CartoServerException):
        copy.copyfrom(f"COPY {table} FROM STDIN", [b"1\tone\n"])
    fault("unavailable", count=1, path="/sql/copyto")
    with pytest.raises(CartoServerException):
        copy.copyto(f"COPY {table} TO STDOUT")
    assert count(sql, table) == 0


def test_a_page_of_html_is_no_data(copy, fault, tmp_path):
    fault("html")
    with pytest.raises(CartoInvalidResponseException):
        copy.copyto_file_path(BIG, tmp_path / "rows")
    assert list(tmp_path.iterdir()) == []


def test_closing_a_stream_ends_its_statement(copy, sql):
    query = "COPY (SELECT 'closed early', repeat('x', 1000), generate_series(1, 100000000)) TO STDOUT"
    with copy.copyto_stream(query) as stream:
        assert stream.read(5) == b"close"
    running = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'COPY%closed early%' AND state = 'active'"
    deadline = time.monotonic() + 10
    while sql.send(running)["rows"][0]["n"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sql.send(running)["rows"][0]["n"] == 0


def test_memory_is_bounded_by_the_chunk(copy, sql, table, compress):
    def rows():
        for number in range(0, 400_000, 100):
            yield "".join(f"{n}\tthe name of row {n}\n" for n in range(number, number + 100))

    tracemalloc.start()
    try:
        assert copy.copyfrom(f"COPY {table} FROM STDIN", rows(), compress)["total_rows"] == 400_000
        with copy.copyto_stream(f"COPY {table} TO STDOUT") as stream:
            received = sum(len(block) for block in iter(lambda: stream.read(65536), b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert received > 10_000_000
    assert peak < 4_000_000


def test_threads_share_a_client(copy, sql, table):
    errors = []

    def load(number):
        try:
            copy.copyfrom(f"COPY {table} FROM STDIN", (f"{number}\t{i}\n" for i in range(2000)))
            assert copy.copyto_stream(f"COPY (SELECT {number}) TO STDOUT").read() == f"{number}\n".encode()
        except BaseException as error:  # told in the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert count(sql, table) == 12_000


def test_nothing_is_left_open(sandbox):
    def open_files():
        return len(os.listdir("/proc/self/fd"))

    before, threads = open_files(), threading.active_count()
    for _ in range(3):
        with APIKeyAuthClient(sandbox.base_url, sandbox.api_key) as client:
            copy = CopySQLClient(client)
            copy.copyto_stream("COPY (SELECT 1) TO STDOUT").read()
            copy.copyto_stream("COPY (SELECT generate_series(1, 1000000)) TO STDOUT").close()
            with pytest.raises(CartoBadRequestException):
                copy.copyfrom("COPY nowhere FROM STDIN", [b"1\n"])
    assert open_files() == before
    assert threading.active_count() == threads
