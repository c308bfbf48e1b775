"""Who calls: the account from the path or the Host header, the API key from header, query or body."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from starlette.requests import Request

from carto.sandbox.accounts import Account, ApiKey
from carto.sandbox.errors import ApiError
from carto.sandbox.parameters import js_string
from carto.sandbox.state import ServerState

_BASIC = re.compile(r"^ *basic +([A-Za-z0-9._~+/-]+=*) *$", re.IGNORECASE)
_USER_IN_HOST = re.compile(r"^([^.]+)\.")


def user_name(request: Request) -> str:
    """Return the user of the path, or else of the Host header.

    Raises:
        ApiError: 400, there is none.
    """
    in_path = request.path_params.get("user")
    if in_path:
        return str(in_path)
    host = request.headers.get("host", "")
    match = _USER_IN_HOST.match(host)
    if match is None:
        raise ApiError(400, f"No username found in hostname '{host}'")
    return match.group(1)


def find_account(state: ServerState, name: str) -> Account:
    """Return the account of that name.

    Raises:
        ApiError: 404, there is none.
    """
    account = state.accounts.get(name)
    if account is None:
        raise ApiError(
            404,
            f"Sorry, we can't find CARTO user '{name}'. Please check that you have entered the correct domain.",
        )
    return account


def find_key(account: Account, request: Request, query: dict[str, Any], body: dict[str, Any]) -> ApiKey:
    """Return the key that the caller proves; the public one when none is sent.

    Raises:
        ApiError: 401 for an unknown key, 403 for the wrong user name or a key without SQL.
    """
    user, token = sent_credentials(request, query, body)
    if user is not None and user != account.name:
        raise ApiError(403, "permission denied")
    key = account.key(token) if token else account.public_key
    if key is None:
        raise ApiError(401, "Unauthorized")
    if not key.sql:
        raise ApiError(403, "forbidden")
    return key


def sent_credentials(request: Request, query: dict[str, Any], body: dict[str, Any]) -> tuple[str | None, str]:
    """Return the user of a Basic header, if there is one, and the key that was sent, empty when none was."""
    basic = _basic_credentials(request.headers.get("authorization", ""))
    if basic is not None:
        return basic
    for source in (query, body):
        for name in ("api_key", "map_key"):
            if source.get(name):
                return None, js_string(source[name])
    return None, ""


def _basic_credentials(header: str) -> tuple[str, str] | None:
    match = _BASIC.match(header)
    if match is None:
        return None
    encoded = match.group(1).rstrip("=").replace("+", "-").replace("/", "_")
    try:
        decoded = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except binascii.Error:
        return None
    user, colon, token = decoded.decode("utf-8", "replace").partition(":")
    return (user, token) if colon else None
