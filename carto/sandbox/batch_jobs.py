"""What a batch job is and how it moves from status to status: the rules alone, without database and workers.

A job is the document that the API shows. There are three kinds, told apart by the type of ``query``: one query, a
list of queries, or a list in which each query, and the job as a whole, may have fallback queries.
"""

from __future__ import annotations

import json
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

PENDING, RUNNING, DONE, FAILED = "pending", "running", "done", "failed"
CANCELLED, UNKNOWN, SKIPPED = "cancelled", "unknown", "skipped"

NEXT_STATUSES = {
    PENDING: {RUNNING, CANCELLED, UNKNOWN, SKIPPED},
    RUNNING: {DONE, FAILED, CANCELLED, UNKNOWN, PENDING},
}
UNFINISHED = frozenset(NEXT_STATUSES)

Document = dict[str, Any]


class JobError(Exception):
    """The job can't be made or changed so; the message is the API's."""


@dataclass(frozen=True)
class Query:
    """What to run next.

    Attributes:
        text: The SQL.
        timeout_ms: Limit that the job itself asks for, in milliseconds.
    """

    text: str
    timeout_ms: float | None = None


def now() -> str:
    """Return the time as JavaScript writes it: ``2026-11-22T10:04:20.017Z``."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Job(ABC):
    """A job of any kind.

    Attributes:
        document: The job as the API shows it, changed in place.
    """

    def __init__(self, document: Document) -> None:
        self.document = document

    @property
    def status(self) -> str:
        """Status of the whole job."""
        return str(self.document["status"])

    @abstractmethod
    def prepare(self) -> None:
        """Give the parts of a new job their first statuses."""

    @abstractmethod
    def next_query(self) -> Query | None:
        """Return what has to run next, if anything."""

    @abstractmethod
    def set_status(self, status: str, reason: str | None = None) -> None:
        """Move the running or next part, and the job with it, to another status.

        Args:
            status: The new status.
            reason: Why it failed.

        Raises:
            JobError: That status can't follow the present one.
        """

    def _move(self, status: str, reason: str | None = None) -> None:
        move(self.document, status, reason)
        self.document["updated_at"] = now()


def can_move(before: str | None, after: str) -> bool:
    """Tell whether a status can follow another."""
    return after in NEXT_STATUSES.get(before or "", ())


def move(part: Document, status: str, reason: str | None = None) -> None:
    """Set the status of a job or of one of its queries.

    Raises:
        JobError: That status can't follow the present one.
    """
    if not can_move(part["status"], status):
        raise JobError(f"Cannot set status from {part['status']} to {status}")
    part["status"] = status
    if reason is not None:
        part["failed_reason"] = reason


class SingleJob(Job):
    """A job of one query, which may hold several statements."""

    def prepare(self) -> None:
        """Nothing to do: the only status is the job's."""

    def next_query(self) -> Query | None:
        """Return the query while it has not run."""
        return Query(self.document["query"]) if self.status == PENDING else None

    def set_status(self, status: str, reason: str | None = None) -> None:
        """Move the job to another status."""
        self._move(status, reason)


class ListJob(Job):
    """A job of queries that run one after the other until one fails."""

    @property
    def _parts(self) -> list[Document]:
        parts: list[Document] = self.document["query"]
        return parts

    def prepare(self) -> None:
        """Make objects of the texts. Objects are kept as they came; without a status, the server never runs them."""
        self.document["query"] = [
            {"query": part, "status": PENDING} if isinstance(part, str) else part for part in self.document["query"]
        ]

    def next_query(self) -> Query | None:
        """Return the first query that has not run, unless the job has ended."""
        waiting = [part for part in self._parts if part.get("status") == PENDING]
        return Query(waiting[0]["query"]) if waiting and self.status == PENDING else None

    def set_status(self, status: str, reason: str | None = None) -> None:
        """Move the first part that can take it; the job is pending again while parts are left."""
        part = next((part for part in self._parts if can_move(part.get("status"), status)), None)
        if part is None:
            raise JobError(f"Cannot set status from {self.status} to {status}")
        waiting = any(other.get("status") == PENDING for other in self._parts)
        self._move(PENDING if status == DONE and waiting else status, reason)
        move(part, status, reason)


