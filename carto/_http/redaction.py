"""Keep secrets out of every text: the one place that knows what is secret in a request."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import logging
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from requests import PreparedRequest
from requests.structures import CaseInsensitiveDict

if TYPE_CHECKING:
    from typing import Any

MASK = "***"
#: Parameters whose values are secrets wherever they stand: in a URL, in a form, in JSON.
SECRET_PARAMETERS = ("api_key", "map_key", "auth_token", "access_token")
#: Fields of resources and of connections to databases that are secrets, in what is sent and in what comes back.
_SECRET_FIELDS = ("token", "password", "refresh_token", "private_key", "service_account")
#: Values that may be shown: CARTO's own name for "no key".
_PUBLIC_VALUES = frozenset({"default_public", "", MASK})
#: A shorter text would be replaced all over an innocent message.
_MIN_SECRET_LENGTH = 4
#: The characters that HTML writes by name.
_NAMED_IN_HTML = {'"': "&quot;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
#: A longer body is data, not a form with a key in it.
_MAX_BODY_SEARCHED = 65536

_NAMES = "|".join(SECRET_PARAMETERS)
_IN_URL = rf"(?i)({_NAMES})(=|%(?:25)*3D)[^&\s\"'<>#\\]*"
_KEYS = "|".join(SECRET_PARAMETERS + _SECRET_FIELDS)
_IN_JSON = rf"(?i)([\"'](?:{_KEYS})[\"']\s*:\s*[\"'])(?:[^\"'\\]|\\.)*"
_IN_ESCAPED_JSON = rf"(?i)(\\\"(?:{_KEYS})\\\"\s*:\s*\\\")(?:[^\"\\]|\\\\(?:\\.|[^\\]))*"
_USERINFO = r"(://)[^/\s?#\"']+@"
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Mask secrets in a text.

    Args:
        text: Any text: a message, a URL, a line of a log.
        secrets: Values to mask besides those that follow a secret parameter's name.

    Returns:
        The text with ``***`` where a secret stood.
    """
    # The known ones first: a pattern would end at a quote inside of one and leave its rest.
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _MIN_SECRET_LENGTH and secret not in _PUBLIC_VALUES:
            text = re.sub("".join(map(_written_forms, secret)), MASK, text)
    text = re.sub(_IN_URL, rf"\1\2{MASK}", text)
    text = re.sub(_IN_JSON, rf"\1{MASK}", text)
    text = re.sub(_IN_ESCAPED_JSON, rf"\1{MASK}", text)
    return re.sub(_USERINFO, rf"\1{MASK}@", text)


def redact_value(value: Any, secrets: Iterable[str] = ()) -> Any:
    """Mask secrets in a JSON value: a string, or the strings in lists and objects."""
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, list):
        return [redact_value(item, secrets) for item in value]
    if isinstance(value, dict):
        return {redact(str(key), secrets): MASK if _is_secret(str(key), item) else redact_value(item, secrets)
                for key, item in value.items()}
    return value


def _is_secret(name: str, value: Any) -> bool:
    """Tell by its name whether a value is one; under the name of a field, a list says what is wrong with it."""
    return name.lower() in SECRET_PARAMETERS or (name.lower() in _SECRET_FIELDS and isinstance(value, str))


def redact_headers(headers: Any, secrets: Iterable[str] = ()) -> CaseInsensitiveDict[Any]:
    """Copy headers with the secret ones masked."""
    copy: CaseInsensitiveDict[Any] = CaseInsensitiveDict()
    for name, value in dict(headers or {}).items():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        copy[name] = MASK if name.lower() in _SECRET_HEADERS else redact(text, secrets)
    return copy


def secrets_of(request: PreparedRequest | None) -> frozenset[str]:
    """Find the secrets that a request carries: in its URL, its Authorization header and its form or JSON body."""
    if request is None:
        return frozenset()
    found = set(_secrets_in_url(request.url)) | set(_secrets_in_body(request.body))
    found |= set(_secrets_in_authorization(request.headers.get("Authorization") if request.headers else None))
    return frozenset(found - _PUBLIC_VALUES)


def redacted_request(request: PreparedRequest | None) -> PreparedRequest | None:
    """Copy a request without its secrets and without its body, to be held by an exception."""
    if request is None:
        return None
    secrets = secrets_of(request)
    copy = PreparedRequest()
    copy.method = request.method
    copy.url = redact(request.url or "", secrets)
    copy.headers = redact_headers(request.headers, secrets)
    copy.hooks = {"response": []}
    return copy


class RedactingFilter(logging.Filter):
    """Masks secret parameters in the records of a logger that is not ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact a record, and let it pass."""
        record.msg, record.args = redact(record.getMessage()), None
        return True


def _written_forms(character: str) -> str:
    """Give a pattern for all the ways in which servers and libraries write a character: each quotes others."""
    if character.isascii() and character.isalnum():
        return character
    raw, code = character.encode("utf-8", "surrogatepass"), ord(character)
    utf16 = character.encode("utf-16-be", "surrogatepass").hex()
    as_latin1 = raw.decode("latin-1")  # UTF-8 in an answer that does not say so
    forms = [
        "".join(f"%(?:25)*(?i:{byte:02x})" for byte in raw),
        "".join(rf"\\+u(?i:{utf16[at:at + 4]})" for at in range(0, len(utf16), 4)),
        "".join(rf"\\+x(?i:{byte:02x})" for byte in raw),
        f"&#0*{code};", f"&#[xX]0*(?i:{code:x});",
        *(re.escape(form) for form in (as_latin1, _NAMED_IN_HTML.get(character, character)) if form != character),
        r"\+" if character == " " else "",
        r"\\*" + re.escape(character),  # last: others begin like it
    ]
    return f"(?:{'|'.join(filter(None, forms))})"


def _secrets_in_url(url: str | None) -> Iterable[str]:
    parts = urlsplit(url or "")
    if parts.password:
        yield unquote_plus(parts.password)
    for name, value in parse_qsl(parts.query):
        if name.lower() in SECRET_PARAMETERS:
            yield value


def _secrets_in_authorization(header: str | bytes | None) -> Iterable[str]:
    text = header.decode("latin-1") if isinstance(header, bytes) else header or ""
    scheme, _, token = text.partition(" ")
    if not token:
        return
    yield token
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(token).decode("utf-8", "replace")
        except binascii.Error:
            return
        yield decoded.partition(":")[2]


def _secrets_in_body(body: Any) -> Iterable[str]:
    if isinstance(body, bytes) and len(body) <= _MAX_BODY_SEARCHED:
        body = body.decode("utf-8", "replace")
    if not isinstance(body, str) or len(body) > _MAX_BODY_SEARCHED:
        return
    if body.lstrip().startswith(("{", "[")):
        with contextlib.suppress(ValueError, RecursionError):
            yield from list(_secrets_in_json(json.loads(body)))
    elif any(name in body for name in SECRET_PARAMETERS):
        yield from (value for name, value in parse_qsl(body) if name.lower() in SECRET_PARAMETERS)


def _secrets_in_json(value: Any) -> Iterable[str]:
    """Find them at any depth: a password of a database stands in the connection of a connector."""
    if isinstance(value, list):
        for item in value:
            yield from _secrets_in_json(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name.lower() in SECRET_PARAMETERS + _SECRET_FIELDS and isinstance(item, str):
                yield item
            else:
                yield from _secrets_in_json(item)
