"""Tells how an answer differs from the recorded one, leaving out what varies from run to run."""

from __future__ import annotations

import base64
import re
import tempfile
from pathlib import Path
from typing import Any

from tests.wire.client import Answer
from tests.wire.transcript import Exchange

SHOWN = 500
TIME_DIGITS = 4  # by which the lengths of two bodies may differ
_PRESENCE = ("Retry-After", "Carto-Rate-Limit-Limit", "Carto-Rate-Limit-Remaining", "Carto-Rate-Limit-Reset")
_VARYING = (
    (re.compile(r'"time":\d+(?:\.\d+)?'), '"time":T'),
    (re.compile(r'"(created_at|updated_at|started_at|ended_at)":"[^"]*"'), r'"\1":"T"'),
    (re.compile(r"unknown\(\d+\)"), "unknown(OID)"),
    (re.compile(r"\bOID \d+"), "OID N"),
)


def differences(exchange: Exchange, answer: Answer) -> list[str]:
    """Compare an answer with the recorded one.

    Args:
        exchange: The recording; it has a response.
        answer: What came in this run, its job ids already named as in the recording.

    Returns:
        One text for each difference.
    """
    expected = exchange.response or {}
    if expected["status"] != answer.status:
        return [f"status: expected {expected['status']}, got {answer.status} {shown(answer.body)}"]
    if answer.status is None:
        return []
    found = _header_differences(expected["headers"], answer.headers)
    return found + _body_differences(exchange, expected, answer)


def _header_differences(expected: dict[str, str], got: dict[str, str]) -> list[str]:
    expected = {name.lower(): value for name, value in expected.items()}
    got = {name.lower(): value for name, value in got.items()}
    found = []
    for name in ("content-type", "content-disposition"):
        pair = [_without_date(headers.get(name, "")) for headers in (expected, got)]
        if pair[0] != pair[1]:
            found.append(f"{name}: expected {pair[0]!r}, got {pair[1]!r}")
    for name in _PRESENCE:
        if (name.lower() in expected) != (name.lower() in got):
            found.append(f"{name}: {'missing' if name.lower() in expected else 'not expected'}")
    return found


def _without_date(disposition: str) -> str:
    return re.sub(r' modification-date="[^"]*";', "", disposition)


def _body_differences(exchange: Exchange, expected: dict[str, Any], answer: Answer) -> list[str]:
    if "pipelined" in exchange.note:
        wanted, got = (_pipelined_bodies(_text(body)) for body in (expected["body"], answer.body))
        return compared("bodies", wanted, got)
    if "body_b64" in expected:
        return _binary_differences(base64.b64decode(expected["body_b64"]), answer.body)
    if "body_b64_head" in expected:
        return _shortened_binary_differences(expected, answer.body)
    if "body_head" in expected:
        return _long_body_differences(expected, answer.body.decode())
    return compared("body", _text(expected.get("body", "")), _text(answer.body))


def _pipelined_bodies(text: str) -> list[str]:
    """Take the JSON out of the raw bytes of two answers in chunks."""
    without_chunks = re.sub(r"(?:^|\r\n)[0-9a-f]+\r\n", "", text)
    return re.findall(r'\{"rows".*?"total_rows":\d+\}', without_chunks)


def _shortened_binary_differences(expected: dict[str, Any], got: bytes) -> list[str]:
    """Compare the beginning, which is SQLite's header with the layout of its first page, and the length."""
    wanted = base64.b64decode(expected["body_b64_head"])
    found = compared("first bytes", _without_change_counter(wanted), _without_change_counter(got[: len(wanted)]))
    return found + compared("length in base64", expected["body_b64_length"], len(base64.b64encode(got)))


def _without_change_counter(header: bytes) -> bytes:
    """Clear what SQLite counts its commits by, at two places: GDAL commits the same rows in one step more or less."""
    return header[:24] + bytes(4) + header[28:92] + bytes(4) + header[96:]


def _long_body_differences(expected: dict[str, Any], got: str) -> list[str]:
    head, tail = expected["body_head"], expected["body_tail"]
    found = compared("beginning", _text(head), _text(got[: len(head)]))
    if abs(len(got) - expected["body_length"]) > TIME_DIGITS:
        found.append(f"length: expected {expected['body_length']}, got {len(got)}")
    # The two tails begin somewhere in a row: what the shorter one has is compared.
    wanted, tail = _text(tail), _text(got[-len(tail) :])
    shared = min(len(wanted), len(tail))
    return found + compared("end", wanted[-shared:], tail[-shared:])


def compared(what: str, expected: Any, got: Any) -> list[str]:
    """Tell about two values that should be equal."""
    return [] if expected == got else [f"{what}: expected {shown(expected)}\n    got {shown(got)}"]


def _text(body: str | bytes) -> str:
    text = body if isinstance(body, str) else body.decode("utf-8", "backslashreplace")
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text


def shown(value: Any) -> str:
    """Write a value, shortened."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


def _binary_differences(expected: bytes, got: bytes) -> list[str]:
    if expected == got:
        return []
    if not (expected.startswith(b"PK") and got.startswith(b"PK")):
        return compared("bytes", expected, got)
    wanted, read = (_layers_in_zip(data) for data in (expected, got))
    return compared("layers", wanted, read)


def _layers_in_zip(data: bytes) -> dict[str, Any]:
    """Read a zipped shapefile as GDAL understands it."""
    import zipfile

    import pyogrio.raw

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "data.zip")
        path.write_bytes(data)
        layers: dict[str, Any] = {"files": sorted(zipfile.ZipFile(path).namelist())}
        for name, _ in pyogrio.list_layers(f"/vsizip/{path}"):
            meta, _, geometry, columns = pyogrio.raw.read(f"/vsizip/{path}", layer=name)
            layers[name] = {
                "crs": meta["crs"],
                "fields": list(meta["fields"]),
                "geometry": None if geometry is None else [g.hex() if g else None for g in geometry],
                "columns": [[str(value) for value in column] for column in columns],
            }
    return layers
