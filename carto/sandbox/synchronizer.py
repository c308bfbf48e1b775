"""Runs synchronizations: fetches sources again when their time has come, and swaps the tables' contents."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import psycopg

from carto.sandbox import import_jobs, imported_datasets
from carto.sandbox import synchronizations_store as store
from carto.sandbox.accounts import Account
from carto.sandbox.errors import ApiError
from carto.sandbox.import_errors import TEXTS, ImportFailed
from carto.sandbox.import_jobs import Document
from carto.sandbox.import_queue import ImportQueue
from carto.sandbox.importer import (
    ConnectorSource,
    FileSource,
    ImportOptions,
    Source,
    download,
    import_source,
    imports_directory,
)
from carto.sandbox.moving_clock import MovingClock
from carto.sandbox.state import ServerState
from carto.sandbox.visualizations_store import Row, open_catalog

CONCURRENT_RUNS = 3  # for each account
COOL_DOWN = timedelta(seconds=900)  # between two runs of which the second was asked for
FAILED_WITHOUT_CODE = 9999
LONGEST_SLEEP_S = 3600.0
_SUCCESS = {"state": "success", "retried_times": 0, "error_code": None, "error_message": None}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetched:
    """What is remembered of a source, to tell next time whether it has changed.

    Attributes:
        etag: Its ETag header.
        modified_at: Its Last-Modified header.
        checksum: SHA-256 of the contents, or an empty text.
    """

    etag: str | None
    modified_at: datetime | None
    checksum: str


class Synchronizer:
    """The scheduler of all accounts' synchronizations.

    Args:
        state: What all endpoints share.
        clock: What it goes by.
        imports: Runs the first import of each synchronization.
    """

    def __init__(self, state: ServerState, clock: MovingClock, imports: ImportQueue) -> None:
        self._state = state
        self._clock = clock
        self._imports = imports
        imports.on_end.append(self._import_ended)
        self._wake = asyncio.Event()
        self._scheduler: asyncio.Task[None] | None = None
        self._runs: set[asyncio.Task[None]] = set()
        self._slots: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(CONCURRENT_RUNS))
        clock.when_moved(self._wake.set)

    async def start(self) -> None:
        """Go on with what an earlier run of the server left, and watch the clock."""
        for account in self._accounts():
            async with open_catalog(self._state, account) as catalog:
                left = await store.unfinished(catalog)
            for row in left:
                if await self._import_of(row) is None:  # else the queue of imports goes on with it
                    self._begin(account, row["id"])
        self._scheduler = asyncio.create_task(self._schedule())

    async def stop(self) -> None:
        """Stop; what runs is rolled back and begins anew at the next start."""
        tasks = [task for task in (self._scheduler, *self._runs) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def look_again(self) -> None:
        """Have the scheduler notice that a synchronization was added or changed."""
        self._wake.set()

    async def create(self, account: Account, values: Mapping[str, Any], job: Document) -> Row:
        """Keep a new synchronization and start its first import, for which a slot was taken.

        Args:
            account: Whose it is.
            values: Its columns.
            job: The import.
        """
        now = self._clock.now()
        times = dict.fromkeys(("created_at", "updated_at", "ran_at", "queued_at"), now)
        times["run_at"] = now + timedelta(seconds=values["interval"])
        async with open_catalog(self._state, account) as catalog:
            row = await store.add(catalog, {**values, **times, "state": "queued", "log_id": job["id"]})
        job["synchronization_id"] = str(row["id"])
        await self._imports.create(account, job)
        return row

    async def enqueue(self, account: Account, row: Row) -> bool:
        """Run a synchronization at once, unless it ran a while ago only or too many run.

        Args:
            account: Whose it is.
            row: The synchronization.

        Returns:
            Whether it is going to run.
        """
        now = self._clock.now()
        async with open_catalog(self._state, account) as catalog:
            await store.lock(catalog, row["id"])
            row = await store.find(catalog, str(row["id"])) or row
            running = [other for other in await store.unfinished(catalog) if other["id"] != row["id"]]
            stuck = row["state"] == "queued" and (row["queued_at"] or row["created_at"]) + COOL_DOWN < now
            may_run = row["state"] in ("success", "failure") or stuck
            if not may_run or row["ran_at"] + COOL_DOWN >= now or len(running) >= CONCURRENT_RUNS:
                return False
            await store.change(catalog, row["id"], {"state": "queued", "queued_at": now, "updated_at": now})
        self._begin(account, row["id"])
        return True

    async def _import_of(self, row: Row) -> Document | None:
        """Return the import with which a synchronization begins, while it has not ended."""
        job = await self._imports.read(str(row["log_id"])) if row["visualization_id"] is None else None
        return None if job is None or job["state"] in import_jobs.FINAL else job

    async def _import_ended(self, job: Document) -> None:
        """Note how the first import of a synchronization ended."""
        account = self._state.accounts.get(job["account"])
        if account is None or job["synchronization_id"] is None:
            return
        with _logged(f"The end of import {job['id']} could not be noted"):
            async with open_catalog(self._state, account) as catalog:
                row = await store.find(catalog, job["synchronization_id"])
            if row is not None:
                await self._end(account, row, _outcome_of(row, job))
        self.look_again()

    def _accounts(self) -> list[Account]:
        return [each for each in self._state.accounts.values() if each.database_url is None]

    async def _schedule(self) -> None:
        while True:
            self._wake.clear()
            sleep = LONGEST_SLEEP_S
            for account in self._accounts():
                with _logged(f"The synchronizations of {account.name} cannot be read"):
                    sleep = min(sleep, await self._begin_due(account))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), sleep)

    async def _begin_due(self, account: Account) -> float:
        """Begin what is due in an account and return the seconds until something else is."""
        now = self._clock.now()
        async with open_catalog(self._state, account) as catalog:
            due = await store.enqueue_due(catalog, now)
            next_run = await store.next_run(catalog)
        for synchronization_id in due:
            self._begin(account, synchronization_id)
        return LONGEST_SLEEP_S if next_run is None else max(0.01, (next_run - now).total_seconds())

    def _begin(self, account: Account, synchronization_id: Any) -> None:
        task = asyncio.create_task(self._run(account, synchronization_id))
        self._runs.add(task)
        task.add_done_callback(self._runs.discard)

    async def _run(self, account: Account, synchronization_id: Any) -> None:
        with _logged(f"Synchronization {synchronization_id} was left as it is"):
            async with self._slots[account.name]:
                row = await self._begun(account, synchronization_id)
                if row is not None:
                    await self._end(account, row, await self._outcome(account, row))
        self._wake.set()

    async def _begun(self, account: Account, synchronization_id: Any) -> Row | None:
        """Say that a synchronization runs, and return it; None when it is gone, or its first import has not ended."""
        async with open_catalog(self._state, account) as catalog:
            row = await store.find(catalog, str(synchronization_id))
            if row is None or await self._import_of(row) is not None:
                return None
            await store.change(
                catalog, row["id"], {"state": "syncing", "log_id": uuid.uuid4(), "updated_at": self._clock.now()}
            )
            return row

    async def _outcome(self, account: Account, row: Row) -> Mapping[str, Any]:
        """Run a synchronization and return the columns that tell how it went."""
        try:
            fetched = await self._fetch(account, row)
        except ImportFailed as failure:
            return _failure(row, failure.code)
        except Exception as error:
            logger.exception("Synchronization %s", row["id"])
            return _failure(row, FAILED_WITHOUT_CODE, str(error).strip())
        return {**_SUCCESS, **fetched}

    async def _end(self, account: Account, row: Row, outcome: Mapping[str, Any]) -> None:
        now = self._clock.now()
        times = {"ran_at": now, "updated_at": now, "run_at": now + timedelta(seconds=row["interval"])}
        if outcome.get("retried_times", 0) >= store.MAX_RETRIES:
            del times["run_at"]
        async with open_catalog(self._state, account) as catalog:
            await store.change(catalog, row["id"], {**times, **outcome})

    async def _fetch(self, account: Account, row: Row) -> Mapping[str, Any]:
        """Fetch a source, and renew the table when it has changed; return the columns that tell them apart.

        Raises:
            ImportFailed: It could not be fetched or imported.
        """
        if row["connector"] is not None:
            return await self._renew(account, row, ConnectorSource(row["connector"]))
        with tempfile.TemporaryDirectory(prefix="synchronized-", dir=imports_directory(self._state)) as directory:
            since = row["modified_at"] and format_datetime(row["modified_at"].astimezone(timezone.utc), usegmt=True)
            found = await download(account, row["url"], Path(directory), row["etag"], since)
            if found is None:
                return {}
            fetched = vars(Fetched(found.etag, _moment(found.modified_at), found.checksum))
            if found.checksum == row["checksum"]:
                return fetched
            return {**fetched, **await self._renew(account, row, FileSource(found.path, found.filename))}

    async def _renew(self, account: Account, row: Row, source: Source) -> Mapping[str, Any]:
        """Import a source into the table; where the first import failed, there is none yet."""
        options = ImportOptions(
            replaces=row["name"],
            type_guessing=row["type_guessing"],
            quoted_fields_guessing=row["quoted_fields_guessing"],
            content_guessing=row["content_guessing"],
        )
        result = await import_source(self._state, account, source, options)
        if row["visualization_id"] is not None:
            return {}
        ids, _ = await imported_datasets.record(self._state, account, result, privacy=None, with_map=False)
        return {} if ids is None else {"visualization_id": ids[0]}


def _outcome_of(row: Row, job: Document) -> Mapping[str, Any]:
    """Return the columns that tell how the first import of a synchronization went."""
    if job["state"] != import_jobs.COMPLETE or job["visualization_id"] is None:
        return _failure(row, job["error_code"] or FAILED_WITHOUT_CODE)
    fetched = Fetched(job.get("etag"), _moment(job.get("modified_at")), job.get("checksum") or "")
    return {**_SUCCESS, **vars(fetched), "visualization_id": job["visualization_id"]}


def _failure(row: Row, code: int, message: str | None = None) -> dict[str, Any]:
    if message is None and code in TEXTS:
        message = TEXTS[code].title
    retried = row["retried_times"] + 1
    return {"state": "failure", "error_code": code, "error_message": message, "retried_times": retried}


def _moment(header: str | None) -> datetime | None:
    """Read a Last-Modified header; None when there is none or it makes no sense."""
    try:
        moment = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


@contextlib.contextmanager
def _logged(message: str) -> Iterator[None]:
    """Note in the log when a database is away, and go on."""
    try:
        yield
    except (psycopg.Error, ApiError):
        logger.warning(message, exc_info=True)
