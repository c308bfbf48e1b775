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
from starlette.routing import BaseRoute
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


class _Services:
    """What the endpoints of one application work with."""

    def __init__(self, options: ServerOptions) -> None:
        self.state = ServerState(options)
        self.faults = faults.Faults()
        self.clock = MovingClock()
        self.ring = KeyRing(self.state)
        self.members = Members(self.state)
        self.kuvizs = KuvizStore(self.state)
        self.queue = BatchQueue(self.state, self.faults)
        self.imports = ImportQueue(self.state)
        self.synchronizer = Synchronizer(self.state, self.clock, self.imports)
        self.exporter = Exporter(self.state)
        self.maps = MapsServices(self.state, self.clock)

    @asynccontextmanager
    async def running(self, _app: Starlette) -> AsyncIterator[None]:
        """Start those that have something to do or to open, and stop them in the end."""
        started = (
            self.ring, self.members, self.kuvizs, self.queue, self.imports, self.synchronizer, self.exporter, self.maps,
        )  # fmt: skip
        for service in started:
            await service.start()
        try:
            yield
        finally:
            for service in reversed(started):
                await service.stop()
            await self.state.pool.close()


def create_app(options: ServerOptions) -> Starlette:
    """Make the web application of a sandbox whose accounts are provisioned.

    Args:
        options: Accounts and cluster to serve.
    """
    services = _Services(options)
    app = Starlette(
        routes=_routes(services),
        middleware=[Middleware(FaultMiddleware, faults=services.faults), Middleware(Express)],
        exception_handlers={404: cannot_answer, 405: cannot_answer},
        lifespan=services.running,
    )
    app.router.redirect_slashes = False
    return app


def _routes(services: _Services) -> list[BaseRoute]:
    """List the routes of all modules; the first that fits a path answers it."""
    state = services.state
    return [
        *faults.routes(services.faults),
        *moving_clock.routes(services.clock),
        *status_api.routes(state),
        *batch_api.routes(state, services.queue),
        *copy_api.routes(state),
        *sql_api.routes(state),
        *imports_api.routes(state, services.imports),
        *visualizations_api.routes(state),
        *tables_api.routes(state),
        *records_api.routes(state),
        *permissions_api.routes(state),
        *users_api.routes(state, services.imports, services.ring),
        *organization_users_api.routes(state, services.members),
        *api_keys_api.routes(state, services.ring),
        *kuviz_api.routes(state, services.kuvizs),
        *kuviz_page.routes(state, services.kuvizs),
        *synchronizations_api.routes(state, services.synchronizer, services.imports, services.clock),
        *exports_api.routes(state, services.exporter),
        *named_maps_api.routes(services.maps),
        *maps_api.routes(services.maps),
        *maps_endpoint.not_found_routes(),
    ]


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
