"""COPY TO a file and a stream: from a server that does no work, gzip or not, and through the sandbox."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from bench.model import MEGABYTE, OLD, OURS, Contender, Reach, Row, Work
from bench.rows.copy_from import GZIP, codec
from bench.stage import Stage

READ_BYTES = 65536


def carto_to_file(work: Work) -> Callable[[], int]:
    client = _copy_client(work)

    def copy() -> int:
        client.copyto_file_path(_query(work), work.output)
        return os.path.getsize(work.output)

    return copy


def carto_to_stream(work: Work) -> Callable[[], int]:
    client = _copy_client(work)

    def copy() -> int:
        stream = client.copyto_stream(_query(work))
        return sum(map(len, iter(lambda: stream.read(READ_BYTES), b"")))

    return copy


def psycopg_to_file(work: Work) -> Callable[[], int]:
    import psycopg

    connection = psycopg.connect(work.conninfo, autocommit=True)

    def copy() -> int:
        with open(work.output, "wb") as file, connection.cursor().copy(_query(work)) as rows:
            for data in rows:
                file.write(data)
        return os.path.getsize(work.output)

    return copy


def socket_to_file(work: Work) -> Callable[[], None]:
    """Write what the socket gives, the frames of the chunks among it."""

    def copy() -> None:
        with open(work.output, "wb", buffering=0) as file:
            _receive(work, file.write)

    return copy


def socket_to_nowhere(work: Work) -> Callable[[], None]:
    return lambda: _receive(work, len)


def socket_unpacked_to_file(work: Work) -> Callable[[], int]:
    """Unpack what the socket gives, with isal where it is installed; the server sends it in one piece."""

    def copy() -> int:
        decoder = codec().decompressobj(GZIP)
        with open(work.output, "wb", buffering=0) as file:
            _receive(work, lambda data: file.write(decoder.decompress(data)))
        return os.path.getsize(work.output)

    return copy


def _receive(work: Work, take: Callable[[memoryview], Any]) -> None:
    address = urlsplit(work.base_url)
    assert address.hostname
    assert address.port
    buffer = memoryview(bytearray(4 * READ_BYTES))
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        head, _, body = connection.recv(READ_BYTES).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        take(memoryview(body))
        while received := connection.recv_into(buffer):
            take(buffer[:received])


def _copy_client(work: Work) -> Any:
    from carto.auth import APIKeyAuthClient
    from carto.sql import CopySQLClient

    return CopySQLClient(APIKeyAuthClient(work.base_url, work.api_key))


def _query(work: Work) -> str:
    return f"COPY {work.table} TO STDOUT WITH (FORMAT csv)"


def _from_idle_server(gzip: bool = False) -> Callable[[Stage, int], Work]:
    def make(stage: Stage, size: int) -> Work:
        url = stage.server(stage.csv(size), "application/octet-stream", gzip=gzip, chunked=not gzip)
        return Work(size, url, output=stage.output)

    return make


def _through_sandbox(stage: Stage, size: int) -> Work:
    return Work(size, stage.sandbox.base_url, stage.sandbox.api_key, output=stage.output, conninfo=stage.conninfo,
                table=stage.full_table(size))


def _contenders(limit: Contender, task: Callable[[Work], Callable[[], int]]) -> tuple[Contender, ...]:
    return limit, Contender(OURS, task), Contender(OLD, task)


_SIZE = 200 * MEGABYTE
_REACH = (Reach(1.15, "raw socket"),)

ROWS = [
    Row("copyto-file", "COPY TO a file", "byte", _SIZE, _from_idle_server(),
        _contenders(Contender("raw socket", socket_to_file), carto_to_file), _REACH),
    Row("copyto-stream", "COPY TO a stream, read in pieces of 64 KB", "byte", _SIZE, _from_idle_server(),
        _contenders(Contender("raw socket", socket_to_nowhere), carto_to_stream), _REACH),
    Row("copyto-file-gzip", "COPY TO a file, the answer in gzip", "byte", _SIZE, _from_idle_server(gzip=True),
        _contenders(Contender("raw socket", socket_unpacked_to_file), carto_to_file), _REACH),
    Row("copyto-file-sandbox", "COPY TO a file, through the sandbox", "byte", _SIZE, _through_sandbox,
        _contenders(Contender("psycopg", psycopg_to_file), carto_to_file), (Reach(0.5, "psycopg", "cpu"),)),
]
