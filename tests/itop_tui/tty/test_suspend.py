"""^z stops the app as it stops other programs, and fg continues it: below a real shell in a real terminal."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.terminal import needs_tmux
from tests.patience import PATIENCE

pytestmark = needs_tmux

_SMALL = """
from textual.widgets import Input, Label
from itop_tui.tty.terminal_app import TerminalApp

class Small(TerminalApp):
    BINDINGS = [("ctrl+z", "suspend_process")]
    def compose(self):
        yield Label("small app")
        yield Input()

Small().run()
"""


class Shell:
    """A shell in a window of a tmux server of its own."""

    def __init__(self) -> None:
        self._server = ["tmux", "-L", f"itop-{uuid.uuid4().hex[:8]}", "-f", os.devnull]
        self.ask("new-session", "-d", "-s", "t", "-x", "80", "-y", "24", "bash --norc --noprofile")
        self.wait_for("bash")

    def ask(self, *arguments: str) -> str:
        environ = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        command = [*self._server, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environ).stdout

    def type(self, *keys: str) -> None:
        self.ask("send-keys", "-t", "t", *keys)

    def wait_for(self, *texts: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while True:
            screen = self.ask("capture-pane", "-t", "t", "-p")
            if all(text in screen for text in texts):
                return screen
            assert time.monotonic() < deadline, f"{texts} did not appear:\n{screen}"
            time.sleep(0.05)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell in which `app` starts the small app, below a script as many are."""
    monkeypatch.setenv("ITOP_HOME", str(tmp_path / "home"))
    (tmp_path / "small.py").write_text(_SMALL)
    script = tmp_path / "app"
    script.write_text(f"#!/bin/sh\n{shlex.quote(sys.executable)} {shlex.quote(str(tmp_path / 'small.py'))}\nexit $?\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    made = Shell()
    yield made
    made.ask("kill-server")


def test_the_app_stops_in_a_field_and_comes_back_whole_at_another_size(shell: Shell) -> None:
    shell.type("app", "Enter")
    shell.wait_for("small app")
    shell.type("-l", "实验")
    shell.wait_for("实验")
    cursor = shell.ask("display-message", "-p", "-t", "t", "#{cursor_x} #{cursor_y}").split()

    shell.type("C-z")
    shell.wait_for("Stopped")
    modes = shell.ask("display-message", "-p", "-t", "t", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}").split()
    assert modes == ["0", "0", "1"]

    shell.ask("resize-window", "-t", "t", "-x", "60", "-y", "16")
    shell.type("bg", "Enter")  # In the background it must leave the terminal to the shell.
    shell.type("jobs; echo 'the end'", "Enter")
    shell.wait_for("the end\n", "Stopped")
    shell.type("fg", "Enter")
    screen = shell.wait_for("small app", "实验")
    assert max(map(len, screen.splitlines())) <= 60
    assert shell.ask("display-message", "-p", "-t", "t", "#{cursor_x} #{cursor_y}").split() == cursor
    shell.type("-l", "more")
    shell.wait_for("实验more")


def test_a_stopped_app_can_be_ended(shell: Shell) -> None:
    shell.type("app", "Enter")
    shell.wait_for("small app")
    shell.type("C-z")
    shell.wait_for("Stopped")
    shell.type("kill %1; wait %1; echo ended=$?", "Enter")
    shell.wait_for("ended=143")
