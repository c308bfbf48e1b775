"""``/kuviz/ID``: the published pages themselves; those with a password ask for it."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable
from functools import partial

from psycopg.rows import DictRow
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from carto.sandbox import authorization, parameters, passwords
from carto.sandbox.errors import ApiError
from carto.sandbox.kuviz_store import KuvizStore
from carto.sandbox.parameters import js_string
from carto.sandbox.state import ServerState

_PREFIXES = ("/user/{user}", "/u/{user}", "")
_NOT_KEPT = {"Cache-Control": "no-store"}
_ASK = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Protected</title></head>
<body>
<form method="post" action="{action}">
<p>{text}</p>
<input type="password" name="password" aria-label="Password" autofocus required>
<button type="submit">Show</button>
</form>
</body>
</html>
"""

_Handler = Callable[[Request, DictRow], Awaitable[Response]]


def routes(state: ServerState, store: KuvizStore) -> list[Route]:
    """Return the routes of this module.

    Args:
        state: What all endpoints share.
        store: Keeps the kuvizs.
    """
    shown = partial(_found, state, store, show)
    unlocked = partial(_found, state, store, unlock)
    return [
        *(Route(f"{prefix}/kuviz/{{id:uuid}}", shown, methods=["GET"]) for prefix in _PREFIXES),
        *(Route(f"{prefix}/kuviz/{{id:uuid}}/protected", unlocked, methods=["POST"]) for prefix in _PREFIXES),
    ]


async def _found(state: ServerState, store: KuvizStore, handler: _Handler, request: Request) -> Response:
    try:
        account = authorization.find_account(state, authorization.user_name(request))
    except ApiError as error:
        raise HTTPException(404) from error
    kuviz = await store.page(account.name, request.path_params["id"])
    if kuviz is None:
        raise HTTPException(404)
    return await handler(request, kuviz)


async def show(request: Request, kuviz: DictRow) -> Response:
    """Answer with the page, or ask for its password."""
    if kuviz["password"] is None:
        return HTMLResponse(kuviz["page"])
    return _ask(f"{request.url.path}/protected", "This page is protected. What is its password?")


async def unlock(request: Request, kuviz: DictRow) -> Response:
    """Answer with the page to those who know its password."""
    try:
        sent = await parameters.body_parameters(request)
    except ApiError as error:
        return Response(status_code=error.status)
    if kuviz["password"] is None or passwords.matches(kuviz["password"], js_string(sent.get("password", ""))):
        return HTMLResponse(kuviz["page"], headers=_NOT_KEPT)
    return _ask(request.url.path, "That is not the password.", 403)


def _ask(action: str, text: str, status: int = 200) -> Response:
    return HTMLResponse(_ASK.format(action=html.escape(action), text=text), status, _NOT_KEPT)
