"""`itop serve`: the app in a browser."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from itop_tui.cli.errors import CommandError, Exit

_MOST_SESSIONS = 64


def serve(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on.")] = 8000,
    public_url: Annotated[str | None, Parameter(help="Its address for browsers, behind a proxy or a tunnel.")] = None,
    sessions: Annotated[int, Parameter(help="How many pages may be open at the same time.")] = 4,
    idle: Annotated[str, Parameter(help="End an app after this long without a key or click (30m, 8h, never).")] = "1h",
    read_only: Annotated[bool, Parameter(help="Show everything, change nothing.", negative="")] = False,
) -> int:
    """Show the app in a browser.

    It prints a link, which works once: the browser that opens it first is let in, and a new link is printed for
    another. A link lets its reader do all that you can do, unless you add --read-only. Every page has an app of its
    own, on the same runs; closing a page ends its app, never a run.

    It listens on this machine only unless another address is given; from elsewhere, come through a tunnel
    (ssh -L 8000:localhost:8000 HOST).
    """
    if not 0 < port < 65536:
        raise CommandError(f"--port = {port}: must be a whole number from 1 to 65535", code=Exit.USAGE)
    if not 0 < sessions <= _MOST_SESSIONS:
        problem = f"--sessions = {sessions}: must be a whole number from 1 to {_MOST_SESSIONS}"
        raise CommandError(problem, code=Exit.USAGE)
    idle_seconds = _seconds(idle)
    _check_url(public_url)
    try:
        from aiohttp import web

        from itop_tui.cli.served.access import Access, is_loopback
        from itop_tui.cli.served.app_server import AppServer
    except ImportError:
        raise CommandError(
            "itop serve needs the package textual-serve, which is not installed",
            "pip install 'itop[serve]' (in a clone: pip install -e '.[serve]') installs it",
        ) from None
    from itop_tui.cli.terminal import note

    listening = _listen(host, port)
    url = public_url or f"http://{_in_url(_own_address(host))}:{port}"
    access = Access(url, f"{_in_url(host)}:{port}", lambda link: note(f"Opened. For another browser: {link}"))
    if not is_loopback(host):
        note(f"warning: {host} is not this machine alone, and nothing is encrypted: use a network that you trust.")
    if read_only:
        os.environ["ITOP_READ_ONLY"] = "1"  # for the apps, which inherit it
    server = AppServer(
        f"exec {shlex.join([sys.executable, '-P', '-m', 'itop_tui'])}",
        access,
        public_url=url,
        most=sessions,
        idle_seconds=idle_seconds,
    )
    note(f"Open this link in a browser; it works once: {access.link()}", "Press ctrl+c to end.")
    web.run_app(server.application(), sock=listening, print=None, access_log=None)
    return Exit.OK


def _seconds(idle: str) -> float | None:
    from engine.config import durations

    if idle.strip().lower() in ("never", "0"):
        return None
    try:
        return durations.parse(idle)
    except ValueError as error:
        raise CommandError(f"--idle = {idle}: {error}, or never", code=Exit.USAGE) from None


def _check_url(public_url: str | None) -> None:
    if public_url is None:
        return
    try:
        parts = urlsplit(public_url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise CommandError(
            f"--public-url = {public_url}: must be an address such as https://itop.example", code=Exit.USAGE
        )


def _listen(host: str, port: int) -> socket.socket:
    """Listen before a link is printed: a link to a port of somebody else's would hand them the token."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((str(address[0]), port), family=family)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def _own_address(host: str) -> str:
    """The address by which others reach what listens on a host."""
    if host not in ("0.0.0.0", "::", ""):
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: asks which of this machine's addresses would be used
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
