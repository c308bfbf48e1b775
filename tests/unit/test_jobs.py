"""The one poller: its pauses, its deadline, and what it makes of failing polls."""

import pytest

from carto import jobs
from carto.exceptions import (
    CartoConnectionException,
    CartoJobException,
    CartoTimeoutException,
    CartoUsageException,
)


def state(word, pending=True, reason=None):
    return jobs.JobState("batch job", "j1", word, pending, {"status": word}, reason)


def server(*answers):
    """Read a job's answers one after the other; the last one for ever."""
    left = list(answers)

    def read():
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return read


def test_ends_at_once_without_a_poll(clock):
    done = state("done", pending=False)
    assert jobs.wait(done, server(AssertionError("polled")), 60) is done
    assert clock.sleeps == []


def test_pauses_grow_from_a_fifth_of_a_second_to_five(clock):
    jobs.wait(state("pending"), server(*[state("running")] * 30, state("done", False)), 3600)
    assert clock.sleeps[:3] == pytest.approx([0.2, 0.23, 0.2645])
    assert clock.sleeps[-1] == 5.0
    assert clock.sleeps == sorted(clock.sleeps)


@pytest.mark.parametrize(("shortest", "longest", "allowed"), [(0.1, 2, 0.25), (6, 10, 1.0)])
def test_little_time_is_lost(clock, shortest, longest, allowed):
    """The mean loss over jobs of all lengths between two, which is what users wait for nothing."""
    durations = [shortest + (longest - shortest) * step / 200 for step in range(200)]
    lost = []
    for seconds in durations:
        clock.now = 0.0
        jobs.wait(state("pending"), server_until(clock, seconds), 3600)
        lost.append(clock.now - seconds)
    assert 0 <= sum(lost) / len(lost) <= allowed


def server_until(clock, seconds):
    return lambda: state("done", False) if clock.now >= seconds else state("running")


def test_the_deadline_is_by_the_clock_and_the_last_poll_is_at_it(clock):
    with pytest.raises(CartoJobException, match="not finished after 10 seconds") as caught:
        jobs.wait(state("pending"), server(state("running")), 10)
    assert clock.now == pytest.approx(10)
    assert (caught.value.job_id, caught.value.state) == ("j1", "running")


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), None, "60"])
def test_a_wait_without_end_is_refused(clock, timeout):
    with pytest.raises(CartoUsageException, match="number of seconds above 0"):
        jobs.wait(state("pending"), server(state("done", False)), timeout)


def test_progress_is_told_of_every_answer(clock):
    seen = []
    jobs.wait(state("pending"), server(state("running"), state("done", False)), 60, seen.append)
    assert seen == [{"status": "pending"}, {"status": "running"}, {"status": "done"}]


def test_a_network_that_comes_back_does_not_end_the_wait(clock):
    away = CartoConnectionException("away")
    last = jobs.wait(state("pending"), server(away, away, away, state("done", False)), 60)
    assert last.state == "done"


def test_a_network_that_stays_away_ends_it_with_the_jobs_id(clock):
    away = CartoTimeoutException("away")
    with pytest.raises(CartoJobException, match="j1 could not be watched") as caught:
        jobs.wait(state("running"), server(away), 3600)
    assert caught.value.__cause__ is away
    assert len(clock.sleeps) == 6


def test_other_errors_are_not_hidden(clock):
    with pytest.raises(KeyError):
        jobs.wait(state("running"), server(KeyError("x")), 60)


def test_failure_names_the_job_and_the_reason():
    error = jobs.failure(state("failed", False, "division by zero"))
    assert str(error) == "batch job j1 failed: division by zero"
    assert error.reason == "division by zero"
    assert error.job == {"status": "failed"}


def test_a_reason_is_shown_without_its_secrets():
    reason = 'no server at postgresql://bob:hunter22@db/x with {"password": "hunter22"}, api_key=hunter22'
    job = state("failed", False, reason)._replace(answer={"failed_reason": reason, "password": "hunter22"})
    error = jobs.failure(job)
    assert error.reason == 'no server at postgresql://***@db/x with {"password": "***"}, api_key=***'
    assert str(error) == f"batch job j1 failed: {error.reason}"
    assert error.job == {"failed_reason": error.reason, "password": "***"}
