"""Unpacks gzip piece by piece, with the fast library when it is installed."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from carto.sandbox.errors import ApiError

MAX_PIECE = 1 << 20  # bytes: a small upload may unpack to very much
_GZIP = 31  # window bits that ask for a gzip header
_NODE_MESSAGES = {
    "Invalid gzip/zlib wrapper found": "incorrect header check",
    "Incorrect checksum found": "incorrect data check",
    "Invalid deflate block found": "invalid block type",
    "Invalid lookback distance found": "invalid distance too far back",
    "Invalid symbol found": "invalid code lengths set",
}


def _library() -> Any:
    try:
        return import_module("isal.isal_zlib")
    except ImportError:
        return zlib


class Gunzip:
    """Unpacks one upload, of one or several gzip members."""

    def __init__(self) -> None:
        self._zlib = _library()
        self._unpacker = self._zlib.decompressobj(wbits=_GZIP)

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """Give what a piece of the upload unpacks to.

        Raises:
            ApiError: 400, this is no gzip.
        """
        while data:
            if self._unpacker.eof:
                if not data.startswith(b"\x1f"):
                    return  # garbage behind the last member is ignored
                self._unpacker = self._zlib.decompressobj(wbits=_GZIP)
            yield self._step(data)
            data = self._unpacker.unused_data or self._unpacker.unconsumed_tail

    def finish(self) -> None:
        """Check that the upload ended where its gzip does.

        Raises:
            ApiError: 400, it is cut short.
        """
        if not self._unpacker.eof:
            raise _refusal("unexpected end of file")

    def _step(self, data: bytes) -> bytes:
        try:
            piece: bytes = self._unpacker.decompress(data, MAX_PIECE)
        except self._zlib.error as error:
            text = re.sub(r"^Error -?\d+ (?:while decompressing data: )?", "", str(error))
            raise _refusal(_NODE_MESSAGES.get(text, text)) from error
        return piece


def _refusal(reason: str) -> ApiError:
    return ApiError(400, f"Error while gunzipping: {reason}")
