"""JSON: ``{"rows": [...], "time", "fields", "total_rows"}``, written while the rows come."""

from __future__ import annotations

from collections.abc import AsyncIterator

from carto.sandbox import javascript
from carto.sandbox.execution import Execution
from carto.sandbox.formats.base import Run
from carto.sandbox.formats.rows import RowStream, row_encoder
from carto.sandbox.node_types import describe, encoders

_ENCODERS = encoders(javascript.as_string)


async def produce(run: Run) -> AsyncIterator[bytes]:
    """Write the JSON answer."""
    execution = run.execute(run.parameters.sql)
    before, after = run.parameters.jsonp_frame
    rows = RowStream(
        execution,
        before + '{"rows":[',
        lambda: row_encoder(execution.columns, run.parameters.skipfields, _ENCODERS),
    )
    async for piece in rows.pieces():
        yield piece
    yield (rows.rest + _tail(run, execution, rows) + after).encode()


def _tail(run: Run, execution: Execution, rows: RowStream) -> str:
    descriptions = {column.name: describe(column, run.type_names) for column in execution.columns}
    fields = {name: value for name, value in descriptions.items() if name not in run.parameters.skipfields}
    parts = {
        "time": run.elapsed_s(),
        "fields": fields,
        "total_rows": execution.row_count or rows.count,
        **({"error": [rows.failure.message]} if rows.failure else {}),
        **_notices_by_severity(execution.notices),
    }
    return "]," + javascript.stringify(parts)[1:]


def _notices_by_severity(notices: list[tuple[str, str]]) -> dict[str, list[str]]:
    gathered: dict[str, list[str]] = {}
    for severity, message in notices:
        gathered.setdefault(f"{severity.lower()}s", []).append(message)
    return gathered
