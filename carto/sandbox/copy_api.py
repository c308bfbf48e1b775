"""COPY FROM and COPY TO over HTTP."""

from __future__ import annotations

from starlette.routing import Route

from carto.sandbox.state import ServerState


def routes(_state: ServerState) -> list[Route]:
    """Return the routes of this module."""
    return []
