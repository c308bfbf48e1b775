"""Whether the data of a COPY TO is whole.

When a COPY fails on its way, the server has already said 200. It then ends the
body, with a normal end, by its error as JSON behind the data so far; a proxy
may cut it off altogether. The formats tell: csv and text end with a line feed,
binary with a trailer.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections import deque
from collections.abc import Generator
from typing import NamedTuple

import requests

from carto._http.wire import Block
from carto.exceptions import CartoPartialResultException, error_messages

#: Bytes that are held back until more come, since they may end in an error: longer than any message.
_TAIL_SIZE = 65536
_ERROR_START = b'{"error"'
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
#: Binary data ends with a row of -1 fields.
_TRAILER = b"\xff\xff"
#: So many rows do not follow each other by chance.
_ENOUGH_ROWS = 100


class _Failure(NamedTuple):
    """An error at the end of the data: where it begins, and the server's JSON."""

    start: int
    body: bytes


def whole_blocks(blocks: Generator[Block, None, None], response: requests.Response,
                 copy_format: str) -> Generator[Block, None, None]:
    """Pass on the data of a COPY TO, and raise at its end when it is not whole.

    Args:
        blocks: The body of the answer.
        response: The answer, for the exception.
        copy_format: ``text``, ``csv`` or ``binary``.

    Yields:
        The data, without the server's error.

    Raises:
        CartoPartialResultException: The data is followed by an error, or cut off.
    """
    held: deque[Block] = deque()
    held_size = passed = 0
    head = b""
    with contextlib.closing(blocks):
        for block in blocks:
            if len(head) < _TAIL_SIZE:
                head += block
            held.append(block)
            held_size += len(block)
            while held_size - len(held[0]) >= _TAIL_SIZE:
                held_size -= len(held[0])
                passed += len(held[0])
                yield held.popleft()
    tail = b"".join(held)
    held.clear()
    if _is_whole(head, tail, passed, copy_format):
        yield from filter(None, [tail])
        return
    failure = _failure_in(tail)
    data = tail[:failure.start] if failure else tail
    yield from filter(None, [data])
    raise _partial(response, failure, passed + len(data), copy_format)


def _is_whole(head: bytes, tail: bytes, passed: int, copy_format: str) -> bool:
    if copy_format == "binary":
        return head.startswith(_SIGNATURE) and tail.endswith(_TRAILER) and _ends_between_rows(head, tail, passed == 0)
    return not head or tail.endswith(b"\n")  # a table without rows is no data at all


def _failure_in(tail: bytes) -> _Failure | None:
    """Find the error that the data ends in; a row that only looks like one is followed by something else."""
    start = tail.find(_ERROR_START)
    while start >= 0:
        body = tail[start:]
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if error_messages(document):
            return _Failure(start, body)
        start = tail.find(_ERROR_START, start + 1)
    return None


def _partial(response: requests.Response, failure: _Failure | None, received: int,
             copy_format: str) -> CartoPartialResultException:
    if failure is None:
        return CartoPartialResultException(
            response, f"the answer to COPY TO is cut off after {received} bytes: "
                      f"it does not end as {copy_format} data does", received=received)
    error = CartoPartialResultException(_with_body(response, failure.body), received=received)
    error.errors.append(f"the COPY failed after {received} bytes, which are not the whole data")
    return error


def _with_body(response: requests.Response, body: bytes) -> requests.Response:
    """Make an answer that has the error alone as its body, as the exception wants it."""
    answer = requests.Response()
    answer.status_code, answer.reason, answer.url = response.status_code, response.reason, response.url
    answer.headers, answer.request = response.headers, response.request
    answer.raw = io.BytesIO(body)
    return answer


class _Rows(NamedTuple):
    """Rows of binary data that follow each other: how many, and whether the trailer comes after them."""

    number: int
    whole: bool


def _ends_between_rows(head: bytes, tail: bytes, is_all: bool) -> bool:
    """Tell whether binary data ends between two rows and with the trailer.

    The trailer's two bytes are also how a NULL ends, and NULL may be the last
    column of the row after which the data was cut off. So rows are followed to
    the end of the data; where the beginning of one is not known, from the place
    in the tail from which most rows follow each other.
    """
    first_row = 19 + int.from_bytes(head[15:19], "big")
    fields = head[first_row:first_row + 2]
    if fields == _TRAILER:  # no rows at all
        return True
    if is_all:
        return _follow_rows(tail, first_row, fields).whole
    best = _Rows(0, True)
    start = tail.find(fields)
    while start >= 0 and best.number < _ENOUGH_ROWS:
        best = max(best, _follow_rows(tail, start, fields), key=lambda rows: rows.number)
        start = tail.find(fields, start + 1)
    return best.whole


def _follow_rows(data: bytes, position: int, fields: bytes) -> _Rows:
    number = 0
    while data[position:position + 2] == fields:
        position += 2
        for _ in range(int.from_bytes(fields, "big")):
            size = int.from_bytes(data[position:position + 4], "big", signed=True)
            position += 4 + max(size, 0)
        number += position <= len(data)
    return _Rows(number, data[position:] == _TRAILER)
