"""Servers that break HTTP on purpose: they answer one request after the other as a test wrote it down."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator

from tests.unit.raw_server import Peer, RawServer

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class ScriptedServer(RawServer):
    """Gives every request that it has read to `react`, with the connection, until that says that it is over.

    Attributes:
        requests: What was read, in order.
    """

    def __init__(self, react: Callable[[Peer], bool], context: ssl.SSLContext | None = None) -> None:
        super().__init__(self._handle_requests, context)
        self._react = react
        self._lock = threading.Lock()
        self.requests: list[bytes] = []

    @property
    def base_url(self) -> str:
        return self.url.replace("127.0.0.1", "localhost") if self.url.startswith("https") else self.url

    def _handle_requests(self, peer: Peer) -> None:
        going_on = True
        while going_on:
            request = peer.request()
            with self._lock:
                self.requests.append(request)
            going_on = self._react(peer)


@contextlib.contextmanager
def scripted(*answers: bytes, context: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """Answer requests in turn, whatever connection they come on, the last for ever; connections are kept open.

    An answer b"RESET" closes with a RST before any answer, b"CLOSE" without one; one that ends in either
    does so after what stands before; an answer that ends in b"STALL" is never completed.
    """
    turn = itertools.count()

    def react(peer: Peer) -> bool:
        text = answers[min(next(turn), len(answers) - 1)]
        ending = next(filter(text.endswith, ENDINGS), b"")
        peer.send(text.removesuffix(ending))
        if ending:
            ENDINGS[ending](peer)
        return not ending

    with ScriptedServer(react, context) as server:
        yield server


def _reset(peer: Peer) -> None:
    """Close with a RST, as a server does that has died."""
    time.sleep(0.05)  # what was sent before has to arrive first
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.socket.close()


def _close(peer: Peer) -> None:
    peer.socket.close()


def _stall(peer: Peer) -> None:
    peer.receive()  # until the client goes or the server is closed


ENDINGS = {b"RESET": _reset, b"CLOSE": _close, b"STALL": _stall}


def status(code: int, headers: str = "", body: bytes = b"{}") -> bytes:
    """Write an answer."""
    extra = "".join(f"{line}\r\n" for line in headers.splitlines())
    return f"HTTP/1.1 {code} X\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


@contextlib.contextmanager
def unused_port() -> Iterator[int]:
    """Give a port where nothing listens, and that nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
