"""The body of an answer as a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import requests

from carto._http.streams import read_blocks
from carto._http.wire import Block

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Bytes that most lines are shorter than.
_LINE_GUESS = 256


class ResponseStream(io.RawIOBase):
    """A readable file over the body of an answer, for whatever reads files: csv, pandas, pyarrow...

    It fills every buffer that it is given. Closing it before its end closes
    the connection; a body that does not arrive whole raises, at every later read as well.

    Args:
        response: An answer that was asked for with ``stream=True``.
        blocks: The body, where it needs more than decoding; by default it is read from `response`.
    """

    def __init__(self, response: requests.Response, *, blocks: Iterator[Block] | None = None) -> None:
        self._response = response
        self._blocks = read_blocks(response) if blocks is None else blocks
        self._block = memoryview(b"")
        self._failure: BaseException | None = None

    def readable(self) -> bool:
        """Say that this file can be read."""
        return True

    def readinto(self, b: WriteableBuffer) -> int:
        """Fill a buffer.

        Args:
            b: A buffer, where to put the data.

        Returns:
            How many bytes were put there: less than its size only at the end of the body.

        Raises:
            CartoException: The body did not arrive whole.
        """
        target = memoryview(b).cast("B")
        filled = 0
        while filled < len(target) and (block := self._current_block()):
            count = min(len(block), len(target) - filled)
            target[filled:filled + count] = block[:count]
            self._block = block[count:]
            filled += count
        return filled

    def read(self, size: int | None = -1, /) -> bytes:
        """Read a number of bytes, copied once: io's own way would go through a buffer.

        Args:
            size: How many bytes; None or a negative number reads to the end.

        Returns:
            The bytes: fewer than `size` only at the end of the body.

        Raises:
            CartoException: The body did not arrive whole.
        """
        if size is None or size < 0:
            return self.readall()
        parts = []
        while size and (part := self._current_block()[:size]):
            parts.append(part)
            self._block = self._block[len(part):]
            size -= len(part)
        return b"".join(parts)

    def readall(self) -> bytes:
        """Read what is left of the body."""
        rest = []
        while block := self._current_block():
            rest.append(block)
            self._block = memoryview(b"")
        return b"".join(rest)

    def peek(self, size: int = 0, /) -> bytes:
        """Look at what comes next, without taking it; io reads lines byte by byte from files that can't."""
        return bytes(self._current_block()[:max(size, _LINE_GUESS)])

    def close(self) -> None:
        """Close the file and, unless the whole body was read, the connection."""
        if not self.closed:
            close_blocks = getattr(self._blocks, "close", None)
            if close_blocks is not None:
                close_blocks()
            self._response.close()
        super().close()

    def _current_block(self) -> memoryview:
        if self.closed:
            raise ValueError("I/O operation on a closed stream")
        if self._failure is not None:  # the blocks would only say that there are no more
            raise self._failure
        if not self._block:
            try:
                self._block = memoryview(next(self._blocks, b""))
            except BaseException as error:
                self._failure = error
                raise
        return self._block
