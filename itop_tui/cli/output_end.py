"""Commands that go on for long: they end when no one can read what they print, and give the terminal back.

A command that prints nothing for a while would else not notice that `head` has seen enough, or that its terminal was
closed without a hang-up, and stay until its run has ended.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from rich.console import Console

__all__ = ["gives_back", "nowhere", "terminal_is_gone", "wait"]


def _end_of(fd: int, seconds: float) -> int:
    """Wait, at most so long, for the end of what is written to; gives the events of `poll`, 0 where it is open."""
    watched = select.poll()
    watched.register(fd, 0)
    return next((events for _, events in watched.poll(1000 * seconds)), 0)


def wait(seconds: float) -> None:
    """Wait before the next look.

    Raises:
        BrokenPipeError: If what stdout is read by has ended.
        OSError: With EIO, if stdout is a terminal that has ended.
    """
    until = time.monotonic() + seconds
    events = 0
    with suppress(OSError, ValueError):  # stdout is no file, as in a program that calls this one
        events = _end_of(sys.stdout.fileno(), seconds)
    if events & select.POLLHUP:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    if events & select.POLLERR:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    time.sleep(max(0.0, until - time.monotonic()))


def terminal_is_gone() -> bool:
    """Whether stdout or stderr is a terminal that was closed."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            if _end_of(stream.fileno(), 0) & select.POLLHUP:
                return True
    return False


def nowhere(*fds: int) -> None:
    """Send to nowhere what is still written, by Python's own end too."""
    null = os.open(os.devnull, os.O_WRONLY)
    for fd in fds:
        os.dup2(null, fd)


@contextmanager
def gives_back(out: Console) -> Iterator[None]:
    """While a live view hides the cursor, show it again before SIGTERM ends the command, and while ^z stops it."""
    if not out.is_terminal or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)  # leaves the view as its end does

    def stop(number: int, _: FrameType | None) -> None:
        out.show_cursor(True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, stop)
        out.show_cursor(False)

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, end), signal.SIGTSTP: signal.signal(signal.SIGTSTP, stop)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
