"""Wait for the server's jobs: batch queries, imports, synchronizations and exports.

The one place that polls. The pauses grow from a fifth of a second to five, so
that short jobs lose little time and long ones few requests; the deadline is by
the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from carto._http.redaction import redact, redact_value
from carto.exceptions import (
    CartoException,
    CartoJobException,
    CartoRateLimitException,
    CartoServerException,
    CartoTransportException,
    CartoUsageException,
)

_FIRST_PAUSE = 0.2
_GROWTH = 1.15
_LONGEST_PAUSE = 5.0
#: Polls that may fail one after the other: a job goes on while the network is away.
_FAILURES_ALLOWED = 5
#: Failures that say nothing about the job itself.
_NO_NEWS = (CartoTransportException, CartoServerException, CartoRateLimitException)


class JobState(NamedTuple):
    """What one poll told of a job.

    Attributes:
        kind: What the job is called in messages, such as ``batch job``.
        job_id: Its id.
        state: The server's word for its state.
        pending: Whether it has still to end.
        answer: The server's whole answer.
        reason: Why it failed, or None.
    """

    kind: str
    job_id: str
    state: str
    pending: bool
    answer: Any
    reason: str | None = None


def wait(first: JobState, read: Callable[[], JobState], timeout: float,
         progress: Callable[[Any], None] | None = None) -> JobState:
    """Poll a job until it has ended.

    Args:
        first: What is known of the job.
        read: Asks the server for its state.
        timeout: Seconds to wait at most.
        progress: Called with the server's answer, at first and after each poll.

    Returns:
        The last state, which is not pending; whether the job succeeded is the caller's to judge.

    Raises:
        CartoJobException: The time is over, or the server could not be asked. The job may go on.
        CartoUsageException: The timeout is not a finite number above zero.
    """
    job, pause, failures = first, _FIRST_PAUSE, 0
    deadline = time.monotonic() + checked_timeout(timeout)
    while True:
        if progress is not None:
            progress(job.answer)
        if not job.pending:
            return job
        left = deadline - time.monotonic()
        if left <= 0:
            raise _error(job, f"was not finished after {timeout:g} seconds (last state: {job.state}); it may go on")
        time.sleep(min(pause, left))
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)
        try:
            job, failures = read(), 0
        except _NO_NEWS as error:
            failures += 1
            if failures > _FAILURES_ALLOWED:
                raise _error(job, f"could not be watched any longer ({error}); it may go on") from error
            pause = max(pause, _asked_pause(error))


def checked_timeout(timeout: float) -> float:
    """Refuse what is no time to wait, before there is a job to wait for.

    Args:
        timeout: What the caller gave.

    Returns:
        The same.

    Raises:
        CartoUsageException: It is not a finite number above zero.
    """
    if not isinstance(timeout, (int, float)) or not 0 < timeout < float("inf"):
        raise CartoUsageException(f"the timeout of a wait is a number of seconds above 0, not {timeout!r}")
    return timeout


def failure(job: JobState) -> CartoJobException:
    """Make the exception for a job that ended without success."""
    reason = f": {job.reason}" if job.reason else ""
    return _error(job, f"{job.state}{reason}")


def _asked_pause(error: CartoException) -> float:
    return float(getattr(error, "retry_after", None) or 0)


def _error(job: JobState, what: str) -> CartoJobException:
    reason = None if job.reason is None else redact(job.reason)
    return CartoJobException(redact(f"{job.kind} {job.job_id} {what}"), job.job_id, job.state, reason,
                             redact_value(job.answer))
