"""The app in a real terminal: keys go in, a screen comes out."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.patience import PATIENCE

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux, a terminal to run the app in")


class Terminal:
    """`itop` in a window of a tmux server started for it: keys are sent to it, and its screen is read."""

    def __init__(self, home: Path, columns: int, rows: int) -> None:
        self._socket = f"itop-{uuid.uuid4().hex[:8]}"
        command = f"ITOP_HOME={shlex.quote(str(home))} {shlex.quote(sys.executable)} -m itop_tui"
        self._tmux("new-session", "-d", "-s", "itop", "-x", str(columns), "-y", str(rows), command)

    def _tmux(self, *arguments: str) -> str:
        environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        command = ["tmux", "-L", self._socket, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stdout

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", "-t", "itop", *keys)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-t", "itop", "-p")

    def wait_for(self, *texts: str, within: float = PATIENCE) -> str:
        """Waits until the screen holds every one of the texts, and returns it."""
        return self.until(lambda screen: all(text in screen for text in texts), f"{texts}", within)

    def until(self, condition: Callable[[str], bool], wanted: str, within: float = PATIENCE) -> str:
        deadline = time.monotonic() + within
        while True:
            screen = self.screen()
            if condition(screen):
                return screen
            assert time.monotonic() < deadline, f"{wanted} did not appear; the screen is:\n{screen}"
            time.sleep(0.05)

    def move_to(self, field: str) -> None:
        """Presses Down in the form until the cursor is on a field."""
        for _ in range(80):
            current = _marked(self.screen())
            if current.strip("▌•! ").startswith(field):
                return
            self.press("Down")
            self.until(lambda screen, was=current: _marked(screen) != was, f"the line after {current!r}")  # type: ignore[misc]
        raise AssertionError(f"the form has no field {field!r}:\n{self.screen()}")

    def close(self) -> None:
        self._tmux("kill-server")


def _marked(screen: str) -> str:
    """The line of the form that the cursor is on; empty where there is none."""
    return next((line for line in screen.splitlines() if line.startswith("▌")), "")
