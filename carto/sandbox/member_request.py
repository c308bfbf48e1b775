"""What a request about a user of an organization asks for, checked as CARTO's Rails application checks it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from carto.sandbox.accounts import SOFT_LIMITS, Account
from carto.sandbox.parameters import js_string

MAX_NAME_LENGTH = 63
MIN_PASSWORD_LENGTH = 6
MAX_QUOTA = 2**63 - 1  # PostgreSQL's bigint
RESERVED_NAMES = ("admin", "api", "login", "logout", "public", "sandbox", "user", "users", "www")
CHANGEABLE = ("email", "password", "quota_in_bytes", "viewer", "org_admin", *SOFT_LIMITS)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

Json = dict[str, Any]


class InvalidUserError(Exception):
    """What is asked for makes no sense.

    Attributes:
        messages: The server's texts.
    """

    def __init__(self, messages: list[str]) -> None:
        super().__init__(", ".join(messages))
        self.messages = messages


def new_member(params: Mapping[str, Any], owner: Account, taken: Mapping[str, Account]) -> Json:
    """Read the description of a new user.

    Args:
        params: Parameters of the request.
        owner: Owner of the organization.
        taken: All accounts by name.

    Raises:
        InvalidUserError: It makes no sense.
    """
    name = js_string(params.get("username") or "")
    required = {"email": "", "password": "", **params}
    messages = [*_problems_of_name(name, taken), *_problems(required, owner)]
    if messages:
        raise InvalidUserError(messages)
    return {
        "name": name,
        "organization": owner.organization,
        "quota_bytes": owner.quota_bytes,
        **_fields(params, owner),
    }


def changes(params: Mapping[str, Any], account: Account, owner: Account) -> Json:
    """Read the fields of an account that a request changes.

    Args:
        params: Parameters of the request.
        account: The user's account.
        owner: Owner of the organization.

    Raises:
        InvalidUserError: They make no sense.
    """
    messages = _problems(params, owner)
    if messages:
        raise InvalidUserError(messages)
    return _fields(params, account)


def _problems_of_name(name: str, taken: Mapping[str, Account]) -> list[str]:
    if not name:
        return ["Username can't be blank"]
    problems = []
    if not re.fullmatch(r"[a-z0-9-]*", name):
        problems.append("Username must only contain lowercase letters, numbers and the dash (-) symbol")
    if name.startswith("-"):
        problems.append("Username must start with alphanumeric chars")
    if name.endswith("-"):
        problems.append("Username must end with alphanumeric chars")
    if len(name) > MAX_NAME_LENGTH:
        problems.append(f"Username is too long, {MAX_NAME_LENGTH} characters is the maximum")
    if name in RESERVED_NAMES:
        problems.append("Username is reserved")
    if name in taken:
        problems.append("Username has already been taken")
    return problems


def _problems(params: Mapping[str, Any], owner: Account) -> list[str]:
    problems = []
    if "email" in params and not _EMAIL.fullmatch(js_string(params["email"] or "")):
        problems.append("Email is not a valid address" if params["email"] else "Email can't be blank")
    if "password" in params and not params["password"]:
        problems.append("Password can't be blank")
    elif "password" in params and len(js_string(params["password"])) < MIN_PASSWORD_LENGTH:
        problems.append(f"Password must be at least {MIN_PASSWORD_LENGTH} characters long")
    problems += _problems_of_quota(params.get("quota_in_bytes"))
    for limit in SOFT_LIMITS:
        if _is_true(params.get(limit)) and limit not in owner.soft_limits:
            problems.append(f"{limit.capitalize().replace('_', ' ')} can't be assigned: the owner doesn't have it")
    return problems


def _problems_of_quota(sent: Any) -> list[str]:
    if sent is None:
        return []
    text = js_string(sent)
    if not text.isdecimal():
        return ["Quota in bytes is not a number"]
    too_large = len(text) > len(str(MAX_QUOTA)) or int(text) > MAX_QUOTA
    return [f"Quota in bytes must be less than or equal to {MAX_QUOTA}"] if too_large else []


def _fields(params: Mapping[str, Any], account: Account) -> Json:
    """Return the fields that are sent; a password opens nothing here and is not kept."""
    fields: Json = {}
    if "email" in params:
        fields["email"] = js_string(params["email"])
    if params.get("quota_in_bytes") is not None:
        fields["quota_bytes"] = int(js_string(params["quota_in_bytes"]))
    if "viewer" in params:
        fields["viewer"] = _is_true(params["viewer"])
    if "org_admin" in params:
        fields["org_role"] = "admin" if _is_true(params["org_admin"]) else "member"
    sent = {limit: _is_true(params[limit]) for limit in SOFT_LIMITS if limit in params}
    if sent:
        now = {limit: limit in account.soft_limits for limit in SOFT_LIMITS} | sent
        fields["soft_limits"] = tuple(limit for limit, is_soft in now.items() if is_soft)
    return fields


def _is_true(sent: Any) -> bool:
    return js_string(sent).lower() == "true"
