"""Which pages may talk to a served app: its own, and no other that the same browser has open.

A web page from anywhere may open a WebSocket to a server on the reader's own machine; only the `Origin` header tells
it from the server's own page. Without this check any site that is visited while `itop serve` runs could press keys in
it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

__all__ = ["is_own", "refuse_foreign"]


def is_own(origin: str, host: str, public_url: str) -> bool:
    """Whether a page comes from this server.

    Args:
        origin: The page's `Origin` header.
        host: The request's `Host` header.
        public_url: The address that browsers are given.
    """
    place = urlsplit(origin).netloc
    return bool(place) and place in (host, urlsplit(public_url).netloc)


def refuse_foreign(public_url: str) -> Middleware:
    """Make the check.

    Args:
        public_url: The address that browsers are given.
    """

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and not is_own(origin, request.headers.get("Host", ""), public_url):
            raise web.HTTPForbidden(text="This page was not sent by itop.\n")
        return await handler(request)

    return check
