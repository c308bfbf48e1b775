"""Where imports are kept: a table of the sandbox's own database, so that they outlive the server."""

from __future__ import annotations

import json
from typing import Any

from psycopg.rows import scalar_row

from carto.sandbox.control_database import ControlTable
from carto.sandbox.import_jobs import FINAL, Document
from carto.sandbox.state import ServerState

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS imports (
    number bigint GENERATED ALWAYS AS IDENTITY,
    id uuid PRIMARY KEY,
    account text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    document json NOT NULL
)
"""
_UNFINISHED = "SELECT document FROM imports WHERE document ->> 'state' <> ALL (%s) ORDER BY number"
_RUNNING = """
SELECT id::text FROM imports
WHERE account = %s AND document ->> 'state' <> ALL (%s) AND created_at > now() - interval '24 hours'
ORDER BY number DESC
"""
_COUNTS = """
SELECT json_build_array(document ->> 'state', count(*)) FROM imports WHERE account = %s GROUP BY document ->> 'state'
"""


class ImportStore(ControlTable[Any]):
    """The table of imports."""

    def __init__(self, state: ServerState) -> None:
        super().__init__(state, _CREATE_TABLE, scalar_row)

    async def add(self, job: Document) -> None:
        """Keep a new job."""
        await self._connection.execute(
            "INSERT INTO imports (id, account, document) VALUES (%s, %s, %s)",
            [job["id"], job["account"], json.dumps(job)],
        )

    async def save(self, job: Document) -> None:
        """Keep the present state of a job."""
        await self._connection.execute("UPDATE imports SET document = %s WHERE id = %s", [json.dumps(job), job["id"]])

    async def get(self, job_id: str) -> Document | None:
        """Return a job, None when there is none of that id."""
        found = await self._connection.execute("SELECT document FROM imports WHERE id = %s", [job_id])
        job: Document | None = await found.fetchone()
        return job

    async def running_ids(self, account: str) -> list[str]:
        """Return the ids of an account's jobs that have not ended, newest first."""
        return await (await self._connection.execute(_RUNNING, [account, list(FINAL)])).fetchall()

    async def counts(self, account: str) -> dict[str, int]:
        """Count an account's jobs by their state."""
        return dict(await (await self._connection.execute(_COUNTS, [account])).fetchall())

    async def unfinished(self) -> list[Document]:
        """Return the jobs that have not ended, oldest first."""
        return await (await self._connection.execute(_UNFINISHED, [list(FINAL)])).fetchall()
