"""A server of image tiles like the one that the recording's http layers point at."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW_S = 3


@contextmanager
def tile_server(tile: bytes) -> Iterator[int]:
    """Answer every path with one tile, except those with ``missing`` or, late, with ``slow`` in them.

    Args:
        tile: The image.

    Yields:
        The port on this machine.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "slow" in self.path:
                time.sleep(SLOW_S)
            missing = "missing" in self.path
            self.send_response(404 if missing else 200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", "0" if missing else str(len(tile)))
            self.end_headers()
            if not missing:
                with suppress(BrokenPipeError):  # the sandbox does not wait for slow servers
                    self.wfile.write(tile)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
