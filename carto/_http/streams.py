"""Bodies as streams: what is uploaded, made into chunks worth sending, and what is downloaded, in blocks.

Memory is bounded by the chunk, whatever the size of the data.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import requests
import urllib3

from carto._http.wire import Block, wire_blocks
from carto.exceptions import CartoUsageException, transport_error

fast_zlib: Any = zlib
with contextlib.suppress(ImportError):  # the extra `speed` may not be installed, or have no wheel here
    from isal import isal_zlib as fast_zlib

#: Bytes sent or read at a time: where sockets reach their full rate.
CHUNK_SIZE = 65536
#: Seconds after which small pieces are sent although they do not fill a chunk, so that a slow
#: producer neither looks like a dead one to the server nor misses the server's early answer.
_MAX_DELAY = 0.5
#: zlib's name for gzip's format, with its largest window.
_GZIP = 31

_Answer = TypeVar("_Answer")
#: Told the bytes so far, and all there will be where that is known.
Report: TypeAlias = Callable[[int, "int | None"], None]


class ProducerFailed(Exception):
    """Ends an upload whose data could not be produced; nothing on the way to the caller takes it for its own."""


class UploadBody:
    """The body of an upload: any source of bytes, gathered into chunks, compressed if wanted.

    Iterating over it again sends it again: a path is opened anew, a file goes
    back to where it was.

    Args:
        source: Bytes, text, a path, a file, or an iterable of bytes-like objects or texts.
        compression_level: gzip's level, or None to send the data as it is.
        report: Called with the bytes taken from the source.

    Raises:
        CartoUsageException: The source is nothing of that, or there is no such level.

    Attributes:
        replayable: Whether iterating again gives the same data.
        failure: The exception of the source that ended the upload, or None.
        write_timeout: Seconds that the server may take nothing; None is for ever.
    """

    def __init__(self, source: Any, compression_level: int | None = None, report: Report | None = None) -> None:
        self._source = _checked_source(source)
        self._level = _checked_level(compression_level)
        self._report = report
        self._start = position(source)
        self._total = _size(source, self._start)  # which also finds out early that there is no file at a path
        self._started = False
        # isal works a fifth faster on twice as much; what it makes of it is about a chunk
        self._chunk_size = CHUNK_SIZE if compression_level is None else 2 * CHUNK_SIZE
        one_shot = self._start is None if hasattr(source, "read") else isinstance(source, Iterator)
        self.replayable = not one_shot
        self.failure: Exception | None = None
        self.write_timeout: float | None = None

    def __iter__(self) -> Iterator[bytes]:
        self.failure = None
        try:
            chunks = _gathered(self._pieces(), self._chunk_size)
            if self._report is not None:
                chunks = _reported(chunks, self._report, self.size())
            yield from chunks if self._level is None else _compressed(chunks, self._level)
        except Exception as error:
            self.failure = error
            raise ProducerFailed(f"the data could not be produced ({type(error).__name__})") from error

    def sent_by(self, send: Callable[[], _Answer]) -> _Answer:
        """Send the body; what its source raises is raised, in place of what becomes of that on its way.

        Args:
            send: What iterates over this body.

        Returns:
            What it returns.
        """
        try:
            return send()
        except Exception:
            if self.failure is None:
                raise
        raise self.failure

    def size(self) -> int | None:
        """Tell how many bytes there will be before compression, or None where that is not known."""
        return self._total

    def _pieces(self) -> Iterator[bytes]:
        source = self._source
        if isinstance(source, os.PathLike):
            with Path(source).open("rb") as file:
                yield from _read_pieces(file, self._chunk_size)
        elif hasattr(source, "read"):
            if self._started:
                source.seek(self._start)
            self._started = True
            yield from _read_pieces(source, self._chunk_size)
        elif isinstance(source, (bytes, bytearray, memoryview, str)):
            yield _as_bytes(source)
        else:
            yield from map(_as_bytes, source)


def _checked_level(level: int | None) -> int | None:
    if level is None or (isinstance(level, int) and -1 <= level <= 9):
        return level
    raise CartoUsageException(f"compression_level is a number from 0 (none) to 9 (smallest), not {level!r}")


def _checked_source(source: Any) -> Any:
    if isinstance(source, Mapping) or (hasattr(source, "to_csv") and hasattr(source, "columns")):
        raise CartoUsageException(f"a {type(source).__name__} is not the text of its rows, and going through it gives "
                                  "names only: send what df.to_csv(index=False, header=False) makes of a data frame")
    if isinstance(source, os.PathLike) or hasattr(source, "read") or hasattr(source, "__iter__"):
        return source
    raise CartoUsageException("the data must be an iterable of bytes or texts, a file, a path or bytes, "
                              f"not {type(source).__name__}")


def _as_bytes(piece: Any) -> bytes:
    """Copy whatever can change while it waits for its chunk."""
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, str):
        return piece.encode()
    try:
        return memoryview(piece).tobytes()
    except TypeError:
        raise CartoUsageException("the data must be made of bytes or texts, "
                                  f"but a piece of it is of type {type(piece).__name__}") from None


def _read_pieces(file: Any, size: int) -> Iterator[bytes]:
    while piece := file.read(size):
        yield _as_bytes(piece)


def _gathered(pieces: Iterable[bytes], chunk_size: int) -> Iterator[bytes]:
    """Join small pieces until they make a chunk or the oldest has waited long enough; cut big ones."""
    waiting: list[bytes] = []
    size, due = 0, time.monotonic() + _MAX_DELAY
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= chunk_size or time.monotonic() >= due:
            yield from _cut(waiting[0] if len(waiting) == 1 else b"".join(waiting), chunk_size)
            waiting, size, due = [], 0, time.monotonic() + _MAX_DELAY
    yield from _cut(b"".join(waiting), chunk_size)


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    if len(data) < 2 * size:
        if data:
            yield data
        return
    for start in range(0, len(data), size):
        yield data[start:start + size]


def _reported(chunks: Iterable[bytes], report: Report, total: int | None) -> Iterator[bytes]:
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        report(done, total)


def _compressed(chunks: Iterable[bytes], level: int) -> Iterator[bytes]:
    codec = fast_zlib if level == 1 else zlib  # the levels of isal and zlib mean the same only there
    compressor = codec.compressobj(level, zlib.DEFLATED, _GZIP)
    for chunk in chunks:
        data = compressor.compress(chunk)
        if len(chunk) < CHUNK_SIZE:  # sent early, so it must not wait in the compressor
            data += compressor.flush(zlib.Z_SYNC_FLUSH)
        if data:
            yield data
    yield compressor.flush()


def position(source: Any) -> int | None:
    """Tell where a file stands, or None for what can't return there."""
    seekable = getattr(source, "seekable", None)
    if seekable is None or not seekable():
        return None
    try:
        return int(source.tell())
    except OSError:  # of text, of which some was taken line by line
        return None


