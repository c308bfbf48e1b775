"""Batch SQL API: queries that run on the server for as long as they need."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from carto import jobs
from carto._http.timeouts import METADATA, Timeout
from carto.auth import SendsRequests, data_of, send_with
from carto.exceptions import (
    CartoBadRequestException,
    CartoInvalidResponseException,
    CartoNotFoundException,
    CartoUsageException,
)
from carto.sql.constants import (
    BATCH_JOBS_DONE_STATUSES,
    BATCH_JOBS_FAILED_STATUSES,
    BATCH_JOBS_FINISHED_STATUSES,
    SQL_BATCH_API_URL,
)

#: One query, queries to run one after the other, or the object with fallbacks (onsuccess, onerror).
BatchQuery: TypeAlias = "str | list[str] | Mapping[str, Any]"
#: Seconds that `BatchSQLClient.create_and_wait_for_completion` waits: what the server gives one query.
DEFAULT_WAIT = 12 * 3600.0
_ALREADY_DONE = "Cannot set status from done to cancelled"


class BatchSQLClient:
    """Creates, reads, updates and cancels batch jobs. They need the master API key.

    Args:
        client: The auth client to send with.
        api_version: The version of the SQL API.

    Attributes:
        MAX_PAYLOAD_BYTES: What the server takes as one job, as JSON.

    Example:
        >>> batch = BatchSQLClient(auth_client)
        >>> job = batch.create("CREATE TABLE numbers AS SELECT generate_series(1, 1000) AS n")
        >>> batch.wait_for_completion(job["job_id"])["status"]
        'done'
    """

    MAX_PAYLOAD_BYTES = 16384

    def __init__(self, client: SendsRequests, api_version: str = "v2") -> None:
        self.client = client
        self.api_url = SQL_BATCH_API_URL.format(api_version=api_version)
        self.api_key = getattr(client, "api_key", None)

    def send(self, url: str, http_method: str, json_body: Any = None, http_header: Mapping[str, str] | None = None, *,
             timeout: Timeout = METADATA, idempotent: bool = False) -> Any:
        """Send a request to the Batch API.

        Args:
            url: The path below the client's base URL.
            http_method: The verb.
            json_body: The body, to be sent as JSON.
            http_header: Headers to add.
            timeout: Seconds for the request.
            idempotent: Whether it may be sent again after a failure; reads may in any case.

        Returns:
            The parsed answer.

        Raises:
            CartoInvalidResponseException: The answer does not describe a job.
            CartoException: The server refused, or did not answer.
        """
        args = {"json": json_body, "headers": dict(http_header) if http_header else None}
        given = {name: value for name, value in args.items() if value is not None}
        verb = http_method.lower()
        response = send_with(self.client, url, http_method, timeout=timeout, idempotent=idempotent or verb == "get",
                             **given)
        if verb == "put" and response.status_code == 404:
            raise CartoNotFoundException(response, "this server cannot update batch jobs: "
                                                   f"cancel job {url.rpartition('/')[2]} and create another one")
        answer = data_of(self.client, response)
        if url.startswith(self.api_url) and not _is_job(answer):
            raise CartoInvalidResponseException(response, "the answer does not describe a batch job")
        return answer

    def create(self, sql_query: BatchQuery) -> dict[str, Any]:
        """Create a job.

        Args:
            sql_query: A query; a list of queries, which are not one transaction; or the object
                ``{"query": [{"query": ..., "onsuccess": ..., "onerror": ...}], "onsuccess": ..., "onerror": ...}``.

        Returns:
            The job as the server describes it: job_id, status, query, created_at, ...

        Raises:
            CartoUsageException: The query has another form, or is longer than the server takes.
            CartoForbiddenException: The key is not the master key.
        """
        job: dict[str, Any] = self.send(self.api_url, http_method="POST", json_body=self._payload(sql_query),
                                        http_header=_JSON)
        return job

    def create_and_wait_for_completion(self, sql_query: BatchQuery, timeout: float = DEFAULT_WAIT,
                                       progress: Callable[[Any], None] | None = None) -> dict[str, Any]:
        """Create a job and wait until it has ended.

        Args:
            sql_query: See `create`.
            timeout: Seconds to wait at most.
            progress: Called with the job, after each time that it was read.

        Returns:
            The job, done.

        Raises:
            CartoJobException: It failed, was cancelled, or is not done in time; the exception has
                its id and the server's reason.
            CartoUsageException: There is no query, or the timeout is not a finite number above zero; no job
                was created.
        """
        jobs.checked_timeout(timeout)
        if isinstance(sql_query, (list, tuple)) and not sql_query:
            raise CartoUsageException("there is no query in the list, and the server never ends such a job")
        return self._wait(self.create(sql_query), timeout, progress)

    def wait_for_completion(self, job_id: str, timeout: float = DEFAULT_WAIT,
                            progress: Callable[[Any], None] | None = None) -> dict[str, Any]:
        """Wait until a job that was created before has ended; see `create_and_wait_for_completion`."""
        return self._wait(self.read(job_id), timeout, progress)

    def read(self, job_id: str) -> dict[str, Any]:
        """Read a job.

        Args:
            job_id: Its id.

        Returns:
            The job as the server describes it.

        Raises:
            CartoBadRequestException: There is no such job.
        """
        job: dict[str, Any] = self.send(self._url(job_id), http_method="GET")
        return job

    def update(self, job_id: str, sql_query: BatchQuery) -> dict[str, Any]:
        """Replace the query of a job that is still pending.

        Args:
            job_id: Its id.
            sql_query: See `create`.

        Returns:
            The job as the server describes it.

        Raises:
            CartoNotFoundException: The server has no updates of jobs, as newer ones have not.
            CartoBadRequestException: The job is not pending any more.
        """
        job: dict[str, Any] = self.send(self._url(job_id), http_method="PUT", json_body=self._payload(sql_query),
                                        http_header=_JSON)
        return job

    def cancel(self, job_id: str) -> str:
        """Cancel a job.

        Args:
            job_id: Its id.

        Returns:
            The job's status: ``cancelled``, or ``done`` when it was done already.

        Raises:
            CartoBadRequestException: There is no such job, or it ended in another way.
        """
        try:
            job = self.send(self._url(job_id), http_method="DELETE")
        except CartoBadRequestException as error:
            if _ALREADY_DONE in error.errors:
                return BATCH_JOBS_DONE_STATUSES[0]
            raise
        return str(job["status"])

    def update_from_dict(self, data_dict: Mapping[str, Any]) -> None:
        """Set the entries of a job as attributes; ``item_queue_id`` becomes `id`."""
        for name, value in data_dict.items():
            setattr(self, "id" if name == "item_queue_id" else name, value)

    def _url(self, job_id: str) -> str:
        if not isinstance(job_id, str) or not job_id.replace("-", "").isalnum():
            raise CartoUsageException(f"{job_id!r} is not the id of a batch job")
        return f"{self.api_url}{job_id}"

    def _wait(self, job: dict[str, Any], timeout: float,
              progress: Callable[[Any], None] | None) -> dict[str, Any]:
        first = _state(job)
        last = jobs.wait(first, lambda: _state(self.read(first.job_id)), timeout, progress)
        if last.state not in BATCH_JOBS_DONE_STATUSES:
            raise jobs.failure(last)
        return dict(last.answer)

    def _payload(self, sql_query: BatchQuery) -> dict[str, Any]:
        _check_form(sql_query)
        payload = {"query": list(sql_query) if isinstance(sql_query, tuple) else sql_query}
        size = len(json.dumps(payload).encode())
        if size > self.MAX_PAYLOAD_BYTES:
            raise CartoUsageException(f"the job is {size} bytes long, and the server takes {self.MAX_PAYLOAD_BYTES}: "
                                      "split it, or put its text into a function in the database")
        return payload


_JSON = {"content-type": "application/json"}


def _is_job(answer: Any) -> bool:
    return isinstance(answer, dict) and "job_id" in answer and "status" in answer


def _check_form(sql_query: Any) -> None:
    """Refuse what the server would accept and then never run; an empty list stands in carto-python's README."""
    if isinstance(sql_query, str) and sql_query.strip():
        return
    if isinstance(sql_query, (list, tuple)) and all(isinstance(query, str) for query in sql_query):
        return
    if isinstance(sql_query, Mapping) and isinstance(sql_query.get("query"), list) and sql_query["query"]:
        return
    raise CartoUsageException("a batch query is a text, a list of texts, or an object with fallbacks "
                              '({"query": [{"query": ..., "onerror": ...}]}); '
                              f"this is none of them: {type(sql_query).__name__}")


def _state(job: dict[str, Any]) -> jobs.JobState:
    status = str(job["status"])
    pending = status not in BATCH_JOBS_FINISHED_STATUSES
    failed = status in BATCH_JOBS_FAILED_STATUSES
    return jobs.JobState("Batch SQL job", str(job["job_id"]), status, pending, job,
                         _failed_reason(job) if failed else None)


def _failed_reason(job: dict[str, Any]) -> str | None:
    """Find the reason of the first part that has one, else the job's: fallback jobs fail without one of their own."""
    query = job.get("query")
    parts = query.get("query") if isinstance(query, dict) else query
    for number, part in enumerate(parts if isinstance(parts, list) else (), start=1):
        if isinstance(part, dict) and part.get("failed_reason"):
            return f"{part['failed_reason']} (query {number})"
    reason = job.get("failed_reason")
    return None if reason is None else str(reason)
