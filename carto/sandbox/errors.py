"""The errors that the sandbox answers with, in the shape of CARTO's servers."""

from __future__ import annotations

from typing import Any

SQL_TIMEOUT_MESSAGE = (
    "You are over platform's limits: SQL query timeout error. "
    "Refactor your query before running again or contact CARTO support for more details."
)
RATE_LIMIT_MESSAGE = "You are over platform's limits. Please contact us to know more details"

_CUT_SHORT = ("statement timeout", "canceling statement due to user request")


class ApiError(Exception):
    """An answer that is an error: ``{"error": [message], "context"?, "detail"?, "hint"?}``.

    Attributes:
        status: HTTP status of the answer.
        message: The one text of the ``error`` list.
        extra: Further keys of the body.
        headers: Further headers of the answer.
    """

    def __init__(self, status: int, message: str, **extra: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.extra = extra
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        return {"error": [self.message], **self.extra}


def sql_error(message: str, detail: str = "", hint: str = "") -> ApiError:
    """Make the error of a refused statement: 403 when a permission is missing, 429 when it was cut short."""
    if any(reason in message for reason in _CUT_SHORT):
        return query_timeout()
    extra = {name: text for name, text in (("detail", detail), ("hint", hint)) if text}
    return ApiError(403 if "permission denied" in message else 400, message, **extra)


def query_timeout() -> ApiError:
    """Make the error of a statement that ran longer than its key may."""
    return ApiError(429, SQL_TIMEOUT_MESSAGE, context="limit", detail="datasource")


def cannot_connect() -> ApiError:
    """Make the error of an account whose database does not answer or refuses the role."""
    return ApiError(500, "cannot connect to the database")
