"""The general differences between the recorded calls of carto-python and ours, each as a rule.

A rule turns what carto-python does into what we do in its place. Whatever still differs after all of them is a
difference of one call. The names of the rules are those of the rows in doc/source/carto_python_differences.md.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from carto import __version__

OLD_VERSION = "1.11.3"

Recorded: TypeAlias = dict[str, Any]

Rule: TypeAlias = Callable[[Recorded, Recorded], None]
RequestRule: TypeAlias = Callable[[Recorded], None]

RULES: dict[str, Rule] = {}


def modernised(theirs: Recorded, ours: Recorded, used: dict[str, list[str]], name: str) -> Recorded:
    """Apply every rule to what carto-python did.

    Args:
        theirs: What carto-python did.
        ours: What we did.
        used: Receives the names of the calls that each rule changed something of.
        name: The call's name.
    """
    result = copy.deepcopy(theirs)
    for rule, apply in RULES.items():
        before = copy.deepcopy(result)
        apply(result, ours)
        if result != before:
            used.setdefault(rule, []).append(name)
    return result


def _rule(name: str) -> Callable[[Rule], Rule]:
    """Add a rule, which changes the first of the two recordings that it is given."""
    def add(apply: Rule) -> Rule:
        RULES[name] = apply
        return apply
    return add


def _request_rule(name: str) -> Callable[[RequestRule], Rule]:
    """Add a rule that changes each request by itself."""
    def add(apply: RequestRule) -> Rule:
        def apply_to_all(theirs: Recorded, ours: Recorded) -> None:
            for request in theirs["requests"]:
                apply(request)
        return _rule(name)(apply_to_all)
    return add


@_rule("version")
def _version(theirs: Recorded, ours: Recorded) -> None:
    text = json.dumps(theirs)
    theirs.update(json.loads(text.replace(OLD_VERSION, __version__)))


@_request_rule("auth-client-identified")
def _identified(request: Recorded) -> None:
    if "Authorization" in request["headers"]:
        request["headers"]["User-Agent"] = f"carto-python-sdk/{__version__}"
        request["query"]["client"] = f"cps-{__version__}"


@_request_rule("client-in-query")
def _client_in_query(request: Recorded) -> None:
    client = request.get("json", {}).pop("client", None)
    if client is not None:
        request["query"]["client"] = client


@_request_rule("key-not-in-body")
def _key_not_in_body(request: Recorded) -> None:
    key = request.get("json", {}).pop("api_key", None)
    if key is not None:
        request["query"]["api_key"] = key


@_request_rule("key-in-header")
def _key_in_header(request: Recorded) -> None:
    """Move the key to the header where the address tells the user's name, but for two old services."""
    name_is_certain = "carto.com" in request["request"]
    reads_only_query = re.search(r"/api/v4/(kuviz|do|data/observatory)\b", request["request"])
    if name_is_certain and not reads_only_query and request["query"].pop("api_key", None):
        request["headers"]["Authorization"] = "Basic bWU6S0VZ"


@_request_rule("timeouts")
def _timeouts(request: Recorded) -> None:
    """Limit the waiting of carto's clients; pyrestcli's own have no timeout."""
    if "client" in request["query"]:
        request["timeout"] = True


@_request_rule("import-options-as-json")
def _import_options_as_json(request: Recorded) -> None:
    """Send what is no file as JSON; in a query the server takes `False` for true."""
    if not re.match(r"POST .*/api/v1/(imports|synchronizations)/$", request["request"]) or "parts" in request:
        return
    options = {name: _typed(request["query"].pop(name)) for name in [*request["query"]] if name != "client"}
    if options:
        request["json"] = {**options, **request.get("json", {})}
        request["headers"]["Content-Type"] = "application/json"


