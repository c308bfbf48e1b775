"""``/api/v4/kuviz``: pages of HTML that an account publishes."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import parameters, passwords
from carto.sandbox.kuviz_store import ORDERS, KuvizStore
from carto.sandbox.paging import Page, WrongParameterError
from carto.sandbox.parameters import js_string
from carto.sandbox.rails_endpoint import RailsCall, RailsError, proven_key, rails_endpoint, rails_routes
from carto.sandbox.rails_json import rails_json
from carto.sandbox.state import ServerState
from carto.sandbox.visualization_presenter import Json, base_url

MAX_REQUEST_BYTES = 10 << 20
PUBLIC, PROTECTED = PRIVACIES = ("public", "password")
FAIL, REPLACE = IF_EXISTS = ("fail", "replace")
_HTML = re.compile(rb"<html.*>", re.IGNORECASE)

_Handler = Callable[[KuvizStore, RailsCall, Json], Awaitable[Response]]


def routes(state: ServerState, store: KuvizStore) -> list[Route]:
    """Return the routes of this module.

    Args:
        state: What all endpoints share.
        store: Keeps the kuvizs.
    """

    def answered_by(handler: _Handler) -> Any:
        return rails_endpoint(state, partial(_authorized, handler, store), anonymous=True, reads_body=False)

    return [
        *rails_routes("v4/kuviz", answered_by(list_kuvizs), ["GET"]),
        *rails_routes("v4/kuviz", answered_by(create), ["POST"]),
        *rails_routes("v4/kuviz/{id:uuid}", answered_by(update), ["PUT"]),
        *rails_routes("v4/kuviz/{id:uuid}", answered_by(delete), ["DELETE"]),
    ]


async def _authorized(handler: _Handler, store: KuvizStore, call: RailsCall) -> Response:
    """Let those in who send the master key as a parameter, and hand over all parameters.

    Raises:
        RailsError: 401 or 403; 400 or 500, the body is too large or of unknown size.
    """
    if call.request.method in ("POST", "PUT"):
        await _check_size(call)
    body = await parameters.body_parameters(call.request)
    if (call.key or proven_key(call.account, call.request, {}, body)) is None:
        raise RailsError(401)
    params = {**body, **call.query}
    key = call.account.key(js_string(params.get("api_key", "")))
    if key is None or key.type != "master":
        raise RailsError(403, {"errors": "You don't have permission to access that resource", "errors_cause": None})
    return await handler(store, call, params)


async def _check_size(call: RailsCall) -> None:
    length = call.request.headers.get("content-length", "")
    if length.isdecimal() and int(length) <= MAX_REQUEST_BYTES:
        return
    async for _ in call.request.stream():  # who is still sending would not see the answer
        pass
    if not length.isdecimal():
        raise RailsError(500, {"error": "The kuviz can not be created"})
    raise _refused("Visualization over the size limit (10MB)")


async def list_kuvizs(store: KuvizStore, call: RailsCall, params: Json) -> Response:
    """Answer with a page of the account's kuvizs."""
    try:
        page = Page.asked_for(params, ORDERS)
    except WrongParameterError as error:
        raise _refused(str(error)) from error
    privacy, q = (js_string(params[name]) if params.get(name) else None for name in ("privacy", "q"))
    rows, total = await store.page_of(page, call.account.name, privacy, q)
    return rails_json({"visualizations": [_form(call, row) for row in rows], "total_entries": total})


async def create(store: KuvizStore, call: RailsCall, params: Json) -> Response:
    """Publish a page; with ``if_exists=replace`` in place of one of the same name."""
    for required in ("data", "name"):
        if not params.get(required):
            raise _refused(f"missing {required} parameter")
    values = _sent_values(params)
    if params.get("privacy"):
        _checked_privacy(params)
    password = js_string(params.get("password") or "")
    values |= {"privacy": PROTECTED, "password": passwords.hashed(password)} if password else _public()
    former = await _of_that_name(store, call, values["name"], _if_exists(params, FAIL))
    row = await store.change(former[0]["id"], values) if former else None
    await store.remove(*(each["id"] for each in former[1:]))
    return rails_json(_form(call, row or await store.add({"account": call.account.name, **values})))


async def update(store: KuvizStore, call: RailsCall, params: Json) -> Response:
    """Change what was sent of a kuviz; unless told otherwise, it takes the place of others of its new name."""
    found = await _found(store, call)
    values = _sent_values(params)
    if params.get("privacy"):
        values |= _sent_privacy(params)
    others: list[DictRow] = []
    if "name" in values:
        named = await _of_that_name(store, call, values["name"], _if_exists(params, REPLACE), but=found["id"])
        others = [row for row in named if row["id"] != found["id"]]
    row = await store.change(found["id"], values)
    await store.remove(*(each["id"] for each in others))
    if row is None:
        raise RailsError(404)
    return rails_json(_form(call, row))


async def delete(store: KuvizStore, call: RailsCall, _params: Json) -> Response:
    """Delete a kuviz."""
    await store.remove((await _found(store, call))["id"])
    return Response(status_code=204)


async def _found(store: KuvizStore, call: RailsCall) -> DictRow:
    """Return the kuviz that the path names.

    Raises:
        RailsError: 404, there is none; 403, it is somebody else's.
    """
    row = await store.find(call.request.path_params["id"])
    if row is None:
        raise RailsError(404)
    if row["account"] != call.account.name:
        raise RailsError(403)
    return row


async def _of_that_name(
    store: KuvizStore, call: RailsCall, name: str, if_exists: str, but: UUID | None = None
) -> list[DictRow]:
    """Return the kuvizs of a name, which may exist only if they may be replaced."""
    named = await store.named(call.account.name, name)
    if if_exists == FAIL and any(row["id"] != but for row in named):
        raise _refused("Validation failed: Name has already been taken")
    return named


def _if_exists(params: Json, default: str) -> str:
    sent = js_string(params.get("if_exists", default))
    if sent not in IF_EXISTS:
        text = f"Wrong 'if_exists' parameter value. Valid values are one of {', '.join(IF_EXISTS)}"
        raise RailsError(400, {"errors": text, "errors_cause": None})
    return sent


def _sent_values(params: Json) -> Json:
    values: Json = {}
    if params.get("name"):
        values["name"] = js_string(params["name"])
    if params.get("data"):
        values["page"] = _page(js_string(params["data"]))
    return values


def _page(data: str) -> bytes:
    try:
        page = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refused("data parameter must be encoded in base64") from error
    if not _HTML.search(page):
        raise _refused("data parameter must be HTML")
    return page


def _sent_privacy(params: Json) -> Json:
    if _checked_privacy(params) == PUBLIC:
        return _public()
    if not params.get("password"):
        raise _refused("Changing privacy to protected should come along with the password param")
    return {"privacy": PROTECTED, "password": passwords.hashed(js_string(params["password"]))}


def _checked_privacy(params: Json) -> str:
    privacy = js_string(params["privacy"])
    if privacy not in PRIVACIES:
        raise _refused('privacy mode not allowed. Allowed ones are ["public", "password"]')
    return privacy


def _public() -> Json:
    return {"privacy": PUBLIC, "password": None}


def _form(call: RailsCall, row: DictRow) -> Json:
    shown = {key: row[key] for key in ("id", "name", "privacy", "created_at", "updated_at")}
    return {**shown, "url": f"{base_url(call)}/kuviz/{row['id']}"}


def _refused(text: str) -> RailsError:
    return RailsError(400, {"error": text})
