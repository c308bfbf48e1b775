"""The errors of the Maps API: ``{errors, errors_with_context}`` and the status that follows from the text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

from carto.sandbox.errors import SQL_TIMEOUT_MESSAGE

RENDER_TIMEOUT_MESSAGE = (
    "You are over platform's limits: Render timeout error. Contact CARTO support for more details."
)
RATE_LIMIT_MESSAGE = (
    "You are over platform's limits: too many requests. Please contact us to know more details"
)
_POSTGIS_COLUMN = re.compile(r"Postgis Plugin.*column.*does not exist", re.DOTALL)
_FUNCTION = re.compile(r"function .* does not exist")


@dataclass(frozen=True)
class Problem:
    """One entry of an error answer.

    Attributes:
        message: What is wrong.
        type: What it is wrong with: layer, auth, limit, analysis, mapconfig, tile, dataview or unknown.
        subtype: Finer than the type, such as ``render``.
        layer: Which layer: id, index and type.
        analysis: Which analysis node.
    """

    message: str
    type: str = "unknown"
    subtype: str | None = None
    layer: dict[str, Any] | None = None
    analysis: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as it stands in the answer."""
        optional = {"subtype": self.subtype, "layer": self.layer, "analysis": self.analysis}
        known = {name: value for name, value in optional.items() if value is not None}
        return {"type": self.type, "message": self.message, **known}


class MapsError(Exception):
    """An answer that is an error.

    Attributes:
        problems: What is wrong, one or several.
        status: HTTP status.
    """

    def __init__(self, problems: Iterable[Problem], status: int | None = None) -> None:
        self.problems = tuple(problems)
        self.status = status or _status_of(self.problems[0].message)
        super().__init__(self.problems[0].message)

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        return {
            "errors": [problem.message for problem in self.problems],
            "errors_with_context": [problem.as_json() for problem in self.problems],
        }


def refused(message: str, *, status: int | None = None, **context: Any) -> MapsError:
    """Make the error of a single problem.

    Args:
        message: What is wrong.
        status: HTTP status; follows from the message unless given.
        **context: The other attributes of `Problem`.
    """
    return MapsError([Problem(message, **context)], status)


def render_timeout(**context: Any) -> MapsError:
    """Make the error of a map or tile that takes too long."""
    return refused(RENDER_TIMEOUT_MESSAGE, status=429, type="limit", subtype="render", **context)


def query_timeout() -> MapsError:
    """Make the error of a dataview whose query takes too long."""
    return refused(SQL_TIMEOUT_MESSAGE, status=429, type="limit", subtype="datasource")


def rate_limited() -> MapsError:
    """Make the error of a caller who asks too often."""
    return refused(RATE_LIMIT_MESSAGE, status=429, type="limit", subtype="rate-limit")


def is_timeout(error: psycopg.Error) -> bool:
    """Tell whether PostgreSQL cut a statement short."""
    return isinstance(error, psycopg.errors.QueryCanceled)


def primary_message(error: psycopg.Error) -> str:
    """Return PostgreSQL's message without severity, place and context."""
    return error.diag.message_primary or str(error).strip()


def _status_of(message: str) -> int:
    if "permission denied" in message or "authentication failed" in message:
        return 403
    if "does not exist" not in message or _POSTGIS_COLUMN.search(message):
        return 400
    if " role " in message:
        return 403
    return 400 if _FUNCTION.search(message) else 404
