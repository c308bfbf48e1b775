"""Servers that break HTTP on purpose: each connection is handed to a function as a bare socket."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def read_request(connection: socket.socket) -> bytes:
    """Read one request, with a body of known length or in chunks; b"" when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        got = connection.recv(65536)
        if not got:
            return b""
        data += got
    head, _, body = data.partition(b"\r\n\r\n")
    fields = {name.lower(): value.strip() for name, _, value in
              (line.partition(b":") for line in head.split(b"\r\n")[1:])}
    length = int(fields.get(b"content-length", 0))
    chunked = fields.get(b"transfer-encoding") == b"chunked"
    while len(body) < length or (chunked and not body.endswith(b"0\r\n\r\n")):
        got = connection.recv(65536)
        if not got:
            return b""
        body += got
    return head + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    """Close with a RST, as a server does that has died."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class RawServer:
    """Listens on a free port of loopback, and runs `handle` in a thread of its own for every connection.

    Attributes:
        requests: What was read by `serve`, in order.
        opened: Connections accepted so far.
    """

    def __init__(self, handle: Callable[[RawServer, socket.socket], None],
                 context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.opened = 0
        self._handle = handle
        self._context = context
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    @property
    def base_url(self) -> str:
        scheme, host = ("https", "localhost") if self._context else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self.port}/user/me/"

    def read(self, connection: socket.socket) -> bytes:
        """Read a request and keep it."""
        request = read_request(connection)
        if request:
            with self._lock:
                self.requests.append(request)
        return request

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.opened += 1
            thread = threading.Thread(target=self._run, args=(connection,))
            self._threads.append(thread)
            self._connections.append(connection)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self._context is None:
                self._handle(self, connection)
            else:
                with self._context.wrap_socket(connection, server_side=True) as secured:
                    self._handle(self, secured)


@contextlib.contextmanager
def raw_server(handle: Callable[[RawServer, socket.socket], None],
               context: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    server = RawServer(handle, context)
    try:
        yield server
    finally:
        server.close()


def answer(*answers: bytes) -> Callable[[RawServer, socket.socket], None]:
    """Answer requests in turn, whatever connection they come on, the last for ever; connections are kept open.

    An answer b"RESET" closes with a RST before any answer, b"CLOSE" without one; one that ends in either
    does so after what stands before; an answer that ends in b"STALL" is never completed.
    """
    turn = iter(range(10**9))
    stop = threading.Event()

    def handle(server: RawServer, connection: socket.socket) -> None:
        while server.read(connection):
            text = answers[min(next(turn), len(answers) - 1)]
            for end in (b"RESET", b"CLOSE", b"STALL"):
                if text.endswith(end):
                    connection.sendall(text[:-len(end)])
                    if end == b"RESET":
                        stop.wait(0.05)  # what was sent before has to arrive first
                        reset(connection)
                    elif end == b"STALL":
                        connection.recv(1)  # until the client goes or the server is closed
                    return
            connection.sendall(text)

    return handle


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
