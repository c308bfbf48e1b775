"""The sandbox's web application: which module answers which path."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, unquote_to_bytes

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from carto.sandbox import (
    api_keys_api,
    batch_api,
    copy_api,
    exports_api,
    faults,
    imports_api,
    kuviz_api,
    kuviz_page,
    maps_api,
    maps_endpoint,
    moving_clock,
    named_maps_api,
    organization_users_api,
    permissions_api,
    records_api,
    sql_api,
    status_api,
    synchronizations_api,
    tables_api,
    users_api,
    visualizations_api,
)
from carto.sandbox.batch_queue import BatchQueue
from carto.sandbox.exports_api import Exporter
from carto.sandbox.fault_middleware import FaultMiddleware
from carto.sandbox.import_queue import ImportQueue
from carto.sandbox.key_ring import KeyRing
from carto.sandbox.kuviz_store import KuvizStore
from carto.sandbox.maps_services import MapsServices
from carto.sandbox.members import Members
from carto.sandbox.moving_clock import MovingClock
from carto.sandbox.state import ServerOptions, ServerState
from carto.sandbox.synchronizer import Synchronizer

__all__ = ["ServerOptions", "create_app"]

CROSS_ORIGIN_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Expose-Headers": "*",
    "X-Served-By-Host": "sandbox",
}


def create_app(options: ServerOptions) -> Starlette:
    """Make the web application of a sandbox whose accounts are provisioned.

    Args:
        options: Accounts and cluster to serve.
    """
    state = ServerState(options)
    waiting_faults = faults.Faults()
    queue = BatchQueue(state, waiting_faults)
    imports = ImportQueue(state)
    exporter = Exporter(state)
    clock = MovingClock()
    synchronizer = Synchronizer(state, clock, imports)
    maps = MapsServices(state, clock)
    ring = KeyRing(state)
    kuvizs = KuvizStore(state)
    members = Members(state)
    services = (ring, members, kuvizs, queue, imports, synchronizer, exporter, maps)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        for service in services:
            await service.start()
        try:
            yield
        finally:
            for service in reversed(services):
                await service.stop()
            await state.pool.close()

    routes = [
        *faults.routes(waiting_faults),
        *moving_clock.routes(clock),
        *status_api.routes(state),
        *batch_api.routes(state, queue),
        *copy_api.routes(state),
        *sql_api.routes(state),
        *imports_api.routes(state, imports),
        *visualizations_api.routes(state),
        *tables_api.routes(state),
        *records_api.routes(state),
        *permissions_api.routes(state),
        *users_api.routes(state, imports, ring),
        *organization_users_api.routes(state, members),
        *api_keys_api.routes(state, ring),
        *kuviz_api.routes(state, kuvizs),
        *kuviz_page.routes(state, kuvizs),
        *synchronizations_api.routes(state, synchronizer, imports, clock),
        *exports_api.routes(state, exporter),
        *named_maps_api.routes(maps),
        *maps_api.routes(maps),
        *maps_endpoint.not_found_routes(),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(FaultMiddleware, faults=waiting_faults), Middleware(Express)],
        exception_handlers={404: cannot_answer, 405: cannot_answer},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


async def cannot_answer(request: Request, _error: Exception) -> Response:
    """Answer a path or a verb that nothing is registered for, in Express's words."""
    path = quote(request.scope["path"], safe="/:@!$&'()*+,;=~-._")
    return _html_page(f"Cannot {request.method} {path}", 404)


def _html_page(message: str, status: int) -> Response:
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
        "<body>\n"
        f"<pre>{html.escape(message)}</pre>\n</body>\n</html>\n"
    )
    return Response(page, status, media_type="text/html")


class Express:
    """What the servers' web framework does with any path: CORS headers, OPTIONS, and paths it can't decode."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of the ASGI server."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(CROSS_ORIGIN_HEADERS)
            await send(message)

        if scope["type"] == "http" and scope["method"] == "OPTIONS" and not maps_endpoint.is_map_path(scope["path"]):
            await Response()(scope, receive, send_with_headers)
        elif scope["type"] == "http" and not _is_decodable(scope["raw_path"]):
            await _html_page("Bad Request", 400)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)


def _is_decodable(path: bytes) -> bool:
    """Tell whether decodeURIComponent would take a path."""
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return re.search(rb"%(?![0-9A-Fa-f]{2})", path) is None
