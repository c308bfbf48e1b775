"""Receives the body of an import: parameters, and a file that goes straight to disk."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from carto.sandbox import parameters
from carto.sandbox.errors import ApiError

STORED_AS = "upload"
MAX_FIELD_BYTES = 1 << 20


class MalformedBodyError(Exception):
    """The body is not what its Content-Type says."""


@dataclass
class Received:
    """What came with a request.

    Attributes:
        parameters: Fields of the body.
        filename: What the caller calls the file; None when there is none.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    filename: str | None = None


async def receive(request: Request, directory: Path, max_bytes: int, raw_name: str | None) -> Received:
    """Read a body to its end.

    Args:
        request: The request.
        directory: Made at need; the file is put there as `STORED_AS`.
        max_bytes: What is beyond so many bytes of the file, and one more, is dropped.
        raw_name: Name of a file that the whole body is, unless its type is another.

    Raises:
        MalformedBodyError: It can't be understood.
        ClientDisconnect: The caller went away.
    """
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _receive_form(request, _File(directory, max_bytes), content_type)
    if raw_name and kind != "application/json":
        await _receive_raw(request, _File(directory, max_bytes))
        return Received(filename=raw_name)
    try:
        return Received(await parameters.body_parameters(request))
    except ApiError as error:
        raise MalformedBodyError(error.message) from error


class _File:
    """A file that is being received; the directory for it is made with its first byte."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._bytes_left = max_bytes + 1  # one too many shows that it is too large
        self._file: IO[bytes] | None = None

    def write(self, piece: bytes) -> None:
        if self._file is None:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            self._file = (self._directory / STORED_AS).open("wb")
        self._file.write(piece[: self._bytes_left])
        self._bytes_left -= min(len(piece), self._bytes_left)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


async def _receive_raw(request: Request, file: _File) -> None:
    try:
        file.write(b"")
        async for piece in request.stream():
            file.write(piece)
    finally:
        file.close()


async def _receive_form(request: Request, file: _File, content_type: str) -> Received:
    form = _Form(file)
    try:
        boundary = parse_options_header(content_type)[1][b"boundary"]
        parser = MultipartParser(boundary, form.callbacks())
        async for piece in request.stream():
            parser.write(piece)
        parser.finalize()
    except (KeyError, FormParserError) as error:
        raise MalformedBodyError(f"The form cannot be read: {error}") from error
    finally:
        file.close()
    return form.received


class _Form:
    """Takes a form apart: short fields are kept, the first file goes to disk, further ones are dropped."""

    def __init__(self, file: _File) -> None:
        self.received = Received()
        self._file = file
        self._header_name = b""
        self._header_value = b""
        self._disposition: dict[bytes, bytes] = {}
        self._field: bytearray | None = None
        self._is_file = False

    def callbacks(self) -> Any:
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_header_name,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
        }

    def _begin_part(self) -> None:
        self._disposition, self._field, self._is_file = {}, None, False

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = parse_options_header(self._header_value)[1]
        self._header_name = self._header_value = b""

    def _end_headers(self) -> None:
        if b"filename" not in self._disposition:
            self._field = bytearray()
        elif self.received.filename is None:
            self._is_file = True
            self.received.filename = _name(self._disposition[b"filename"])
            self._file.write(b"")

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._file.write(data[start:end])
        elif self._field is not None and len(self._field) < MAX_FIELD_BYTES:
            self._field += data[start:end]

    def _end_part(self) -> None:
        if self._field is not None:
            name = self._disposition.get(b"name", b"").decode("utf-8", "replace")
            self.received.parameters[name] = self._field.decode("utf-8", "replace")


def _name(sent: bytes) -> str:
    """Read the name of a file: without directories, spaces as underscores."""
    name = sent.decode("utf-8", "replace")
    for quoted, mark in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):  # as browsers quote them
        name = name.replace(quoted, mark)
    return clean_name(name)


def clean_name(name: str) -> str:
    """Return the last part of a path, spaces as underscores; empty when there is none."""
    return re.sub(r"\s", "_", name.replace("\\", "/").rpartition("/")[2]).strip("\0")
