"""Runs imports: a slot for each, the steps of one, and what happens to them when the server ends."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from carto.sandbox import import_jobs, imported_datasets
from carto.sandbox.accounts import Account
from carto.sandbox.import_errors import STUCK, UNKNOWN, ImportFailed
from carto.sandbox.import_jobs import Document
from carto.sandbox.import_store import ImportStore
from carto.sandbox.importer import (
    ConnectorSource,
    FileSource,
    QuerySource,
    Source,
    download,
    import_source,
    imports_directory,
    uncancelled,
)
from carto.sandbox.state import ServerState

logger = logging.getLogger(__name__)

OnEnd = Callable[[Document], Awaitable[None]]


class NoSlotError(Exception):
    """All slots of the account are taken."""


class ImportQueue:
    """Takes imports and runs them, as many at once as the account has slots.

    Attributes:
        on_end: Awaited with each job that has ended; its ``etag``, ``modified_at`` and ``checksum`` tell of a download.
    """

    def __init__(self, state: ServerState) -> None:
        self.on_end: list[OnEnd] = []
        self._state = state
        self._store = ImportStore(state)
        self._slots: Counter[str] = Counter()
        self._running: dict[str, Document] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Open the table of imports and go on with what an earlier run left."""
        await self._store.start()
        jobs = await self._store.unfinished()
        self._remove_leftovers({job["id"] for job in jobs})
        for job in jobs:
            account = self._state.accounts.get(job["account"])
            if account is not None and job["state"] == import_jobs.PENDING:
                self._slots[account.name] += 1
                self._begin(account, job)
            else:  # the server died meanwhile; nobody can tell whether the tables were made
                import_jobs.set_failed(job, ImportFailed(STUCK))
                await self._end(job)

    async def stop(self) -> None:
        """Stop the imports; one that is cut off is rolled back and begins anew at the next start."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._store.stop()

    def take_slot(self, account: Account) -> None:
        """Reserve a slot for an import that is to be created.

        Raises:
            NoSlotError: There is none left.
        """
        if self._slots[account.name] >= account.import_limits.concurrent:
            raise NoSlotError
        self._slots[account.name] += 1

    def give_slot_back(self, account: Account) -> None:
        """Take back the reservation of an import that was not created."""
        self._slots[account.name] -= 1

    async def create(self, account: Account, job: Document) -> None:
        """Keep an import, for which a slot was taken, and start it."""
        await self._store.add(job)
        self._begin(account, job)

    async def read(self, job_id: str) -> Document | None:
        """Return an import, of whichever account; None when there is none."""
        return self._running.get(job_id) or await self._store.get(job_id)

    async def running_ids(self, account: Account) -> list[str]:
        """Return the ids of an account's imports that have not ended, newest first."""
        kept = await self._store.running_ids(account.name)
        return [each for each in kept if not self._has_ended(each)]

    async def counts(self, account: Account) -> dict[str, int]:
        """Count an account's imports by their state."""
        return await self._store.counts(account.name)

    def _has_ended(self, job_id: str) -> bool:
        """Whether an import has ended whose last state is about to be kept."""
        return job_id in self._running and self._running[job_id]["state"] in import_jobs.FINAL

    def directory_of(self, job_id: str) -> Path:
        """Return where the files of an import are kept until it has ended."""
        return imports_directory(self._state) / job_id

    def _remove_leftovers(self, kept: set[str]) -> None:
        for directory in imports_directory(self._state).iterdir():
            if directory.name not in kept:
                shutil.rmtree(directory, ignore_errors=True)

    def _begin(self, account: Account, job: Document) -> None:
        self._running[job["id"]] = job
        self._tasks[job["id"]] = asyncio.create_task(self._run(account, job))

    async def _run(self, account: Account, job: Document) -> None:
        try:
            await self._import(account, job)
        except ImportFailed as failure:
            logger.info("Import %s: %s", job["id"], failure)
            import_jobs.set_failed(job, failure)
        except asyncio.CancelledError:
            job["state"] = import_jobs.PENDING
            await self._store.save(job)
            raise
        except Exception:
            logger.exception("Import %s", job["id"])
            import_jobs.set_failed(job, ImportFailed(UNKNOWN))
        finally:
            self._slots[account.name] -= 1
            del self._tasks[job["id"]]
        await self._end(job)

    async def _import(self, account: Account, job: Document) -> None:
        """Do the work of a job."""
        job["state"] = import_jobs.UPLOADING
        await self._store.save(job)
        source = await self._source(account, job)

        def note_state(state: str) -> None:
            job["state"] = state

        result = await import_source(self._state, account, source, import_jobs.options_of(job), note_state)
        # The tables are there, so that beginning anew would make them twice.
        ids, map_id = await uncancelled(
            imported_datasets.record(
                self._state, account, result, privacy=job["privacy"], with_map=job["create_visualization"]
            )
        )
        import_jobs.set_complete(job, result, ids, map_id)

    async def _source(self, account: Account, job: Document) -> Source:
        """Return what a job imports, downloading it at need.

        Raises:
            ImportFailed: There is nothing, or it can't be had.
        """
        source = job["source"]
        directory = self.directory_of(job["id"])
        if "filename" in source:
            return FileSource(directory / source["stored_as"], source["filename"])
        if "url" in source:
            directory.mkdir(exist_ok=True)
            fetched = await download(account, source["url"], directory)
            assert fetched is not None, "only a conditional request is told that nothing has changed"
            job["display_name"] = fetched.filename
            job.update(etag=fetched.etag, modified_at=fetched.modified_at, checksum=fetched.checksum)
            return FileSource(fetched.path, fetched.filename)
        if "connector" in source:
            return ConnectorSource(source["connector"])
        if "sql" in source:
            job["data_type"] = "query"
            return QuerySource(source["sql"], source["name"])
        raise ImportFailed(source["failure"])

    async def _end(self, job: Document) -> None:
        """Keep the last state of a job, without what it was made from: that may hold a password."""
        job["source"] = None
        await self._store.save(job)
        self._running.pop(job["id"], None)
        shutil.rmtree(self.directory_of(job["id"]), ignore_errors=True)
        for notify in self.on_end:
            await notify(job)
