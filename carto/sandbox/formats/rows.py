"""Rows as JSON objects, and their writing while they come: what JSON and GeoJSON have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from psycopg.pq.abc import PGresult

from carto.sandbox import javascript
from carto.sandbox.errors import ApiError
from carto.sandbox.execution import Execution
from carto.sandbox.node_types import Column, Encoder, encode_text

CHUNK_CHARACTERS = 1 << 16

RowEncoder = Callable[[PGresult], str]


def row_encoder(columns: list[Column], skipped: Iterable[str], table: dict[int, Encoder]) -> RowEncoder:
    """Make the function that writes one row as an object.

    Args:
        columns: Columns of the rows; of several with one name the last is written.
        skipped: Names to leave out.
        table: Encoders by type OID.
    """
    index_of = {column.name: index for index, column in enumerate(columns)}
    members = [
        (index_of[name], javascript.quote(name) + ":", table.get(columns[index_of[name]].oid, encode_text))
        for name in javascript.key_order(column.name for column in columns)
        if name not in skipped
    ]

    def encode(row: PGresult) -> str:
        values = ((name, encoder, row.get_value(0, index)) for index, name, encoder in members)
        written = [name + ("null" if value is None else encoder(value)) for name, encoder, value in values]
        return "{" + ",".join(written) + "}"

    return encode


class RowStream:
    """Writes rows with commas between them; an error after the first row is kept for the end of the answer.

    Attributes:
        count: Rows written so far.
        failure: What cut the rows short.
        rest: Text that belongs before the end of the answer.
    """

    def __init__(self, execution: Execution, head: str, make_encoder: Callable[[], RowEncoder]) -> None:
        """Prepare the writing.

        Args:
            execution: What gives the rows.
            head: Text before the first one.
            make_encoder: Makes the encoder that fits the execution's columns of the moment.
        """
        self.count = 0
        self.failure: ApiError | None = None
        self.rest = head
        self._execution = execution
        self._make_encoder = make_encoder

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give the text in pieces of some size.

        Raises:
            ApiError: PostgreSQL refused before there was a row.
        """
        try:
            async for batch in self._execution.batches():
                self.rest += "," if self.count else ""
                self.rest += ",".join(map(self._make_encoder(), batch))
                self.count += len(batch)
                if len(self.rest) >= CHUNK_CHARACTERS:
                    yield self.rest.encode()
                    self.rest = ""
        except ApiError as error:
            if not self.count:
                raise
            self.failure = error
