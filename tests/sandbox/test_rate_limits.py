"""Rate limits: how they count, what the caller is told, and that nothing runs once they are reached."""

from __future__ import annotations

import time

import pytest

from carto.sandbox import Sandbox
from carto.sandbox.accounts import account_from_dict
from carto.sandbox.rate_limits import RateLimiter, Verdict
from tests.sandbox.api import ACCOUNTS, Account

GROUP = "query"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def throttled(limited_sandbox: Sandbox) -> Account:
    return Account(limited_sandbox.account("throttled").base_url, "master_of_throttled")


def counted(burst: int, count: int, period_s: float) -> tuple[RateLimiter, Clock, object]:
    clock = Clock()
    limits = {GROUP: {"burst": burst, "count": count, "period_s": period_s}}
    account = account_from_dict({"name": "a", "keys": [{"type": "master", "token": "m"}], "rate_limits": limits})
    limiter = RateLimiter(clock)
    return limiter, clock, lambda: limiter.hit(account, GROUP)


def test_calls_at_once_then_one_a_period() -> None:
    _, clock, hit = counted(3, 1, 2.0)
    assert [hit() for _ in range(4)] == [
        Verdict(True, 3, 2, None, 2),
        Verdict(True, 3, 1, None, 4),
        Verdict(True, 3, 0, None, 6),
        Verdict(False, 3, 0, 3, 6),
    ]
    clock.now += 3
    assert hit() == Verdict(True, 3, 0, None, 5)
    assert hit() == Verdict(False, 3, 0, 2, 5)
    clock.now += 100
    assert hit() == Verdict(True, 3, 2, None, 2)


def test_several_calls_a_period() -> None:
    _, clock, hit = counted(1, 4, 1.0)
    assert hit().allowed
    assert not hit().allowed
    clock.now += 0.25
    assert hit().allowed


def test_groups_and_accounts_without_a_limit() -> None:
    limiter, _, _ = counted(1, 1, 1.0)
    assert limiter.hit(account_from_dict(ACCOUNTS[0]), GROUP) is None


def test_what_the_caller_is_told(throttled: Account) -> None:
    first, second, third = (throttled.copy_to("COPY (select 1) TO STDOUT") for _ in range(3))
    assert (first.status_code, first.headers["Carto-Rate-Limit-Remaining"]) == (200, "1")
    assert (second.status_code, second.headers["Carto-Rate-Limit-Remaining"]) == (200, "0")
    assert "Retry-After" not in second.headers
    assert third.status_code == 429
    assert third.json() == {
        "error": ["You are over platform's limits. Please contact us to know more details"],
        "context": "limit",
        "detail": "rate-limit",
    }
    assert third.headers["Carto-Rate-Limit-Limit"] == "2"
    assert third.headers["Retry-After"] == "2"
    assert third.headers["Carto-Rate-Limit-Reset"] == "2"


def test_the_limit_is_told_before_the_key_is_looked_at(throttled: Account) -> None:
    stranger = Account(throttled.url.removesuffix("api/v2/sql"), "wrong")
    statuses = [stranger.copy_to("COPY (select 1) TO STDOUT").status_code for _ in range(4)]
    assert statuses[-1] == 429
    jsonp = stranger.copy_to("COPY (select 1) TO STDOUT", callback="cb")
    assert (jsonp.status_code, jsonp.text[:32]) == (200, "/**/ typeof cb === 'function' &&")


def test_after_the_wait_it_works_again(throttled: Account) -> None:
    while (answer := throttled.copy_to("COPY (select 1) TO STDOUT")).status_code == 200:
        pass
    time.sleep(float(answer.headers["Retry-After"]))
    assert throttled.copy_to("COPY (select 1) TO STDOUT").status_code == 200


def test_other_groups_are_not_concerned(throttled: Account) -> None:
    answers = [throttled.get("select 1") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert not any(name.startswith("Carto-Rate") for name in answers[0].headers)
