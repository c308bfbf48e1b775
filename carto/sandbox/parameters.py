"""Parameters of a request as Express sees them: query string, form, JSON and multipart bodies."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from carto.sandbox.errors import ApiError

MAX_MULTIPART_FIELD = 1 << 30  # bytes
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LEADING_INTEGER = re.compile(r"\s*([+-]?\d+)")


def js_string(value: Any) -> str:
    """Write a parameter the way JavaScript makes a string of it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join("" if item is None else js_string(item) for item in value)
    if isinstance(value, dict):
        return "[object Object]"
    return "null" if value is None else json.dumps(value)


def parse_int(value: Any) -> int | None:
    """Read the whole number that a parameter begins with, as parseInt does; None when there is none."""
    match = _LEADING_INTEGER.match(js_string(value))
    return int(match.group(1)) if match else None


def well_formed(text: str) -> str:
    """Replace lone surrogates, which JSON can smuggle in, as node.js does when it writes UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def query_parameters(request: Request) -> dict[str, Any]:
    """Return the parameters of the URL; one given twice becomes a list."""
    return _gather(_decoded_pairs(request.scope["query_string"].decode("latin-1")))


def _decoded_pairs(text: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in text.split("&") if part)
    return [(_decoded(name), _decoded(value)) for name, _, value in pairs]


def _decoded(text: str) -> str:
    """Undo percent encoding as the qs package does, which leaves alone what is not well encoded."""
    if _BAD_PERCENT.search(text):
        return text
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        return text


def _gather(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    gathered: dict[str, Any] = {}
    for name, value in pairs:
        if name not in gathered:
            gathered[name] = value
        elif isinstance(gathered[name], list):
            gathered[name].append(value)
        else:
            gathered[name] = [gathered[name], value]
    return gathered


async def body_parameters(request: Request) -> dict[str, Any]:
    """Read the body and return its parameters; a body of any other type has none.

    Raises:
        ApiError: 400, the body is not what its Content-Type says.
    """
    if request.method in ("GET", "HEAD"):
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _gather(_decoded_pairs((await request.body()).decode("utf-8", "replace")))
    if kind == "application/json":
        return _json_parameters((await request.body()).decode("utf-8", "replace"))
    if kind == "multipart/form-data":
        return await _multipart_parameters(request)
    return {}


def _json_parameters(text: str) -> dict[str, Any]:
    if not text:
        return {}
    parsed = parse_json(text)
    if isinstance(parsed, list):
        return {str(index): item for index, item in enumerate(parsed)}
    return parsed if isinstance(parsed, dict) else {}


def parse_json(text: str) -> Any:
    """Parse JSON as JSON.parse does.

    Raises:
        ApiError: 400, it is none; the message is JavaScript's.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ApiError(400, "The JSON is nested too deeply") from error
    except ValueError as error:
        raise ApiError(400, _javascript_message(text, error)) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _javascript_message(text: str, error: ValueError) -> str:
    position = error.pos if isinstance(error, json.JSONDecodeError) else len(text)
    if position >= len(text.rstrip()) or "Unterminated" in str(error):
        return "Unexpected end of JSON input"
    return f"Unexpected token {text[position]} in JSON at position {position}"


async def _multipart_parameters(request: Request) -> dict[str, Any]:
    try:
        async with request.form(max_part_size=MAX_MULTIPART_FIELD) as form:
            pairs = form.multi_items()
    except (HTTPException, MultiPartException) as error:
        raise ApiError(400, str(getattr(error, "detail", error))) from error
    if any(isinstance(value, UploadFile) for _, value in pairs):
        raise ApiError(400, "Unexpected field")
    return _gather(pairs)
