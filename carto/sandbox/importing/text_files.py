"""Brings text files into UTF-8, which is all that GDAL reads."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path

from carto.sandbox.import_errors import ImportFailed

READ_BYTES = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NUMBER = re.compile(r"[-+]?\d*[.,]?\d+")
_FALLBACKS = ("utf-8", "cp1252", "latin-1")


def to_utf8(path: Path) -> Path:
    """Return a file of the same text in UTF-8: itself, or a copy beside it.

    Raises:
        ImportFailed: 2002, it is no text; 2006, it is not in the encoding that it claims.
    """
    encoding = encoding_of(path)
    if encoding == "utf-8":
        return path
    copy = path.with_name(f"utf8-{path.name}")
    try:
        with copy.open("w", encoding="utf-8", newline="") as target:
            target.writelines(_pieces(path, encoding))
    except UnicodeDecodeError as error:
        raise ImportFailed(2006, f"{path.name} is not {encoding}: {error.reason}") from error
    return copy


def encoding_of(path: Path) -> str:
    """Tell the encoding of a text file: that of its byte order mark, or the first that fits all of its bytes.

    Raises:
        ImportFailed: 2002, it is no text.
    """
    with path.open("rb") as file:
        start = file.read(4096)
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    if b"\0" in start:
        return _utf16_without_mark(start, path)
    return next(encoding for encoding in _FALLBACKS if _fits(path, encoding))


def _utf16_without_mark(start: bytes, path: Path) -> str:
    """Tell the byte order by the zeros in the text, most of which is taken to be Latin."""
    pairs = len(start) // 2
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if start[offset::2].count(0) > 0.4 * pairs and start[1 - offset :: 2].count(0) == 0:
            return encoding
    raise ImportFailed(2002, f"{path.name} has zero bytes in it, and is not UTF-16")


def _fits(path: Path, encoding: str) -> bool:
    try:
        for _ in _pieces(path, encoding):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _pieces(path: Path, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)


def check_quotes(path: Path) -> None:
    """Refuse a table in which a quote is opened and never closed: all that follows would become one value.

    Raises:
        ImportFailed: 2003.
    """
    with path.open("rb") as file:
        quotes = sum(piece.count(b'"') for piece in iter(lambda: file.read(READ_BYTES), b""))
    if quotes % 2:
        raise ImportFailed(2003, f"{path.name} has an odd number of quotes: one is not closed")


def separator_of(path: Path) -> str:
    """Tell what parts the columns of a table: what its first line has most of, outside of quotes."""
    unquoted = "".join(_first_line(path).split('"')[::2])
    return max(",;\t|", key=unquoted.count)


def has_header(path: Path, separator: str) -> bool:
    """Tell whether a table begins with the names of its columns: with anything but numbers."""
    cells = _first_line(path).strip("\r\n").replace('"', "").split(separator)
    return not all(_NUMBER.fullmatch(cell.strip()) for cell in cells)


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline(READ_BYTES)


def check_json(path: Path) -> None:
    """Refuse what is not even JSON, or JSON of another kind, with a reason better than GDAL's.

    Raises:
        ImportFailed: 3007.
    """
    try:
        with path.open(encoding="utf-8") as file:
            content = json.load(file)
    except ValueError as error:
        raise ImportFailed(3007, f"{path.name} is not JSON: {error}") from error
    kind = content.get("type") if isinstance(content, dict) else type(content).__name__
    raise ImportFailed(3007, f"{path.name} holds no features; its type is {kind!r}")
