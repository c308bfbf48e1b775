"""How the faults of `carto.sandbox.faults` strike: the outermost layer of the web application."""

from __future__ import annotations

import asyncio
import fcntl
import json
import socket
import struct
import termios
from collections.abc import Awaitable, Callable

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from carto.sandbox.faults import ADMIN_PATH, Fault, Faults

TRANSPORT = "carto.sandbox.transport"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for zero seconds
_INT = struct.Struct("i")


class FaultMiddleware:
    """The outermost layer of the web application: lets the waiting faults strike."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of the ASGI server."""
        fault = None
        if scope["type"] == "http" and not scope["path"].startswith(ADMIN_PATH):
            fault = self._faults.for_request(scope)
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.execute:
            await self._app(scope, receive, _discard)
        await STRIKES[fault.kind](fault, self._app, scope, receive, send)


async def _discard(_message: Message) -> None:
    """Take the place of ``send`` when nobody is to see the answer."""


async def _unavailable(fault: Fault, _app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    page = "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"
    await HTMLResponse(page, 503, headers)(scope, receive, send)


async def _html(fault: Fault, _app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    page = "<!DOCTYPE html><html><body><h1>We are down for maintenance</h1></body></html>"
    await HTMLResponse(page, fault.status)(scope, receive, send)


async def _reset(_fault: Fault, _app: ASGIApp, scope: Scope, receive: Receive, _send: Send) -> None:
    await _reset_connection(scope, receive)


async def _stall(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(fault.seconds)
    await app(scope, receive, send)


async def _reset_in_body(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def reset(_rest: Message) -> bool:
        await _reset_connection(scope, receive)
        return False

    await app(scope, receive, _Tap(send, fault.bytes, reset))


async def _stall_in_body(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def stall(rest: Message) -> bool:
        await asyncio.sleep(fault.seconds)
        await send(rest)
        return True

    await app(scope, receive, _Tap(send, fault.bytes, stall))


async def _truncate(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await _end_early(b"", fault, app, scope, receive, send)


async def _error_tail(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    tail = json.dumps({"error": [fault.message]}, separators=(",", ":")).encode()
    await _end_early(tail, fault, app, scope, receive, send)


async def _end_early(tail: bytes, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def end(_rest: Message) -> bool:
        await send({"type": "http.response.body", "body": tail})
        return False

    await app(scope, receive, _Tap(_without_length(send), fault.bytes, end))


Strike = Callable[[Fault, ASGIApp, Scope, Receive, Send], Awaitable[None]]
STRIKES: dict[str, Strike] = {
    "unavailable": _unavailable,
    "html": _html,
    "reset": _reset,
    "reset_in_body": _reset_in_body,
    "stall": _stall,
    "stall_in_body": _stall_in_body,
    "truncate": _truncate,
    "error_tail": _error_tail,
}


class _Tap:
    """Passes an answer on until so many bytes of its body have gone, then lets something happen to the rest.

    Args:
        send: Where the answer goes.
        limit: How many bytes; None for half of the first piece.
        at_limit: Gets the rest of the piece; returns whether the answer goes on.
    """

    def __init__(self, send: Send, limit: int | None, at_limit: Callable[[Message], Awaitable[bool]]) -> None:
        self._send = send
        self._left = limit
        self._at_limit = at_limit
        self._reached = False
        self._open = True

    async def __call__(self, message: Message) -> None:
        """Take the place of ``send``."""
        if not self._open:
            return
        if self._reached or message["type"] != "http.response.body" or self._is_within_limit(message):
            await self._send(message)
        else:
            await self._split(message)

    def _is_within_limit(self, message: Message) -> bool:
        """Count a piece of the body, and tell whether the limit lies in a later one."""
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._left is None and (body or not more):
            self._left = len(body) // 2
        if not more or (self._left is not None and len(body) > self._left):
            return False
        if self._left is not None:
            self._left -= len(body)
        return True

    async def _split(self, message: Message) -> None:
        body = message.get("body", b"")
        self._reached = True
        await self._send({**message, "body": body[: self._left], "more_body": True})
        self._open = await self._at_limit({**message, "body": body[self._left :]})


def _without_length(send: Send) -> Send:
    """Leave out Content-Length, so that a shorter body is no error on the way."""

    async def send_without_length(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
            message = {**message, "headers": kept}
        await send(message)

    return send_without_length


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, lending its connection to the faults that have to break it."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


async def _reset_connection(scope: Scope, receive: Receive) -> None:
    """Send what is written already, then reset the connection and wait until the server has noticed."""
    transport: asyncio.Transport = scope["extensions"][TRANSPORT]["transport"]
    while not transport.is_closing() and _bytes_under_way(transport):
        await asyncio.sleep(0.01)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


def _bytes_under_way(transport: asyncio.Transport) -> int:
    """Count what was written and has not arrived: a reset throws away what the system still holds."""
    held_by_system = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(_INT.size))
    return transport.get_write_buffer_size() + int(_INT.unpack(held_by_system)[0])
