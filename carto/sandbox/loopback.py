"""What only the machine that runs the sandbox may do."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Handler = Callable[[Request], Awaitable[Response]]


def from_loopback(handler: Handler) -> Handler:
    """Refuse the requests of other machines."""

    async def answer(request: Request) -> Response:
        if request.client is None or not is_loopback(request.client.host):
            message = "Faults and the clock can only be set from the machine that runs the sandbox"
            return JSONResponse({"error": [message]}, 403)
        return await handler(request)

    return answer


def is_loopback(address: str) -> bool:
    """Tell whether an IP address is this machine's own."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
