"""The Batch API over a real socket: answers, statuses, the queue, and what survives the end of the server."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from carto.sandbox import Sandbox
from tests.sandbox.processes import reads_proc, servers

Json = dict[str, Any]

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ENDED = {"done", "failed", "cancelled", "unknown"}
MASTER = {"type": "master", "token": "master"}
ACCOUNTS = [
    {"name": "demo", "batch_update": True, "keys": [MASTER, {"type": "regular", "name": "r", "token": "regular"}]},
    {"name": "hasty", "batch_timeout_ms": 300, "keys": [MASTER]},
    {"name": "lost", "database_url": "postgresql://127.0.0.1:9/nowhere", "keys": [MASTER]},
]


class Jobs:
    """Calls the Batch API of one account with its master key."""

    def __init__(self, base_url: str) -> None:
        self.url = base_url + "api/v2/sql"
        self.session = requests.Session()

    def call(self, method: str, path: str = "", **arguments: Any) -> requests.Response:
        arguments.setdefault("params", {"api_key": "master"})
        return self.session.request(method, f"{self.url}/job{path}", timeout=30, **arguments)

    def create(self, query: Any) -> str:
        response = self.call("POST", json={"query": query})
        assert response.status_code == 201, response.text
        return str(response.json()["job_id"])

    def read(self, job_id: str) -> Json:
        response = self.call("GET", "/" + job_id)
        assert response.status_code == 200, response.text
        job: Json = response.json()
        return job

    def cancel(self, job_id: str) -> requests.Response:
        return self.call("DELETE", "/" + job_id)

    def until(self, job_id: str, is_reached: Callable[[Json], bool]) -> Json:
        deadline = time.monotonic() + 20
        while not is_reached(job := self.read(job_id)):
            assert time.monotonic() < deadline, f"it stays {job}"
            time.sleep(0.01)
        return job

    def until_ended(self, job_id: str) -> Json:
        unfinished = (None, "done", "failed", "skipped", "cancelled")
        return self.until(job_id, lambda j: j["status"] in ENDED and j.get("fallback_status") in unfinished)

    def until_running(self, job_id: str) -> Json:
        return self.until(job_id, lambda job: job["status"] == "running")

    def run(self, query: Any) -> Json:
        return self.until_ended(self.create(query))

    def sql(self, query: str) -> list[Json]:
        answer = self.session.post(self.url, data={"q": query, "api_key": "master"}, timeout=30).json()
        assert "error" not in answer, answer
        rows: list[Json] = answer["rows"]
        return rows

    def log(self) -> list[str]:
        return [row["t"] for row in self.sql("select t from log order by n")]


@pytest.fixture(scope="module")
def carto() -> Iterator[Sandbox]:
    with Sandbox(accounts=ACCOUNTS) as running:
        yield running


@pytest.fixture
def jobs(carto: Sandbox) -> Iterator[Jobs]:
    client = Jobs(carto.account("demo").base_url)
    client.sql("drop table if exists log; create table log (n serial, t text)")
    with client.session:
        yield client


@pytest.fixture
def of_account(carto: Sandbox) -> Iterator[Callable[[str], Jobs]]:
    made: list[Jobs] = []

    def make(name: str) -> Jobs:
        made.append(Jobs(carto.account(name).base_url))
        return made[-1]

    yield make
    for client in made:
        client.session.close()


def note(text: str) -> str:
    return f"insert into log (t) values ('{text}')"


def statuses(parts: list[Json]) -> list[tuple[str, str | None]]:
    return [(part["status"], part.get("fallback_status")) for part in parts]


def test_a_job_as_created_and_as_done(jobs: Jobs) -> None:
    created = jobs.call("POST", json={"query": note("x")}).json()
    assert list(created) == ["user", "query", "job_id", "created_at", "updated_at", "status"]
    assert (created["user"], created["query"], created["status"]) == ("demo", note("x"), "pending")
    assert TIMESTAMP.fullmatch(created["created_at"])
    done = jobs.until_ended(created["job_id"])
    assert list(done) == ["user", "status", "query", "created_at", "updated_at", "job_id"]
    assert done["status"] == "done"
    assert done["updated_at"] > done["created_at"]
    assert jobs.log() == ["x"]


def test_a_failed_job_tells_the_reason(jobs: Jobs) -> None:
    job = jobs.run("select 1/0")
    assert (job["status"], job["failed_reason"]) == ("failed", "division by zero")


@pytest.mark.parametrize("query", ["   ", "vacuum log", "begin; select 1", "select 'ñ 日本 😀 100% \ud83d'"])
def test_unusual_queries_that_work(jobs: Jobs, query: str) -> None:
    assert jobs.run(query)["status"] == "done"


def test_a_zero_byte_does_not_cut_the_query_short(jobs: Jobs) -> None:
    job = jobs.run(note("x") + "\0 and more")
    assert (job["status"], job["failed_reason"]) == ("failed", "invalid message format")
    assert jobs.log() == []


def test_several_statements_in_one_query(jobs: Jobs) -> None:
    assert jobs.run(f"{note('a')}; {note('b')}")["status"] == "done"
    assert jobs.log() == ["a", "b"]


def test_a_list_stops_at_the_first_error_and_keeps_what_was_done(jobs: Jobs) -> None:
    job = jobs.run([note("a"), "select * from nowhere", note("b")])
    reason = 'relation "nowhere" does not exist'
    assert (job["status"], job["failed_reason"]) == ("failed", reason)
    assert job["query"] == [
        {"query": note("a"), "status": "done"},
        {"query": "select * from nowhere", "status": "failed", "failed_reason": reason},
        {"query": note("b"), "status": "pending"},
    ]
    assert jobs.log() == ["a"]


def test_fallbacks_run_after_their_query_and_the_jobs_own_at_last(jobs: Jobs) -> None:
    query = {
        "query": [
            {"query": note("1"), "onsuccess": note("1 ok <%= job_id %>"), "onerror": note("1 bad")},
            {"query": "select 1/0", "onsuccess": note("2 ok"), "onerror": note("2 bad: <%=error_message%>")},
            {"query": note("3"), "onsuccess": note("3 ok")},
        ],
        "onsuccess": note("all ok"),
        "onerror": note("job bad: <%= error_message %>"),
    }
    job = jobs.run(query)
    assert jobs.log() == ["1", f"1 ok {job['job_id']}", "2 bad: division by zero", "job bad: division by zero"]
    assert (job["status"], job["fallback_status"]) == ("failed", "done")
    parts = job["query"]["query"]
    assert statuses(parts) == [("done", "done"), ("failed", "done"), ("skipped", "skipped")]
    assert list(parts[1])[3:] == ["status", "fallback_status", "started_at", "ended_at", "failed_reason"]
    assert TIMESTAMP.fullmatch(parts[1]["started_at"])
    assert "started_at" not in parts[2]


def test_when_all_goes_well_only_the_fallbacks_for_success_run(jobs: Jobs) -> None:
    query = {
        "query": [{"query": note("1"), "onerror": note("bad"), "id": "kept"}, {"query": note("2")}],
        "onsuccess": note("all ok"),
    }
    job = jobs.run(query)
    assert jobs.log() == ["1", "2", "all ok"]
    assert (job["status"], job["fallback_status"]) == ("done", "done")
    assert statuses(job["query"]["query"]) == [("done", "skipped"), ("done", None)]
    assert job["query"]["query"][0]["id"] == "kept"


def test_a_failing_fallback_does_not_fail_the_job(jobs: Jobs) -> None:
    job = jobs.run({"query": [{"query": "select 1", "onsuccess": "select 1/0"}]})
    (part,) = job["query"]["query"]
    assert job["status"] == "done"
    assert (part["status"], part["fallback_status"]) == ("done", "failed")
    assert part["failed_reason"] == "division by zero"


def test_a_query_without_a_fallback_fails_the_job_with_its_reason(jobs: Jobs) -> None:
    job = jobs.run({"query": [{"query": "select 1/0"}, {"query": "select 1"}], "onsuccess": note("ok")})
    assert (job["status"], job["failed_reason"]) == ("failed", "division by zero")
    assert job["fallback_status"] == "skipped"
    assert statuses(job["query"]["query"]) == [("failed", None), ("skipped", None)]
    assert jobs.log() == []


def test_limits_of_time(jobs: Jobs, of_account: Callable[[str], Jobs]) -> None:
    reason = "canceling statement due to statement timeout"
    assert of_account("hasty").run("select pg_sleep(20)")["failed_reason"] == reason
    job = jobs.run({"query": [{"query": "select pg_sleep(20)", "timeout": 100}]})
    assert job["query"]["query"][0]["failed_reason"] == reason


@pytest.mark.parametrize("timeout", ["1e999", "-5", "true", '"1"', "null"])
def test_a_limit_that_is_none_is_ignored(jobs: Jobs, timeout: str) -> None:
    body = '{"query": {"query": [{"query": "select pg_sleep(0.01)", "timeout": TIMEOUT}]}}'
    body = body.replace("TIMEOUT", timeout)
    created = jobs.call("POST", data=body, headers={"Content-Type": "application/json"}).json()
    assert jobs.until_ended(created["job_id"])["status"] == "done"


def test_cancelling_stops_the_statement_in_postgresql(jobs: Jobs) -> None:
    job_id = jobs.create("select pg_sleep(20) /* cancelled */")
    jobs.until_running(job_id)
    active = "select count(*) as n from pg_stat_activity where state = 'active' and query like '%/* cancelled */'"
    jobs.until(job_id, lambda _: jobs.sql(active) == [{"n": 1}])
    began = time.monotonic()
    response = jobs.cancel(job_id)
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")
    assert jobs.sql(active) == [{"n": 0}]
    assert time.monotonic() - began < 5
    assert jobs.read(job_id)["status"] == "cancelled"
    again = jobs.cancel(job_id)
    assert (again.status_code, again.json()) == (
        400,
        {"error": ["Cannot set status from cancelled to cancelled"]},
    )


@pytest.mark.parametrize("query", ["select 1", "select 1/0"])
def test_what_has_ended_cannot_be_cancelled(jobs: Jobs, query: str) -> None:
    job = jobs.run(query)
    response = jobs.cancel(job["job_id"])
    assert response.status_code == 400
    assert response.json() == {"error": [f"Cannot set status from {job['status']} to cancelled"]}
    assert response.headers["Content-Disposition"] == "inline"


def test_cancelling_a_list_leaves_the_later_queries_pending(jobs: Jobs) -> None:
    job_id = jobs.create(["select pg_sleep(20)", note("x")])
    jobs.until_running(job_id)
    job = jobs.cancel(job_id).json()
    assert job["status"] == "cancelled"
    assert [part["status"] for part in job["query"]] == ["cancelled", "pending"]
    assert jobs.run("select 1")["status"] == "done"
    assert jobs.log() == []


def test_cancelling_a_job_with_fallbacks_skips_the_rest(jobs: Jobs) -> None:
    parts = [{"query": "select pg_sleep(20)", "onerror": note("part")}, {"query": note("x")}]
    job_id = jobs.create({"query": parts, "onerror": note("job")})
    jobs.until_running(job_id)
    job = jobs.cancel(job_id).json()
    assert (job["status"], job["fallback_status"]) == ("cancelled", "skipped")
    assert statuses(job["query"]["query"]) == [("cancelled", "skipped"), ("skipped", None)]
    assert job["query"]["query"][0]["ended_at"] == job["updated_at"]
    assert jobs.run("select 1")["status"] == "done"
    assert jobs.log() == []


def test_one_worker_for_each_user(jobs: Jobs, of_account: Callable[[str], Jobs]) -> None:
    first, second = jobs.create("select pg_sleep(20)"), jobs.create(note("second"))
    jobs.until_running(first)
    assert of_account("hasty").run("select 1")["status"] == "done"
    assert jobs.read(second)["status"] == "pending"
    wip = requests.get(jobs.url.replace("/sql", "/jobs-wip"), timeout=10).json()
    assert wip == {"demo": [first]}
    assert jobs.cancel(first).status_code == 200
    assert jobs.until_ended(second)["status"] == "done"


def test_a_pending_job_can_be_cancelled(jobs: Jobs) -> None:
    blocker, job_id = jobs.create("select pg_sleep(20)"), jobs.create(note("never"))
    assert jobs.cancel(job_id).json()["status"] == "cancelled"
    jobs.cancel(blocker)
    assert jobs.run("select 1")["status"] == "done"
    assert jobs.log() == []


def test_at_most_64_jobs_wait(jobs: Jobs) -> None:
    blocker = jobs.create("select pg_sleep(20)")
    jobs.until_running(blocker)
    waiting = [jobs.create("select 1") for _ in range(64)]
    response = jobs.call("POST", json={"query": "select 1"})
    assert response.status_code == 400
    assert response.json() == {"error": ["Failed to create job. Max number of jobs (64) queued reached"]}
    jobs.cancel(blocker)
    assert jobs.until_ended(waiting[-1])["status"] == "done"
    assert jobs.run("select 1")["status"] == "done"


def test_at_most_16_kb_are_taken(jobs: Jobs) -> None:
    def query_of(size: int) -> str:
        return "select '{}'".format("x" * (size - len('{"query":"select \'\'"}')))

    assert jobs.run(query_of(16384))["status"] == "done"
    response = jobs.call("POST", json={"query": query_of(16385)})
    assert response.status_code == 400
    assert response.json()["error"][0].startswith("Your payload is too large: 16385 bytes.")
    emoji = jobs.call("POST", json={"query": f"select '{'😀' * 8190}'"})
    assert emoji.json()["error"][0].startswith("Your payload is too large: 16401 bytes.")


NO_SQL = "You must indicate a valid SQL"
NO_CLASS = "there is no job class for the provided query"
OF_NULL = "Cannot read property 'query' of null"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (None, NO_SQL),
        ("", NO_SQL),
        (0, NO_SQL),
        (False, NO_SQL),
        (5, NO_CLASS),
        (True, NO_CLASS),
        ([1, 2], NO_CLASS),
        (["select 1", None], OF_NULL),
        ({}, NO_CLASS),
        ({"query": "select 1"}, NO_CLASS),
        ({"query": ["select 1"]}, NO_CLASS),
        ({"query": [None]}, OF_NULL),
        ({"query": [{"query": ""}]}, NO_CLASS),
        ({"query": [{"query": "select 1", "onerror": 5}]}, NO_CLASS),
        ({"query": [{"query": "select 1"}], "onsuccess": ["select 1"]}, NO_CLASS),
    ],
)
def test_queries_that_are_none(jobs: Jobs, query: Any, message: str) -> None:
    response = jobs.call("POST", json={"query": query})
    assert (response.status_code, response.json()) == (400, {"error": [message]})


@pytest.mark.parametrize("query", [[], [{"query": "select 1"}], {"query": []}])
def test_jobs_that_stay_pending_for_ever(jobs: Jobs, query: Any) -> None:
    job_id = jobs.create(query)
    assert jobs.run("select 1")["status"] == "done"
    assert jobs.read(job_id)["query"] == query
    assert jobs.read(job_id)["status"] == "pending"
    assert jobs.cancel(job_id).status_code == 400


def test_a_query_may_come_in_a_form_or_in_the_url(jobs: Jobs) -> None:
    form = jobs.call("POST", data={"query": "select 1", "api_key": "master"}, params={})
    assert (form.status_code, form.json()["query"]) == (201, "select 1")
    listed = jobs.call("POST", data={"query[]": ["select 1", "select 2"]}).json()
    assert [part["query"] for part in listed["query"]] == ["select 1", "select 2"]
    in_url = jobs.call("POST", params={"query": "select 3", "api_key": "master"})
    assert (in_url.status_code, in_url.json()["query"]) == (201, "select 3")


@pytest.mark.parametrize(
    ("key", "status", "message"),
    [
        ("default_public", 403, "permission denied"),
        ("regular", 403, "permission denied"),
        ("", 403, "permission denied"),
        ("wrong", 401, "Unauthorized"),
    ],
)
def test_only_the_master_key_opens(jobs: Jobs, key: str, status: int, message: str) -> None:
    job_id = jobs.create("select 1")
    for response in (
        jobs.call("GET", "/" + job_id, params={"api_key": key}),
        jobs.call("DELETE", "/" + job_id, params={"api_key": key}),
        jobs.call("PUT", "/" + job_id, params={"api_key": key}, json={"query": "select 2"}),
        jobs.call("POST", params={"api_key": key}, json={"query": "select 1"}),
    ):
        assert (response.status_code, response.json()) == (status, {"error": [message]})


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_unknown_jobs(jobs: Jobs, method: str) -> None:
    response = jobs.call(method, "/zzz", json={"query": "select 1"})
    assert (response.status_code, response.json()) == (400, {"error": ["Job with id zzz not found"]})


def test_jobs_are_read_through_any_account(jobs: Jobs, of_account: Callable[[str], Jobs]) -> None:
    job = jobs.run("select 1")
    assert of_account("hasty").read(job["job_id"]) == job


def test_a_pending_job_can_be_changed_where_the_account_allows(jobs: Jobs) -> None:
    blocker, job_id = jobs.create("select pg_sleep(20)"), jobs.create(note("old"))
    response = jobs.call("PUT", "/" + job_id, json={"query": [note("new"), note("newer")]})
    assert response.status_code == 200
    assert response.json()["job_id"] == job_id
    assert [part["status"] for part in response.json()["query"]] == ["pending", "pending"]
    jobs.until_running(blocker)
    late = jobs.call("PUT", "/" + blocker, json={"query": "select 1"})
    assert (late.status_code, late.json()) == (400, {"error": ["Job is not pending, it cannot be updated"]})
    jobs.cancel(blocker)
    assert jobs.until_ended(job_id)["status"] == "done"
    assert jobs.log() == ["new", "newer"]


def test_a_job_that_was_stuck_runs_after_a_change(jobs: Jobs) -> None:
    job_id = jobs.create([])
    jobs.call("PUT", "/" + job_id, json={"query": note("now")})
    assert jobs.until_ended(job_id)["status"] == "done"
    assert jobs.log() == ["now"]


@pytest.mark.parametrize(("method", "path"), [("PUT", "/x"), ("PATCH", "/x"), ("POST", "/x"), ("GET", "")])
def test_verbs_that_the_present_server_does_not_know(of_account: Callable[[str], Jobs], method: str, path: str) -> None:
    response = of_account("hasty").call(method, path, json={"query": "select 1"})
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f"<pre>Cannot {method} /user/hasty/api/v2/sql/job{path}</pre>" in response.text


def test_a_job_whose_database_is_away_stays_running(of_account: Callable[[str], Jobs]) -> None:
    lost = of_account("lost")
    first, second = lost.create("select 1"), lost.create("select 2")
    lost.until_running(second)
    assert lost.read(first)["status"] == "running"


@pytest.fixture
def kept() -> Iterator[Sandbox]:
    """Give a sandbox that keeps its data from one start to the next."""
    directory = Path(tempfile.mkdtemp(prefix="d-", dir="/tmp"))
    directory.chmod(0o755)
    sandbox = Sandbox(data_dir=directory, accounts=ACCOUNTS[:1])
    try:
        yield sandbox
    finally:
        sandbox.stop()
        shutil.rmtree(directory)


def test_jobs_survive_a_restart_and_what_was_cut_off_begins_again(kept: Sandbox) -> None:
    jobs = Jobs(kept.start().base_url)
    jobs.sql("create table log (n serial, t text)")
    finished = jobs.run(note("before"))
    cut_off = jobs.create([note("first"), f"{note('cut off')}; select pg_sleep(3)"])
    waiting = jobs.create(note("waiting"))
    jobs.until(cut_off, lambda job: job["query"][1]["status"] == "running")
    kept.stop()
    jobs = Jobs(kept.start().base_url)
    assert jobs.read(finished["job_id"]) == finished
    assert jobs.until_ended(cut_off)["status"] == "done"
    assert jobs.until_ended(waiting)["status"] == "done"
    assert jobs.log() == ["before", "first", "cut off", "waiting"]


@reads_proc
def test_of_a_job_that_ran_when_the_server_died_nobody_knows(kept: Sandbox) -> None:
    others = servers()
    jobs = Jobs(kept.start().base_url)
    jobs.sql("create table log (n serial, t text)")
    (server,) = servers() - others
    query = {"query": [{"query": "select pg_sleep(20)", "onerror": note("part")}], "onerror": note("job")}
    running, waiting = jobs.create(query), jobs.create(note("waiting"))
    jobs.until_running(running)
    os.kill(server, signal.SIGKILL)
    kept.stop()
    jobs = Jobs(kept.start().base_url)
    job = jobs.read(running)
    assert (job["status"], job["fallback_status"]) == ("unknown", "skipped")
    assert statuses(job["query"]["query"]) == [("unknown", "skipped")]
    assert jobs.until_ended(waiting)["status"] == "done"
    assert jobs.log() == ["waiting"]
