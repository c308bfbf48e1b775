"""A web server on this machine, for imports from URLs: it answers as each test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


class FileServer:
    """Answers GET requests by path.

    Attributes:
        url: Where it is, without a slash at the end.
        answers: What happens to each path.
        released: Set it to let go what waits in `hold`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, Answer] = {}
        self.released = threading.Event()

    def serve(self, path: str, content: bytes, status: int = 200, **headers: str) -> str:
        """Have a path answer with this; return its URL. Underscores in header names stand for hyphens."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            for name, value in {"Content_Length": str(len(content)), **headers}.items():
                request.send_header(name.replace("_", "-"), value)
            request.end_headers()
            request.wfile.write(content)

        self.answers[path.partition("?")[0]] = answer
        return self.url + path

    def hold(self, path: str, content: bytes) -> str:
        """Have a path wait for `released` before its body; return its URL."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.end_headers()
            request.wfile.flush()
            self.released.wait(60)
            request.wfile.write(content)

        self.answers[path] = answer
        return self.url + path


@contextmanager
def file_server() -> Iterator[FileServer]:
    """Run a server for as long as the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = files.answers.get(self.path.partition("?")[0])
            if found is None:
                self.send_error(404)
                return
            try:
                found(self)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_arguments: object) -> None:
            """Keep the tests' output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        files = FileServer(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield files
        finally:
            files.released.set()
            server.shutdown()
