"""The Batch API: ``/sql/job`` and ``/sql/job/ID``."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import authorization
from carto.sandbox.batch_jobs import Document, Job, JobError
from carto.sandbox.batch_queue import BatchQueue
from carto.sandbox.endpoint import Call, Endpoint, Handler, account_routes, endpoint, json_response
from carto.sandbox.errors import ApiError
from carto.sandbox.state import ServerState

MAX_PAYLOAD = 16 * 1024  # UTF-16 units of the body, written as JSON
_ORDER = ("user", "status", "query", "created_at", "updated_at", "fallback_status", "failed_reason", "job_id")


def routes(state: ServerState, queue: BatchQueue) -> list[Route]:
    """Return the routes of this module.

    Args:
        state: What all endpoints share.
        queue: Runs the jobs.
    """

    def of_group(group: str, handler: Handler) -> Endpoint:
        return endpoint(state, group, _with_job_errors(handler), master_only=True)

    async def create(call: Call) -> Response:
        job = await queue.create(call.account, _sent_query(call))
        return json_response(job.document, 201, call.headers)

    async def read(call: Call) -> Response:
        job = await queue.read(call.request.path_params["job_id"])
        return json_response(_as_read(job), 200, call.headers)

    async def cancel(call: Call) -> Response:
        job = await queue.cancel(call.request.path_params["job_id"])
        return json_response(_as_read(job), 200, call.headers)

    async def update(call: Call) -> Response:
        job = await queue.update(call.request.path_params["job_id"], _sent_query(call))
        return json_response(_as_read(job), 200, call.headers)

    async def running(_request: Request) -> Response:
        return json_response(queue.running_jobs())

    return [
        *account_routes("sql/job", of_group("job_create", create), ["POST"]),
        *account_routes("sql/job/{job_id}", of_group("job_get", read), ["GET"]),
        *account_routes("sql/job/{job_id}", of_group("job_delete", cancel), ["DELETE"]),
        *account_routes("sql/job/{job_id}", _if_updates(state, of_group("job_create", update)), ["PUT"]),
        *account_routes("jobs-wip", running, ["GET"]),
    ]


def _with_job_errors(handler: Handler) -> Handler:
    async def answer(call: Call) -> Response:
        try:
            return await handler(call)
        except JobError as error:
            raise ApiError(400, str(error)) from error

    return answer


def _if_updates(state: ServerState, update: Endpoint) -> Endpoint:
    """Hide an endpoint that only older servers have from the accounts that are not on one."""

    async def answer(request: Request) -> Response:
        account = state.accounts.get(authorization.user_name(request))
        if account is None or not account.batch_update:
            raise HTTPException(404)
        return await update(request)

    return answer


def _sent_query(call: Call) -> Any:
    """Return the parameter ``query``, in a form also as ``query[]``.

    Raises:
        ApiError: 400, the body is too large.
    """
    body = json.dumps(call.body, ensure_ascii=False, separators=(",", ":"))
    size = len(body.encode("utf-16-le", "surrogatepass")) // 2
    if size > MAX_PAYLOAD:
        raise ApiError(
            400,
            f"Your payload is too large: {size} bytes. Max size allowed is {MAX_PAYLOAD} bytes"
            f" ({MAX_PAYLOAD // 1024}kb). Are you trying to import data?. Please, check out import api"
            " http://docs.cartodb.com/cartodb-platform/import-api/",
        )
    listed = call.params.get("query[]")
    if listed is None:
        return call.params.get("query")
    return listed if isinstance(listed, list) else [listed]


def _as_read(job: Job) -> Document:
    """Return the job with its keys in the order in which the API shows a kept one."""
    return {key: job.document[key] for key in _ORDER if key in job.document}
