"""Recorded exchanges: reading them, giving shortened bodies their full length again, renaming what they name."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_END_OF_MAP = (
    "'\", \"cartocss\": \"#layer { marker-width: 10; marker-fill: #ff0000; }\", \"cartocss_version\": \"2.3.0\"}}]}"
)
"""What follows the SQL in the recorded maps that were shortened."""


@dataclass
class Exchange:
    """One recorded request and what the real server answered.

    Attributes:
        name: Its name; the first word is its group.
        request: Method, path, headers, body, note.
        response: Status, headers, body; None where no answer is known.
        replay: False for what would break the server or is too large.
    """

    name: str
    request: dict[str, Any]
    response: dict[str, Any] | None
    replay: bool

    @property
    def group(self) -> str:
        """The first word of the name; type and types are one group."""
        word = self.name.split("_")[0]
        return "types" if word == "type" else word

    @property
    def note(self) -> str:
        """What the recording says about how the request was made."""
        return str(self.request.get("note", ""))

    @property
    def path_template(self) -> str:
        """The path, with the names of exchanges whose answers have parts of it."""
        return str(self.request.get("path_tpl", self.request["path"]))

    def with_text(self, old: str, new: str) -> Exchange:
        """Return the same with a text replaced wherever it stands in request and answer."""
        request, response = (
            json.loads(json.dumps(part).replace(old, new)) for part in (self.request, self.response)
        )
        return Exchange(self.name, request, response, self.replay)

    @property
    def header(self) -> dict[str, str]:
        """The request's headers."""
        return dict(self.request["headers"])

    def body(self) -> bytes:
        """Return the request's body in full length."""
        if "body_b64" in self.request:
            return base64.b64decode(self.request["body_b64"])
        if "body_head" in self.request:
            return full_body(self.request["body_head"], self.request["body_length"], self.header)
        return str(self.request.get("body") or "").encode()


def read_transcript(path: Path) -> list[Exchange]:
    """Read all exchanges of a file, one a line."""
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [Exchange(row["name"], row["request"], row["response"], row.get("replay", True)) for row in rows]


def full_body(head: str, length: int, headers: Mapping[str, str]) -> bytes:
    """Continue a body whose beginning alone was kept.

    Args:
        head: The beginning.
        length: Bytes of the whole, as it was sent.
        headers: The request's headers, which tell a compressed body.
    """
    if headers.get("Content-Encoding") == "gzip":
        # The kept beginning is text and no longer unpacks: the same rows as in the uncompressed upload.
        return gzip.compress(b"".join(numbered_rows("id,name,v", "{0},name{0},{0}", 300_000)), 1)
    if re.search(r"(.)\1{99}\Z", head):
        return _padded(head, length)
    if "\n1,name1,1\n" in head:
        return _numbered_twice(length)
    return _repeated(head, length)


def numbered_rows(header: str, row: str, count: int) -> Iterator[bytes]:
    """Give a CSV header and rows that hold their own number."""
    yield f"{header}\n".encode()
    for number in range(count):
        yield (row.format(number) + "\n").encode()


_LENGTH_QUERY_TAIL = 60


def _padded(head: str, length: int) -> bytes:
    """Repeat the last letter, inside the rows of a CSV or up to the end of a form."""
    if head.startswith("{"):
        return (head + head[-1] * (length - len(head) - len(_END_OF_MAP)) + _END_OF_MAP).encode()
    if head.startswith("q="):
        # The end that was left out held the key; any key may measure a text.
        tail = "%27%29+as+n&api_key=default_public&padding=".ljust(_LENGTH_QUERY_TAIL, "x")
        return (head + head[-1] * (length - len(head) - len(tail)) + tail).encode()
    header, first, _ = (head + "\n").split("\n", 2)
    number, _, text = first.partition(",")
    return _rows_of_letters(header, int(number), text[0], length)


def _rows_of_letters(header: str, first: int, letter: str, length: int) -> bytes:
    rows, size, number = [f"{header}\n"], len(header) + 1, first
    while size < length:
        row = f"{number},{letter * 1000}\n"
        rows.append(row)
        size += len(row)
        number += 1
    return "".join(rows).encode()[: length - 1] + b"\n"


def _numbered_twice(length: int) -> bytes:
    """Rows with their number; what is longer than one run of them repeats it and ends with a bad row."""
    body = b"".join(numbered_rows("id,name,v", "{0},name{0},{0}", 300_000))
    if length > len(body):
        body += body.split(b"\n", 1)[1] + b"bad,x,1\n"
    return body


def _repeated(head: str, length: int) -> bytes:
    """Repeat the line that the beginning ends with again and again."""
    lines = head.split("\n")
    repeated = lines[3] + "\n"
    start = head[: head.index(repeated)]
    count = (length - len(start)) // len(repeated)
    return (start + repeated * count).encode()


class Renames:
    """Replaces names by others, in texts of any kind, also where they are hidden in a Basic header."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._pairs = dict(pairs)
        alternatives = "|".join(re.escape(old) for old in sorted(pairs, key=len, reverse=True))
        self._pattern = re.compile(alternatives or r"(?!)")

    def text(self, text: str) -> str:
        """Rename in a text."""
        return self._pattern.sub(lambda match: self._pairs[match.group()], text)

    def tree(self, value: Any) -> Any:
        """Rename in all texts of parsed JSON."""
        if isinstance(value, dict):
            return {self.text(name): self._member(name, item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.tree(item) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def exchange(self, exchange: Exchange) -> Exchange:
        """Rename in an exchange, also in its own name, by which others refer to a job."""
        request, response = self.tree(exchange.request), self.tree(exchange.response)
        return Exchange(self.text(exchange.name), request, response, exchange.replay)

    def _member(self, name: str, item: Any) -> Any:
        if name == "Authorization" and item.startswith("Basic "):
            return "Basic " + self._basic(item.removeprefix("Basic "))
        if name == "body_b64":
            return self._base64(item)
        return self.tree(item)

    def _basic(self, encoded: str) -> str:
        try:
            decoded = base64.b64decode(encoded, validate=True).decode()
        except ValueError:
            return encoded
        return base64.b64encode(self.text(decoded).encode()).decode()

    def _base64(self, encoded: str) -> str:
        """Rename in binary data; what is packed by gzip is left as it is."""
        data = base64.b64decode(encoded)
        if data.startswith(b"\x1f\x8b"):
            return encoded
        renamed = self._zip(data) if data.startswith(b"PK") else self._bytes(data)
        return base64.b64encode(renamed).decode()

    def _zip(self, data: bytes) -> bytes:
        renamed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(renamed, "w") as new:
            for name in old.namelist():
                new.writestr(self.text(name), self._bytes(old.read(name)))
        return renamed.getvalue()

    def _bytes(self, data: bytes) -> bytes:
        """Rename in texts of a fixed length, in both encodings that occur."""
        same_length = {old: new for old, new in self._pairs.items() if len(old) == len(new)}
        for encoding in ("utf-8", "utf-16-le"):
            for old, new in same_length.items():
                data = data.replace(old.encode(encoding), new.encode(encoding))
        return data
