"""COPY over HTTP: streamed both ways, all or nothing, errors early and late, clients that leave."""

from __future__ import annotations

import gzip
import json
import select
import socket
import time
from collections.abc import Iterator

import pytest
import requests

from carto.sandbox import Sandbox
from tests.sandbox.api import TIMEOUT_S, Account
from tests.sandbox.processes import wait_until

COPY = "COPY copied (id, name) FROM STDIN WITH (FORMAT csv, HEADER true)"
CSV = b'id,name\n1,one\n2,"two, \xc3\xb1"\n'
ACTIVE = "select count(*) from pg_stat_activity where query ilike 'copy%' and state = 'active'"


@pytest.fixture(scope="module")
def owner(sandbox: Sandbox) -> Iterator[Account]:
    account = Account(sandbox.base_url, sandbox.api_key)
    account.rows("create table copied (id int, name text)")
    yield account
    account.rows("drop table copied")


@pytest.fixture
def account(owner: Account) -> Account:
    owner.rows("truncate copied")
    return owner


@pytest.fixture(scope="module")
def limited(limited_sandbox: Sandbox) -> Account:
    return Account(limited_sandbox.account("limited").base_url, "master_of_limited")


def pieces(data: bytes, size: int = 7) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def upload_head(account: Account, q: str, *headers: str) -> bytes:
    lines = [f"POST {account.target(q, '/copyfrom')} HTTP/1.1", "Host: x", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("in_chunks", [False, True])
def test_upload(account: Account, packed: bool, in_chunks: bool) -> None:
    data = gzip.compress(CSV) if packed else CSV
    headers = {"Content-Encoding": "gzip"} if packed else {}
    answer = account.copy_from(COPY, pieces(data) if in_chunks else data, **headers)
    assert answer.status_code == 200
    assert answer.json()["total_rows"] == 2
    assert set(answer.json()) == {"time", "total_rows"}
    assert account.rows("select * from copied order by id") == [
        {"id": 1, "name": "one"},
        {"id": 2, "name": "two, ñ"},
    ]


def test_gzip_of_several_members(account: Account) -> None:
    data = gzip.compress(CSV) + gzip.compress(b"3,three\n") + b"trailing garbage"
    assert account.copy_from(COPY, data, **{"Content-Encoding": "gzip"}).json()["total_rows"] == 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (CSV, "Error while gunzipping: incorrect header check"),
        (gzip.compress(CSV)[:-9], "Error while gunzipping: unexpected end of file"),
        (gzip.compress(CSV)[:-8] + bytes(8), "Error while gunzipping: incorrect data check"),
        (b"", "Error while gunzipping: unexpected end of file"),
    ],
    ids=["plain", "cut off", "wrong sum", "empty"],
)
def test_bad_gzip_copies_nothing(account: Account, data: bytes, message: str) -> None:
    answer = account.copy_from(COPY, iter([data]), **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()) == (400, {"error": [message]})
    assert account.value("select count(*) from copied") == 0


@pytest.mark.parametrize(
    ("q", "data", "body"),
    [
        ("", CSV, {"error": ["SQL is missing"]}),
        ("select 1", CSV, {"error": ["SQL must start with COPY"]}),
        (f" {COPY}", CSV, {"error": ["SQL must start with COPY"]}),
        (COPY, b"", {"error": ["No rows copied"]}),
        (COPY, b"id,name\n", {"error": ["No rows copied"]}),
        (COPY, b"id,name\n1,a\nx,b\n", {"error": ['invalid input syntax for type integer: "x"']}),
        (COPY, b"id,name\n1,\xff\n", {"error": ['invalid byte sequence for encoding "UTF8": 0xff']}),
        ("COPY nope FROM STDIN", CSV, {"error": ['relation "nope" does not exist']}),
        ("COPY copied TO STDOUT", CSV, {"error": ["Only COPY ... FROM STDIN is possible here"]}),
        (
            "COPY copied FROM PROGRAM 'ls'",
            CSV,
            {
                "error": [
                    "must be superuser or have privileges of the pg_execute_server_program role "
                    "to COPY to or from an external program"
                ],
                "hint": "Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone.",
            },
        ),
    ],
)
def test_refused_uploads_leave_no_rows(account: Account, q: str, data: bytes, body: dict[str, object]) -> None:
    answer = account.copy_from(q, data)
    assert (answer.status_code, answer.json()) == (400, body)
    assert account.value("select count(*) from copied") == 0


