"""A server of one's own on a raw socket, for what no well-behaved server does."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading


class Peer:
    """One accepted connection, as its handler sees it."""

    def __init__(self, connection, stopping):
        self.socket = connection
        self._stopping = stopping
        self._ahead = b""

    def receive(self):
        data, self._ahead = self._ahead or self.socket.recv(65536), b""
        return data

    def until(self, end):
        """Read up to and with some bytes; what was read beyond them waits."""
        data = b""
        while end not in data:
            more = self.receive()
            if not more:
                raise EOFError(data)
            data += more
        found, _, self._ahead = data.partition(end)
        return found + end

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.receive()
            if not more:
                raise EOFError(data)
            data += more
        data, self._ahead = data[:count], data[count:]
        return data

    def head(self):
        return self.until(b"\r\n\r\n").decode()

    def chunked_body(self):
        body = bytearray()
        while size := int(self.until(b"\r\n"), 16):
            body += self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        assert self.exactly(2) == b"\r\n"
        return bytes(body)

    def request(self):
        """Read one request with its body, of known length or in chunks."""
        head = self.until(b"\r\n\r\n")
        fields = {name.lower(): value.strip() for name, _, value in
                  (line.partition(b":") for line in head.split(b"\r\n")[1:])}
        if fields.get(b"transfer-encoding") == b"chunked":
            return head + self.chunked_body()
        return head + self.exactly(int(fields.get(b"content-length", 0)))

    def to_the_end(self):
        """Read until the other side closes; tell how much came."""
        count = 0
        with contextlib.suppress(OSError):
            while data := self.receive():
                count += len(data)
        return count

    def send(self, data):
        self.socket.sendall(data)

    def answer(self, document, status="200 OK", headers=""):
        body = json.dumps(document).encode()
        self.send(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                  f"{headers}\r\n".encode() + body)

    def hold(self):
        """Keep the connection open, without reading it, until the server is stopped."""
        self._stopping.wait(30)

    def start_tls(self, context):
        self.socket = context.wrap_socket(self.socket, server_side=True)


class RawServer:
    """Serves each connection with a handler, in a thread; a handler's error is raised at the end."""

    def __init__(self, handle, tls=None):
        self._handle = handle
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._peers = []
        self._threads = []
        self._stopping = threading.Event()
        self.errors = []
        scheme = "https" if tls else "http"
        self.origin = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"{self.origin}/user/me/"

    @property
    def connections(self):
        return len(self._peers)

    def __enter__(self):
        self._start(self._accept)
        return self

    def __exit__(self, *_exception):
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        for peer in self._peers:
            peer.socket.close()
        assert self.errors == []

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, Peer(connection, self._stopping))

    def _serve(self, peer):
        self._peers.append(peer)
        try:
            if self._tls:
                peer.start_tls(self._tls)
            self._handle(peer)
        except (EOFError, OSError, ssl.SSLError):
            pass  # the other side went away, as most tests want
        except BaseException as error:  # told at the end, in the thread of the test
            self.errors.append(error)
