"""JSON: ``{"rows": [...], "time", "fields", "total_rows"}``, written while the rows come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from psycopg.pq.abc import PGresult

from carto.sandbox import javascript
from carto.sandbox.errors import ApiError
from carto.sandbox.execution import Execution
from carto.sandbox.formats.base import CHUNK_CHARACTERS, Run
from carto.sandbox.node_types import Column, Encoder, describe, encode_text, encoders

RowEncoder = Callable[[PGresult], str]

_ENCODERS = encoders(javascript.as_string)


async def produce(run: Run) -> AsyncIterator[bytes]:
    """Write the JSON answer."""
    execution = run.execute(run.parameters.sql)
    callback = run.parameters.callback
    failure: ApiError | None = None
    count = 0
    text = f'{callback}({{"rows":[' if callback else '{"rows":['
    try:
        async for batch in execution.batches():
            encode = row_encoder(execution.columns, run.parameters.skipfields, _ENCODERS)
            text += "," if count else ""
            text += ",".join(map(encode, batch))
            count += len(batch)
            if len(text) >= CHUNK_CHARACTERS:
                yield text.encode()
                text = ""
    except ApiError as error:
        if not count:
            raise
        failure = error
    text += _tail(run, execution, count, failure)
    yield f"{text})".encode() if callback else text.encode()


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
        return (
            "{"
            + ",".join([name + ("null" if value is None else encoder(value)) for name, encoder, value in values])
            + "}"
        )

    return encode


def _tail(run: Run, execution: Execution, count: int, failure: ApiError | None) -> str:
    descriptions = {column.name: describe(column, run.type_names) for column in execution.columns}
    fields = {name: value for name, value in descriptions.items() if name not in run.parameters.skipfields}
    parts = {
        "time": run.elapsed_s(),
        "fields": fields,
        "total_rows": execution.row_count or count,
        **({"error": [failure.message]} if failure else {}),
        **_notices_by_severity(execution.notices),
    }
    return "]," + javascript.stringify(parts)[1:]


def _notices_by_severity(notices: list[tuple[str, str]]) -> dict[str, list[str]]:
    gathered: dict[str, list[str]] = {}
    for severity, message in notices:
        gathered.setdefault(f"{severity.lower()}s", []).append(message)
    return gathered
