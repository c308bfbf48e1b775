"""Moves the rows of a table between the account and a file, and takes a checksum of them on the way.

The checksum does not depend on the order of the rows: it is the sum of the SHA-256 of every row as COPY writes it.
So a restored table can be read back and compared, whatever order its rows are in.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from account_copy.catalog import PARTITIONED
from carto.auth import APIKeyAuthClient
from carto.sql import CopySQLClient, Identifier, SQLClient
from carto.sql.parameters import quote_identifier

CHUNK_BYTES = 1 << 18
TIMEOUT_S = 600
_GZIP_LEVEL = 4
_MODULUS = 1 << 256
#: Rows look the same whatever the role's or the server's settings are; extra_float_digits: no digit is lost.
_SETTINGS = {"extra_float_digits": "3", "DateStyle": "ISO, YMD", "IntervalStyle": "postgres", "TimeZone": "UTC",
             "bytea_output": "hex"}
_FLOATS = {"double precision": "!d", "double precision[]": "!d", "real": "!f", "real[]": "!f"}
_NUMBER = re.compile(rb"[^{},]+")


class RowsDigest:
    """The number of rows in COPY's text format, and a checksum of them that ignores their order.

    Args:
        definition: How their table is defined.
    """

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.rows = 0
        self._sum = 0
        self._begun: list[bytes] = []
        types = [column["type"] for column in copied_columns(definition)]
        self._floats = {place: _FLOATS[name] for place, name in enumerate(types) if name in _FLOATS}

    def feed(self, data: bytes) -> None:
        """Take in the next piece of the data."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            if self._begun:
                line = b"".join([*self._begun, line])
                self._begun.clear()
            self._add(line)
        if rest:
            self._begun.append(rest)

    @property
    def checksum(self) -> str:
        """The checksum of the rows so far."""
        return f"{self._sum:064x}"

    def _add(self, line: bytes) -> None:
        if self._floats:
            line = self._comparable(line)
        self._sum = (self._sum + int.from_bytes(hashlib.sha256(line).digest(), "big")) % _MODULUS
        self.rows += 1

    def _comparable(self, line: bytes) -> bytes:
        """Write floating-point numbers as their bits: servers before PostgreSQL 12 use other digits for the same."""
        fields = line.split(b"\t")
        for place, code in self._floats.items():
            fields[place] = _NUMBER.sub(partial(_bits, code), fields[place])
        return b"\t".join(fields)


def _bits(code: str, number: re.Match[bytes]) -> bytes:
    try:
        return struct.pack(code, float(number[0])).hex().encode()
    except ValueError:  # NULL
        return number[0]


def copied_columns(definition: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List the columns whose values are copied: all but those that the server computes."""
    return [column for column in definition["columns"] or () if not column["generated"]]


def save_rows(copy: CopySQLClient, definition: Mapping[str, Any], table: Identifier, path: Path,
              progress: bool) -> RowsDigest:
    """Write the rows of a table into a file, compressed by gzip, and return their checksum."""
    digest = RowsDigest(definition)
    with gzip.open(path, "wb", _GZIP_LEVEL) as file:
        for chunk in _read(copy, definition, table, progress):
            file.write(chunk)
            digest.feed(chunk)
    return digest


def load_rows(copy: CopySQLClient, path: Path, table: Identifier, progress: bool) -> None:
    """Copy the rows of a file into a table that has none."""
    with gzip.open(path, "rb") as file:
        copy.copyfrom(f"COPY {table} FROM STDIN", iter(lambda: file.read(CHUNK_BYTES), b""), progress=progress)


def digest_of(copy: CopySQLClient, definition: Mapping[str, Any], table: Identifier, progress: bool) -> RowsDigest:
    """Read the rows of a table and return their checksum."""
    digest = RowsDigest(definition)
    for chunk in _read(copy, definition, table, progress):
        digest.feed(chunk)
    return digest


def save_geopackage(client: APIKeyAuthClient, table: Identifier, path: Path) -> int:
    """Write the rows of a table into a GeoPackage, and return how many there are."""
    query = f"SELECT * FROM {table}"  # noqa: S608  # an Identifier is quoted
    request = {"q": query, "format": "gpkg", "filename": "rows"}
    with client.send("api/v2/sql", "post", data=request, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code >= 300:
            client.get_response_data(response)
        with path.open("wb") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
    counted: int = SQLClient(client).send(f"SELECT count(*) AS rows FROM {table}")["rows"][0]["rows"]  # noqa: S608
    return counted


def _read(copy: CopySQLClient, definition: Mapping[str, Any], table: Identifier, progress: bool) -> Iterator[bytes]:
    with copy.copyto_stream(_copy_query(definition, table), progress=progress) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def _copy_query(definition: Mapping[str, Any], table: Identifier) -> str:
    settings = ", ".join(f"set_config('{name}', '{value}', true) AS setting_{number}"
                         for number, (name, value) in enumerate(_SETTINGS.items()))
    columns = ", ".join(f"copied.{quote_identifier(column['name'])}" for column in copied_columns(definition))
    # without ONLY, a table would come with the rows of those that inherit from it
    only = "" if definition["kind"] == PARTITIONED else "ONLY "
    return f"COPY (SELECT {columns} FROM {settings}, {only}{table} AS copied) TO STDOUT"  # noqa: S608

