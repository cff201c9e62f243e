"""Textual's driver for a page in a browser, which ends the app when the server has ended."""

from __future__ import annotations

import contextlib
import os
import threading
import time

from textual.drivers.web_driver import WebDriver

from itop_tui.tty.terminal_driver import HUNG_UP, PATIENCE

__all__ = ["PageDriver"]


class PageDriver(WebDriver):
    """Draws on a page, until its server ends."""

    def run_input_thread(self) -> None:
        """Read keys; at the end of the input, have the app leave, and see that it does."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            threading.Thread(target=self._insist, daemon=True, name="itop-end").start()
            with contextlib.suppress(RuntimeError):  # the loop is closed: the app is leaving
                self._loop.call_soon_threadsafe(self._leave)

    def _insist(self) -> None:
        time.sleep(PATIENCE)
        os._exit(HUNG_UP)

    def _leave(self) -> None:
        with self._app._context():
            self._app.exit(return_code=HUNG_UP)
