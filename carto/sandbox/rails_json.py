"""JSON as CARTO's Rails application writes it: moments in the form that each answer has, ids as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from starlette.responses import Response

from carto.sandbox.parameters import well_formed

Moments = Callable[[datetime], str]


def iso_utc(moment: datetime) -> str:
    """Write a moment as most answers do: ``2018-11-05T13:29:52.197Z``."""
    return f"{_utc(moment):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def iso_offset(moment: datetime) -> str:
    """Write a moment as answers do that hold a new synchronization: ``2018-11-05T13:29:52.197+00:00``."""
    return _utc(moment).isoformat(timespec="milliseconds")


def plain_utc(moment: datetime) -> str:
    """Write a moment as the answer does that holds one visualization: ``2018-11-05 13:29:52 UTC``."""
    return f"{_utc(moment):%Y-%m-%d %H:%M:%S} UTC"


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc)


def rails_json(
    content: Any, status: int = 200, *, moments: Moments = iso_utc, headers: dict[str, str] | None = None
) -> Response:
    """Answer with JSON.

    Args:
        content: What is sent; moments may stand in it as they are.
        status: HTTP status.
        moments: How moments are written.
        headers: Further headers.
    """

    def text_of(value: Any) -> str:
        if isinstance(value, datetime):
            return moments(value)
        if isinstance(value, UUID):
            return str(value)
        raise TypeError(f"{type(value).__name__} has no form in JSON")

    text = well_formed(json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=text_of))
    return Response(text.encode(), status, headers, "application/json; charset=utf-8")
