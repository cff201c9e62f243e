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
from textual.widgets import TextArea

from itop_tui.dialogs.questions import AskText
from itop_tui.runs.run_table import RunTable
from tests.end_to_end.terminal import needs_tmux
from tests.itop_tui.support import form_app, started, wait_for
from tests.patience import PATIENCE

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


@needs_tmux
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


@needs_tmux
def test_a_stopped_app_can_be_ended(shell: Shell) -> None:
    shell.type("app", "Enter")
    shell.wait_for("small app")
    shell.type("C-z")
    shell.wait_for("Stopped")
    # `wait` alone gives up where bash has not yet seen that the stopped job goes on.
    shell.type("p=$(jobs -p); kill %1; while kill -0 $p 2>&-; do :; done; wait $p; echo ended=$?", "Enter")
    shell.wait_for("ended=143")


async def test_the_key_works_on_every_screen_in_dialogs_and_in_fields() -> None:
    """Without a shell the app says so each time."""
    app = form_app()

    def asked() -> int:
        return sum("no shell" in notice.text for notice in app.notices)

    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 12)
        ways = ("slash", "N", "R", "n", "ctrl+p", "e", "O", "question_mark", "ctrl+l", "Q")
        for count, way in enumerate(ways, start=1):
            await pilot.press(way, "ctrl+z")
            await wait_for(pilot, lambda count=count: asked() == count, f"{way}, then ^z")  # type: ignore[misc]
            await pilot.press("escape")
            await wait_for(pilot, lambda: len(app.screen_stack) == 1 and isinstance(app.focused, RunTable))


async def test_in_notes_another_key_undoes() -> None:
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 12)
        await pilot.press("N")
        await wait_for(pilot, lambda: isinstance(app.screen, AskText))
        await pilot.press(*"abc", "backspace", "ctrl+underscore")
        await wait_for(pilot, lambda: app.screen.query_one(TextArea).text == "abc")
