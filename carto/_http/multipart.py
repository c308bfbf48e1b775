"""Send one file, alone or as a form, as a stream: requests would build the whole form in memory."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Iterator
from typing import Any

from carto._http.streams import Report, UploadBody


class SizedBody(UploadBody):
    """A body that is sent with its size where that is known; see `UploadBody`."""

    def __len__(self) -> int:
        """Tell the size, so that it is sent as Content-Length: proxies refuse forms without one.

        What cannot be known is 0, which requests sends in chunks.
        """
        return self.size() or 0

    def __bool__(self) -> bool:
        """Be a body whatever the size is, by which Python would judge."""
        return True


class FileForm(SizedBody):
    """A multipart/form-data body with one file in it.

    Args:
        name: The name of the form's field.
        filename: The name of the file; the server reads its format from the extension. What in it is no text, as in
            names from systems without UTF-8, becomes a question mark.
        source: See `UploadBody`.
        report: Called with the bytes sent, and with the size of the body where it is known.

    Attributes:
        content_type: The header that goes with the body.
    """

    def __init__(self, name: str, filename: str, source: Any, report: Report | None = None) -> None:
        super().__init__(source, report=report)
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._head = (f"--{boundary}\r\n"
                      f'Content-Disposition: form-data; name="{_quoted(name)}"; filename="{_quoted(filename)}"\r\n'
                      "Content-Type: application/octet-stream\r\n\r\n").encode(errors="replace")
        self._tail = f"\r\n--{boundary}--\r\n".encode()

    def size(self) -> int | None:
        """Tell the size of the whole form, or None where that of the file is not known."""
        size = super().size()
        return None if size is None else len(self._head) + size + len(self._tail)

    def _pieces(self) -> Iterator[bytes]:
        yield self._head
        yield from super()._pieces()
        yield self._tail


@contextlib.contextmanager
def of_known_size(source: Any) -> Iterator[Any]:
    """Copy a source to a temporary file when its size can't be known before it is read, as that of a pipe.

    Args:
        source: See `UploadBody`.

    Yields:
        The source, or the copy.
    """
    body = UploadBody(source)
    if body.size() is not None:
        yield source
        return
    with tempfile.TemporaryFile() as copy:
        body.sent_by(lambda: copy.writelines(body))
        copy.seek(0)
        yield copy


def _quoted(text: str) -> str:
    """Write a name as browsers do."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
