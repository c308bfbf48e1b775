"""Where batch jobs are kept: a table of the sandbox's own database, so that they outlive the server."""

from __future__ import annotations

import json
from typing import Any

from psycopg.rows import scalar_row

from carto.sandbox import batch_jobs
from carto.sandbox.batch_jobs import Document, Job, JobError
from carto.sandbox.control_database import ControlTable
from carto.sandbox.state import ServerState

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS batch_jobs (
    number bigint GENERATED ALWAYS AS IDENTITY,
    job_id text PRIMARY KEY,
    document json NOT NULL  -- json, not jsonb: it keeps the order of the keys and whatever text a caller sent
)
"""
_UNFINISHED = """
SELECT document FROM batch_jobs
WHERE document ->> 'status' = ANY (%(unfinished)s) OR document ->> 'fallback_status' = ANY (%(unfinished)s)
ORDER BY number
"""


class JobStore(ControlTable[Any]):
    """The table of jobs."""

    def __init__(self, state: ServerState) -> None:
        super().__init__(state, _CREATE_TABLE, scalar_row)

    async def add(self, job: Job) -> None:
        """Keep a new job."""
        await self._connection.execute(
            "INSERT INTO batch_jobs (job_id, document) VALUES (%s, %s)",
            [job.document["job_id"], json.dumps(job.document)],
        )

    async def save(self, job: Job) -> None:
        """Keep the present state of a job."""
        await self._connection.execute(
            "UPDATE batch_jobs SET document = %s WHERE job_id = %s",
            [json.dumps(job.document), job.document["job_id"]],
        )

    async def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            JobError: There is no job of that id.
        """
        found = await self._connection.execute("SELECT document FROM batch_jobs WHERE job_id = %s", [job_id])
        document: Document | None = await found.fetchone()
        if document is None:
            raise JobError(f"Job with id {job_id} not found")
        return batch_jobs.job_of(document)

    async def unfinished(self) -> list[Job]:
        """Return the jobs that have something left to do, oldest first."""
        found = await self._connection.execute(_UNFINISHED, {"unfinished": list(batch_jobs.UNFINISHED)})
        return [batch_jobs.job_of(document) for document in await found.fetchall()]
