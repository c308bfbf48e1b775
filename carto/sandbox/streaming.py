"""Answers that are sent while they are made, and work that stops when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Wait for work, and cancel it when the client goes away.

    Args:
        receive: The request's ASGI channel, its body read or not wanted.
        work: What to do.

    Raises:
        ClientDisconnect: The client went away first.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait({working, leaving})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class LiveResponse(Response):
    """Sends a body piece by piece; a client that goes away ends the making of further pieces."""

    def __init__(
        self, first: bytes, rest: AsyncGenerator[bytes, None], headers: Mapping[str, str], content_type: str
    ) -> None:
        """Prepare the answer.

        Args:
            first: First piece, made already.
            rest: All other pieces; closed at the end, come what may.
            headers: Headers besides Content-Type.
            content_type: Content-Type.
        """
        self.status_code = 200
        self.background = None
        self._first = first
        self._rest = rest
        self.init_headers({**headers, "Content-Type": content_type})

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send headers and body."""
        try:
            await while_connected(receive, self._send_all(send))
        except ClientDisconnect:
            pass
        finally:
            await self._rest.aclose()

    async def _send_all(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        async for piece in self._rest:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
