"""A recorded call as lines of text, and what differs between two of them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from carto import __version__
from tests.compat import fake_server

#: What every request has; a request is shown without it, and told when it has something else or nothing.
_USUAL = {"Authorization": "Basic bWU6S0VZ", "User-Agent": f"carto-python-sdk/{__version__}",
          "client": f"cps-{__version__}"}
#: Longer values, such as a whole query, are shown by their beginning and their end.
_LONGEST = 100


def differing_lines(theirs: dict[str, Any], ours: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Give the lines that only one of two recorded calls has, in their order."""
    old, new = ([_with_names(line) for line in lines] for lines in (_lines(theirs, ours), _lines(ours, theirs)))
    changed = [each for each in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
               if each[0] != "equal"]
    return ([line for _, start, end, _, _ in changed for line in old[start:end]],
            [line for _, _, _, start, end in changed for line in new[start:end]])


def _with_names(line: str) -> str:
    """Write what the ids of the fake server are about."""
    for name, value in vars(fake_server).items():
        if name.endswith("_ID"):
            line = line.replace(value, name)
    return line


def _lines(call: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    for request in call["requests"]:
        yield from _request_lines(request)
    if call["sleeps"]:
        yield f"sleeps {', '.join(f'{seconds:.2g}' for seconds in call['sleeps'])}"
    for kind in call["warns"]:
        yield f"warns: {kind}"
    if "raises" in call:
        yield f"raises {call['raises'][0]}" + "".join(
            f" ({each})" for each in call["raises"] if each.startswith("args[0]"))
    elif "returns" in other and _kind(call["returns"]) == _kind(other["returns"]):
        yield from _value_lines("returns", call["returns"])
    else:
        yield f"returns {_outline(call['returns'])}"


def _request_lines(request: dict[str, Any]) -> Iterator[str]:
    """Write the head of a request, then its body."""
    method, url = request["request"].split(" ")
    headers = _unusual(request["headers"], "Authorization", "User-Agent")
    query = _unusual(request["query"], "client")
    text = "&".join(f"{name}={_short(value)}" for name, value in query.items())
    parts = [f"{method} {urlsplit(url).path.lstrip('/')}{'?' if text else ''}{text}"]
    parts += [f"{name}: {value}" for name, value in headers.items()]
    parts += [] if request["timeout"] else ["no timeout"]
    parts += [] if request["verified"] else ["verify=False"]
    yield "; ".join(parts)
    for kind in ("json", "form", "parts", "body"):
        if kind in request:
            yield from _value_lines(kind, request[kind])


def _unusual(pairs: dict[str, str], *usual: str) -> dict[str, str]:
    shown = {**dict.fromkeys(usual, "none"), **pairs}
    return {name: value for name, value in sorted(shown.items()) if _USUAL.get(name) != value}


def _kind(value: Any) -> Any:
    """Tell what a value is: values of one kind are compared attribute by attribute, others not at all."""
    if isinstance(value, dict):
        return value.get("class", "a dictionary")
    if isinstance(value, list):
        return [_kind(each) for each in value]
    return None


def _outline(value: Any) -> str:
    """Write a value without its attributes."""
    if isinstance(value, list):
        return f"[{', '.join(_outline(each) for each in value)}]"
    if isinstance(value, dict) and "class" in value:
        return str(value["class"])
    return "None" if value is None else _short(value)


def _value_lines(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, each in sorted(value.items()):
            yield from _value_lines(f"{name}.{key}", each)
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield from _value_lines(f"{name}[{number}]", each)
    else:
        yield f"{name} {_short(value)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) and "\n" not in value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:20]}...{text[-20:]} ({len(text)} long)"
