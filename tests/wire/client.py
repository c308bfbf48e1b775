"""Sends recorded requests over plain sockets, byte for byte, also those that end too early on purpose."""

from __future__ import annotations

import re
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit

from tests.wire.transcript import Exchange

TIMEOUT_S = 60
ABORT_AFTER_S = 0.6
CHUNK = 1 << 16


@dataclass
class Answer:
    """What the server sent back; no status when the client left first."""

    status: int | None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Client:
    """Talks to one server."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)

    def send(self, exchange: Exchange, path: str, body: bytes) -> Answer:
        """Make one recorded request and read the answer.

        Args:
            exchange: The recording.
            path: Its path, with the ids that jobs have in this run.
            body: Its body, likewise.
        """
        with socket.create_connection(self._address, TIMEOUT_S) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head, rest = _head(exchange, path), _framed(exchange, body)
            if "pipelined" in exchange.note:
                connection.sendall(b"".join([head, *rest]))  # the second request before the first answer
                return _read_pipelined(connection)
            _upload(connection, head, rest)
            if "resets" in exchange.note:
                return _reset(connection, "reading" in exchange.note)
            if "half-closes" in exchange.note:
                connection.shutdown(socket.SHUT_WR)
            return _read(connection, exchange.request["method"])


def _head(exchange: Exchange, path: str) -> bytes:
    lines = [f"{exchange.request['method']} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in exchange.header.items() if name != "Content-Length"]
    return ("\r\n".join(lines) + "\r\n").encode()


def _framed(exchange: Exchange, body: bytes) -> list[bytes]:
    """Return the rest of the request, from the headers on that depend on the body's length."""
    is_raw = "half-closes" in exchange.note or "resets" in exchange.note or "malformed" in exchange.note
    if exchange.header.get("Transfer-Encoding") == "chunked":
        if is_raw:
            return [b"\r\n", body]
        pieces = [body[i : i + CHUNK] for i in range(0, len(body), CHUNK)]
        return [b"\r\n", *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]
    if "pipelined" in exchange.note:
        return [b"\r\n", body]
    recorded = exchange.header.get("Content-Length")
    if recorded is None and not body:
        return [b"\r\n"]
    length = recorded if is_raw else str(len(body))
    return [f"Content-Length: {length}\r\n\r\n".encode(), body]


def _upload(connection: socket.socket, head: bytes, rest: list[bytes]) -> None:
    """Send everything, but stop as soon as the server answers: it may have stopped reading."""
    for piece in [head, *rest]:
        view = memoryview(piece)
        while view:
            readable, writable, _ = select.select([connection], [connection], [], TIMEOUT_S)
            if readable or not writable:
                return
            try:
                view = view[connection.send(view[:CHUNK]) :]
            except OSError:
                return


def _reset(connection: socket.socket, after_reading: bool) -> Answer:
    if after_reading:
        connection.recv(CHUNK)
    time.sleep(ABORT_AFTER_S)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return Answer(None)


def _read(connection: socket.socket, method: str) -> Answer:
    response = HTTPResponse(connection, method=method)
    try:
        response.begin()
        return Answer(response.status, dict(response.getheaders()), response.read())
    except (HTTPException, OSError) as error:
        return Answer(None, body=repr(error).encode())
    finally:
        response.close()


def _read_pipelined(connection: socket.socket) -> Answer:
    """Read until the server closes; the body is everything after the first head."""
    received = b""
    while piece := connection.recv(CHUNK):
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(re.split(r":\s*", line, maxsplit=1) for line in lines)
    return Answer(int(status_line.split()[1]), headers, body)
