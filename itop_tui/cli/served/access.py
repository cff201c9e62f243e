"""Who may open a served app: a person who has the link that `itop serve` printed, from the app's own page.

The person who can open the app can launch, stop and delete runs and start programs as the person who serves it. The
address alone must therefore give nothing, on this machine neither: every account of it can reach a port of loopback.

- A link holds a token that works once. The first visit exchanges it for a cookie, and a new link is printed for another
  browser. A token that was read from a history or a log afterwards opens nothing.
- Every request needs the cookie, the files of the page too. Tokens and cookies are compared in constant time.
- Every request names the app's own host (`Host`): a foreign site that has its own name lead here (DNS rebinding) does
  not. A request that says which page it comes from (`Origin`, which browsers always send with a WebSocket) names the
  app's own; a WebSocket must say so.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import SplitResult, urlencode, urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

__all__ = ["Access", "is_loopback"]

_BYTES = 32  # of chance in a token and a cookie
_EVERY_ADDRESS = ("0.0.0.0", "::", "")  # to listen at; browsers have no business there
_PORTS = {"http": 80, "https": 443}
# The page may load and talk to nothing but this server; no other page may frame it; its address is given to no other.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self' {websocket}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone, by a name or number that leads nowhere else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access:
    """The tokens and cookies of one server.

    Args:
        public_url: The app's address for browsers.
        listens_at: The address it listens on, `HOST:PORT`: what a proxy in front of it may name as the host.
        announce: Prints a new link.
    """

    def __init__(self, public_url: str, listens_at: str, announce: Callable[[str], None]) -> None:
        self._own = urlsplit(public_url)
        self._base = public_url.rstrip("/")
        self._hosts = {_place(self._own), _place(urlsplit(f"//{listens_at}", scheme=self._own.scheme))}
        self._hosts = {place for place in self._hosts if place[0] not in _EVERY_ADDRESS}
        self._announce = announce
        self._token: str | None = None
        self._cookies: list[str] = []
        # Cookies are shared by the ports of a host: two servers of one machine must not replace each other's.
        self._cookie = f"itop_{_place(self._own)[1]}"

    def link(self) -> str:
        """Make a link that opens the app once; the one before it opens nothing any more."""
        self._token = secrets.token_urlsafe(_BYTES)
        return f"{self._base}/?{urlencode({'token': self._token})}"

    def middleware(self) -> Middleware:
        """What decides about each request before anything else does."""

        @web.middleware
        async def check(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            try:
                response = self._refusal(request) or await handler(request)
            except web.HTTPException as error:
                self._protect(error)
                raise
            if not response.prepared:  # a WebSocket has sent its headers
                self._protect(response)
            return response

        return check

    def _refusal(self, request: web.Request) -> web.StreamResponse | None:
        """The answer to a request that may not pass, or None."""
        place = _place(urlsplit(f"//{request.headers.get('Host', '')}", scheme=self._own.scheme))
        if place not in self._hosts:
            if request.path == "/" and self._is_this_machine(place):  # localhost for 127.0.0.1
                raise web.HTTPFound(f"{self._base}/?{request.query_string}")
            raise web.HTTPForbidden(text=f"This app is at {self._base}/ (itop serve --public-url sets its address).\n")
        origin = request.headers.get("Origin")
        if origin is None:
            if request.headers.get("Upgrade"):
                raise web.HTTPForbidden(text="Only a page of this app may open a connection, and says so.\n")
        elif (urlsplit(origin).scheme, _place(urlsplit(origin))) != (self._own.scheme, _place(self._own)):
            raise web.HTTPForbidden(text="This page was not sent by itop.\n")
        shown = request.cookies.get(self._cookie, "")
        known = sum(_same(shown, cookie) for cookie in self._cookies) > 0  # all of them are compared
        token = request.query.get("token")
        if token is None or request.path != "/":
            if known:
                return None
            raise web.HTTPForbidden(text="Open the link that itop serve printed: it holds the token. It works once.\n")
        if self._token is not None and _same(token, self._token):
            return self._admit(request)
        if known:  # the link was opened a second time in the browser it let in
            return _without_token(request, self._base)
        raise web.HTTPForbidden(text="This link was used before or is wrong. itop serve has printed a new one.\n")

    def _admit(self, request: web.Request) -> web.StreamResponse:
        cookie = secrets.token_urlsafe(_BYTES)
        self._cookies.append(cookie)
        response = _without_token(request, self._base)
        response.set_cookie(
            self._cookie, cookie, httponly=True, samesite="Strict", secure=self._own.scheme == "https", path="/"
        )
        self._announce(self.link())
        return response

    def _is_this_machine(self, place: tuple[str, int | None]) -> bool:
        own = _place(self._own)
        return place[1] == own[1] and is_loopback(place[0]) and is_loopback(own[0])

    def _protect(self, response: web.StreamResponse) -> None:
        websocket = "wss" if self._own.scheme == "https" else "ws"
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value.replace("{websocket}", f"{websocket}://{self._own.netloc}"))


def _place(url: SplitResult) -> tuple[str, int | None]:
    """Host and port of an address; a port that cannot be is none."""
    try:
        port = url.port
    except ValueError:
        return url.hostname or "", None
    return url.hostname or "", port or _PORTS.get(url.scheme)


def _without_token(request: web.Request, base: str) -> web.Response:
    rest = urlencode([(name, value) for name, value in request.query.items() if name != "token"])
    return web.Response(status=302, headers={"Location": f"{base}/?{rest}" if rest else f"{base}/"})


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), right.encode())
