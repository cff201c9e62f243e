"""The server of `itop serve`: a page, and for each browser that has it open a process with the app."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import WSMessage, web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from itop_tui.cli.served.access import Access

__all__ = ["AppServer"]

_QUIT_SECONDS = 5.0
_LARGEST_MESSAGE = 1 << 20  # bytes: more than anybody pastes
_COLUMNS, _ROWS = (20, 1000), (5, 500)
_log = logging.getLogger("textual-serve")


class _ServedApp(AppService):
    """A process with the app, which ends when its browser leaves, or is killed."""

    async def set_terminal_size(self, width: int, height: int) -> None:
        """Resize the app; a size that no screen has is cut to one that could be."""
        await super().set_terminal_size(_within(width, _COLUMNS), _within(height, _ROWS))

    async def stop(self) -> None:
        """Ask the app to quit, and kill it should it not."""
        try:
            await asyncio.wait_for(super().stop(), _QUIT_SECONDS)
        except TimeoutError:
            _log.warning("an app did not end when asked, and was killed")
        process: Process | None = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class _Conversation:
    """A browser's WebSocket that reports each time its person does something."""

    def __init__(self, websocket: web.WebSocketResponse, on_input: Callable[[], None]) -> None:
        self._websocket = websocket
        self._on_input = on_input

    async def __aiter__(self) -> AsyncIterator[WSMessage]:
        async for message in self._websocket:
            if '"stdin"' in str(message.data)[:16]:  # a ping, a resize or a change of focus comes by itself
                self._on_input()
            yield message

    async def send_json(self, data: object) -> None:
        await self._websocket.send_json(data)


class AppServer(Server):
    """Serves the app to those whom `Access` lets in.

    Args:
        command: The command of an app, for a shell.
        access: Who may open it.
        public_url: Its address for browsers.
        most: How many apps may be open at the same time.
        idle_seconds: After how long without a key or a click an app is ended; None: never.
    """

    def __init__(
        self,
        command: str,
        access: Access,
        *,
        public_url: str,
        most: int,
        idle_seconds: float | None,
    ) -> None:
        super().__init__(command, title="itop", public_url=public_url)
        self._access = access
        self._most = most
        self._idle_seconds = idle_seconds
        self._open: dict[_ServedApp, web.WebSocketResponse] = {}

    async def _make_app(self) -> web.Application:
        made = await super()._make_app()
        made.middlewares.append(self._access.middleware())
        return made

    async def application(self) -> web.Application:
        """The application for aiohttp to run."""
        return await self._make_app()

    async def on_startup(self, app: web.Application) -> None:
        """Print nothing: the command has said where the app is."""

    async def on_shutdown(self, app: web.Application) -> None:
        """End the apps; their runs go on."""
        await asyncio.gather(*(websocket.close() for websocket in self._open.values()))

    async def handle_index(self, request: web.Request) -> Any:
        """Send the page, unless as many apps are open as may be."""
        self._check_room()
        return await super().handle_index(request)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Run an app for as long as a browser is connected."""
        self._check_room()
        websocket = web.WebSocketResponse(heartbeat=15, max_msg_size=_LARGEST_MESSAGE)
        app = _ServedApp(
            self.command,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=lambda: _close(websocket),
            download_manager=self.download_manager,
        )
        self._open[app] = websocket  # before anything is waited for, so that the limit holds for a crowd as well
        try:
            await websocket.prepare(request)
            width, height = (to_int(request.query.get(name, ""), 0) for name in ("width", "height"))
            await app.start(_within(width or 80, _COLUMNS), _within(height or 24, _ROWS))
            await self._converse(websocket, app)
        finally:
            try:
                await app.stop()
            finally:
                del self._open[app]
                await websocket.close()
        return websocket

    async def _converse(self, websocket: web.WebSocketResponse, app: _ServedApp) -> None:
        try:
            async with asyncio.timeout(self._idle_seconds) as limit:
                heard = _Conversation(websocket, lambda: limit.reschedule(self._idle_from_now()))
                await self._process_messages(heard, app)  # type: ignore[arg-type]
        except TimeoutError:
            _log.warning("an app was ended that was not used")
        except (ValueError, TypeError, LookupError, AttributeError, AssertionError) as error:
            _log.warning("a browser sent something that is no message of the page: %s", type(error).__name__)

    def _idle_from_now(self) -> float | None:
        now = asyncio.get_running_loop().time()
        return None if self._idle_seconds is None else now + self._idle_seconds

    def _check_room(self) -> None:
        if len(self._open) >= self._most:
            raise web.HTTPServiceUnavailable(
                text=f"{len(self._open)} apps are open here, as many as may be (itop serve --sessions). "
                "Close a page and reload this one.\n"
            )


def _within(value: object, limits: tuple[int, int]) -> int:
    least, most = limits
    return min(max(int(value), least), most) if isinstance(value, int) else least


async def _close(websocket: web.WebSocketResponse) -> None:
    await websocket.close()
