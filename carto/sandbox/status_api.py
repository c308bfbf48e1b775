"""Version and health: endpoints that need no key."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox.endpoint import account_routes, json_response
from carto.sandbox.state import ServerState

SQL_API_VERSION = "6.0.0"


def routes(_state: ServerState) -> list[Route]:
    """Return the routes of this module."""
    return [
        *account_routes("version", version, ["GET"]),
        *account_routes("health", health, ["GET"]),
    ]


async def version(_request: Request) -> Response:
    """Tell which SQL API is spoken."""
    return json_response({"cartodb_sql_api": SQL_API_VERSION})


async def health(_request: Request) -> Response:
    """Tell that the server answers."""
    return json_response({"enabled": True, "ok": True, "elapsed": 0})