class FallbackJob(Job):
    """A job whose queries, and itself, have further queries for success and failure."""

    @property
    def _parts(self) -> list[Document]:
        parts: list[Document] = self.document["query"]["query"]
        return parts

    def prepare(self) -> None:
        """Give each query a status, and another one to whatever has fallbacks."""
        for part in self._parts:
            part["status"] = PENDING
            if _has_fallbacks(part):
                part["fallback_status"] = PENDING
        if _has_fallbacks(self.document["query"]):
            self.document["fallback_status"] = PENDING

    def next_query(self) -> Query | None:
        """Return, part by part, the query and then its fallback; at last the job's own fallback."""
        for part in self._parts:
            if part["status"] == PENDING:
                return Query(part["query"], _usable_timeout(part.get("timeout")))
            if part.get("fallback_status") == PENDING:
                return Query(self._filled(_fallback(part, part["status"]), part.get("failed_reason")))
        if self.document.get("fallback_status") == PENDING and self.status in (DONE, FAILED):
            fallback = _fallback(self.document["query"], self.status)
            return Query(self._filled(fallback, self._failed_reason()))
        return None

    def set_status(self, status: str, reason: str | None = None) -> None:
        """Move the running or next query or fallback, and whatever depends on it."""
        part, key = self._current(status)
        part[key] = status
        self.document["updated_at"] = now()
        if part is self.document:
            return
        if key == "status":
            self._note_time(part, status)
            _skip_useless_fallback(part, part, status)
        if reason is not None:
            part["failed_reason"] = reason
        if status in (CANCELLED, UNKNOWN) or (key == "status" and status == FAILED):
            self._skip_rest()
        self._follow(status, reason if key == "status" else None)

    def _current(self, status: str) -> tuple[Document, str]:
        """Return what is to take the status: a part or the job, and which of its statuses."""
        for part, key in self._stages():
            if can_move(part.get(key), status):
                return part, key
        raise JobError(f"Cannot set status to {status}")

    def _stages(self) -> Iterator[tuple[Document, str]]:
        for part in self._parts:
            yield part, "status"
            yield part, "fallback_status"
        if self.status not in UNFINISHED:
            yield self.document, "fallback_status"

    def _note_time(self, part: Document, status: str) -> None:
        if status == RUNNING:
            part["started_at"] = self.document["updated_at"]
        elif status not in UNFINISHED:
            part["ended_at"] = self.document["updated_at"]

    def _skip_rest(self) -> None:
        for part in self._parts:
            if part["status"] == PENDING:
                part["status"] = SKIPPED
                _skip_useless_fallback(part, part, SKIPPED)

    def _follow(self, status: str, reason: str | None) -> None:
        """Let the job's status follow: pending while anything of its parts is left, then that of the last query."""
        left = any(PENDING in (part["status"], part.get("fallback_status")) for part in self._parts)
        if status in (DONE, FAILED):
            status = PENDING if left else self._outcome()
        self.document["status"] = status
        if status in UNFINISHED:
            return
        if status == FAILED and reason is not None:
            self.document["failed_reason"] = reason
        _skip_useless_fallback(self.document, self.document["query"], status)

    def _outcome(self) -> str:
        return FAILED if any(part["status"] == FAILED for part in self._parts) else DONE

    def _failed_reason(self) -> str | None:
        reasons = (part.get("failed_reason") for part in self._parts if part["status"] == FAILED)
        return next(reasons, None)

    def _filled(self, template: str, error_message: str | None) -> str:
        """Fill in the template. As on CARTO the message is not quoted: that is left to the template."""
        text = re.sub(r"<%=\s*job_id\s*%>", lambda _: str(self.document["job_id"]), template)
        return re.sub(r"<%=\s*error_message\s*%>", lambda _: str(error_message), text)


def _usable_timeout(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and value > 0 else None


def _has_fallbacks(part: Document) -> bool:
    return bool(part.get("onsuccess") or part.get("onerror"))


def _fallback(queries: Document, status: str) -> str:
    """Return the fallback query for the outcome; empty if there is none."""
    return str(queries.get({DONE: "onsuccess", FAILED: "onerror"}.get(status, "")) or "")


def _skip_useless_fallback(part: Document, queries: Document, status: str) -> None:
    finished = status not in UNFINISHED
    if finished and part.get("fallback_status") == PENDING and not _fallback(queries, status):
        part["fallback_status"] = SKIPPED


def new_job(user: str, query: Any) -> Job:
    """Make a job from what a caller sent.

    Args:
        user: Name of the account.
        query: Value of the parameter ``query``.

    Raises:
        JobError: It is no query of any kind.
    """
    if query is None or query in ("", 0, False):
        raise JobError("You must indicate a valid SQL")
    created = now()
    document = {
        "user": user,
        "query": json.loads(json.dumps(query), parse_constant=lambda _: None),  # JSON has no infinite numbers
        "job_id": str(uuid.uuid4()),
        "created_at": created,
        "updated_at": created,
        "status": PENDING,
    }
    job = job_of(document)
    job.prepare()
    return job


def job_of(document: Document) -> Job:
    """Wrap a job's document.

    Raises:
        JobError: Its query is of no known kind.
    """
    query = document["query"]
    if isinstance(query, str):
        return SingleJob(document)
    if isinstance(query, list) and all(isinstance(part, str) or _has_query(part) for part in query):
        return ListJob(document)
    if isinstance(query, dict) and _is_fallback(query):
        return FallbackJob(document)
    raise JobError("there is no job class for the provided query")


def _is_fallback(query: Document) -> bool:
    parts = query.get("query")
    if not isinstance(parts, list) or not _fallbacks_are_texts(query):
        return False
    return all(_has_query(part) and part["query"] and _fallbacks_are_texts(part) for part in parts)


def _has_query(part: Any) -> bool:
    if part is None:  # the server's own words, as it does not expect this
        raise JobError("Cannot read property 'query' of null")
    return isinstance(part, dict) and isinstance(part.get("query"), str)


def _fallbacks_are_texts(queries: Document) -> bool:
    return all(isinstance(queries.get(name) or "", str) for name in ("onsuccess", "onerror"))
