"""A server that does no work: it throws requests away and gives the same prepared answer to each.

Usage: python server.py ANSWER_FILE [CERTIFICATE_AND_KEY]

The answer is a whole HTTP response, head included. The port is printed; the end of standard input ends the server.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import sys
import threading
from pathlib import Path

BUFFER_BYTES = 1 << 20
#: A longer answer goes from the file to the socket without passing through this process.
SMALL_ANSWER_BYTES = 1 << 16
_LENGTH = re.compile(rb"(?i)\ncontent-length: *(\d+)")
_CHUNKED = re.compile(rb"(?i)\ntransfer-encoding: *chunked")
_LAST_CHUNK = b"\r\n0\r\n\r\n"


def main() -> None:
    """Serve until standard input ends."""
    answer = Path(sys.argv[1])
    context = _tls_context(sys.argv[2]) if len(sys.argv) > 2 else None
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=_accept, args=(listener, answer, context), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
    os._exit(0)


def _tls_context(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _accept(listener: socket.socket, answer: Path, context: ssl.SSLContext | None) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(connection, answer, context), daemon=True).start()


def _serve(connection: socket.socket, answer: Path, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError), connection, answer.open("rb") as file:
        stream = context.wrap_socket(connection, server_side=True) if context else connection
        small = answer.read_bytes() if answer.stat().st_size <= SMALL_ANSWER_BYTES else None
        buffer = bytearray(BUFFER_BYTES)
        while _discard_request(stream, buffer):
            if small is None:
                file.seek(0)
                stream.sendfile(file)
            else:
                stream.sendall(small)


def _discard_request(stream: socket.socket, buffer: bytearray) -> bool:
    """Read one request to its end; False when there is none any more."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = stream.recv(SMALL_ANSWER_BYTES)
        if not data:
            return False
        head += data
    head, _, body = head.partition(b"\r\n\r\n")
    if _CHUNKED.search(head):
        return _discard_chunks(stream, buffer, b"\r\n" + body)
    length = _LENGTH.search(head)
    return _discard_bytes(stream, buffer, int(length[1]) - len(body) if length else 0)


def _discard_bytes(stream: socket.socket, buffer: bytearray, missing: int) -> bool:
    while missing > 0:
        received = stream.recv_into(buffer)
        if not received:
            return False
        missing -= received
    return True


def _discard_chunks(stream: socket.socket, buffer: bytearray, tail: bytes) -> bool:
    """Read until the last chunk, which is told by how it looks: its bytes end no piece of data by chance."""
    while not tail.endswith(_LAST_CHUNK):
        received = stream.recv_into(buffer)
        if not received:
            return False
        tail = (tail + buffer[max(received - 16, 0):received])[-16:]
    return True


if __name__ == "__main__":
    main()
