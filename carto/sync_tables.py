"""Synchronized datasets: fetched again from their source at an interval."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from carto import jobs
from carto.auth import SendsRequests, data_of
from carto.exceptions import CartoException, CartoInvalidResponseException, CartoUsageException
from carto.fields import BooleanField, CharField, DateTimeField, DictField, IntegerField
from carto.file_import import failure_reason, json_options
from carto.resources import AsyncResource, Manager
from carto.synchronizations import MIN_INTERVAL as MIN_INTERVAL  # scripts may import it from here
from carto.synchronizations import checked_interval

API_VERSION = "v1"
API_ENDPOINT = "api/{api_version}/synchronizations/"
API_FORCE_SYNC_SUFFIX = "sync_now"

_DONE = "success"
_FAILED = "failure"
_QUEUED = "queued"
_JSON = {"content-type": "application/json"}
#: Options of imports that the server would accept here and forget.
_FORGOTTEN = ("privacy", "collision_strategy")

#: Seconds that a synchronization is waited for when nobody says.
DEFAULT_WAIT = 600.0

log = logging.getLogger("carto")


class SyncTableJob(AsyncResource):
    """The synchronization of one dataset.

    Args:
        url: Where the data comes from.
        interval: Seconds between two synchronizations, 900 or more.
        auth_client: The auth client to send with.

    Attributes:
        state: created, queued, syncing, success or failure.
        enqueued: Whether the last `force_sync` was accepted.
        run_at: When the next synchronization is due.
        ran_at: When the last one was.
        data_import: The first import: its ``item_queue_id`` is for ``FileImportJobManager.get``.
    """

    id = CharField()
    name = CharField()
    interval = IntegerField()
    url = CharField()
    state = CharField()
    created_at = DateTimeField()
    updated_at = DateTimeField()
    run_at = DateTimeField()
    retried_times = IntegerField()
    log_id = CharField()
    error_code = IntegerField()
    error_message = CharField()
    ran_at = DateTimeField()
    modified_at = DateTimeField()
    etag = CharField()
    checksum = CharField()
    user_id = CharField()
    service_name = CharField()
    service_item_id = CharField()
    success = BooleanField()
    type_guessing = BooleanField()
    quoted_fields_guessing = BooleanField()
    content_guessing = BooleanField()
    visualization_id = CharField()
    from_external_source = BooleanField()
    synchronization_id = CharField()
    enqueued = BooleanField()
    data_import = DictField()

    display_columns = ("name", "state", "interval", "run_at", "url", "id")

    class Meta:
        """Where synchronizations are."""

        collection_endpoint = API_ENDPOINT.format(api_version=API_VERSION)

    def __init__(self, url: str | None, interval: int | None, auth_client: SendsRequests) -> None:
        super().__init__(auth_client)
        if url is not None:
            self.url = url
        if interval is not None:
            self.interval = interval

    def run(self, **import_params: Any) -> None:
        """Create the synchronization, by one request. One that has been created stays as it is.

        Args:
            **import_params: Options of the Import API; ``connection`` describes a database.

        Raises:
            CartoUsageException: The interval is too short, there is no source, or options come too late.
            CartoResponseException: The server refused; 401 where the account has no synchronizations.
        """
        if self.get_id() is not None:
            if import_params:
                raise CartoUsageException(f"synchronization {self.get_id()} has been created: change and save it")
            return
        forgotten = [name for name in _FORGOTTEN if import_params.get(name) is not None]
        if forgotten:
            raise CartoUsageException(f"the server takes no {' and no '.join(forgotten)} for a synchronization: change "
                                      "the dataset when it is there (dataset.privacy = ..., dataset.save())")
        self.interval = checked_interval(self.interval)
        body = {"url": self.url, **json_options(import_params), "interval": self.interval}
        if body["url"] is None and "connector" not in body and "service_item_id" not in body:
            raise CartoUsageException("a synchronization needs a URL or connection=")
        given = {name: value for name, value in body.items() if value is not None}
        response = self.send(self.get_collection_endpoint(), "post", json=given, headers=dict(_JSON))
        if self.get_id() is None:
            raise CartoInvalidResponseException(response, "the answer has no id of a synchronization")

    def save(self, force_create: bool = False, fields: Any = None) -> Any:
        """Send a changed interval; the server takes no other change.

        Raises:
            CartoUsageException: The interval is too short.
        """
        self.interval = checked_interval(self.interval)
        creates = force_create or self.get_id() is None
        return super().save(force_create, fields or (("url", "interval") if creates else ("interval",)))

    def wait(self, timeout: float | None = None, on_state: Callable[[Any], None] | None = None) -> None:
        """Wait until the synchronization that is due or running has ended.

        Args:
            timeout: Seconds to wait at most; DEFAULT_WAIT when not given.
            on_state: Called with this job, after each time that it was read.

        Raises:
            CartoJobException: It failed, or has not ended in time.
        """
        last = jobs.wait(self._job_state(), self._read_state, DEFAULT_WAIT if timeout is None else timeout, on_state)
        if last.state != _DONE:
            raise jobs.failure(last)

    def get_force_sync_endpoint(self) -> str:
        """Return the path that asks for a synchronization at once."""
        return f"{self.get_resource_endpoint()}/{API_FORCE_SYNC_SUFFIX}"

    def force_sync(self) -> None:
        """Ask for a synchronization at once.

        The server accepts one in 15 minutes: `enqueued` tells whether it did,
        and a line in the log says when it will. `wait` waits for its end.

        Raises:
            CartoUsageException: The synchronization has not been created.
            CartoResponseException: The server refused.
        """
        if self.get_id() is None:
            raise CartoUsageException("the synchronization has no id: run or retrieve it first")
        response = self.send(self.get_force_sync_endpoint(), "put", json={}, headers=dict(_JSON))
        answer = data_of(self.client, response)
        enqueued = answer.get("enqueued") if isinstance(answer, Mapping) else None
        if enqueued:
            self.state = _QUEUED  # what was known is about the one before, which `wait` would take for this one
        elif enqueued is False:
            with contextlib.suppress(CartoException):  # the answer is known; only the hint would be less exact
                self.refresh()
            log.warning("carto: synchronization %s was not started now: %s", self.get_id(), self._when_possible())

    def _when_possible(self) -> str:
        others = f"its state is {self.state}, or three others are running"
        if not isinstance(self.ran_at, datetime):
            return others
        possible = self.ran_at + timedelta(seconds=MIN_INTERVAL)
        if possible <= datetime.now(timezone.utc):
            return others
        return f"the last one was at {self.ran_at:%Y-%m-%d %H:%M:%S %Z}, the next can be at {possible:%H:%M:%S %Z}"

    def _read_state(self) -> jobs.JobState:
        self.refresh()
        return self._job_state()

    def _job_state(self) -> jobs.JobState:
        state = str(self.state)
        reason = failure_reason(self.error_code, self.error_message) if state == _FAILED else None
        return jobs.JobState("synchronization", str(self.id), state, state not in (_DONE, _FAILED), self, reason)


class SyncTableJobManager(Manager[SyncTableJob]):
    """The synchronizations of an account."""

    resource_class = SyncTableJob
    json_collection_attribute = "synchronizations"

    def create(self, url: str | None = None, interval: int | None = None, **kwargs: Any) -> SyncTableJob:
        """Create a synchronization; its first import begins at once.

        Args:
            url: Where the data comes from, or None with ``connection=``.
            interval: Seconds between two synchronizations, 900 or more.
            **kwargs: Options of the Import API; ``connection`` describes a database.

        Returns:
            The job.

        Raises:
            CartoUsageException: The interval is too short.
        """
        job: SyncTableJob = self.resource_class(url, interval, self.client)
        job.run(**kwargs)
        return job

    def _new_resource(self) -> SyncTableJob:
        job: SyncTableJob = self.resource_class(None, None, self.client)
        return job
