"""The steps before every endpoint of CARTO's Rails application (imports, visualizations, ...): account, key, errors.

It differs from the SQL API's server in its paths, in its error bodies and in what it lets a key do.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import authorization, parameters
from carto.sandbox.accounts import Account, ApiKey
from carto.sandbox.endpoint import CLIENT_CLOSED_REQUEST, Endpoint, json_response
from carto.sandbox.errors import ApiError
from carto.sandbox.state import ServerState

PREFIXES = ("/user/{user}/api/", "/u/{user}/api/", "/api/")
SLASH_OR_NOTHING = ("/", "")
ENDINGS = (".json", *SLASH_OR_NOTHING)  # in this order, since a last parameter would take the suffix for its own
_CALLBACK = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)


class RailsError(Exception):
    """An answer that is an error.

    Attributes:
        status: HTTP status.
        body: What is sent as JSON; None for an empty body.
    """

    def __init__(self, status: int, body: Any = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body

    def response(self) -> Response:
        """Make the answer."""
        return Response(status_code=self.status) if self.body is None else json_response(self.body, self.status)


@dataclass
class RailsCall:
    """One request of an account.

    Attributes:
        request: The HTTP request.
        state: What all endpoints share.
        account: Whose URL it is.
        key: The key that the caller proved; None for an anonymous caller.
        query: Parameters of the URL.
        body: Parameters of the body; empty where the endpoint reads the body itself.
    """

    request: Request
    state: ServerState
    account: Account
    key: ApiKey | None
    query: dict[str, Any]
    body: dict[str, Any]

    @property
    def params(self) -> dict[str, Any]:
        """All parameters; the URL's win, as in Rails."""
        return {**self.body, **self.query}

    @property
    def is_owner(self) -> bool:
        """Whether the caller proved the master key."""
        return self.key is not None and self.key.type == "master"


Handler = Callable[[RailsCall], Awaitable[Response]]


def rails_endpoint(
    state: ServerState, handler: Handler, *, anonymous: bool = False, reads_body: bool = True
) -> Endpoint:
    """Wrap a handler into a Starlette endpoint.

    Args:
        state: What all endpoints share.
        handler: Answers the call; it may raise `RailsError`.
        anonymous: Whether callers without the master key are let through as well, with ``key`` None when they
            proved none.
        reads_body: Whether the body's parameters are read first; False leaves the body, and a key in it, to the
            handler.
    """

    async def answer(request: Request) -> Response:
        try:
            call = await _call(state, request, reads_body)
            if not anonymous and reads_body and not call.is_owner:
                raise RailsError(401)
            _check_callback(call.query.get("callback"))
            return _for_callback(await handler(call), call.query.get("callback"))
        except RailsError as error:
            return error.response()
        except ApiError as error:  # the account's database can't be reached
            return Response(status_code=error.status)
        except psycopg.DataError:  # a text that PostgreSQL has no form for, such as one with a NUL
            return Response(status_code=400)
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED_REQUEST)

    return answer


@contextmanager
def change_errors() -> Iterator[None]:
    """Answer with what PostgreSQL has against a change."""
    try:
        yield
    except psycopg.Error as error:
        raise RailsError(400, {"errors": [error.diag.message_primary or str(error)]}) from error


def _check_callback(callback: Any) -> None:
    if callback is not None and not _CALLBACK.fullmatch(parameters.js_string(callback)):
        raise RailsError(400, {"errors": {"callback": "Invalid callback format"}})


def _for_callback(response: Response, callback: str | None) -> Response:
    """Make a script of an answer in JSON that calls the function asked for with ``callback``."""
    if not callback or not response.headers.get("content-type", "").startswith("application/json"):
        return response
    script = b"/**/%s(%s)" % (callback.encode(), bytes(response.body))
    return Response(script, response.status_code, media_type="text/javascript; charset=utf-8")


async def _call(state: ServerState, request: Request, reads_body: bool) -> RailsCall:
    query = parameters.query_parameters(request)
    try:
        account = authorization.find_account(state, authorization.user_name(request))
    except ApiError as error:
        raise RailsError(404) from error
    try:
        body = await parameters.body_parameters(request) if reads_body else {}
    except ApiError as error:
        raise RailsError(400) from error
    return RailsCall(request, state, account, proven_key(account, request, query, body), query, body)


def proven_key(account: Account, request: Request, query: dict[str, Any], body: dict[str, Any]) -> ApiKey | None:
    """Return the key that a request proves, None when it sends none or a wrong one."""
    user, token = authorization.sent_credentials(request, query, body)
    if not token or (user is not None and user != account.name):
        return None
    return account.key(token)


def rails_routes(path: str, answer: Endpoint, methods: list[str], endings: Sequence[str] = ENDINGS) -> list[Route]:
    """Register an endpoint below all three forms of an account's URL, with the endings that Rails takes.

    Args:
        path: Path below ``api/``, such as ``v1/imports/{id}``.
        answer: The endpoint.
        methods: HTTP verbs.
        endings: What may follow the path.
    """
    return [Route(prefix + path + ending, answer, methods=methods) for prefix in PREFIXES for ending in endings]
