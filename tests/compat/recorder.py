"""Record what a call sends, how it waits and what it returns, as plain data; the server is a fake one.

It works with any version of `carto`: everything is read off the prepared requests and off the public attributes of
what the call returns.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import time
import warnings
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

#: Headers that belong to an API; the others are the HTTP library's.
_HEADERS = ("Authorization", "User-Agent", "Content-Type", "Content-Encoding", "Transfer-Encoding")
#: What a resource may have besides its fields.
_PLAIN_ATTRIBUTES = ("acl", "cdn_url", "get_error_text", "last_updated", "layergroupid", "metadata", "warnings")


class RecordingAdapter(BaseAdapter):
    """Stands in for the network: keeps every request, and answers from a fake server."""

    def __init__(self, answer: Callable[[str, str], tuple[int, bytes, dict[str, str]]]) -> None:
        super().__init__()
        self.requests: list[dict[str, Any]] = []
        self._answer = answer

    def send(self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None, verify: Any = True,
             cert: Any = None, proxies: Any = None) -> requests.Response:
        """Record the request, read to its end."""
        described = {**_described_request(request), "timeout": timeout is not None, "verified": bool(verify)}
        self.requests.append(described)
        try:
            status, body, headers = self._answer(str(request.method), str(request.url))
        except requests.RequestException as error:
            described["answer"] = type(error).__name__
            raise
        described["answer"] = f"{status}, Retry-After" if "Retry-After" in headers else str(status)
        raw = HTTPResponse(io.BytesIO(body), headers=headers, status=status, reason="", preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Close nothing."""


def record(run: Callable[[requests.Session], Any], adapter: RecordingAdapter) -> dict[str, Any]:
    """Run one call, which is given a session, and describe all that can be seen of it."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    sleeps: list[float] = []
    with mock.patch.object(time, "sleep", sleeps.append), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            outcome = {"returns": described(run(session))}
        except Exception as error:  # what a call raises is part of what is recorded
            outcome = {"raises": _described_error(error)}
    # those about non-public APIs come once in a process, or at each time: they have a call of their own
    kinds = [each.category.__name__ for each in warned if issubclass(each.category, UserWarning)]
    return {"requests": adapter.requests, "sleeps": sleeps, "warns": kinds, **outcome}


def described(value: Any) -> Any:
    """Describe a value as plain data."""
    if hasattr(value, "update_from_dict") and hasattr(value, "client"):
        return _described_resource(value)
    if isinstance(value, requests.Response):
        return f"Response {value.status_code}"
    if isinstance(value, io.RawIOBase):
        return f"{type(value).__name__} of {value.read()!r}"
    if isinstance(value, bytes):
        return repr(value)
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, dict):
        return {str(name): described(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(each) for each in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__


def _described_resource(resource: Any) -> dict[str, Any]:
    names = [*resource.fields, *getattr(resource, "optional_fields", ()), *_PLAIN_ATTRIBUTES]
    values = {name: described(getattr(resource, name, None)) for name in names}
    return {"class": type(resource).__name__, **{name: value for name, value in values.items() if value is not None}}


def _described_error(error: Exception) -> list[str]:
    """Name the class of an exception and those that it derives from, then the class of its argument, if that is one."""
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__ if kind is not object]
    inner = error.args[0] if error.args else None
    if isinstance(inner, Exception):
        names.append(f"args[0]: {type(inner).__module__}.{type(inner).__qualname__}")
    return names


def _described_request(request: requests.PreparedRequest) -> dict[str, Any]:
    parts = urlsplit(str(request.url))
    headers = {name: re.sub("python-requests/.*", "python-requests", str(request.headers[name]))
               for name in _HEADERS if name in request.headers}
    content, boundary = _read_body(request), re.search("boundary=(.+)", headers.get("Content-Type", ""))
    if "Transfer-Encoding" in headers and "Content-Length" in request.headers:
        headers["Content-Length"] = "together with Transfer-Encoding"
    if boundary:
        headers["Content-Type"] = headers["Content-Type"].replace(boundary[1], "...")
    return {
        "request": f"{request.method} {parts.scheme}://{parts.netloc}{parts.path}",
        "query": _pairs(parts.query),
        "headers": headers,
        **_described_body(content, headers, boundary[1] if boundary else ""),
    }


def _read_body(request: requests.PreparedRequest) -> bytes:
    body: Any = request.body
    if body is None or isinstance(body, (str, bytes)):
        return body.encode() if isinstance(body, str) else body or b""
    content: bytes = body.read() if hasattr(body, "read") else b"".join(body)
    return gzip.decompress(content) if request.headers.get("Content-Encoding") == "gzip" else content


def _described_body(content: bytes, headers: dict[str, str], boundary: str) -> dict[str, Any]:
    kind = headers.get("Content-Type", "")
    if not content:
        return {}
    if boundary:
        return {"parts": _parts(content, boundary)}
    if "json" in kind:
        return {"json": json.loads(content)}
    if "form-urlencoded" in kind:
        return {"form": _pairs(content.decode())}
    return {"body": content.decode()}


def _parts(content: bytes, boundary: str) -> list[str]:
    """Give the parts of a form, without the content type that each may have."""
    parts = content.decode().split(f"--{boundary}")[1:-1]
    return [re.sub(r"Content-Type: [^\r]*\r\n", "", part).strip().replace("\r\n", "\n") for part in parts]


def _pairs(query: str) -> dict[str, Any]:
    """Give the parameters of a query by name, with a list where a name is there more than once."""
    found: dict[str, list[str]] = {}
    for name, value in sorted(parse_qsl(query, keep_blank_values=True)):
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