def _typed(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    return int(text) if text.isdigit() else text


@_request_rule("booleans")
def _booleans(request: Recorded) -> None:
    request["query"] = {name: value.lower() if value in ("True", "False") else value
                        for name, value in request["query"].items()}


@_request_rule("whole-visualizations")
def _whole_visualizations(request: Recorded) -> None:
    if re.match(r"GET .*/api/v1/viz/", request["request"]):
        request["query"].update(show_liked="true", show_permission="true", show_stats="true")


@_request_rule("page-size")
def _page_size(request: Recorded) -> None:
    is_paged = re.match(r"GET .*/(api/v1/viz|api/v3/api_keys|api/v4/kuviz)/$", request["request"])
    if is_paged and "page" in request["query"]:
        request["query"]["per_page"] = "1000"


#: What the server takes of a visualization and of a table; it keeps or computes the rest itself.
_SAVED_FIELDS = {
    r"(POST|PUT) .*/api/v1/viz/": {
        "id", "name", "display_name", "description", "tags", "privacy", "locked", "source", "title", "license",
        "attributions", "kind", "active_layer_id", "transition_options", "password"},
    r"(POST|PUT) .*/api/v1/tables/": {"description", "privacy"},
}


@_request_rule("saved-fields")
def _saved_fields(request: Recorded) -> None:
    for pattern, fields in _SAVED_FIELDS.items():
        if re.match(pattern, request["request"]) and len(request.get("json", {})) > 1:
            request["json"] = {name: value for name, value in request["json"].items() if name in fields}


_RATE_LIMITED = "429, Retry-After"


@_rule("retries")
def _retries(theirs: Recorded, ours: Recorded) -> None:
    """Send three times what the server had no time for, and some of what it failed to answer."""
    sent = theirs["requests"]
    theirs["requests"] = [again for request in sent for again in [request] * _attempts(request, ours)]
    if len(ours["sleeps"]) == len(theirs["requests"]) - len(sent) and all(0 < pause < 2 for pause in ours["sleeps"]):
        theirs["sleeps"] = ours["sleeps"]  # they are random in part


def _attempts(request: Recorded, ours: Recorded) -> int:
    if request["answer"] == _RATE_LIMITED:
        return 3
    answers = [each["answer"] for each in ours["requests"]]
    return 3 if answers == [request["answer"]] * 3 and request["answer"] in ("502", "ConnectionError") else 1


@_rule("poll-schedule")
def _poll_schedule(theirs: Recorded, ours: Recorded) -> None:
    """Wait before the first poll too, shortly, and then a little longer each time."""
    schedule = [min(0.2 * 1.15**number, 5.0) for number in range(len(ours["sleeps"]))]
    if ours["sleeps"] == pytest.approx(schedule):
        theirs["sleeps"] = ours["sleeps"]


@_rule("phantom-imports")
def _phantom_imports(theirs: Recorded, ours: Recorded) -> None:
    """Leave the first of two requests out, which described no import."""
    starts = [request for request in theirs["requests"] if re.match(r"POST .*/api/v1/imports/$", request["request"])]
    if len(starts) == 2 and starts[0].get("json") == {}:
        theirs["requests"].remove(starts[0])


@_rule("errors-not-wrapped")
def _errors_not_wrapped(theirs: Recorded, ours: Recorded) -> None:
    """Raise what carto-python put into a plain CartoException."""
    inner = [each.removeprefix("args[0]: ") for each in theirs.get("raises", []) if "args[0]: carto." in each]
    if inner:
        theirs["raises"] = [*inner, *[each for each in theirs["raises"] if "args[0]" not in each]]


@_rule("typed-errors")
def _typed_errors(theirs: Recorded, ours: Recorded) -> None:
    """Raise a class that derives from what carto-python raised, and hold the same exception in it."""
    old, new = theirs.get("raises", []), ours.get("raises", [])
    if old and new and old[0].startswith(("carto.", "pyrestcli.", "builtins.Exception")) and old[0] in new and {
            each for each in old if "args[0]" in each} <= set(new):
        theirs["raises"] = new


@_rule("more-attributes")
def _more_attributes(theirs: Recorded, ours: Recorded) -> None:
    """Have attributes that carto-python's resources had not."""
    if "returns" in theirs and "returns" in ours:
        theirs["returns"] = _with_more(theirs["returns"], ours["returns"])


def _with_more(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict) and old.get("class") == new.get("class"):
        more = {name: value for name, value in new.items() if name not in old} if "class" in old else {}
        return {**{name: _with_more(value, new.get(name)) for name, value in old.items()}, **more}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [_with_more(*pair) for pair in zip(old, new, strict=True)]
    return old
