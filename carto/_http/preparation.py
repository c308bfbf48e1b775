"""Turn the arguments of a call into the request that goes to the session.

`requests.Session.prepare_request` spends more time on a small query than the
connection does. Where it would only put headers, a form and a query string
together, that is done here, with the same outcome; everything else is its own.
"""

from __future__ import annotations

import functools
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from requests import PreparedRequest
from requests.cookies import RequestsCookieJar

from carto.exceptions import CartoUsageException

#: What `requests.Request` takes; the rest of the arguments belongs to sending.
_REQUEST_ARGUMENTS = ("headers", "files", "data", "params", "auth", "cookies", "hooks", "json")
_SEND_ARGUMENTS = frozenset({"stream", "verify", "cert", "proxies", "allow_redirects"})
_KNOWN_ARGUMENTS = _SEND_ARGUMENTS.union(_REQUEST_ARGUMENTS)
#: The arguments that the short way knows.
_SIMPLE_ARGUMENTS = _SEND_ARGUMENTS | {"headers", "data", "params", "auth"}
_FORM = "application/x-www-form-urlencoded"
_NOT_IN_HOSTS = r"[\s<>{}|\\^`\"]"


def prepare(session: requests.Session, method: str, url: str, args: dict[str, Any]) -> PreparedRequest:
    """Prepare a request as the session would.

    Args:
        session: The session that will send it.
        method: The verb, in any case.
        url: The URL, without the parameters in `args`.
        args: What `requests.Session.request` takes.

    Returns:
        The prepared request.

    Raises:
        CartoUsageException: There is an argument that requests does not know, a host that can't be one, or text that
            can't be sent.
    """
    if not _KNOWN_ARGUMENTS.issuperset(args):
        unknown = ", ".join(sorted(set(args) - _KNOWN_ARGUMENTS))
        raise CartoUsageException(f"a request takes no argument named {unknown}")
    _check_host(url)
    try:
        _check_header_text(args.get("headers"))
        if _is_simple(session, url, args):
            return _prepare_simple(session, method, url, args)
        given = {name: args[name] for name in _REQUEST_ARGUMENTS if args.get(name) is not None}
        return session.prepare_request(requests.Request(method.upper(), url, **given))
    except UnicodeError as error:
        problem = error.reason if isinstance(error, UnicodeEncodeError) else "it is not valid"
    raise CartoUsageException(f"a header or parameter of the request can't be encoded: {problem}")


@functools.lru_cache(maxsize=256)
def _check_host(url: str) -> None:
    """Meet a base URL that was never filled in; older releases of urllib3 would look for such a host."""
    host = urlsplit(url).hostname or ""
    if re.search(_NOT_IN_HOSTS, host):
        raise CartoUsageException(f"the host '{host}' contains characters that no host has: fill in the base URL")


def _check_header_text(headers: Any) -> None:
    """Meet here what http.client would only find when the connection is made."""
    if headers:
        "".join(text for text in headers.values() if isinstance(text, str)).encode("latin-1")


def _is_simple(session: requests.Session, url: str, args: dict[str, Any]) -> bool:
    """Tell whether the session adds nothing but headers, and the call only text."""
    return (
        _SIMPLE_ARGUMENTS.issuperset(args)
        and type(session).prepare_request is requests.Session.prepare_request
        and not session.params
        and not session.hooks.get("response")
        and not any(True for _ in session.cookies)
        and args.get("auth") is not None
        and "?" not in url and "#" not in url
        and all(_is_text_map(args.get(name)) for name in ("headers", "data", "params"))
        and None not in session.headers.values()
    )


def _is_text_map(value: Any) -> bool:
    return value is None or (type(value) is dict
                             and all(type(name) is str and type(text) is str for name, text in value.items()))


def _prepare_simple(session: requests.Session, method: str, url: str, args: dict[str, Any]) -> PreparedRequest:
    request = _blank(method).copy()
    request.hooks = {"response": []}  # copies share theirs, and credentials may be given as hooks
    params, data = args.get("params"), args.get("data")
    request.url = f"{_prepared_url(url)}?{urlencode(params)}" if params else _prepared_url(url)
    headers = {**session.headers, **(args.get("headers") or {})}
    request.prepare_headers(headers)
    if data:
        request.body = urlencode(data)
        request.headers.setdefault("Content-Type", _FORM)
    request.prepare_auth(args["auth"], request.url)
    return request


@functools.lru_cache(maxsize=16)
def _blank(method: str) -> PreparedRequest:
    """Make what all requests of a verb have in common; only copies of it are filled."""
    request = PreparedRequest()
    request.prepare(method=method.upper(), url="http://localhost/", cookies=RequestsCookieJar())
    return request


@functools.lru_cache(maxsize=256)
def _prepared_url(url: str) -> str:
    """Quote a URL as requests does, once: a client has few of them."""
    request = PreparedRequest()
    request.prepare_url(url, None)
    return str(request.url)