def test_keys_of_uploads(account: Account) -> None:
    stranger = Account(account.url.removesuffix("api/v2/sql"), None)
    answer = stranger.copy_from(COPY, CSV)
    assert (answer.status_code, answer.json()) == (403, {"error": ["permission denied for table copied"]})
    in_body = requests.post(account.url + "/copyfrom", data={"q": COPY, "api_key": account.api_key}, timeout=TIMEOUT_S)
    assert in_body.json() == {"error": ["SQL is missing"]}
    assert requests.get(account.url + "/copyfrom", timeout=TIMEOUT_S).status_code == 404


def test_an_error_is_answered_while_the_client_still_sends(account: Account) -> None:
    with account.connect() as connection:
        connection.sendall(upload_head(account, COPY, "Transfer-Encoding: chunked"))
        connection.sendall(b"17\r\nid,name\nnot a number,a\n\r\n")
        readable, _, _ = select.select([connection], [], [], 5)
        assert readable
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        # The rest in chunks is read and dropped, and the connection can be used again.
        connection.sendall(b"3\r\n1,a\r\n0\r\n\r\n")
        connection.sendall(f"GET {account.target('select 1 as a')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = b""
        while b"0\r\n\r\n" not in answer:
            received = connection.recv(1 << 16)
            assert received, answer
            answer += received
        assert b'"rows":[{"a":1}' in answer


def test_an_upload_with_a_length_is_not_read_after_an_early_answer(account: Account) -> None:
    with account.connect() as connection:
        connection.sendall(upload_head(account, "COPY nope FROM STDIN", "Content-Length: 100000000"))
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.sendall(bytes(90_000_000))


def test_notices_do_not_disturb_an_upload(account: Account) -> None:
    account.rows(
        "create or replace function warn() returns trigger language plpgsql as "
        "$$ begin raise notice 'row %', new.id; return new; end $$;"
        "create trigger warn before insert on copied for each row execute function warn()"
    )
    try:
        data = b"id,name\n" + b"".join(b"%d,x\n" % number for number in range(20_000))
        assert account.copy_from(COPY, pieces(data, 1000)).json()["total_rows"] == 20_000
    finally:
        account.rows("drop function warn cascade")


@pytest.mark.parametrize("headers", [["Content-Length: 1000"], ["Transfer-Encoding: chunked"]])
@pytest.mark.parametrize("politely", [False, True])
def test_an_upload_that_breaks_off_leaves_no_rows(account: Account, headers: list[str], politely: bool) -> None:
    with account.connect() as connection:
        connection.sendall(upload_head(account, COPY, *headers))
        connection.sendall(b"d\r\nid,name\n1,one\r\n" if "chunked" in headers[0] else b"id,name\n1,one\n")
        wait_until(lambda: account.value(ACTIVE) == 1)
        if politely:
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1000) == b"HTTP/1.1 400 Bad Request\r\n\r\n"
    wait_until(lambda: account.value(ACTIVE) == 0)
    assert account.value("select count(*) from copied") == 0


def test_uploads_are_not_stopped_by_the_statement_timeout(limited: Account) -> None:
    limited.rows("create table slow (id int)")

    def slowly() -> Iterator[bytes]:
        yield b"1\n"
        time.sleep(0.8)
        yield b"2\n"

    assert limited.copy_from("COPY slow FROM STDIN", slowly()).json()["total_rows"] == 2


