"""The examples about the Batch SQL API: the jobs that they print are those on the server."""

from __future__ import annotations

import re
from typing import Any

import requests

from carto.sandbox import Sandbox
from tests.examples.scripts import account_of, failure_of, printed_by, rows_of, run_script, table_rows


def _job(sandbox: Sandbox, job_id: str) -> dict[str, Any]:
    answer = requests.get(
        f"{sandbox.base_url}api/v2/sql/job/{job_id}", params={"api_key": sandbox.api_key}, timeout=30)
    job: dict[str, Any] = answer.json()
    return job


def _printed_job(printed: str) -> dict[str, str]:
    return {row["job"]: row["value"] for row in table_rows(printed)}


def test_a_job_is_created_read_and_cancelled(sandbox: Sandbox) -> None:
    account = account_of(sandbox)
    created = _printed_job(printed_by(
        "sql_batch_api_jobs.py", "create", "--query", "SELECT pg_sleep(90)", environment=account))
    job_id = created["job_id"]
    assert created["query"] == _job(sandbox, job_id)["query"] == "SELECT pg_sleep(90)"
    assert created["status"] == "pending"
    read = _printed_job(printed_by("sql_batch_api_jobs.py", "read", "--job_id", job_id, environment=account))
    assert read["job_id"] == job_id
    assert read["status"] in ("pending", "running")
    cancelled = printed_by("sql_batch_api_jobs.py", "cancel", "--job_id", job_id, environment=account)
    assert cancelled.startswith("The job is cancelled.\n")
    assert _printed_job(cancelled)["status"] == _job(sandbox, job_id)["status"] == "cancelled"


def test_a_job_that_waits_is_updated(sandbox: Sandbox) -> None:
    account = account_of(sandbox)
    jobs = [_printed_job(printed_by("sql_batch_api_jobs.py", "create", "--query", query, environment=account))["job_id"]
            for query in ("SELECT pg_sleep(80)", "SELECT 1")]
    try:
        update = ["update", "--job_id", jobs[1], "--query", "SELECT 2"]
        updated = _printed_job(printed_by("sql_batch_api_jobs.py", *update, environment=account))
        assert updated["query"] == _job(sandbox, jobs[1])["query"] == "SELECT 2"
    finally:
        for job_id in reversed(jobs):
            printed_by("sql_batch_api_jobs.py", "cancel", "--job_id", job_id, environment=account)
    message = failure_of("sql_batch_api_jobs.py", *update, environment=account)
    assert message == "Job is not pending, it cannot be updated"


def test_what_an_operation_needs_is_asked_for(sandbox: Sandbox) -> None:
    done = run_script("sql_batch_api_jobs.py", "read", environment=account_of(sandbox))
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2, "sql_batch_api_jobs.py: error: read needs --job_id")


def test_a_job_that_is_not_there(sandbox: Sandbox) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    message = failure_of("sql_batch_api_jobs.py", "read", "--job_id", unknown, environment=account_of(sandbox))
    assert unknown in message


def test_waiting_ends_with_the_job_done(sandbox: Sandbox) -> None:
    query = "CREATE TABLE batch_example AS SELECT generate_series(1, 10) AS n"
    printed = printed_by("sql_batch_api_wait_for_completion.py", "--query", query,
                         environment=account_of(sandbox, organization=True))
    assert rows_of(sandbox, "SELECT count(*) AS n FROM batch_example") == [{"n": 10}]
    rows_of(sandbox, "DROP TABLE batch_example")
    job = _printed_job(printed)
    assert printed.startswith(f"Job {job['job_id']} was created.\n")
    assert (job["status"], job["query"]) == ("done", query)


def test_waiting_tells_why_a_job_failed(sandbox: Sandbox) -> None:
    done = run_script("sql_batch_api_wait_for_completion.py", "--query", "SELECT 1 / 0",
                      environment=account_of(sandbox))
    (job_id,) = re.findall(r"^Job (\S+) was created.$", done.stdout, re.MULTILINE)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert job_id in done.stderr
    assert _job(sandbox, job_id)["failed_reason"] in done.stderr