def _size(source: Any, start: int | None) -> int | None:
    """Tell how many bytes a source will give, where that can be known without reading it."""
    if isinstance(source, (bytes, bytearray)):
        return len(source)
    if isinstance(source, io.BytesIO):
        return source.getbuffer().nbytes - (start or 0)
    if isinstance(source, os.PathLike):
        return _file_size(os.stat(source))
    if isinstance(getattr(source, "raw", source), io.FileIO) and start is not None:
        size = _file_size(os.fstat(source.fileno()))
        return None if size is None else size - start
    return None


def _file_size(status: os.stat_result) -> int | None:
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def expected_size(response: requests.Response) -> int | None:
    """Tell how many bytes the body of an answer will give, or None where that is not known."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Content-Encoding" not in response.headers else None


def read_blocks(response: requests.Response) -> Generator[Block, None, None]:
    """Read the body of an answer to its end, decoded.

    Whoever stops before the end closes the connection by closing the iterator.

    Args:
        response: An answer that was asked for with ``stream=True``.

    Yields:
        The body, in blocks of about `CHUNK_SIZE` bytes.

    Raises:
        CartoTransportException: The body ended before its end, or did not come in time.
    """
    received = 0
    try:
        for block in _decoded(response):
            received += len(block)
            yield block
        return
    except (urllib3.exceptions.HTTPError, requests.RequestException) as caught:
        error = transport_error(caught, f"{received} bytes of the answer had come, so the data is not complete")
    finally:
        response.close()
    raise error from error.args[0]


def _decoded(response: requests.Response) -> Iterator[Block]:
    raw = response.raw
    if not isinstance(raw, urllib3.HTTPResponse) or response._content_consumed:
        yield from response.iter_content(CHUNK_SIZE)
        return
    encoding = raw.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from wire_blocks(raw)
    elif encoding in ("gzip", "x-gzip"):
        yield from _decompressed(wire_blocks(raw))
    else:
        yield from raw.stream(CHUNK_SIZE, decode_content=True)


def _decompressed(blocks: Iterable[Block]) -> Iterator[bytes]:
    """Undo gzip, also of several streams one after the other."""
    decoder = fast_zlib.decompressobj(_GZIP)
    begun = False
    try:
        for block in blocks:
            while block:
                if decoder.eof:
                    decoder = fast_zlib.decompressobj(_GZIP)
                begun = True
                yield from _inflated(decoder, block)
                block = decoder.unused_data if decoder.eof else b""
    except (zlib.error, fast_zlib.error) as broken:
        raise urllib3.exceptions.DecodeError(f"the answer is not valid gzip data: {broken}") from None
    if begun and not decoder.eof:
        raise urllib3.exceptions.ProtocolError("the connection ended before the answer, in the middle of gzip data")


def _inflated(decoder: Any, block: Block) -> Iterator[bytes]:
    """Decompress a block in steps, so that a bomb does not fill the memory."""
    while True:
        data = decoder.decompress(block, 4 * CHUNK_SIZE)
        if data:
            yield data
        block = decoder.unconsumed_tail
        if not block and len(data) < 4 * CHUNK_SIZE:
            return
