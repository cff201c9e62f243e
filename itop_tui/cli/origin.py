"""Which pages may talk to a served app: its own, and no other that the same browser has open.

A web page from anywhere may open a WebSocket to a server on the reader's own machine; only the `Origin` header tells
it from the server's own page. Without this check any site that is visited while `itop serve` runs could press keys in
it. The `Host` header tells nothing: a site can have its own name lead to the reader's machine (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

__all__ = ["is_loopback", "is_own", "refuse_foreign"]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone, by a name or number that leads nowhere else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_own(origin: str, public_url: str) -> bool:
    """Whether a page comes from this server: by its address, or by another name of this machine."""
    page, own = urlsplit(origin), urlsplit(public_url)
    if page.netloc == own.netloc:
        return True
    try:
        same_port = page.port == own.port
    except ValueError:  # no port that there is
        return False
    return same_port and is_loopback(page.hostname or "") and is_loopback(own.hostname or "")


def refuse_foreign(public_url: str) -> Middleware:
    """Make the check."""

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and not is_own(origin, public_url):
            raise web.HTTPForbidden(text="This page was not sent by itop.\n")
        return await handler(request)

    return check
