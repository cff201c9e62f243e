"""An app that keeps to what a terminal expects.

See `terminal_driver.py`, `clipboard.py`, `caret.py`, `drawn_cells.py` and `frame_limiter.py`.
"""

from __future__ import annotations

import asyncio
import os
from functools import cached_property
from typing import Any

from rich.console import RenderableType
from textual import events, work
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import ScreenStackError
from textual.css.query import NoMatches
from textual.dom import NoScreen
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Offset
from textual.screen import Screen

from itop_tui.figures.format import plain
from itop_tui.keys.key_order import KeysInOrder
from itop_tui.tty.caret import caret_of
from itop_tui.tty.clipboard import Clipboard
from itop_tui.tty.drawn_cells import DrawnCells, Update
from itop_tui.tty.frame_limiter import FrameLimiter
from itop_tui.tty.terminal_driver import ENDED_FROM_OUTSIDE, TerminalDriver

__all__ = ["TerminalApp"]

_DONE_BY_PEOPLE = (events.InputEvent, events.Paste, events.Resize, Driver.SignalResume)


class TerminalApp(KeysInOrder):
    """An app that ends with its terminal, stops on ^z, copies honestly, shows where the caret is, and writes little."""

    def get_driver_class(self) -> type[Driver]:
        """Ours for a terminal and for a page in a browser, unless another one is asked for."""
        chosen = super().get_driver_class()
        if chosen.__name__ == "WebDriver":
            from itop_tui.tty.page_driver import PageDriver

            return PageDriver
        return TerminalDriver if chosen is LinuxDriver else chosen

    # ------------------------------------------------------------------------------------------------------- drawing

    @cached_property
    def frames(self) -> FrameLimiter:
        """Decides when what has changed is drawn."""
        made = FrameLimiter(self._draw)
        made.answer()  # the start is a person's too
        return made

    @cached_property
    def _drawn(self) -> DrawnCells:
        return DrawnCells()

    @cached_property
    def _changes(self) -> list[Update]:
        """What is still to be drawn, in order."""
        return []

    async def on_event(self, event: events.Event) -> None:
        """Do what an event means, and draw what follows of a person's doing at once."""
        if isinstance(event, _DONE_BY_PEOPLE):
            self.frames.answer()
        await super().on_event(event)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Have an update drawn, at once or with those that follow; in a batch Textual draws nothing."""
        if isinstance(renderable, LayoutUpdate | ChopsUpdate) and not self._batch_count:
            if isinstance(renderable, LayoutUpdate):
                self._changes.clear()
            self._changes.append(renderable)
            self.frames.changed(at_once=bool(self._typed))
        else:
            super()._display(screen, renderable)

    def _draw(self) -> None:
        """Write what has changed and what the terminal does not show already; after a batch where one has begun."""
        if self._changes and self._screen_stack and not self._batch_count:
            update = self._drawn.shortened(tuple(self._changes))
            self._changes.clear()
            with self._context():
                super()._display(self.screen, update)

    def _end_batch(self) -> None:
        super()._end_batch()
        if self._changes and not self._batch_count:
            self.frames.changed(at_once=bool(self._typed))

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """The screens that are seen behind the one on top: none behind one that covers them.

        Textual counts the screen below in any case, and then draws all of the one on top again whenever it changes.
        """
        covered = self.screen.styles.background.a == 1 if self._screen_stack else True
        return [] if covered else super()._background_screens

    @property
    def was_cut_off(self) -> bool:
        """Whether the app leaves because its terminal has ended or a signal asked for it, and no one quit."""
        return self.return_code in ENDED_FROM_OUTSIDE

    @property
    def cursor_position(self) -> Offset:
        """Where the terminal's cursor stands: at the caret, while there is one."""
        try:
            caret = caret_of(self.focused)
        except (ScreenStackError, NoScreen):  # before the first screen, and while the app leaves
            caret = None
        return self._cursor_rests if caret is None else caret

    @cursor_position.setter
    def cursor_position(self, position: Offset) -> None:
        self._cursor_rests = position

    def action_suspend_process(self) -> None:
        """Stop the app until the shell continues it."""
        driver = self._driver
        if not isinstance(driver, TerminalDriver):
            self.notify("There is no shell to return to here.", severity="warning", markup=False)
        elif not driver.stop_job():
            text = "There is no shell to return to: the app is the only program of this terminal."
            self.notify(text, severity="warning", markup=False)

    def _handle_exception(self, error: Exception) -> None:
        """Report what was not foreseen; but a screen that was still opening while the app left has just no widgets."""
        if not (self._exit and (self.was_cut_off or isinstance(error, NoMatches))):
            super()._handle_exception(error)

    # ------------------------------------------------------------------------------------------------------- copying

    def copy(self, text: str, what: str) -> None:
        """Put a text on the clipboard, and say what is known of that.

        Args:
            text: The text.
            what: What it is, for the message: a phrase, or the text itself.
        """
        self._clipboard = text
        self._copy(text, plain(what, limit=600))

    def copy_to_clipboard(self, text: str) -> None:
        """Put a text on the clipboard and say nothing of it: what a field's or the screen's own ^c does."""
        self._clipboard = text
        self._copy(text, "")

    @work(group="copying", exit_on_error=False)
    async def _copy(self, text: str, what: str) -> None:
        from db import paths

        driver = self._driver
        # A test reaches no one's clipboard.
        apart = driver is None or driver.is_web or driver.is_headless
        clipboard = Clipboard(paths.home(), os.environ, apart=apart)
        if driver is not None:
            driver.write(clipboard.sequence(text))
        outcome = await asyncio.to_thread(clipboard.put, text)
        if what:
            self.notify(outcome.sentence(what), title=outcome.title, timeout=8 if outcome.program else 12, markup=False)
