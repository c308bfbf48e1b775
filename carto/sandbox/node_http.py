"""The HTTP server's manners where they differ from uvicorn's: those of node.js."""

from __future__ import annotations

from carto.sandbox.fault_middleware import HttpProtocol

MAX_HEAD_BYTES = 8192
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\n\r\n"


class NodeHttpProtocol(HttpProtocol):
    """Limits the size of URL and headers, answers broken requests tersely, and may stop reading uploads."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the URL."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def send_400_response(self, _message: str) -> None:
        """Refuse what is no HTTP, and hang up."""
        self.transport.write(_BAD_REQUEST)
        self.transport.close()

    def eof_received(self) -> None:
        """Answer a client that stops sending in the middle of its upload."""
        if self.cycle is not None and self.cycle.more_body and not self.cycle.response_started:
            self.transport.write(_BAD_REQUEST)

    def on_response_complete(self) -> None:
        """Leave the rest of an upload unread that was answered early, unless it comes in chunks.

        A client that insists on sending all of it is stuck then, as with CARTO, until the idle connection is
        closed.
        """
        super().on_response_complete()
        has_length = any(name == b"content-length" for name, _ in self.headers)
        if self.cycle.more_body and has_length:
            self.flow.pause_reading()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("URL and headers are too long")  # the parser passes it on: a bad request
