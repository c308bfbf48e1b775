"""arraybuffer: the columns one after the other, as JavaScript's typed arrays, each with type and size before it."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import AsyncIterator, Sequence
from typing import Any

from carto.sandbox import javascript
from carto.sandbox.errors import ApiError
from carto.sandbox.formats.base import Run
from carto.sandbox.formats.rows import row_encoder
from carto.sandbox.node_types import encoders

UINT16, FLOAT32, STRING, BUFFER = 5, 8, 10, 11
ALIGNMENT = 4
_STRUCT_CODES = {1: "b", 2: "B", 3: "B", 4: "h", 5: "H", 6: "I", 7: "I", 8: "f"}
_TYPES = {"int8": 1, "uint8": 2, "uintclamp8": 3, "int16": 4, "uint16": 5, "int32": 6, "uint32": 7, "float32": 8}
_TYPE_IN_NAME = re.compile(r".*__(uintclamp|uint|int|float)(8|16|32)", re.IGNORECASE)
_ENCODERS = encoders(javascript.as_null)


async def produce(run: Run) -> AsyncIterator[bytes]:
    """Write all columns; the format needs them whole."""
    execution = run.execute(run.parameters.sql)
    rows: list[dict[str, Any]] = []
    async for batch in execution.batches():
        encode = row_encoder(execution.columns, run.parameters.skipfields, _ENCODERS)
        rows += [json.loads(encode(row)) for row in batch]
    if not rows:
        yield b""
        return
    names = list(rows[0])
    if "the_geom" in names:
        raise ApiError(400, "geometry types are not supported")
    columns = [_column(name, [row[name] for row in rows]) for name in names]
    yield _buffer([_strings(names), *columns])


def _column(name: str, values: list[Any]) -> bytes:
    """Write a column as the type that its name asks for or that its first value has."""
    match = _TYPE_IN_NAME.match(name)
    kind = _TYPES.get("".join(match.groups()).lower(), FLOAT32) if match else FLOAT32
    if isinstance(values[0], str):
        return _strings(values)
    if isinstance(values[0], (list, dict)):
        return _buffer([_numbers(kind, value) for value in values])
    return _numbers(kind, values)


def _strings(texts: Sequence[Any]) -> bytes:
    pieces = []
    for text in texts:
        units = "" if text is None else str(text)
        encoded = units.encode("utf-16-le", "surrogatepass")
        pieces.append(struct.pack(">II", UINT16, len(encoded)) + encoded)
    return _container(STRING, pieces)


def _numbers(kind: int, values: Sequence[Any]) -> bytes:
    code = _STRUCT_CODES[kind]
    packed = b"".join(struct.pack(f"<{code}", _fitting(code, value)) for value in values)
    return struct.pack(">II", kind, len(packed)) + packed


def _fitting(code: str, value: Any) -> float:
    """Return the number that a JavaScript value becomes; what is none is NaN, or 0 in an array of integers."""
    plain = float(value) if isinstance(value, (int, float)) else math.nan if value is not None else 0.0
    if code == "f":
        return plain if abs(plain) < 3.5e38 or math.isnan(plain) else math.copysign(math.inf, plain)
    size = 8 * struct.calcsize(code)
    whole = 0 if math.isnan(plain) else int(plain) % 2**size
    return whole - 2**size if code.islower() and whole >= 2 ** (size - 1) else whole


def _buffer(pieces: list[bytes]) -> bytes:
    return _container(BUFFER, pieces)


def _container(kind: int, pieces: list[bytes]) -> bytes:
    """Put pieces behind each other, each at an offset that is aligned."""
    body = bytearray()
    for piece in pieces:
        body += bytes(-len(body) % ALIGNMENT)
        body += piece
    return struct.pack(">II", kind, len(body)) + bytes(body)
