"""Read the body of an answer from its socket, below urllib3.

http.client takes a chunked body apart with several calls and copies a chunk.
For a download that is more work than receiving it; here many chunks are
received with one call, and large ones are passed on without a copy.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeAlias

import urllib3
from urllib3.exceptions import ProtocolError, ReadTimeoutError

#: Bytes received with one call: where sockets reach their full rate.
_RECEIVED_AT_ONCE = 131072
_LONGEST_LINE = 65536
#: Bytes for which a write of their own costs less than copying them next to others.
_LARGE_CHUNK = 32768

#: A part of a body; a view shows a part of what was received with one call.
Block: TypeAlias = "bytes | memoryview[int]"
_Receive = Callable[[], bytes]


def wire_blocks(raw: urllib3.HTTPResponse) -> Generator[Block, None, None]:
    """Read a body that nobody has begun to read, without decompressing it.

    At the end of the body its connection goes back to its pool.

    Args:
        raw: The answer as urllib3 has it.

    Yields:
        Blocks of at most 128 KB.

    Raises:
        urllib3.exceptions.HTTPError: The body ended before its end, or did not come in time.
    """
    answer = raw._fp if raw.tell() == 0 else None
    if not isinstance(answer, http.client.HTTPResponse) or answer.fp is None:  # a mock's body, or an empty one
        yield from _read_by_urllib3(raw)
        return
    file = answer.fp

    def receive() -> bytes:
        try:
            return file.read1(_RECEIVED_AT_ONCE)
        except TimeoutError as error:
            raise ReadTimeoutError(None, "", "the server sent nothing in time") from error  # type: ignore[arg-type]
        except OSError as error:
            raise ProtocolError(f"the connection broke: {error}", error) from error

    if answer.chunked:
        yield from _unchunked(receive)
    elif answer.length is None:  # the end of the connection is the end of the body
        yield from iter(receive, b"")
    else:
        yield from _counted(receive, answer.length)
    answer.close()
    raw.release_conn()


def _read_by_urllib3(raw: urllib3.HTTPResponse) -> Iterator[bytes]:
    while block := raw.read(_RECEIVED_AT_ONCE, decode_content=False):
        yield block
    if raw.length_remaining:  # urllib3 1.26 does not raise
        raise _incomplete(f"{raw.length_remaining} bytes are missing")


def _counted(receive: _Receive, length: int) -> Iterator[bytes]:
    while length:
        block = receive()[:length]
        if not block:
            raise _incomplete(f"{length} bytes are missing")
        length -= len(block)
        yield block


def _unchunked(receive: _Receive) -> Iterator[Block]:
    """Take the chunks out of what is received."""
    size, left, line = -1, 0, b""  # of a chunk; what is left of it, with the line end behind it; a line begun
    while True:
        data, line = line + _some(receive), b""
        view, position, parts = memoryview(data), 0, []
        while position < len(data):
            if left:
                if left > 2:
                    parts.append(view[position:position + left - 2])
                step = min(left, len(data) - position)
                left, position = left - step, position + step
                continue
            end = data.find(b"\n", position)
            if end < 0:
                line = _begun_line(data[position:])
                break
            size, position = _chunk_size(data[position:end]), end + 1
            if size == 0:
                _skip_trailers(receive, data[position:])
                break
            left = size + 2
        yield from _worth_writing(parts)
        if size == 0:
            return


def _worth_writing(parts: list[memoryview[int]]) -> Iterable[Block]:
    small = sum(map(len, parts)) < len(parts) * _LARGE_CHUNK
    return [b"".join(parts)] if small else parts


def _some(receive: _Receive) -> bytes:
    data = receive()
    if not data:
        raise _incomplete("the last chunk is missing")
    return data


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    try:
        if digits.isalnum():
            return int(digits, 16)
    except ValueError:
        pass
    raise ProtocolError(f"the answer has a chunk whose size can't be read: {digits[:20]!r}")


def _begun_line(line: bytes) -> bytes:
    if len(line) > _LONGEST_LINE:
        raise ProtocolError("the answer has a line that does not end where the size of a chunk should be")
    return line


def _skip_trailers(receive: _Receive, data: bytes) -> None:
    while True:
        line, end, rest = data.partition(b"\n")
        if not end:
            data = _begun_line(line) + _some(receive)
        elif not line.strip():
            return
        else:
            data = rest


def _incomplete(what: str) -> ProtocolError:
    return ProtocolError(f"the connection ended before the answer: {what}")
