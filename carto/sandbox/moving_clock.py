"""The clock that synchronizations and the lives of maps go by, which tests may move: ``/sandbox/clock``.

    curl -d '{"advance": 900}' http://127.0.0.1:PORT/sandbox/clock

moves it ahead by so many seconds, and what has become due begins. DELETE sets it right again. Nothing else goes by it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from carto.sandbox.loopback import from_loopback

ADMIN_PATH = "/sandbox/clock"


class MovingClock:
    """A clock that can be ahead of the real one."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._listeners: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(timezone.utc) + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the clock ahead by so many seconds."""
        self._move(self._ahead + timedelta(seconds=seconds))

    def reset(self) -> None:
        """Set the clock right."""
        self._move(timedelta())

    def when_moved(self, listener: Callable[[], None]) -> None:
        """Have a function called whenever the clock was moved."""
        self._listeners.append(listener)

    def shown(self) -> dict[str, object]:
        """Return the time and how far the clock is ahead, in seconds."""
        return {"now": self.now().isoformat(), "ahead": self._ahead.total_seconds()}

    def _move(self, ahead: timedelta) -> None:
        self._ahead = ahead
        for listener in self._listeners:
            listener()


def routes(clock: MovingClock) -> list[Route]:
    """Return the routes by which the clock is read and moved; only this machine may use them.

    Args:
        clock: The clock.
    """

    async def show(_request: Request) -> Response:
        return JSONResponse(clock.shown())

    async def advance(request: Request) -> Response:
        try:
            clock.advance(float(json.loads(await request.body())["advance"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            message = 'The clock takes a JSON object with the seconds it is moved ahead: {"advance": 900}'
            return JSONResponse({"error": [message]}, 400)
        return JSONResponse(clock.shown())

    async def reset(_request: Request) -> Response:
        clock.reset()
        return JSONResponse(clock.shown())

    return [
        Route(ADMIN_PATH, from_loopback(show), methods=["GET"]),
        Route(ADMIN_PATH, from_loopback(advance), methods=["POST"]),
        Route(ADMIN_PATH, from_loopback(reset), methods=["DELETE"]),
    ]
