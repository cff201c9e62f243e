"""`itop serve`: the app in a browser."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

from cyclopts import Parameter

from itop_tui.cli.errors import CommandError, Exit

_EVERYWHERE = "anyone who can reach it can launch, stop and delete runs, and start programs, as you"


def serve(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on.")] = 8000,
    public_url: Annotated[str | None, Parameter(help="Its address for browsers, behind a proxy.")] = None,
) -> int:
    """Show the app in a browser.

    Every browser that opens the page gets an app of its own, on the same runs. Anyone who can open the page can do what
    you can do, so it listens on this machine only unless another address is given; from elsewhere, come through a
    tunnel (ssh -L 8000:localhost:8000 HOST).
    """
    if not 0 < port < 65536:
        raise CommandError(f"--port = {port}: must be a whole number from 1 to 65535", code=Exit.USAGE)
    try:
        from aiohttp import web
        from textual_serve.server import Server

        from itop_tui.cli.origin import is_loopback, refuse_foreign
    except ImportError:
        raise CommandError(
            "itop serve needs the package textual-serve, which is not installed",
            "pip install 'itop[serve]' (in a clone: pip install -e '.[serve]') installs it",
        ) from None
    from itop_tui.cli.terminal import note

    if not is_loopback(host):
        note(f"warning: {host} is not this machine alone: {_EVERYWHERE}.", "There is no password and no encryption.")
    else:
        note("Anyone who has an account on this machine can open the page too.")
    command = shlex.join([sys.executable, "-m", "itop_tui"])

    class OwnPagesOnly(Server):
        """Answers only pages that it has sent itself."""

        async def _make_app(self) -> web.Application:
            made = await super()._make_app()
            made.middlewares.append(refuse_foreign(self.public_url))
            return made

    try:
        OwnPagesOnly(command, host=host, port=port, title="itop", public_url=public_url).serve()
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return Exit.OK
