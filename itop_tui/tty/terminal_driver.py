"""Textual's driver for Linux and macOS, made to keep to what a terminal expects of a program in it.

- The end of the terminal ends the app, by a hang-up (SIGHUP) or by the end of its input or output without one (a shell
  that ignores hang-ups, `sudo`, `docker exec`). SIGTERM and SIGINT end it too. If it does not leave in time, because an
  operation takes long or a thread hangs, the process is ended anyway; runs are other processes and continue.
- It stops as a job does: with its whole process group, so that a shell above a script sees it, and only where there is
  a shell to continue it. Continued in the background, it stops again until it is in the foreground.
- Keys are read with their place on the keyboard (`placed_keys.py`).
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import sys
import termios
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Callable
from queue import SimpleQueue
from types import FrameType
from typing import Any, TextIO

from textual import constants
from textual._parser import ParseError
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from itop_tui.tty.placed_keys import ASK_FOR_PLACES, PlacesParser

__all__ = ["ENDED_FROM_OUTSIDE", "HUNG_UP", "TerminalDriver"]

HUNG_UP = 128 + signal.SIGHUP
"""The exit code after the terminal has gone, as shells report a hang-up."""
_ENDS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
ENDED_FROM_OUTSIDE = frozenset(128 + number for number in _ENDS)
"""The exit codes of an app that no one quit."""
PATIENCE = 5.0
"""Seconds the app may take to leave."""
_BLOCK = 1 << 16
_LEAVING = "\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
"""What gives the terminal back: no mouse, no paste marks, lines wrap, plain keys, the main screen, a cursor."""


class _Output:
    """Writes to the terminal; where it is gone, what is written is lost, and that is reported once.

    Textual's writing thread would end with the error, and the app would then wait forever for room in its queue.
    """

    def __init__(self, file: TextIO, gone: Callable[[], None]) -> None:
        file.flush()
        self._fd, self._encoding, self._gone = file.fileno(), file.encoding or "utf-8", gone
        self._waiting = bytearray()
        self._open = True

    def fileno(self) -> int:
        return self._fd

    def write(self, text: str) -> int:
        self._waiting += text.encode(self._encoding, "replace")
        if len(self._waiting) > _BLOCK:
            self.flush()
        return len(text)

    def flush(self) -> None:
        while self._waiting and self._open:
            try:
                del self._waiting[: os.write(self._fd, self._waiting[:_BLOCK])]
            except BlockingIOError:  # another program has set the terminal so
                select.select([], [self._fd], [], 1.0)
            except OSError:
                self._open = False
                self._gone()
        self._waiting.clear()


class TerminalDriver(LinuxDriver):
    """Draws on a terminal and reads from it, until it ends."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file: Any = _Output(sys.__stderr__ or sys.stderr, self._gone)
        self._terminals = [fd for fd in (1, 2) if os.isatty(fd)]
        self._away = False  # whether the terminal is the shell's: nothing may be written
        self._stopping = False
        self._continued = False
        self._ends: SimpleQueue[int] = SimpleQueue()
        self._ending = False
        threading.Thread(target=self._insist, daemon=True, name="itop-end").start()
        for number in _ENDS:
            if signal.getsignal(number) != signal.SIG_IGN:  # `nohup` wants no hang-up; the input's end is enough
                signal.signal(number, lambda number, _: self._end(128 + number))
        signal.signal(signal.SIGTSTP, lambda *_: self._soon(self.stop_job))
        signal.signal(signal.SIGCONT, self._on_continued)

    # ------------------------------------------------------------------------------------------------------ the end

    def _soon(self, what: Any, *arguments: Any) -> None:
        """Call something on the event loop; from a thread or from a signal's handler."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the app is leaving
            self._loop.call_soon_threadsafe(what, *arguments)

    def _end(self, code: int) -> None:
        """Have the app leave; from any thread, and from a signal's handler."""
        self._ending = True
        self._ends.put(code)
        self._soon(self._exit, code)

    def _exit(self, code: int) -> None:
        with self._app._context():
            self._app.exit(return_code=code)

    def _insist(self) -> None:
        """End the process if the app does not leave in time."""
        code = self._ends.get()
        time.sleep(PATIENCE)
        if not self._away:
            self._restore_at_once()
        os._exit(code)

    def _restore_at_once(self) -> None:
        """Give the terminal back without its threads, which may hang; never waits."""
        with contextlib.suppress(OSError, termios.error):
            _, writable, _ = select.select([], [self._file.fileno()], [], 0)
            if writable:
                os.write(self._file.fileno(), _LEAVING.encode())
            if self.attrs_before is not None:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)

    def _gone(self) -> None:
        """The terminal has ended: leave, and let nothing that is still written fail."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for fd in self._terminals:
            os.dup2(nowhere, fd)
        os.close(nowhere)
        self._end(HUNG_UP)

    # ---------------------------------------------------------------------------------------------- input and output

    def write(self, data: str) -> None:
        """Write to the terminal, while it is ours."""
        if not self._away:
            super().write(data)

    def start_application_mode(self) -> None:
        """Take the terminal, once we are in the foreground."""
        self._wait_for_foreground()
        self._away = self._ending
        if self._ending:
            return
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if not constants.DISABLE_KITTY_KEY:
            self.write(ASK_FOR_PLACES)

    def stop_application_mode(self) -> None:
        """Give the terminal back, unless it was given back already."""
        if not self._away and self._writer_thread is not None:
            super().stop_application_mode()

    def disable_input(self) -> None:
        """Read no more, unless that was done already: in the background, it would stop us again."""
        if not self._away:
            super().disable_input()

    def run_input_thread(self) -> None:
        """Read keys until the app leaves, or the terminal ends."""
        parser = PlacesParser(self._debug)
        # A wrong byte, of a terminal with another encoding, is a wrong character and not the end of the app.
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(0.1):
                    data = self._read()
                    if not data:
                        self._gone()
                        break
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
        with contextlib.suppress(EOFError, ParseError):
            for _ in parser.feed(""):
                pass

    def _read(self) -> bytes:
        """What the terminal sends; nothing at its end."""
        while True:
            try:
                return os.read(self.fileno, 4096)
            except BlockingIOError:
                select.select([self.fileno], [], [], 1.0)
            except OSError:  # EIO: the other side is closed, or the shell of a background job has gone
                return b""

    # ----------------------------------------------------------------------------------------------------- stopping

    def stop_job(self) -> bool:
        """Stop, as ^z does in other programs, until the shell continues us; then draw again.

        Returns:
            Whether we were stopped: without a shell that could continue us, nothing is.
        """
        self.suspend_application_mode()
        self._away = True
        stopped = self._stop_group(signal.SIGTSTP)
        self._take_back()
        return stopped

    def _take_back(self) -> None:
        if self._ending:
            return
        self._must_signal_resume = True
        self.resume_application_mode()
        with self._app._context():
            self._app.refresh(layout=True)

    def _on_continued(self, *_: int | FrameType | None) -> None:
        """The signal's handler. Where something else had stopped us, the shell has had the terminal meanwhile."""
        if self._stopping:
            self._continued = True
        elif not self._away:
            self._soon(self._continued_by_others)

    def _continued_by_others(self) -> None:
        self.suspend_application_mode()
        self._away = True
        self._take_back()

    def _stop_group(self, number: signal.Signals) -> bool:
        """Stop our process group by a signal's default action; returns whether it was stopped, and continued."""
        before = signal.signal(number, signal.SIG_DFL)
        self._stopping, self._continued = True, False
        try:
            os.killpg(os.getpgrp(), number)
            if not self._continued and not self._ending:
                time.sleep(0.05)  # Where another thread takes the signal, it stops us here.
            return self._continued
        finally:
            self._stopping = False
            signal.signal(number, before)

    def _wait_for_foreground(self) -> None:
        """Stay stopped while we are in the background, where a program must not write on the terminal."""
        while not self._ending and self._in_background():
            if not self._stop_group(signal.SIGTTOU):  # no shell is left
                self._end(HUNG_UP)

    def _in_background(self) -> bool:
        try:
            return os.tcgetpgrp(self.fileno) != os.getpgrp()
        except OSError:  # not the terminal that controls us: it has no foreground
            return False
