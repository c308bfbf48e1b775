"""Synchronizations over a real socket, of a source that a small server on this machine changes at will."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from carto.sandbox import Sandbox
from tests.sandbox.rails_client import Json, RailsClient, words

KEYS = words(
    "id name interval url state user_id created_at updated_at run_at ran_at modified_at etag checksum log_id "
    "error_code error_message retried_times service_name service_item_id type_guessing quoted_fields_guessing "
    "content_guessing visualization_id from_external_source"
)
ENDED = ("success", "failure")
NOBODY = str(uuid.UUID(int=1))


class Source(ThreadingHTTPServer):
    """A file on the web, with the headers by which others tell whether it has changed."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SourceHandler)
        self.status = 200
        self.content = b""
        self.etag: str | None = None
        self.modified: str | None = None
        self.answers: list[int] = []
        self.before_answer: Callable[[], Any] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/stores.csv"

    def serve(self, *rows: str, etag: str | None = None, modified: str | None = None) -> None:
        """Let the file hold these rows of CSV from now on."""
        self.content = "\n".join(["name,lon,lat", *rows, ""]).encode()
        self.etag, self.modified = etag, modified


class SourceHandler(BaseHTTPRequestHandler):
    """Answers as a server of files does."""

    server: Source

    def do_GET(self) -> None:
        source = self.server
        source.before_answer()
        known = source.etag is not None and self.headers["If-None-Match"] == source.etag
        dated = source.modified is not None and self.headers["If-Modified-Since"] == source.modified
        status = 304 if source.status == 200 and (known or dated) else source.status
        body = source.content if status == 200 else b""
        source.answers.append(status)
        self.send_response(status)
        for name, value in (("ETag", source.etag), ("Last-Modified", source.modified)):
            if value is not None and status == 200:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def source() -> Iterator[Source]:
    server = Source()
    server.serve("one,1,10", "two,2,20")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class Synchronizations(RailsClient):
    """Calls about synchronizations."""

    def create(self, url: str, **sent: Any) -> Json:
        made: Json = self.json("POST", "v1/synchronizations", json={"url": url, "interval": 900, **sent})
        return made

    def read(self, synchronization: Json) -> Json:
        found: Json = self.json("GET", f"v1/synchronizations/{synchronization['id']}")
        return found

    def until_ended(self, synchronization: Json, after: Json | None = None) -> Json:
        """Wait until a run has ended, one later than that of an earlier state."""
        deadline = time.monotonic() + 30
        while True:
            now = self.read(synchronization)
            if now["state"] in ENDED and (after is None or now["ran_at"] > after["ran_at"]):
                return now
            assert time.monotonic() < deadline, f"it stays {now}"
            time.sleep(0.02)

    def created(self, url: str, **sent: Any) -> Json:
        """Create a synchronization and wait for its first import."""
        return self.until_ended(self.create(url, **sent))

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock."""
        root = self.base_url.partition("/user/")[0]
        answer = requests.post(f"{root}/sandbox/clock", json={"advance": seconds}, timeout=30)
        assert answer.status_code == 200, answer.text

    def run_when_due(self, synchronization: Json) -> Json:
        """Let the next run come, and wait for its end."""
        before = self.read(synchronization)
        self.advance(before["interval"] + 1)
        return self.until_ended(synchronization, before)

    def sync_now(self, synchronization: Json) -> bool:
        answer = self.json("PUT", f"v1/synchronizations/{synchronization['id']}/sync_now", json={})
        assert answer == {"enqueued": answer["enqueued"], "synchronization_id": synchronization["id"]}
        return bool(answer["enqueued"])


@pytest.fixture(scope="module")
def account() -> Iterator[Synchronizations]:
    with Sandbox() as running:
        yield Synchronizations(running.base_url, running.api_key)


@pytest.fixture(autouse=True)
def _forget_synchronizations(request: pytest.FixtureRequest) -> Iterator[None]:
    """Moving the clock makes all due: none may be left over."""
    yield
    if "account" in request.fixturenames:
        account: Synchronizations = request.getfixturevalue("account")
        for each in account.json("GET", "v1/synchronizations")["synchronizations"]:
            account.call("DELETE", f"v1/synchronizations/{each['id']}")


def names_in(account: RailsClient, table: str) -> list[str]:
    return [row["name"] for row in account.sql(f"SELECT name FROM {table} ORDER BY name")]


def since(earlier: str, later: str) -> timedelta:
    return datetime.fromisoformat(later.replace("Z", "+00:00")) - datetime.fromisoformat(earlier.replace("Z", "+00:00"))


# ---- the first import


def test_a_new_synchronization(account: Synchronizations, source: Source) -> None:
    source.serve("one,1,10", etag='"v1"', modified="Wed, 01 Jan 2020 10:00:00 GMT")
    made = account.create(source.url, interval="1000", content_guessing=True)
    assert sorted(made) == sorted([*KEYS, "data_import"])
    assert made["data_import"]["endpoint"] == "/api/v1/imports"
    assert (made["state"], made["name"], made["visualization_id"], made["checksum"]) == ("queued", None, None, "")
    assert (made["interval"], made["content_guessing"], made["type_guessing"]) == (1000, True, True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", made["created_at"])
    ended = account.until_ended(made)
    assert sorted(ended) == sorted(KEYS)
    assert (ended["state"], ended["error_code"], ended["retried_times"]) == ("success", None, 0)
    assert (ended["etag"], ended["modified_at"]) == ('"v1"', "2020-01-01T10:00:00.000Z")
    assert len(ended["checksum"]) == 64
    assert (ended["url"], ended["service_name"], ended["service_item_id"]) == (source.url, None, source.url)
    assert since(ended["ran_at"], ended["run_at"]) == timedelta(seconds=1000)
    job = account.json("GET", f"v1/imports/{made['data_import']['item_queue_id']}")
    assert (job["state"], job["synchronization_id"], job["visualization_id"]) == (
        "complete", ended["id"], ended["visualization_id"],
    )  # fmt: skip
    assert ended["log_id"] == job["id"]
    assert names_in(account, ended["name"]) == ["one"]
    dataset = account.dataset(ended["visualization_id"])
    assert dataset["synchronization"]["id"] == ended["id"]
    assert account.json("GET", f"v1/tables/{ended['name']}")["synchronization"]["id"] == ended["id"]


def test_a_first_import_that_fails(account: Synchronizations, source: Source) -> None:
    source.status = 404
    ended = account.created(source.url)
    assert (ended["state"], ended["error_code"], ended["error_message"]) == ("failure", 1100, "Download file not found")
    assert (ended["name"], ended["visualization_id"], ended["retried_times"]) == (None, None, 1)
    source.status = 200
    retried = account.run_when_due(ended)
    assert (retried["state"], retried["error_code"], retried["retried_times"]) == ("success", None, 0)
    assert account.dataset(retried["visualization_id"])["name"] == retried["name"]
    assert names_in(account, retried["name"]) == ["one", "two"]


@pytest.mark.parametrize(
    ("sent", "status", "answer"),
    [
        ({"json": {"url": "http://127.0.0.1/a.csv", "interval": 899}}, 400,
         {"errors": "Invalid interval: Sync interval must be at least 15 minutes"}),
        ({"json": {"url": "gopher://127.0.0.1/a.csv"}}, 400,
         {"errors": "Invalid URL, cannot connect dataset: gopher://127.0.0.1/a.csv"}),
        ({"json": {"interval": 900}}, 400,
         {"errors": "Invalid URL, cannot connect dataset: there is no url and no connector"}),
        ({"json": {"url": "http://127.0.0.1/a.csv", "interval": "soon"}}, 400,
         {"errors": "Invalid interval: soon is no number of seconds"}),
        ({"data": {"url": "http://127.0.0.1/a.csv"}}, 500, None),
        ({}, 500, None),
    ],
)  # fmt: skip
def test_refused_synchronizations(account: Synchronizations, sent: Json, status: int, answer: Any) -> None:
    response = account.call("POST", "v1/synchronizations", **sent)
    assert response.status_code == status
    assert (response.json() if response.content else None) == answer
    assert account.json("GET", "v1/synchronizations") == {"synchronizations": [], "total_entries": 0}


@pytest.mark.parametrize("key", [None, "wrong", "regular_demo", "default_public"])
def test_only_the_master_key_has_synchronizations(account: Synchronizations, key: str | None) -> None:
    one = f"v1/synchronizations/{NOBODY}"
    calls = [("GET", "v1/synchronizations"), ("POST", "v1/synchronizations"), ("GET", one), ("PUT", one)]
    calls += [("DELETE", one), ("GET", f"{one}/sync_now"), ("PUT", f"{one}/sync_now")]
    for method, path in calls:
        response = account.call(method, path, key, json=None if method == "GET" else {})
        assert (response.status_code, response.content) == (401, b""), f"{method} {path}"


def test_a_missing_synchronization_is_an_empty_404(account: Synchronizations) -> None:
    for wanted in (NOBODY, "no-uuid"):
        one = f"v1/synchronizations/{wanted}"
        for method, path in (("GET", one), ("PUT", one), ("DELETE", one), ("GET", f"{one}/sync_now")):
            response = account.call(method, path, json=None if method == "GET" else {})
            assert (response.status_code, response.content) == (404, b""), f"{method} {path}"


# ---- the next runs


def test_a_changed_source_changes_the_table_in_place(account: Synchronizations, source: Source) -> None:
    first = account.created(source.url)
    name = first["name"]
    dataset = account.change(account.dataset(name), privacy="PUBLIC", description="kept")
    oid = account.sql(f"SELECT '{name}'::regclass::oid::int AS oid")
    source.serve("three,3,30")
    second = account.run_when_due(first)
    assert second["state"] == "success"
    assert second["checksum"] != first["checksum"]
    assert second["log_id"] != first["log_id"]
    assert names_in(account, name) == ["three"]
    after = account.dataset(name)
    assert (after["id"], after["table"]["id"]) == (dataset["id"], dataset["table"]["id"])
    assert (after["privacy"], after["description"]) == ("PUBLIC", "kept")
    assert account.sql(f"SELECT count(*) FROM {name}", None) == [{"count": 1}], "the public still reads it"
    assert account.sql(f"SELECT '{name}'::regclass::oid::int AS oid") == oid
    assert account.json("GET", f"v1/tables/{name}")["updated_at"] > dataset["table"]["updated_at"]


def test_a_renamed_dataset_is_still_synchronized(account: Synchronizations, source: Source) -> None:
    first = account.created(source.url)
    renamed = account.change(account.dataset(first["name"]), name=f"{first['name']}_renamed")
    source.serve("renamed,3,30")
    assert account.run_when_due(first)["name"] == renamed["name"]
    assert names_in(account, renamed["name"]) == ["renamed"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"etag": '"same"'}, 304),
        ({"modified": "Wed, 01 Jan 2020 10:00:00 GMT"}, 304),
        ({}, 200),
    ],
    ids=["etag", "last-modified", "checksum"],
)
def test_an_unchanged_source_is_a_success_that_changes_nothing(
    account: Synchronizations, source: Source, headers: Json, status: int
) -> None:
    source.serve("one,1,10", **headers)
    first = account.created(source.url)
    account.sql(f"INSERT INTO {first['name']} (name) VALUES ('mine')")
    second = account.run_when_due(first)
    assert source.answers == [200, status]
    assert (second["state"], second["checksum"], second["etag"]) == ("success", first["checksum"], first["etag"])
    assert since(second["ran_at"], second["run_at"]) == timedelta(seconds=900)
    assert names_in(account, first["name"]) == ["mine", "one"]


def test_failures_are_retried_ten_times(account: Synchronizations, source: Source) -> None:
    row = account.created(source.url)
    source.status = 500
    for count in range(1, 11):
        before, row = row, account.run_when_due(row)
        assert (row["state"], row["retried_times"]) == ("failure", count)
    assert row["error_code"] == 1001
    assert names_in(account, row["name"]) == ["one", "two"], "what was there stays"
    assert row["run_at"] == before["run_at"], "it stops moving"
    requests_so_far = len(source.answers)
    account.advance(5000)
    time.sleep(0.3)
    assert account.read(row)["retried_times"] == 10
    assert len(source.answers) == requests_so_far
    source.status = 200
    assert account.sync_now(row) is True
    healed = account.until_ended(row, row)
    assert (healed["state"], healed["retried_times"], healed["error_message"]) == ("success", 0, None)


def test_a_broken_source_leaves_the_table_as_it_is(account: Synchronizations, source: Source) -> None:
    row = account.created(source.url)
    source.content = b""
    failed = account.run_when_due(row)
    assert (failed["state"], failed["error_code"], failed["error_message"]) == ("failure", 1005, "Empty file")
    assert names_in(account, row["name"]) == ["one", "two"]


# ---- sync_now, changes, the end


def test_sync_now_waits_for_15_minutes(account: Synchronizations, source: Source) -> None:
    row = account.created(source.url, interval=7200)
    assert account.json("GET", f"v1/synchronizations/{row['id']}/sync_now") == {"state": "success"}
    source.serve("four,4,40")
    assert account.sync_now(row) is False
    account.advance(905)
    assert account.sync_now(row) is True
    assert account.until_ended(row, row)["state"] == "success"
    assert names_in(account, row["name"]) == ["four"]
    assert account.sync_now(row) is False, "it has just run"


def test_a_run_shows_and_is_not_started_twice(account: Synchronizations, source: Source) -> None:
    row = account.created(source.url, interval=7200)
    go_on = threading.Event()
    source.before_answer = lambda: go_on.wait(30)
    account.advance(905)
    assert account.sync_now(row) is True
    path = f"v1/synchronizations/{row['id']}/sync_now"
    seen = set()
    deadline = time.monotonic() + 10
    while account.json("GET", path) != {"state": "syncing"}:
        seen.add(account.json("GET", path)["state"])
        assert time.monotonic() < deadline, f"only {seen} were seen"
    account.advance(905)
    assert account.sync_now(row) is False
    go_on.set()
    assert account.until_ended(row, row)["state"] == "success"


def test_no_more_than_three_run_at_once(account: Synchronizations, source: Source) -> None:
    rows = [account.created(source.url, interval=7200) for _ in range(4)]
    go_on = threading.Event()
    source.before_answer = lambda: go_on.wait(30)
    account.advance(905)
    assert [account.sync_now(row) for row in rows] == [True, True, True, False]
    go_on.set()
    for row in rows[:3]:
        account.until_ended(row, row)
    assert account.sync_now(rows[3]) is True
    account.until_ended(rows[3], rows[3])


def test_a_new_interval(account: Synchronizations, source: Source) -> None:
    row = account.created(source.url)
    changed = account.json("PUT", f"v1/synchronizations/{row['id']}", json={"interval": 7200, "nonsense": 1})
    assert sorted(changed) == sorted(KEYS)
    assert changed["interval"] == 7200
    assert since(changed["updated_at"], changed["run_at"]) == timedelta(seconds=7200)
    refused = account.call("PUT", f"v1/synchronizations/{row['id']}", json={"interval": "often"})
    assert (refused.status_code, refused.json()) == (
        400, {"errors": "Invalid interval: often is no number of seconds"},
    )  # fmt: skip
    requests_so_far = len(source.answers)
    account.advance(1000)
    time.sleep(0.2)
    assert len(source.answers) == requests_so_far, "the old interval is over"


def test_deleting_a_synchronization_leaves_the_table(account: Synchronizations, source: Source) -> None:
    row = account.created(source.url)
    listed = account.json("GET", "v1/synchronizations")
    assert (listed["total_entries"], listed["synchronizations"]) == (1, [row])
    response = account.call("DELETE", f"v1/synchronizations/{row['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert account.dataset(row["name"])["synchronization"] is None
    assert names_in(account, row["name"]) == ["one", "two"]


def test_deleting_the_dataset_ends_the_synchronization(account: Synchronizations, source: Source) -> None:
    row = account.created(source.url)
    account.sql(f"DROP TABLE {row['name']}")
    assert account.call("GET", f"v1/synchronizations/{row['id']}").status_code == 404


# ---- a connector, the clock, a restart


@pytest.fixture
def socket_directory(account: RailsClient) -> str:
    """Find out where the sandbox's own PostgreSQL listens: to a connector it is a database like any other."""
    pid = account.sql("SELECT pg_backend_pid() AS pid")[0]["pid"]
    server = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    command = Path(f"/proc/{server}/cmdline").read_text().split("\0")
    option = "--unix_socket_directories="
    return next(word.removeprefix(option) for word in command if word.startswith(option))


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the database by Linux's /proc")
def test_a_table_of_a_database(account: Synchronizations, socket_directory: str) -> None:
    account.sql("CREATE TABLE remote (name text); INSERT INTO remote VALUES ('first')")
    (here,) = account.sql("SELECT current_database()::text AS database, current_user::text AS username")
    connector = {"provider": "postgres", "connection": {"server": socket_directory, **here}, "table": "remote",
                 "import_as": "fetched"}  # fmt: skip
    row = account.until_ended(account.json("POST", "v1/synchronizations", json={"connector": connector}))
    assert (row["state"], row["name"], row["url"], row["interval"]) == ("success", "fetched", None, 3600)
    assert (row["service_name"], json.loads(row["service_item_id"])) == ("connector", connector)
    account.sql("UPDATE remote SET name = 'second'")
    assert account.run_when_due(row)["state"] == "success"
    assert names_in(account, "fetched") == ["second"]


