"""COPY FROM a file: to a server that throws it away, and through the sandbox into PostgreSQL."""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from bench.model import MEGABYTE, OLD, OURS, Contender, Reach, Row, Work
from bench.stage import Stage

CHUNK_BYTES = 65536
#: zlib's name for gzip's format, with its largest window.
GZIP = 31


def carto(work: Work) -> Callable[[], int]:
    from carto.auth import APIKeyAuthClient
    from carto.sql import CopySQLClient

    client = CopySQLClient(APIKeyAuthClient(work.base_url, work.api_key))
    return lambda: client.copyfrom_file_path(_query(work), work.data, compress=work.compress)["total_rows"]


def psycopg_copy(work: Work) -> Callable[[], int]:
    import psycopg

    connection = psycopg.connect(work.conninfo, autocommit=True)

    def copy_file() -> int:
        cursor = connection.cursor()
        with open(work.data, "rb") as file, cursor.copy(_query(work)) as copy:
            for piece in _pieces(file):
                copy.write(piece)
        return cursor.rowcount

    return copy_file


def raw_socket(work: Work) -> Callable[[], None]:
    """Send the same body by hand: chunks of 64 KB, compressed by isal where it is installed."""
    address = urlsplit(work.base_url)
    assert address.hostname
    assert address.port
    server = address.hostname, address.port

    def copy_file() -> None:
        with socket.create_connection(server) as connection, open(work.data, "rb") as file:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: bench\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in _gzipped(file) if work.compress else _pieces(file):
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\n\r\n")
            connection.recv(CHUNK_BYTES)

    return copy_file


def _pieces(file: Any) -> Iterator[bytes]:
    return iter(lambda: file.read(CHUNK_BYTES), b"")


def _gzipped(file: Any) -> Iterator[bytes]:
    compressor = codec().compressobj(1, zlib.DEFLATED, GZIP)
    for piece in _pieces(file):
        if data := compressor.compress(piece):
            yield data
    yield compressor.flush()


def codec() -> Any:
    """Give isal where it is installed, else zlib."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


def _query(work: Work) -> str:
    return f"COPY {work.table} FROM STDIN WITH (FORMAT csv)"


def _to_discarding_server(compress: bool) -> Callable[[Stage, int], Work]:
    def make(stage: Stage, size: int) -> Work:
        return Work(size, stage.small_answer(), data=str(stage.csv(size)), compress=compress)

    return make


def _through_sandbox(compress: bool) -> Callable[[Stage, int], Work]:
    def make(stage: Stage, size: int) -> Work:
        return Work(size, stage.sandbox.base_url, stage.sandbox.api_key, str(stage.csv(size)), conninfo=stage.conninfo,
                    table=stage.empty_table(), compress=compress)

    return make


def truncate(work: Work) -> None:
    """Empty the table, and let PostgreSQL write down what the last round left it to write."""
    import psycopg

    with psycopg.connect(work.conninfo, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {work.table}")
    with psycopg.connect(work.conninfo, user="postgres", autocommit=True) as administrator:
        administrator.execute("CHECKPOINT")
    os.sync()


_ALONE = (Contender("raw socket", raw_socket), Contender(OURS, carto), Contender(OLD, carto))
_THROUGH = (Contender("psycopg straight in", psycopg_copy), Contender(OURS, carto), Contender(OLD, carto))
_SIZE = 200 * MEGABYTE
_THROUGH_REACH = (Reach(1.3, "psycopg straight in"),)

ROWS = [
    Row("copyfrom-gzip", "COPY FROM a file, gzip, to a server that discards", "byte", _SIZE,
        _to_discarding_server(True), _ALONE, (Reach(3.0, measure="cpu"),)),
    Row("copyfrom-plain", "COPY FROM a file, plain, to a server that discards", "byte", _SIZE,
        _to_discarding_server(False), _ALONE),
    Row("copyfrom-gzip-sandbox", "COPY FROM a file, gzip, through the sandbox", "byte", _SIZE,
        _through_sandbox(True), _THROUGH, _THROUGH_REACH, truncate),
    Row("copyfrom-plain-sandbox", "COPY FROM a file, plain, through the sandbox", "byte", _SIZE,
        _through_sandbox(False), _THROUGH, _THROUGH_REACH, truncate),
]
