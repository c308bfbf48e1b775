"""The one rule for sending again: what may be repeated, how often, and after how long."""

from __future__ import annotations

import logging
import random
import time

import urllib3
from requests import Response
from requests import exceptions as requests_exceptions

from carto.exceptions import CartoRateLimitException, retry_after_seconds

log = logging.getLogger("carto")

#: Times that a call is sent again after its first attempt, unless the client says otherwise.
DEFAULT_RETRIES = 2
#: Seconds that one call may spend waiting between its attempts.
MAX_WAIT = 60.0
_FIRST_WAIT = 0.5
#: Up to this part of a wait is added, so that many clients do not come back together.
_JITTER = 0.25
#: The server, or a proxy before it, could not take the call; only a safe call may be sent again.
_UNAVAILABLE = frozenset({502, 503, 504})


class Retries:
    """The attempts of one call.

    Attributes:
        left: Attempts that may still follow.
        replayable: Whether the body can be sent once more.
        idempotent: Whether carrying the call out twice does no harm.
        budget: Seconds of waiting left.
    """

    def __init__(self, left: int, replayable: bool, idempotent: bool) -> None:
        self.left = left
        self.replayable = replayable
        self.idempotent = idempotent
        self.budget = MAX_WAIT
        self._step = _FIRST_WAIT

    def wait_after(self, outcome: Response | Exception) -> float | None:
        """Decide what follows an attempt.

        Args:
            outcome: The answer, or the failure that came in its place.

        Returns:
            Seconds to wait before the next attempt, or None when there shall be none.
        """
        if isinstance(outcome, Response):
            return self._wait_after_answer(outcome)
        if isinstance(outcome, (requests_exceptions.SSLError, requests_exceptions.ContentDecodingError)):
            return None
        if never_connected(outcome) or (self.idempotent and _broke(outcome)):
            return self._affordable(self._next_step())
        return None

    def pause(self, seconds: float, outcome: Response | Exception) -> None:
        """Wait before the next attempt, and say so in the log."""
        self.left -= 1
        self.budget -= seconds
        log.info("carto: %s; sending again in %.1f s (attempts left: %d)", _describe(outcome), seconds, self.left + 1)
        time.sleep(seconds)

    def _wait_after_answer(self, response: Response) -> float | None:
        asked = retry_after_seconds(response.headers.get("Retry-After"))
        if CartoRateLimitException.is_rate_limited(response):
            wait = self._affordable(asked or 0)
        elif response.status_code in _UNAVAILABLE and self.idempotent:
            wait = self._affordable(self._next_step() if asked is None else asked)
        else:
            return None
        if wait is not None:
            response.close()
        return wait

    def _next_step(self) -> float:
        step, self._step = self._step, self._step * 2
        return step

    def _affordable(self, seconds: float) -> float | None:
        if self.left <= 0 or not self.replayable or seconds > self.budget:
            return None
        jitter = 1 + random.uniform(0, _JITTER)  # noqa: S311  # no secret depends on it
        return min(seconds * jitter, self.budget)


def never_connected(error: Exception) -> bool:
    """Tell whether a failure came before the server could have seen anything of the request."""
    if isinstance(error, requests_exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    cause = getattr(cause, "reason", cause)
    cause = getattr(cause, "original_error", cause)  # of a proxy that could not be reached
    return isinstance(cause, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))


def _broke(error: Exception) -> bool:
    return isinstance(error, (requests_exceptions.ConnectionError, requests_exceptions.ReadTimeout,
                              requests_exceptions.ChunkedEncodingError))


def _describe(outcome: Response | Exception) -> str:
    if isinstance(outcome, Response):
        return f"the server answered {outcome.status_code}"
    return f"no answer ({type(outcome).__name__})"
