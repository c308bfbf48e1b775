"""Faults on request: what a client on a real socket sees of each, and whom they strike."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from starlette.applications import Starlette
from urllib3.exceptions import ReadTimeoutError

from carto.sandbox import Sandbox, faults
from carto.sandbox.fault_middleware import STRIKES

MASTER = {"type": "master", "token": "master"}
ROWS = 20_000
COPY = f"COPY (select i, repeat('x', 20) from generate_series(1, {ROWS}) i) TO STDOUT"


@pytest.fixture(scope="module")
def carto() -> Iterator[Sandbox]:
    accounts = [{"name": "demo", "keys": [MASTER]}, {"name": "other", "keys": [MASTER]}]
    with Sandbox(accounts=accounts) as running:
        yield running


class Client:
    """Calls one account, and the admin endpoint."""

    def __init__(self, sandbox: Sandbox, account: str = "demo") -> None:
        self.admin = sandbox.admin_url + "faults"
        self.root = sandbox.account(account).base_url + "api/v2/sql"

    def set(self, kind: str, **options: Any) -> dict[str, Any]:
        response = requests.post(self.admin, json={"kind": kind, **options}, timeout=10)
        assert response.status_code == 201, response.text
        fault: dict[str, Any] = response.json()
        return fault

    def waiting(self) -> list[dict[str, Any]]:
        faults: list[dict[str, Any]] = requests.get(self.admin, timeout=10).json()["faults"]
        return faults

    def sql(self, query: str = "select 1 as a", method: str = "POST", **options: Any) -> requests.Response:
        params = {"q": query, "api_key": "master"}
        return requests.request(method, self.root, params=params, timeout=options.pop("timeout", 10), **options)

    def copy_to(self, **options: Any) -> requests.Response:
        params = {"q": COPY, "api_key": "master"}
        return requests.get(self.root + "/copyto", params=params, timeout=options.pop("timeout", 10), **options)

    def raw(self, query: str) -> Iterator[bytes]:
        """Send one request on a bare socket and yield what comes until the server closes."""
        host, port = urlsplit(self.root).hostname, urlsplit(self.root).port
        with socket.create_connection((host, port), timeout=10) as connection:
            target = f"{urlsplit(self.root).path}?{query}&api_key=master"
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            while chunk := connection.recv(65536):
                yield chunk


@pytest.fixture
def client(carto: Sandbox) -> Iterator[Client]:
    made = Client(carto)
    yield made
    requests.delete(made.admin, timeout=10)


def rows_of(client: Client, table: str) -> int:
    answer = client.sql(f"select count(*) as n from {table}").json()
    return int(answer["rows"][0]["n"])


def test_unavailable_so_many_times(client: Client) -> None:
    client.set("unavailable", count=2, retry_after=3)
    for _ in range(2):
        response = client.sql()
        assert (response.status_code, response.headers["Retry-After"]) == (503, "3")
    assert client.sql().json()["rows"] == [{"a": 1}]
    assert client.waiting() == []


def test_html_instead_of_json(client: Client) -> None:
    client.set("html")
    client.set("html", status=502)
    first, second = client.sql(), client.sql()
    assert (first.status_code, second.status_code) == (200, 502)
    assert first.headers["Content-Type"].startswith("text/html")
    assert first.text.startswith("<!DOCTYPE html>")


def test_a_reset_before_the_answer_is_a_reset_and_no_close(client: Client) -> None:
    client.set("reset")
    with pytest.raises(ConnectionResetError):
        next(client.raw("q=select+1"))
    assert client.sql().status_code == 200


def test_a_reset_in_the_body_comes_after_part_of_it(client: Client) -> None:
    client.set("reset_in_body", bytes=10)
    received: list[bytes] = []
    with pytest.raises(ConnectionResetError):
        received.extend(client.raw("q=select+1"))
    head, _, body = b"".join(received).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b'{"rows":[{' in body
    assert b'"fields"' not in body


@pytest.mark.parametrize(("kind", "executed"), [("reset", True), ("reset", False), ("unavailable", True)])
def test_whether_the_request_was_carried_out(client: Client, kind: str, executed: bool) -> None:
    client.sql("drop table if exists done; create table done (a int)")
    client.set(kind, execute=executed)
    if kind == "reset":
        with pytest.raises(requests.exceptions.ConnectionError):
            client.sql("insert into done values (1)")
    else:
        assert client.sql("insert into done values (1)").status_code == 503
    assert rows_of(client, "done") == int(executed)


def test_a_stall_before_the_answer(client: Client) -> None:
    client.set("stall", seconds=0.5)
    began = time.monotonic()
    assert client.sql().status_code == 200
    assert time.monotonic() - began >= 0.5


def test_a_stall_outlasts_a_clients_timeout(client: Client) -> None:
    client.set("stall", seconds=5)
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.sql(timeout=0.2)


def test_a_stall_in_the_body(client: Client) -> None:
    client.set("stall_in_body", seconds=5, bytes=100)
    with client.copy_to(stream=True, timeout=2) as response:
        pieces = response.raw.stream(100)
        assert next(pieces)
        with pytest.raises(ReadTimeoutError):
            b"".join(pieces)
    client.set("stall_in_body", seconds=0.5, bytes=100)
    assert client.copy_to().content.count(b"\n") == ROWS


@pytest.mark.parametrize("limit", [None, 0, 100, 70_000])
def test_copy_to_truncated_with_a_clean_end(client: Client, limit: int | None) -> None:
    whole = client.copy_to().content
    client.set("truncate", bytes=limit)
    assert client.sql().status_code == 200, "the fault is for COPY TO alone"
    part = client.copy_to()
    assert part.status_code == 200
    assert len(part.content) < len(whole)
    assert limit is None or len(part.content) == limit
    assert whole.startswith(part.content)


def test_copy_to_with_an_error_in_its_tail(client: Client) -> None:
    client.set("error_tail", bytes=1000, message="boom")
    response = client.copy_to()
    assert response.status_code == 200
    assert response.content[1000:] == b'{"error":["boom"]}'
    assert response.content[:10] == b"1\txxxxxxxx"


def test_an_error_tail_comes_also_when_the_answer_is_shorter(client: Client) -> None:
    client.set("error_tail", bytes=10**9, message="boom")
    assert client.copy_to().content.endswith(b'x\n{"error":["boom"]}')


def test_a_slow_job(client: Client) -> None:
    client.set("slow_job", seconds=1, account="demo")
    parameters = {"api_key": "master"}
    began = time.monotonic()
    job = requests.post(client.root + "/job", params=parameters, json={"query": "select 1"}, timeout=10).json()
    seen = set()
    while job["status"] != "done":
        assert time.monotonic() - began < 10
        job = requests.get(f"{client.root}/job/{job['job_id']}", params=parameters, timeout=10).json()
        seen.add(job["status"])
        time.sleep(0.02)
    assert time.monotonic() - began >= 1
    assert "running" in seen
    assert client.waiting() == []


def test_whom_a_fault_strikes(client: Client, carto: Sandbox) -> None:
    fault = client.set("unavailable", account="demo", method="get", path="/sql/copyto", count=1)
    assert client.sql(method="GET").status_code == 200
    assert client.sql().status_code == 200
    assert Client(carto, "other").copy_to().status_code == 200
    assert client.waiting() == [fault]
    assert client.copy_to().status_code == 503


def test_a_fault_without_a_count_stays_until_it_is_deleted(client: Client) -> None:
    first, second = client.set("unavailable", count=None), client.set("html")
    assert [client.sql().status_code for _ in range(3)] == [503, 503, 503]
    left = requests.delete(f"{client.admin}/{first['id']}", timeout=10).json()
    assert left == {"faults": [second]}
    assert client.sql().headers["Content-Type"].startswith("text/html")
    client.set("unavailable")
    assert requests.delete(client.admin, timeout=10).json() == {"faults": []}
    assert client.sql().status_code == 200


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ({"kind": "earthquake"}, "'kind' is one of: unavailable"),
        ([], "'kind' is one of"),
        ({"kind": "stall", "second": 1}, "no 'second'"),
        ({"kind": "stall", "seconds": "1"}, "'seconds' of a fault is of type float"),
        ({"kind": "stall", "count": True}, "'count' of a fault is of type int | None"),
        ({"kind": "stall", "id": 5}, "no 'id'"),
        ({"kind": "stall", "execute": True}, "Only unavailable, html, reset know 'execute'"),
        ({"kind": "stall", "count": 0}, "at least 1"),
        ({"kind": "stall", "seconds": -1}, "not below 0"),
        ({"kind": "truncate", "bytes": -1}, "not below 0"),
    ],
)
def test_descriptions_that_make_no_sense(client: Client, description: Any, words: str) -> None:
    response = requests.post(client.admin, json=description, timeout=10)
    assert response.status_code == 400
    assert words in response.json()["error"][0]
    assert client.waiting() == []


def test_every_kind_has_its_effect() -> None:
    assert set(STRIKES) == set(faults.REQUEST_KINDS)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.8.0.1", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("192.0.2.7", 403),
        ("2001:db8::1", 403),
        ("::ffff:192.0.2.7", 403),
    ],
)
def test_only_loopback_reaches_the_admin_endpoint(host: str, status: int) -> None:
    waiting = faults.Faults()
    waiting.add(faults.Fault("html"))
    answer = ask(Starlette(routes=faults.routes(waiting)), "DELETE", host)
    assert answer[0]["status"] == status
    assert len(waiting.listed()) == (0 if status == 200 else 1)
    if status == 403:
        assert "from the machine" in json.loads(answer[1]["body"])["error"][0]


def ask(app: Starlette, method: str, host: str) -> list[Any]:
    """Put one request to the application as if it came from an address."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": faults.ADMIN_PATH,
        "query_string": b"",
        "headers": [],
        "client": (host, 5),
    }
    asyncio.run(app(scope, receive, send))
    return sent
