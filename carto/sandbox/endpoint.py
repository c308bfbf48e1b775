"""The steps that every endpoint of an account goes through: parameters, account, rate limit, key, errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import authorization, parameters
from carto.sandbox.accounts import Account, ApiKey
from carto.sandbox.errors import RATE_LIMIT_MESSAGE, ApiError
from carto.sandbox.state import ServerState

_logger = logging.getLogger("carto.sandbox")

CLIENT_CLOSED_REQUEST = 499  # nobody is there to read it


@dataclass
class Call:
    """One authorized request.

    Attributes:
        request: The HTTP request.
        state: What all endpoints share.
        account: Whose data it is.
        key: The key that the caller proved.
        query: Parameters of the URL.
        body: Parameters of the body; empty where the endpoint reads the body itself.
        headers: Headers to be sent with the answer, whatever it becomes.
    """

    request: Request
    state: ServerState
    account: Account
    key: ApiKey
    query: dict[str, Any]
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def params(self) -> dict[str, Any]:
        """All parameters; the body's win."""
        return {**self.query, **self.body}

    @property
    def conninfo(self) -> str:
        """Connection string of the account's database for this key."""
        return self.account.conninfo(self.key, self.state.cluster_conninfo)


Handler = Callable[[Call], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def endpoint(
    state: ServerState, group: str, handler: Handler, *, reads_body: bool = True, master_only: bool = False
) -> Endpoint:
    """Wrap a handler into a Starlette endpoint.

    Args:
        state: What all endpoints share.
        group: Rate limit group.
        handler: Answers the authorized call.
        reads_body: Whether the body's parameters are read first; False leaves the body to the handler.
        master_only: Whether only the master key may call.
    """

    async def answer(request: Request) -> Response:
        headers: dict[str, str] = {}
        query = parameters.query_parameters(request)
        client = query.get("client")
        if client:
            headers["Carto-Client"] = parameters.js_string(client)
        try:
            body = await parameters.body_parameters(request) if reads_body else {}
            call = _authorize(state, group, request, query, body, headers, master_only)
            return await handler(call)
        except ApiError as error:
            return error_response(error, headers, query)
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED_REQUEST)

    return answer


def _authorize(
    state: ServerState,
    group: str,
    request: Request,
    query: dict[str, Any],
    body: dict[str, Any],
    headers: dict[str, str],
    master_only: bool,
) -> Call:
    name = authorization.user_name(request)
    headers["Carto-User"] = name
    account = authorization.find_account(state, name)
    headers["Carto-User-Id"] = account.user_id
    _count(state, account, group, headers)
    key = authorization.find_key(account, request, query, body)
    if master_only and key.type != "master":
        raise ApiError(403, "permission denied")
    headers["vary"] = "Authorization"
    return Call(request, state, account, key, query, body, headers)


def _count(state: ServerState, account: Account, group: str, headers: dict[str, str]) -> None:
    verdict = state.limiter.hit(account, group)
    if verdict is None:
        return
    headers.update(verdict.headers())
    if not verdict.allowed:
        raise ApiError(429, RATE_LIMIT_MESSAGE, context="limit", detail="rate-limit")


def log_statement(call: Call, sql: str) -> None:
    """Write a statement into the log of a verbose sandbox."""
    _logger.info("%s (%s): %s", call.account.name, call.key.name, sql)


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with compact JSON, as Express writes it."""
    return Response(json_text(content).encode(), status, headers, "application/json; charset=utf-8")


def json_text(content: Any) -> str:
    """Write compact JSON, with no surrogates that UTF-8 has no form for."""
    return parameters.well_formed(json.dumps(content, ensure_ascii=False, separators=(",", ":")))


def error_response(error: ApiError, headers: dict[str, str], query: dict[str, Any]) -> Response:
    """Answer with an error; with ``callback`` as JSONP, whose status is always 200.

    Args:
        error: What went wrong.
        headers: Headers known so far.
        query: Parameters of the URL.
    """
    headers = {**headers, **error.headers, "Content-Disposition": "inline"}
    callback = query.get("callback")
    if not callback:
        return json_response(error.body(), error.status, headers)
    return jsonp_response(error.body(), callback, headers)


def jsonp_response(content: Any, callback: Any, headers: dict[str, str]) -> Response:
    """Answer with a script that calls a function, as Express does.

    Args:
        content: What the function is called with.
        callback: Name of the function, as it was sent.
        headers: Headers of the answer.
    """
    function = "".join(c for c in parameters.js_string(callback) if c.isalnum() or c in "[]$_.")
    text = json_text(content).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    script = f"/**/ typeof {function} === 'function' && {function}({text});"
    headers = {**headers, "X-Content-Type-Options": "nosniff"}
    return Response(script.encode(), 200, headers, "text/javascript; charset=utf-8")


def account_routes(path: str, answer: Endpoint, methods: list[str]) -> list[Route]:
    """Register an endpoint below ``/user/NAME/api/VERSION/`` and, for users in the host, ``/api/VERSION/``.

    Args:
        path: Path below the version, such as ``sql/job``.
        answer: The endpoint.
        methods: HTTP verbs.
    """
    prefixes = ("/user/{user}/api/{version}/", "/api/{version}/")
    paths = [prefix + path + slash for prefix in prefixes for slash in ("", "/")]
    return [Route(path, answer, methods=methods) for path in paths]
