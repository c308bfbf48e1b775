"""BatchSQLClient: requests, statuses and reasons."""

import json

import pytest
import responses

from carto import jobs
from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoInvalidResponseException,
    CartoJobException,
    CartoNotFoundException,
    CartoServerException,
    CartoUsageException,
)
from carto.sql import BATCH_JOBS_FAILED_STATUSES, BatchSQLClient

JOB_URL = "https://me.carto.com/api/v2/sql/job/"


@pytest.fixture
def batch(monkeypatch):
    monkeypatch.setattr(jobs.time, "sleep", lambda seconds: None)
    return BatchSQLClient(APIKeyAuthClient("https://me.carto.com/", "secret-key"))


def job(status, **more):
    return {"job_id": "abc-1", "status": status, "query": "select 1", **more}


@responses.activate
@pytest.mark.parametrize("query", [
    "select 1",
    ["select 1", "select 2"],
    [],
    {"query": [{"query": "select 1", "onerror": "select 2"}], "onsuccess": "select 3"},
])
def test_create_sends_the_query_as_it_is(batch, query):
    responses.post(JOB_URL, json=job("pending"), status=201)
    assert batch.create(query)["job_id"] == "abc-1"
    sent = responses.calls[0].request
    assert json.loads(sent.body) == {"query": query}
    assert sent.headers["content-type"] == "application/json"
    assert "secret-key" not in sent.url


@pytest.mark.parametrize("query", [
    "", "  ", None, 3, [1], ["select 1", None], [{"query": "select 1"}], {}, {"query": []}])
def test_what_the_server_would_never_run_is_refused(batch, query):
    with pytest.raises(CartoUsageException, match="a batch query is"):
        batch.create(query)


def test_an_empty_list_is_not_waited_for(batch):
    with pytest.raises(CartoUsageException, match="never ends"):
        batch.create_and_wait_for_completion([])


@responses.activate
@pytest.mark.parametrize("timeout", [None, 0, -1, float("inf"), "60"])
def test_a_job_that_cannot_be_waited_for_is_not_created(batch, timeout):
    with pytest.raises(CartoUsageException, match="timeout of a wait"):
        batch.create_and_wait_for_completion("select 1", timeout=timeout)
    assert len(responses.calls) == 0


@responses.activate
def test_an_overridden_send_is_called_as_carto_python_did():
    class Telling(BatchSQLClient):
        def send(self, url, http_method, json_body=None, http_header=None):
            told.append((http_method, url, json_body))
            return super().send(url, http_method, json_body, http_header)

    told = []
    batch = Telling(APIKeyAuthClient("https://me.carto.com/", "secret-key"))
    responses.post(JOB_URL, json=job("pending"), status=201)
    for add in (responses.get, responses.put, responses.delete):
        add(JOB_URL + "abc-1", json=job("done"))
    batch.create("select 1")
    batch.read("abc-1")
    batch.update("abc-1", "select 2")
    assert batch.cancel("abc-1") == "done"
    path = "api/v2/sql/job/"
    assert told == [("POST", path, {"query": "select 1"}), ("GET", f"{path}abc-1", None),
                    ("PUT", f"{path}abc-1", {"query": "select 2"}), ("DELETE", f"{path}abc-1", None)]


@responses.activate
def test_reads_are_sent_again_and_nothing_else(batch):
    responses.get(JOB_URL + "abc-1", status=503)
    responses.get(JOB_URL + "abc-1", json=job("done"))
    responses.delete(JOB_URL + "abc-1", status=503)
    assert batch.read("abc-1")["status"] == "done"
    with pytest.raises(CartoServerException):
        batch.cancel("abc-1")
    assert len(responses.calls) == 3


@responses.activate
def test_the_size_is_that_of_the_json(batch):
    responses.post(JOB_URL, json=job("pending"), status=201)
    overhead = len(json.dumps({"query": ""}))
    batch.create("x" * (batch.MAX_PAYLOAD_BYTES - overhead))
    assert len(responses.calls[0].request.body) == batch.MAX_PAYLOAD_BYTES
    with pytest.raises(CartoUsageException, match="16385 bytes"):
        batch.create("x" * (batch.MAX_PAYLOAD_BYTES - overhead + 1))


@responses.activate
def test_waits_until_done(batch):
    responses.post(JOB_URL, json=job("pending"), status=201)
    for status in ("pending", "running", "done"):
        responses.get(JOB_URL + "abc-1", json=job(status))
    seen = []
    assert batch.create_and_wait_for_completion("select 1", progress=seen.append)["status"] == "done"
    assert [each["status"] for each in seen] == ["pending", "pending", "running", "done"]


