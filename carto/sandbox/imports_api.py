"""The Import API: ``/api/v1/imports`` and ``/api/v1/imports/ID``."""

from __future__ import annotations

import shutil
import uuid
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import import_jobs, import_upload
from carto.sandbox.import_queue import ImportQueue, NoSlotError
from carto.sandbox.import_request import RefusedImportError, new_import
from carto.sandbox.import_upload import MalformedBodyError, Received
from carto.sandbox.parameters import js_string
from carto.sandbox.rails_endpoint import RailsCall, RailsError, proven_key, rails_endpoint, rails_routes
from carto.sandbox.rails_json import rails_json
from carto.sandbox.state import ServerState


def routes(state: ServerState, queue: ImportQueue) -> list[Route]:
    """Return the routes of this module.

    Args:
        state: What all endpoints share.
        queue: Runs the imports.
    """

    async def create(call: RailsCall) -> Response:
        job_id = str(uuid.uuid4())
        _take_slot(queue, call)
        try:
            return rails_json(await _create(queue, call, job_id))
        except BaseException:
            queue.give_slot_back(call.account)
            shutil.rmtree(queue.directory_of(job_id), ignore_errors=True)
            raise

    async def list_running(call: RailsCall) -> Response:
        return rails_json({"imports": await queue.running_ids(call.account), "success": True})

    async def show(call: RailsCall) -> Response:
        job = await queue.read(_uuid(call.request.path_params["id"]))
        if job is None:
            raise RailsError(404)
        return rails_json(import_jobs.shown(job))

    return [
        *rails_routes("v1/imports", rails_endpoint(state, create, reads_body=False), ["POST"]),
        *rails_routes("v1/imports", rails_endpoint(state, list_running), ["GET"]),
        *rails_routes("v1/imports/{id}", rails_endpoint(state, show), ["GET"]),
    ]


def _take_slot(queue: ImportQueue, call: RailsCall) -> None:
    """Take a slot of the account.

    Raises:
        RailsError: 401, another key was sent; 429, there is no slot left.
    """
    if call.key is not None and not call.is_owner:
        raise RailsError(401)
    try:
        queue.take_slot(call.account)
    except NoSlotError as error:
        slots = call.account.import_limits.concurrent
        text = f"We're sorry but you're already using your allowed {slots} import slots"
        raise _error(429, text) from error


async def _create(queue: ImportQueue, call: RailsCall, job_id: str) -> dict[str, Any]:
    received = await _receive(queue, call, job_id)
    try:
        job = new_import(call.account, {**received.parameters, **call.query}, received.filename, job_id)
    except RefusedImportError as error:
        raise _error(400, str(error)) from error
    await queue.create(call.account, job)
    return {"item_queue_id": job_id, "success": True}


async def _receive(queue: ImportQueue, call: RailsCall, job_id: str) -> Received:
    """Read the body, in which the key may be.

    Raises:
        RailsError: 400, it can't be read; 401, nobody proved the master key.
    """
    name = import_upload.clean_name(js_string(call.query.get("filename", "")))
    max_bytes = call.account.import_limits.file_bytes
    try:
        received = await import_upload.receive(call.request, queue.directory_of(job_id), max_bytes, name)
    except MalformedBodyError as error:
        raise _error(400, str(error)) from error
    key = call.key or proven_key(call.account, call.request, {}, received.parameters)
    if key is None or key.type != "master":
        raise RailsError(401)
    return received


def _error(status: int, text: str) -> RailsError:
    return RailsError(status, {"errors": {"imports": text}})


def _uuid(text: str) -> str:
    """Return an id in its usual form.

    Raises:
        RailsError: 404, it is none.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise RailsError(404) from error
