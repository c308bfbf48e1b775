"""``/api/v1/synchronizations``: datasets that are fetched again from their source at an interval."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import synchronizations_store as store
from carto.sandbox.endpoint import Endpoint
from carto.sandbox.import_jobs import Document
from carto.sandbox.import_queue import ImportQueue, NoSlotError
from carto.sandbox.import_request import RefusedImportError, new_import
from carto.sandbox.moving_clock import MovingClock
from carto.sandbox.rails_endpoint import RailsCall, RailsError, rails_endpoint, rails_routes
from carto.sandbox.rails_json import iso_offset, rails_json
from carto.sandbox.state import ServerState
from carto.sandbox.synchronizer import Synchronizer
from carto.sandbox.visualization_presenter import Json, synchronization_object
from carto.sandbox.visualizations_api import sent_json
from carto.sandbox.visualizations_store import Catalog, Row, open_catalog

DEFAULT_INTERVAL = 3600  # seconds
MIN_INTERVAL = 900
MAX_INTERVAL = 2**31 - 1
_NOT_FOR_SYNCHRONIZATIONS = ("privacy", "collision_strategy", "sql", "table_copy")


def routes(
    state: ServerState, synchronizer: Synchronizer, imports: ImportQueue, clock: MovingClock
) -> list[Route]:
    """Return the routes of this module.

    Args:
        state: What all endpoints share.
        synchronizer: Runs the synchronizations.
        imports: Has the slots for their first imports.
        clock: What it goes by.
    """
    services = _Services(synchronizer, imports, clock)

    def raw(handler: Callable[[_Services, RailsCall], Awaitable[Response]]) -> Endpoint:
        return rails_endpoint(state, partial(handler, services), anonymous=True, reads_body=False)

    one = "v1/synchronizations/{id}"
    return [
        *rails_routes("v1/synchronizations", rails_endpoint(state, list_all), ["GET"]),
        *rails_routes("v1/synchronizations", raw(create), ["POST"]),
        *rails_routes(f"{one}/sync_now", rails_endpoint(state, show_state), ["GET"]),
        *rails_routes(f"{one}/sync_now", rails_endpoint(state, partial(run_now, services)), ["PUT"]),
        *rails_routes(one, rails_endpoint(state, show), ["GET"]),
        *rails_routes(one, raw(update), ["PUT"]),
        *rails_routes(one, rails_endpoint(state, delete), ["DELETE"]),
    ]


@dataclass(frozen=True)
class _Services:
    synchronizer: Synchronizer
    imports: ImportQueue
    clock: MovingClock


async def create(services: _Services, call: RailsCall) -> Response:
    """Start to synchronize, beginning with an import."""
    sent = await _sent_object(call)
    interval = _new_interval(sent)
    job = _first_import(call, sent)
    _take_slot(services.imports, call)
    try:
        columns = {"interval": interval, **_source_columns(job)}
        row = await services.synchronizer.create(call.account, columns, job)
    except BaseException:
        services.imports.give_slot_back(call.account)
        raise
    data_import = {"endpoint": "/api/v1/imports", "item_queue_id": job["id"]}
    return rails_json({"data_import": data_import, **_form(call, row)}, moments=iso_offset)


async def update(services: _Services, call: RailsCall) -> Response:
    """Change the interval."""
    sent = await _sent_object(call)
    now = services.clock.now()
    async with open_catalog(call.state, call.account) as catalog:
        row = await _found(call, catalog)
        values: Json = {"updated_at": now}
        if "interval" in sent:
            values["interval"] = _interval(sent["interval"])
            values["run_at"] = now + timedelta(seconds=values["interval"])
        await store.change(catalog, row["id"], values)
        changed = await _found(call, catalog)
    services.synchronizer.look_again()
    return rails_json(_form(call, changed), moments=iso_offset)


async def run_now(services: _Services, call: RailsCall) -> Response:
    """Run a synchronization at once, if it may."""
    async with open_catalog(call.state, call.account) as catalog:
        row = await _found(call, catalog)
    enqueued = await services.synchronizer.enqueue(call.account, row)
    return rails_json({"enqueued": enqueued, "synchronization_id": row["id"]})


def _take_slot(imports: ImportQueue, call: RailsCall) -> None:
    try:
        imports.take_slot(call.account)
    except NoSlotError as error:
        slots = call.account.import_limits.concurrent
        message = f"We're sorry but you're already using your allowed {slots} import slots"
        raise RailsError(429, {"errors": message}) from error


async def list_all(call: RailsCall) -> Response:
    """Answer with all synchronizations of the account."""
    async with open_catalog(call.state, call.account) as catalog:
        rows = await store.all_of(catalog)
    return rails_json({"synchronizations": [_form(call, row) for row in rows], "total_entries": len(rows)})


async def show(call: RailsCall) -> Response:
    """Answer with one synchronization."""
    async with open_catalog(call.state, call.account) as catalog:
        return rails_json(_form(call, await _found(call, catalog)))


async def show_state(call: RailsCall) -> Response:
    """Answer with the state of one synchronization."""
    async with open_catalog(call.state, call.account) as catalog:
        return rails_json({"state": (await _found(call, catalog))["state"]})


async def delete(call: RailsCall) -> Response:
    """Stop synchronizing a dataset, which stays as it is."""
    async with open_catalog(call.state, call.account) as catalog:
        await store.delete(catalog, (await _found(call, catalog))["id"])
    return Response(status_code=204)


async def _found(call: RailsCall, catalog: Catalog) -> Row:
    row = await store.find(catalog, call.request.path_params["id"])
    if row is None:
        raise RailsError(404)
    return row


def _form(call: RailsCall, row: Row) -> Json:
    form = synchronization_object(row, call.account)
    assert form is not None, "there is a row"
    return form


async def _sent_object(call: RailsCall) -> Json:
    """Read the body, which has to be a JSON object.

    Raises:
        RailsError: 401 without the master key, 500 for another body: CARTO's server stumbles over it.
    """
    sent = await sent_json(call)
    if not isinstance(sent, dict):
        raise RailsError(500)
    return sent


def _new_interval(sent: Json) -> int:
    """Return the interval of a new synchronization, in seconds.

    Raises:
        RailsError: 400, it is too short.
    """
    interval = _interval(sent.get("interval", DEFAULT_INTERVAL))
    if interval < MIN_INTERVAL:
        raise RailsError(400, {"errors": "Invalid interval: Sync interval must be at least 15 minutes"})
    return interval


def _first_import(call: RailsCall, sent: Json) -> Document:
    """Return the import with which a synchronization begins.

    Raises:
        RailsError: 400, there is no source that could be fetched again.
    """
    used = {name: value for name, value in sent.items() if name not in _NOT_FOR_SYNCHRONIZATIONS}
    try:
        job = new_import(call.account, used)
    except RefusedImportError as error:
        raise RailsError(400, {"errors": str(error)}) from error
    if "url" not in job["source"] and "connector" not in job["source"]:
        raise RailsError(400, {"errors": "Invalid URL, cannot connect dataset: there is no url and no connector"})
    return job


def _source_columns(job: Document) -> Json:
    """Return the columns of a synchronization that tell what it fetches."""
    columns: Json = {name: job[name] for name in ("type_guessing", "quoted_fields_guessing", "content_guessing")}
    connector = job["source"].get("connector")
    if connector is None:
        return {**columns, "url": job["source"]["url"], "service_item_id": job["source"]["url"]}
    text = json.dumps(connector)
    return {**columns, "connector": text, "service_name": "connector", "service_item_id": text}


def _interval(sent: Any) -> int:
    try:
        interval = int(sent)
    except (TypeError, ValueError):
        interval = 0
    if not 1 <= interval <= MAX_INTERVAL:
        raise RailsError(400, {"errors": f"Invalid interval: {sent} is no number of seconds"})
    return interval
