"""Faults on request, for scripts and tests that want to see how they fail: set through ``/sandbox/faults``.

    curl -d '{"kind": "unavailable", "count": 2}' http://127.0.0.1:PORT/sandbox/faults

A fault strikes ``count`` requests (1 unless told otherwise; null: all until it is deleted) of an ``account``, whose
path contains ``path`` and whose verb is ``method``; what is left out matches everything. The kinds:

- ``unavailable``: 503, with ``Retry-After`` when ``retry_after`` is given.
- ``html``: an HTML page instead of the answer, with ``status`` 200 or another.
- ``reset``: the connection is reset (TCP RST) before any answer.
- ``reset_in_body``: it is reset when ``bytes`` bytes of the body have gone.
- ``stall``: nothing is sent for ``seconds`` seconds. ``stall_in_body``: the same after ``bytes`` bytes of the body.
- ``truncate``: the answer of COPY TO ends, without any sign of an error, after ``bytes`` bytes.
- ``error_tail``: the answer of COPY TO breaks off after ``bytes`` bytes and ends with an error in JSON.
- ``slow_job``: a batch query is not begun until ``seconds`` seconds after it is said to be running.

Without ``bytes`` half of the first piece of the body goes. With ``"execute": true`` the first three kinds do have
the request carried out, and only withhold the answer.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from carto.sandbox.loopback import from_loopback

WITHHOLDING_KINDS = ("unavailable", "html", "reset")
COPY_TO_KINDS = ("truncate", "error_tail")
REQUEST_KINDS = (*WITHHOLDING_KINDS, "reset_in_body", "stall", "stall_in_body", *COPY_TO_KINDS)
SLOW_JOB = "slow_job"
KINDS = (*REQUEST_KINDS, SLOW_JOB)
ADMIN_PATH = "/sandbox/faults"
COPY_TO_PATH = "/sql/copyto"
_USER_IN_PATH = re.compile(r"/user/([^/]+)/")
_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}


@dataclass
class Fault:
    """One fault that waits for requests.

    Attributes:
        kind: What happens; see the module.
        account: Name of the account whose requests it strikes; None for all.
        method: HTTP verb; None for all.
        path: Part of the path; None for all.
        count: How often it still strikes; None until it is deleted.
        seconds: Length of a stall or delay, in seconds.
        bytes: Bytes of the body that are still sent.
        status: HTTP status of ``html``.
        message: Error text of ``error_tail``.
        retry_after: Seconds for the Retry-After header of ``unavailable``.
        execute: Whether the request is carried out although its answer is withheld.
        id: Number by which it can be deleted.
    """

    kind: str
    account: str | None = None
    method: str | None = None
    path: str | None = None
    count: int | None = 1
    seconds: float = 1.0
    bytes: int | None = None
    status: int = 200
    message: str = "canceling statement due to statement timeout"
    retry_after: int | None = None
    execute: bool = False
    id: int = 0

    def strikes(self, account: str, method: str, path: str) -> bool:
        """Tell whether a request is one of those meant."""
        return (
            self.account in (None, account)
            and (self.method is None or self.method.upper() == method)
            and (self.path is None or self.path in path)
        )


def fault_from_dict(entry: Any) -> Fault:
    """Make a fault from its JSON description.

    Raises:
        ValueError: The description makes no sense; the message says why.
    """
    if not isinstance(entry, dict) or entry.get("kind") not in KINDS:
        raise ValueError(f"A fault is a JSON object whose 'kind' is one of: {', '.join(KINDS)}")
    _check_names_and_types(entry)
    if entry["kind"] in COPY_TO_KINDS:
        entry = {"path": COPY_TO_PATH, **entry}
    fault = Fault(**entry)
    if fault.execute and fault.kind not in WITHHOLDING_KINDS:
        raise ValueError(f"Only {', '.join(WITHHOLDING_KINDS)} know 'execute'")
    if fault.count is not None and fault.count < 1:
        raise ValueError("The 'count' of a fault is at least 1; null is without end")
    if fault.seconds < 0 or (fault.bytes or 0) < 0:
        raise ValueError("The 'seconds' and 'bytes' of a fault are not below 0")
    return fault


def _check_names_and_types(entry: dict[str, Any]) -> None:
    types = {field.name: str(field.type) for field in fields(Fault) if field.name != "id"}
    for name, value in entry.items():
        if name not in types:
            raise ValueError(f"A fault has no {name!r}; it has: {', '.join(types)}")
        if not _has_type(value, types[name]):
            raise ValueError(f"The {name!r} of a fault is of type {types[name]}, not {value!r}")


def _has_type(value: Any, annotation: str) -> bool:
    name, _, optional = annotation.partition(" | ")
    if value is None:
        return bool(optional)
    return isinstance(value, _TYPES[name]) and isinstance(value, bool) == (name == "bool")


class Faults:
    """The faults that wait for requests, in the order in which they were set."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._ids = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        """Let a fault wait for its requests."""
        fault.id = next(self._ids)
        self._waiting.append(fault)
        return fault

    def clear(self, fault_id: int | None = None) -> None:
        """Delete one fault, or all of them."""
        self._waiting = [fault for fault in self._waiting if fault_id not in (None, fault.id)]

    def listed(self) -> list[dict[str, Any]]:
        """Return the waiting faults as JSON objects."""
        return [asdict(fault) for fault in self._waiting]

    def for_request(self, scope: Scope) -> Fault | None:
        """Take the first fault that strikes a request."""
        request = _account(scope), scope["method"], scope["path"]
        return self._take(lambda fault: fault.kind in REQUEST_KINDS and fault.strikes(*request))

    def job_delay_s(self, account: str) -> float:
        """Take the delay of the account's next batch query, in seconds."""
        fault = self._take(lambda fault: fault.kind == SLOW_JOB and fault.account in (None, account))
        return 0 if fault is None else fault.seconds

    def _take(self, is_meant: Callable[[Fault], bool]) -> Fault | None:
        fault = next(filter(is_meant, self._waiting), None)
        if fault is not None and fault.count is not None:
            fault.count -= 1
            if fault.count <= 0:
                self.clear(fault.id)
        return fault


def _account(scope: Scope) -> str:
    in_path = _USER_IN_PATH.match(scope["path"])
    if in_path:
        return in_path.group(1)
    host: str = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    return host.partition(".")[0]


def routes(faults: Faults) -> list[Route]:
    """Return the routes by which faults are listed, set and deleted; only this machine may use them.

    Args:
        faults: The faults that wait.
    """

    async def show(_request: Request) -> Response:
        return JSONResponse({"faults": faults.listed()})

    async def add(request: Request) -> Response:
        try:
            fault = fault_from_dict(json.loads(await request.body()))
        except ValueError as error:
            return JSONResponse({"error": [str(error)]}, 400)
        return JSONResponse(asdict(faults.add(fault)), 201)

    async def clear(request: Request) -> Response:
        faults.clear(request.path_params.get("fault_id"))
        return await show(request)

    return [
        Route(ADMIN_PATH, from_loopback(show), methods=["GET"]),
        Route(ADMIN_PATH, from_loopback(add), methods=["POST"]),
        Route(ADMIN_PATH, from_loopback(clear), methods=["DELETE"]),
        Route(ADMIN_PATH + "/{fault_id:int}", from_loopback(clear), methods=["DELETE"]),
    ]