@responses.activate
def test_a_job_of_another_session_is_waited_for_by_its_id(batch):
    responses.get(JOB_URL + "abc-1", json=job("running"))
    responses.get(JOB_URL + "abc-1", json=job("done"))
    assert batch.wait_for_completion("abc-1")["status"] == "done"


@responses.activate
@pytest.mark.parametrize("status", BATCH_JOBS_FAILED_STATUSES)
def test_every_other_end_raises(batch, status):
    responses.post(JOB_URL, json=job("pending"), status=201)
    responses.get(JOB_URL + "abc-1", json=job(status))
    with pytest.raises(CartoJobException, match=f"abc-1 {status}") as caught:
        batch.create_and_wait_for_completion("select 1")
    assert caught.value.state == status


@pytest.mark.parametrize(("query", "top", "reason"), [
    ("select 1/0", {"failed_reason": "division by zero"}, "division by zero"),
    ([{"query": "a", "status": "done"}, {"query": "b", "status": "failed", "failed_reason": "no b"}], {},
     "no b (query 2)"),
    ({"query": [{"query": "a", "status": "failed", "failed_reason": "no a"}, {"query": "b", "status": "skipped"}]}, {},
     "no a (query 1)"),
    ([{"query": "a", "status": "failed", "failed_reason": "no a"}], {"failed_reason": "no a"}, "no a (query 1)"),
    ("select 1", {}, None),
])
@responses.activate
def test_the_reason_of_the_part_that_failed(batch, query, top, reason):
    responses.post(JOB_URL, json=job("pending"), status=201)
    responses.get(JOB_URL + "abc-1", json=job("failed", **top) | {"query": query})
    with pytest.raises(CartoJobException) as caught:
        batch.create_and_wait_for_completion("select 1")
    assert caught.value.reason == reason
    assert (reason or "abc-1 failed") in str(caught.value)


@responses.activate
def test_the_wait_has_a_deadline(batch):
    responses.post(JOB_URL, json=job("pending"), status=201)
    responses.get(JOB_URL + "abc-1", json=job("pending"))
    with pytest.raises(CartoJobException, match=r"not finished after 0\.05 seconds"):
        batch.create_and_wait_for_completion("select 1", timeout=0.05)


@responses.activate
def test_cancel_returns_the_status(batch):
    responses.delete(JOB_URL + "abc-1", json=job("cancelled"))
    assert batch.cancel("abc-1") == "cancelled"


@responses.activate
def test_cancelling_a_finished_job_says_done(batch):
    responses.delete(JOB_URL + "abc-1", json={"error": ["Cannot set status from done to cancelled"]}, status=400)
    assert batch.cancel("abc-1") == "done"


@responses.activate
def test_cancelling_a_failed_job_raises(batch):
    responses.delete(JOB_URL + "abc-1", json={"error": ["Cannot set status from failed to cancelled"]}, status=400)
    with pytest.raises(CartoBadRequestException, match="from failed to cancelled"):
        batch.cancel("abc-1")


@responses.activate
def test_update(batch):
    responses.put(JOB_URL + "abc-1", json=job("pending"))
    assert batch.update("abc-1", "select 2")["status"] == "pending"
    assert json.loads(responses.calls[0].request.body) == {"query": "select 2"}


@responses.activate
def test_a_server_without_updates_is_named(batch):
    responses.put(JOB_URL + "abc-1", body="<html><pre>Cannot PUT</pre></html>", status=404)
    with pytest.raises(CartoNotFoundException, match=r"cannot update batch jobs: cancel job abc-1"):
        batch.update("abc-1", "select 2")


@pytest.mark.parametrize("job_id", ["", "a/b", "../x", "https://elsewhere/x", None, "a?b"])
def test_an_id_that_is_none_is_refused(batch, job_id):
    with pytest.raises(CartoUsageException, match="not the id of a batch job"):
        batch.read(job_id)


@responses.activate
@pytest.mark.parametrize("body", ["[]", "", '{"status": "pending"}'])
def test_an_answer_that_is_no_job_is_an_error(batch, body):
    responses.post(JOB_URL, body=body, status=201)
    with pytest.raises(CartoInvalidResponseException):
        batch.create("select 1")


def test_update_from_dict_sets_attributes(batch):
    batch.update_from_dict({"item_queue_id": "q1", "status": "done"})
    assert (batch.id, batch.status) == ("q1", "done")
