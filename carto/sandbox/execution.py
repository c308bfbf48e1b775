"""One run of SQL text in PostgreSQL's simple protocol: several statements, rows one by one, notices."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import psycopg
from psycopg.errors import Diagnostic
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from carto.sandbox import libpq
from carto.sandbox.errors import ApiError, sql_error
from carto.sandbox.node_types import Column

ROWS_A_BATCH = 500
_ROW_COUNT = re.compile(rb" (\d+)$")


class Execution:
    """Runs one text and keeps what node-pg's Result object would hold at the end.

    Attributes:
        columns: Columns of the last statement that had any.
        row_count: Rows that the last statement reported, None for one that does not count.
        notices: Severity and message of each notice.
    """

    def __init__(self, connection: psycopg.AsyncConnection, sql: str) -> None:
        self.columns: list[Column] = []
        self.row_count: int | None = None
        self.notices: list[tuple[str, str]] = []
        self._connection = connection
        self._sql = sql
        self._new_statement = True

    async def batches(self) -> AsyncIterator[list[PGresult]]:
        """Run the text and give its rows, each a result of one row; ``columns`` fits the rows of a batch.

        Raises:
            ApiError: PostgreSQL refused a statement.
        """
        pgconn = self._connection.pgconn
        self._connection.add_notice_handler(self._note)
        try:
            pgconn.send_query(encoded(self._sql))
            pgconn.set_single_row_mode()
            await libpq.flush(pgconn)
            async for batch in self._read(pgconn):
                yield batch
        except psycopg.OperationalError as error:
            raise sql_error(str(error).strip()) from error
        finally:
            self._connection.remove_notice_handler(self._note)

    async def run(self) -> None:
        """Run the text and drop its rows."""
        async for _ in self.batches():
            pass

    async def _read(self, pgconn: PGconn) -> AsyncIterator[list[PGresult]]:
        batch: list[PGresult] = []
        while True:
            if pgconn.is_busy() or len(batch) >= ROWS_A_BATCH:
                if batch:
                    yield batch
                    batch = []
                await libpq.until_ready(pgconn)
            result = pgconn.get_result()
            if batch and (result is None or not self._belongs_to_batch(result)):
                yield batch
                batch = []
            if result is None:
                return
            if await self._take(pgconn, result):
                batch.append(result)

    async def _take(self, pgconn: PGconn, result: PGresult) -> bool:
        """Note what a result says; True when it is a row."""
        if self._describes_rows(result):
            self.columns = columns_of(result)
        self._new_statement = result.status != ExecStatus.SINGLE_TUPLE
        if result.status == ExecStatus.SINGLE_TUPLE:
            return True
        if result.status == ExecStatus.FATAL_ERROR:
            raise libpq.error_of(result)
        if result.status == ExecStatus.COPY_IN:
            pgconn.put_copy_end(b"No source stream defined")
            await libpq.flush(pgconn)
        elif result.status == ExecStatus.COPY_OUT:
            await libpq.skip_copy_out(pgconn)
        elif result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            counted = _ROW_COUNT.search(result.command_status or b"")
            self.row_count = int(counted.group(1)) if counted else None
        return False

    def _belongs_to_batch(self, result: PGresult) -> bool:
        return result.status == ExecStatus.SINGLE_TUPLE and not self._new_statement

    def _describes_rows(self, result: PGresult) -> bool:
        """Whether this is the first result of a statement that gives rows."""
        return self._new_statement and result.status in (ExecStatus.SINGLE_TUPLE, ExecStatus.TUPLES_OK)

    def _note(self, diagnostic: Diagnostic) -> None:
        self.notices.append((diagnostic.severity_nonlocalized or "NOTICE", diagnostic.message_primary or ""))


def columns_of(result: PGresult) -> list[Column]:
    """Describe the columns of a result."""
    return [
        Column((result.fname(index) or b"").decode(), result.ftype(index), result.fmod(index))
        for index in range(result.nfields)
    ]


def encoded(sql: str) -> bytes:
    """Encode SQL for PostgreSQL, whose protocol has no room for NUL.

    Raises:
        ApiError: 400, there is one.
    """
    if "\0" in sql:
        raise ApiError(400, "invalid message format")
    return sql.encode()
