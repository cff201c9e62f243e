"""Programs on a pseudo-terminal of their own, whose end is in the test's hands."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import psutil

from tests.patience import PATIENCE


class OnPty:
    """A process on a pseudo-terminal.

    Args:
        arguments: What follows `python`.
        home: Its `ITOP_HOME`.
        controlled: Whether the terminal is its controlling one, and so sends it SIGHUP when it closes; not so for
            `sudo`, `docker exec` and what a shell has detached.
        variables: More variables.
    """

    def __init__(self, arguments: list[str], home: Path, *, controlled: bool, **variables: str) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(theirs)
        environ = {**os.environ, "ITOP_HOME": str(home), "TERM": "xterm-256color", **variables}
        for name in ("ITOP_DATABASE_URL", "TMUX", "STY"):
            environ.pop(name, None)
        # As from a shell: what a suite run by `nohup` or as a background job ignores, its apps would ignore too.
        starter = "import fcntl, os, signal, sys, termios\n"
        starter += "for name in ('SIGHUP', 'SIGINT', 'SIGQUIT'): signal.signal(getattr(signal, name), signal.SIG_DFL)\n"
        if controlled:
            starter += "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        starter += "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", starter, *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True,
        )  # fmt: skip
        self.theirs = theirs

    def read_until(self, text: str, within: float = PATIENCE) -> bytes:
        """Read what it writes until that contains a text; gives all that was read since the last call."""
        deadline, seen = time.monotonic() + within, b""
        while text.encode() not in seen:
            assert time.monotonic() < deadline, f"{text!r} was not written, but {seen[-2000:]!r}"
            if select.select([self._ours], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    seen += os.read(self._ours, 65536)
            assert self.process.poll() is None or text.encode() in seen, f"it has ended; {seen[-2000:]!r}"
        return seen

    def type(self, text: str | bytes) -> None:
        """Press keys."""
        os.write(self._ours, text.encode() if isinstance(text, str) else text)

    def close_terminal(self) -> None:
        """Close the terminal's window."""
        os.close(self.theirs)
        os.close(self._ours)
        self.theirs = -1

    def rest(self) -> bytes:
        """What it writes until it ends."""
        deadline, seen = time.monotonic() + PATIENCE, b""
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it is still there, and wrote {seen[-2000:]!r}"
            seen += self._now()
        return seen + self._now()

    def _now(self) -> bytes:
        with contextlib.suppress(OSError):
            if select.select([self._ours], [], [], 0.1)[0]:
                return os.read(self._ours, 65536)
        return b""

    def ended(self, within: float) -> int:
        """Wait for its end; gives its exit code, and fails with the seconds of processor it used where it stays."""
        code = self.process.poll()
        if code is not None:
            return code
        watched = psutil.Process(self.process.pid)
        before = sum(watched.cpu_times()[:2])
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            used = sum(watched.cpu_times()[:2]) - before
            text = f"it is still there after {within:g} s, and has used {used:.1f} s of processor"
            raise AssertionError(text) from None

    def give_up(self) -> None:
        """End it, and close what is open."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.theirs != -1:
            os.close(self.theirs)
            os.close(self._ours)
