"""Send a body while watching for the answer.

A server may refuse an upload at once and stop reading it. A client that insists
on writing the whole body first then blocks for ever, with the refusal unread in
its buffer. The connections here look for an answer whenever they write a piece
of an `UploadBody`; all other requests take urllib3's own path.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import queue
import re
import socket
import ssl
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.wait import wait_for_socket

from carto._http.streams import UploadBody
from carto._http.timeouts import Timeout

#: Bytes of an early answer that are taken at a time.
_PEEK_SIZE = 65536
#: A body up to this many bytes travels in one packet with its headers; http.client would write them one by one.
_SMALL_BODY = 16384
#: Answers that are not the last word, such as ``100 Continue``.
_INTERIM_ANSWERS = rb"(?:HTTP/1\.[01] 1\d\d[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n)+"


class _Watching:
    """Mixed into urllib3's connections: ends an upload when an answer is there before its end."""

    sock: Any
    response_class: Any
    _upload: UploadBody | None = None
    _held: list[Any] | None = None

    def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
        """Send a request, watched when its body is an upload."""
        self._watched(body, super().request, method, url, body, *args, **kwargs)  # type: ignore[misc]

    def request_chunked(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
        """Do the same where urllib3 1.26 has a method of its own for chunked bodies."""
        self._watched(body, super().request_chunked, method, url, body, *args, **kwargs)  # type: ignore[misc]

    def _watched(self, body: Any, send_request: Any, *args: Any, **kwargs: Any) -> None:
        self.__dict__.pop("response_class", None)  # an early answer's, of the request before
        self._upload = body if isinstance(body, UploadBody) else None
        self._held = [] if isinstance(body, (str, bytes)) and len(body) <= _SMALL_BODY else None
        try:
            send_request(*args, **kwargs)
            if self._held:
                super().send(b"".join(self._held))  # type: ignore[misc]
        finally:
            self._upload = self._held = None

    def send(self, data: Any) -> None:
        """Send bytes; those of an upload only as long as no answer is there, and a small body with its headers."""
        if self._held is not None:
            self._held.append(data)
            return
        if self._upload is None or not isinstance(self.sock, socket.socket):
            super().send(data)  # type: ignore[misc]
            return
        try:
            answer = _send_watching(self.sock, data, self._upload.write_timeout)
        except TimeoutError as stalled:
            raise urllib3.exceptions.ReadTimeoutError(self, "", str(stalled)) from None  # type: ignore[arg-type]
        if answer is not None:
            self.response_class = _early_response_class(answer)
            # urllib3 takes this for a server that stopped reading after its answer: it reads the answer
            raise BrokenPipeError("the server answered before the end of the upload")


class WatchingHTTPConnection(_Watching, HTTPConnection):
    """A plain connection whose uploads end at an early answer."""


class WatchingHTTPSConnection(_Watching, HTTPSConnection):
    """A TLS connection whose uploads end at an early answer."""


class _KeptConnections(queue.LifoQueue[Any]):
    """The connections that a pool keeps, without the free places that only pools that block wait for."""

    def put(self, item: Any, *args: Any, **kwargs: Any) -> None:
        """Keep a connection, and drop the free places (None), whose putting in takes longer than a query."""
        if item is not None:
            super().put(item, *args, **kwargs)


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = WatchingHTTPConnection
    QueueCls = _KeptConnections


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = WatchingHTTPSConnection
    QueueCls = _KeptConnections


class UploadAdapter(HTTPAdapter):
    """requests' adapter with connections that watch for early answers."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        _watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pools of connections through a proxy; SOCKS has connections of its own, which stay."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if isinstance(manager, urllib3.ProxyManager) and not proxy.lower().startswith("socks"):
            _watch(manager)
        return manager

    def send(self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None,
             *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; an upload is told how long the server may refuse to read."""
        if isinstance(request.body, UploadBody):
            request.body.write_timeout = _read_part(timeout)
        return super().send(request, stream, timeout, *args, **kwargs)


@contextlib.contextmanager
def watching_session(session: requests.Session, request: requests.PreparedRequest) -> Iterator[requests.Session]:
    """Give an upload of the caller's own session connections that watch for early answers.

    The session itself is left as it is, and its adapter as well where it is
    not requests' own: then somebody wants it, or a mock stands there.

    Args:
        session: The session to send with.
        request: The request.

    Yields:
        The session, or a copy of it with other connections.
    """
    plain = session.get_adapter(str(request.url)) if isinstance(request.body, UploadBody) else None
    if type(plain) is not HTTPAdapter:
        yield session
        return
    copy = object.__new__(type(session))
    copy.__dict__.update(session.__dict__)
    with contextlib.closing(UploadAdapter(max_retries=plain.max_retries)) as adapter:
        copy.adapters = OrderedDict({"https://": adapter, "http://": adapter})
        yield copy


def _watch(manager: urllib3.PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


def _read_part(timeout: Timeout | urllib3.Timeout) -> float | None:
    if isinstance(timeout, urllib3.Timeout):
        running = timeout.clone()
        running.start_connect()  # one for the whole of a request tells what is left only then
        seconds = running.read_timeout
        return round(seconds, 2) if isinstance(seconds, (int, float)) else None
    return timeout[1] if isinstance(timeout, tuple) else timeout


def _send_watching(sock: socket.socket, data: Any, timeout: float | None) -> bytes | None:
    """Write data until it is sent or something came.

    Returns:
        What came: the beginning of an answer, or nothing at all when the
        connection broke; None when everything was sent.
    """
    before = sock.gettimeout()
    sock.settimeout(0)
    try:
        return _send_or_receive(sock, memoryview(data), timeout)
    except TimeoutError:
        raise
    except OSError:
        return b""  # an answer may have come before; whoever reads on meets either it or the error
    finally:
        sock.settimeout(before)


def _send_or_receive(sock: socket.socket, rest: memoryview, timeout: float | None) -> bytes | None:
    while rest:
        answer = _received(sock)
        if answer is not None:
            return answer
        wait_for_writing = True
        try:
            rest = rest[sock.send(rest):]
            continue
        except ssl.SSLWantReadError:
            wait_for_writing = False
        except (BlockingIOError, ssl.SSLWantWriteError):
            pass
        if not wait_for_socket(sock, read=True, write=wait_for_writing, timeout=timeout):
            raise TimeoutError(f"the server took no more of the upload for {timeout} seconds")
    return None


def _received(sock: socket.socket) -> bytes | None:
    """Take what the server sent: the beginning of an answer, nothing at its end, or None when it said nothing.

    TLS itself sends messages, such as session tickets, that make a socket readable: reading tells them apart.
    """
    try:
        data = sock.recv(_PEEK_SIZE)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
    except OSError:
        return b""
    interim = re.match(_INTERIM_ANSWERS, data)
    return (data[interim.end():] or None) if interim else data


def _early_response_class(begun: bytes) -> type[http.client.HTTPResponse]:
    """Make the class of an answer whose first bytes were taken from the socket already."""

    class EarlyResponse(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            super().__init__(sock, *args, **kwargs)
            self.fp: Any = io.BufferedReader(_Continued(begun, self.fp))

        def begin(self) -> None:
            super().begin()
            self.will_close = True  # half a request was sent: nothing else can be sent here

    return EarlyResponse


class _Continued(io.RawIOBase):
    """A file that begins with bytes that were read from it before."""

    def __init__(self, begun: bytes, rest: io.BufferedReader) -> None:
        self._begun = begun
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        if not self._begun:
            return self._rest.readinto1(view)
        taken, self._begun = self._begun[:len(view)], self._begun[len(view):]
        view[:len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        if not self.closed:
            self._rest.close()
        super().close()
