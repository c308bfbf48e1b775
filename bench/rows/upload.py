"""A file sent to the Import API, to a server that throws it away."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Callable
from urllib.parse import urlsplit

from bench.model import MEGABYTE, OLD, OURS, Contender, Reach, Row, Work
from bench.stage import Stage

CHUNK_BYTES = 65536
STARTED = b'{"item_queue_id":"2c7a0a1e-6f0b-4a52-9a3b-0f3f5f0c1d11","success":true}'


def raw_socket(work: Work) -> Callable[[], int]:
    """Send the same form by hand."""
    address = urlsplit(work.base_url)
    assert address.hostname
    assert address.port
    server = address.hostname, address.port
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    tail = b"\r\n--x--\r\n"

    def upload() -> int:
        size = os.path.getsize(work.data)
        with socket.create_connection(server) as connection, open(work.data, "rb") as file:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: multipart/form-data; boundary=x\r\n"
                               b"Content-Length: %d\r\n\r\n%b" % (len(head) + size + len(tail), head))
            while piece := file.read(CHUNK_BYTES):
                connection.sendall(piece)
            connection.sendall(tail)
            assert b"item_queue_id" in connection.recv(CHUNK_BYTES)
        return size

    return upload


def carto(work: Work) -> Callable[[], int]:
    from carto.auth import APIKeyAuthClient
    from carto.file_import import FileImportJob

    client = APIKeyAuthClient(work.base_url, work.api_key)

    def upload() -> int:
        job = FileImportJob(work.data, client)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # carto-python leaves the file open
            job.run()
        assert job.get_id()
        return os.path.getsize(work.data)

    return upload


def _work(stage: Stage, size: int) -> Work:
    return Work(size, stage.small_answer(content=STARTED), data=str(stage.csv(size)))


ROWS = [
    Row("upload", "Upload of a file to be imported", "byte", 200 * MEGABYTE, _work,
        (Contender("raw socket", raw_socket), Contender(OURS, carto), Contender(OLD, carto)),
        (Reach(1.2, "raw socket"),)),
]
