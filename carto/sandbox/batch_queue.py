"""The queue of batch jobs, worked off by one worker for each account."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from carto.sandbox import batch_jobs
from carto.sandbox.accounts import Account
from carto.sandbox.batch_jobs import Job, JobError, Query
from carto.sandbox.batch_store import JobStore
from carto.sandbox.faults import Faults
from carto.sandbox.parameters import well_formed
from carto.sandbox.state import ServerState

MAX_QUEUED_JOBS = 64  # for each account
PICKUP_DELAY_S = 0.05  # so that a new job is seen pending at first, as on CARTO

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Waiting:
    job_id: str
    since: float = field(default_factory=time.monotonic)


class BatchQueue:
    """Takes jobs, runs them, and changes them on request."""

    def __init__(self, state: ServerState, faults: Faults) -> None:
        self._state = state
        self._faults = faults
        self._store = JobStore(state)
        self._changing = asyncio.Lock()
        self._waiting: dict[str, asyncio.Queue[_Waiting | None]] = {}
        self._workers: list[asyncio.Task[None]] = []
        self._running: dict[str, asyncio.Task[str | None]] = {}
        self._at_work: dict[str, str] = {}
        self._stopping = False

    async def start(self) -> None:
        """Open the table of jobs and go on with what an earlier run left."""
        await self._store.start()
        for job in await self._store.unfinished():
            if batch_jobs.RUNNING in (job.status, job.document.get("fallback_status")):
                # The server died meanwhile. Nobody can tell whether the statement took effect, so it isn't repeated.
                await self._end(job.document["job_id"], batch_jobs.UNKNOWN)
            elif job.document["user"] in self._state.accounts:
                self._enqueue(job)

    async def stop(self) -> None:
        """Stop the workers; a job that is cut off is rolled back and waits for the next start."""
        self._stopping = True
        for statement in self._running.values():
            statement.cancel()
        for queue in self._waiting.values():
            queue.put_nowait(None)
        await asyncio.gather(*self._workers)
        await self._store.stop()

    async def create(self, account: Account, query: Any) -> Job:
        """Put a new job at the end of the account's queue.

        Raises:
            JobError: The query is none, or the queue is full.
        """
        job = batch_jobs.new_job(account.name, query)
        queue = self._waiting.get(account.name)
        if queue is not None and queue.qsize() >= MAX_QUEUED_JOBS:
            raise JobError(f"Failed to create job. Max number of jobs ({MAX_QUEUED_JOBS}) queued reached")
        await self._store.add(job)
        self._enqueue(job)
        return job

    async def read(self, job_id: str) -> Job:
        """Return a job, of whichever account.

        Raises:
            JobError: There is no job of that id.
        """
        return await self._store.get(job_id)

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that runs is stopped in PostgreSQL before this returns.

        Raises:
            JobError: There is no such job, or it has ended.
        """
        async with self._change(job_id) as job:
            job.set_status(batch_jobs.CANCELLED)
        statement = self._running.get(job_id)
        if statement is not None:
            statement.cancel()
            await asyncio.wait({statement})
        return job

    async def update(self, job_id: str, query: Any) -> Job:
        """Give a job that has not begun another query.

        Raises:
            JobError: There is no such job, it has begun, or the query is none.
        """
        async with self._change(job_id) as job:
            if job.status != batch_jobs.PENDING:
                raise JobError("Job is not pending, it cannot be updated")
            was_stuck = job.next_query() is None
            fresh = batch_jobs.new_job(job.document["user"], query)
            fresh.document.update({key: job.document[key] for key in ("job_id", "created_at")})
            job.document.clear()
            job.document.update(fresh.document)
        if was_stuck:
            self._enqueue(fresh)
        return fresh

    def running_jobs(self) -> dict[str, list[str]]:
        """Return the ids of the jobs that run at this moment, by account."""
        return {account: [job_id] for account, job_id in self._at_work.items()}

    @asynccontextmanager
    async def _change(self, job_id: str) -> AsyncIterator[Job]:
        """Lend a job for a change, which is kept unless it raises."""
        async with self._changing:
            job = await self._store.get(job_id)
            yield job
            await self._store.save(job)

    def _enqueue(self, job: Job) -> None:
        if job.next_query() is None:
            return  # accepted, but never run, like on CARTO
        account = job.document["user"]
        if account not in self._waiting:
            self._waiting[account] = asyncio.Queue()
            self._workers.append(asyncio.create_task(self._work(account)))
        self._waiting[account].put_nowait(_Waiting(job.document["job_id"]))

    async def _work(self, name: str) -> None:
        queue = self._waiting[name]
        while (waiting := await queue.get()) is not None and not self._stopping:
            await asyncio.sleep(waiting.since + PICKUP_DELAY_S - time.monotonic())
            account = self._state.accounts.get(name)
            if account is None:  # deleted meanwhile
                continue
            self._at_work[name] = waiting.job_id
            try:
                await self._run(account, waiting.job_id)
            except psycopg.Error:
                # A job whose database is away stays running, as on CARTO; the next one gets its turn.
                logger.warning("Batch job %s was left as it is", waiting.job_id, exc_info=True)
            finally:
                del self._at_work[name]

    async def _run(self, account: Account, job_id: str) -> None:
        """Run what is left of a job, one query after the other."""
        while not self._stopping and (query := await self._begin(job_id)) is not None:
            statement = asyncio.create_task(self._execute(account, query))
            self._running[job_id] = statement
            await asyncio.wait({statement})
            del self._running[job_id]
            if statement.cancelled():  # by a caller, who has set the status, or because the server stops
                await self._end(job_id, batch_jobs.PENDING)
            elif (reason := statement.result()) is None:
                await self._end(job_id, batch_jobs.DONE)
            else:
                await self._end(job_id, batch_jobs.FAILED, reason)

    async def _begin(self, job_id: str) -> Query | None:
        async with self._change(job_id) as job:
            query = job.next_query()
            if query is not None:
                job.set_status(batch_jobs.RUNNING)
        return query

    async def _end(self, job_id: str, status: str, reason: str | None = None) -> None:
        with suppress(JobError):  # it was cancelled meanwhile, and stays so
            async with self._change(job_id) as job:
                job.set_status(status, reason)

    async def _execute(self, account: Account, query: Query) -> str | None:
        """Run one query and return why it failed; cancelling this task cancels the statement in PostgreSQL.

        Raises:
            psycopg.OperationalError: The database can't be reached.
        """
        await asyncio.sleep(self._faults.job_delay_s(account.name))
        if "\0" in query.text:  # PostgreSQL would be sent what stands before it
            return "invalid message format"
        conninfo = account.conninfo(account.master_key, self._state.cluster_conninfo)
        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, client_encoding="utf8")
        try:
            await connection.execute(
                "SELECT set_config('statement_timeout', %s, false)", [str(_timeout_ms(account, query))]
            )
            await connection.execute(well_formed(query.text).encode())
        except psycopg.Error as error:
            return error.diag.message_primary or str(error)
        finally:
            await connection.close()
        return None


def _timeout_ms(account: Account, query: Query) -> int:
    """Return the shorter of the account's and the query's own limit, in milliseconds; 0 is none."""
    limits = [limit for limit in (account.batch_timeout_ms, query.timeout_ms) if limit]
    return int(min(limits, default=0))