def test_the_quota_of_uploads(limited: Account) -> None:
    limited.rows("create table heavy_upload (t text)")
    answer = limited.copy_from("COPY heavy_upload FROM STDIN", iter([b"x" * 1000 + b"\n"] * 2000))
    assert (answer.status_code, answer.json()) == (400, {"error": ["DB Quota exceeded"]})
    assert limited.value("select count(*) from heavy_upload") == 0
    limited.rows("drop table heavy_upload")


@pytest.mark.parametrize(
    ("options", "content"),
    [
        ("WITH (FORMAT csv, HEADER true)", b'id,name\n1,one\n2,"two, \xc3\xb1"\n'),
        ("", b"1\tone\n2\ttwo, \xc3\xb1\n"),
    ],
)
def test_download(account: Account, options: str, content: bytes) -> None:
    account.copy_from(COPY, CSV)
    answer = account.copy_to(f"COPY copied TO STDOUT {options}")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename=carto-sql-copyto.dmp"


def test_downloads_binary_and_empty(account: Account) -> None:
    account.copy_from(COPY, CSV)
    binary = account.copy_to("COPY copied TO STDOUT WITH (FORMAT binary)").content
    assert binary.startswith(b"PGCOPY\n\xff\r\n\0")
    assert account.copy_from("COPY copied FROM STDIN WITH (FORMAT binary)", binary).json()["total_rows"] == 2
    empty = account.copy_to("COPY (select 1 where false) TO STDOUT")
    assert (empty.status_code, empty.content, empty.headers["Content-Length"]) == (200, b"", "0")


def test_the_query_of_a_download_may_be_in_the_body(account: Account) -> None:
    body = {"q": "COPY (select 1) TO STDOUT", "api_key": account.api_key, "filename": "ñ 1.csv"}
    for arguments in ({"json": body}, {"data": body}):
        answer = requests.post(account.url + "/copyto", timeout=TIMEOUT_S, **arguments)  # type: ignore[arg-type]
        assert answer.content == b"1\n"
        assert answer.headers["Content-Disposition"] == "attachment; filename=%C3%B1%201.csv"


@pytest.mark.parametrize(
    ("q", "status", "message"),
    [
        ("", 400, "SQL is missing"),
        ("select 1", 400, "SQL must start with COPY"),
        ("COPY nope TO STDOUT", 400, 'relation "nope" does not exist'),
        ("COPY (select 1/0) TO STDOUT", 400, "division by zero"),
        ("COPY (select 1/(4-i) from generate_series(1,9) i) TO STDOUT", 400, "division by zero"),
        ("COPY copied FROM STDIN", 400, "Only COPY ... TO STDOUT is possible here"),
        ("COPY pg_authid TO STDOUT", 403, "permission denied for table pg_authid"),
    ],
)
def test_refused_downloads(account: Account, q: str, status: int, message: str) -> None:
    answer = account.copy_to(q)
    assert (answer.status_code, answer.json()) == (status, {"error": [message]})


def test_an_error_in_the_middle_ends_the_body(account: Account) -> None:
    answer = account.copy_to("COPY (select 1/(200001-i) from generate_series(1,300000) i) TO STDOUT")
    assert answer.status_code == 200
    data, brace, error = answer.text.partition("{")
    assert json.loads(brace + error) == {"error": ["division by zero"]}
    assert data.count("\n") == 200_000


def test_downloads_are_not_stopped_by_the_statement_timeout(limited: Account) -> None:
    assert limited.copy_to("COPY (select pg_sleep(0.8)) TO STDOUT").content == b"\n"


def test_a_client_that_leaves_ends_the_copy(account: Account) -> None:
    endless = "COPY (select generate_series(1,100000000)) TO STDOUT"
    with account.connect() as connection:
        connection.sendall(f"GET {account.target(endless, '/copyto')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.recv(1 << 16)
        assert account.value(ACTIVE) == 1
    wait_until(lambda: account.value(ACTIVE) == 0)
