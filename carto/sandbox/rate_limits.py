"""Rate limits per account and endpoint group, counted as redis-cell does (generic cell rate algorithm)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from carto.sandbox.accounts import Account, RateLimit


@dataclass(frozen=True)
class Verdict:
    """What the limiter says about one call.

    Attributes:
        allowed: Whether the call may go on.
        limit: Calls allowed at once.
        remaining: Calls left at this moment.
        retry_after_s: Seconds until the next call may succeed; None when this one did.
        reset_s: Seconds until the limit is as good as new.
    """

    allowed: bool
    limit: int
    remaining: int
    retry_after_s: int | None
    reset_s: int

    def headers(self) -> dict[str, str]:
        """Return the headers that tell the caller."""
        headers = {
            "Carto-Rate-Limit-Limit": str(self.limit),
            "Carto-Rate-Limit-Remaining": str(self.remaining),
            "Carto-Rate-Limit-Reset": str(self.reset_s),
        }
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        return headers


class RateLimiter:
    """Remembers the calls of every account and group."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._arrivals: dict[tuple[str, str], float] = {}

    def hit(self, account: Account, group: str) -> Verdict | None:
        """Count one call.

        Args:
            account: Whose call it is.
            group: Endpoint group: query, job_create, job_get, job_delete, copy_from or copy_to.

        Returns:
            The verdict, or None when this group has no limit.
        """
        limit = account.rate_limits.get(group)
        if limit is None:
            return None
        return self._decide((account.name, group), limit)

    def _decide(self, key: tuple[str, str], limit: RateLimit) -> Verdict:
        now = self._clock()
        interval = limit.period_s / limit.count
        tolerance = interval * limit.burst
        full_at = max(self._arrivals.get(key, now), now)
        wait = full_at + interval - tolerance - now
        allowed = wait <= 0
        if allowed:
            full_at = self._arrivals[key] = full_at + interval
        # The servers add a second to redis-cell's answer, which is rounded.
        retry_after = None if allowed else math.ceil(wait) + 1
        remaining = max(0, int((tolerance - (full_at - now)) / interval + 1e-9))
        return Verdict(allowed, limit.burst, remaining, retry_after, math.ceil(full_at - now))