def test_a_connector_that_fails(account: Synchronizations) -> None:
    made = account.json("POST", "v1/synchronizations", json={"connector": {"provider": "oracle"}})
    ended = account.until_ended(made)
    assert (ended["state"], ended["error_code"]) == ("failure", 1501)


def test_import_slots_are_kept(account: Synchronizations, source: Source) -> None:
    go_on = threading.Event()
    source.before_answer = lambda: go_on.wait(30)
    rows = [account.create(source.url) for _ in range(3)]
    refused = account.call("POST", "v1/synchronizations", json={"url": source.url})
    assert refused.status_code == 429
    assert refused.json() == {"errors": "We're sorry but you're already using your allowed 3 import slots"}
    go_on.set()
    for row in rows:
        assert account.until_ended(row)["state"] == "success"
    assert account.created(source.url)["state"] == "success"


def test_a_clock_that_makes_no_sense(account: Synchronizations) -> None:
    root = account.base_url.partition("/user/")[0]
    for body in (b"", b"[]", b'{"advance": "x"}', b'{"back": 1}'):
        assert requests.post(f"{root}/sandbox/clock", data=body, timeout=30).status_code == 400
    assert requests.delete(f"{root}/sandbox/clock", timeout=30).json()["ahead"] == 0
    account.advance(10)
    assert requests.get(f"{root}/sandbox/clock", timeout=30).json()["ahead"] == 10


def test_a_synchronization_survives_a_restart(source: Source, data_dir: Path) -> None:
    go_on = threading.Event()
    with Sandbox(data_dir=data_dir) as first:
        account = Synchronizations(first.base_url, first.api_key)
        row = account.created(source.url, interval=7200)
        source.serve("after the restart,1,1")
        source.before_answer = lambda: go_on.wait(30)
        account.advance(905)
        assert account.sync_now(row) is True
    go_on.set()
    with Sandbox(data_dir=data_dir) as second:
        account = Synchronizations(second.base_url, second.api_key)
        assert account.until_ended(row, row)["state"] == "success"
        assert names_in(account, row["name"]) == ["after the restart"]
