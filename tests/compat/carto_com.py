"""carto.com on this machine: TLS in front of a sandbox, so that `https://USER.carto.com/` is really asked.

The user is found in the Host header, as at CARTO; nothing in the client is replaced, only where the name leads.
"""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme


@contextlib.contextmanager
def tls_front(base_url: str, certificate: trustme.LeafCert) -> Iterator[int]:
    """Serve TLS on a free port, passing every byte on to the server of the base URL; give the port."""
    with _Front(base_url, certificate) as front:
        thread = threading.Thread(target=front.serve_forever)
        thread.start()
        try:
            yield front.server_address[1]
        finally:
            front.stopped.set()
            front.shutdown()
            thread.join()


class _Front(socketserver.ThreadingTCPServer):
    """The forwarding server; closing it waits for its connections to end."""

    def __init__(self, base_url: str, certificate: trustme.LeafCert) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self.context)
        parts = urlsplit(base_url)
        self.target = (str(parts.hostname), int(parts.port or 80))
        self.stopped = threading.Event()
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: _Front

    def handle(self) -> None:
        with (
            contextlib.suppress(OSError),
            self.server.context.wrap_socket(self.request, server_side=True) as client,
            socket.create_connection(self.server.target) as server,
        ):
            self._relay(client, server)

    def _relay(self, client: ssl.SSLSocket, server: socket.socket) -> None:
        """Pass on what either side says until one of them closes; a kept connection ends with this server."""
        while not self.server.stopped.is_set():
            ready = [client] if client.pending() else select.select([client, server], [], [], 0.1)[0]
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return
                (server if source is client else client).sendall(data)


def lead_to(monkeypatch: pytest.MonkeyPatch, ports: Mapping[int, int], authority: trustme.CA, folder: Path) -> None:
    """Let names below carto.com lead to our ports, by theirs, and be believed; only this process notices.

    A server behind a TLS front forms its own URLs with ``http``: therefore not only port 443 leads somewhere.
    """
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, wanted_port: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host).endswith(".carto.com"):
            return resolve("127.0.0.1", ports[int(wanted_port)], *args, **kwargs)
        return resolve(host, wanted_port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    bundle = folder / "carto-com.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
