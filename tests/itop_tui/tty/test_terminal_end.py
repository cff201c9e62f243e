"""The app leaves when its terminal ends, in real processes on real pseudo-terminals.

The app itself takes seconds to start; what holds for every app on `TerminalApp` is tested on a small one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.itop_tui.tty.on_pty import OnPty
from tests.patience import PATIENCE

Starts = Callable[..., OnPty]

_SMALL = """
import asyncio, sys, time
from textual.screen import ModalScreen
from textual.widgets import Input, Label
from itop_tui.tty import terminal_driver
from itop_tui.tty.terminal_app import TerminalApp

class Asks(ModalScreen):
    def compose(self):
        yield Label("asking now")

class Small(TerminalApp):
    BINDINGS = [("f8", "ask"), ("f9", "busy"), ("ctrl+z", "suspend_process")]
    busy = False
    def compose(self):
        yield Label("small app")
        yield Input()
    def action_ask(self):
        self.push_screen(Asks())
    def action_busy(self):
        self.busy = True
        self.notify("busy now")
    async def on_unmount(self):
        if self.busy:
            await asyncio.to_thread(time.sleep, 600)

terminal_driver.PATIENCE = 0.5 if "hurry" in sys.argv else 60
app = Small()
app.run()
sys.exit(app.return_code)
"""


@pytest.fixture
def starts(tmp_path: Path) -> Iterator[Starts]:
    """Starts an app on a pseudo-terminal, and waits for its first page."""
    made: list[OnPty] = []

    def start(*arguments: str, controlled: bool = False, ready: str = "small app") -> OnPty:
        process = OnPty(["-m", "itop_tui"] if ready != "small app" else ["-c", _SMALL, *arguments], tmp_path,
                        controlled=controlled)  # fmt: skip
        made.append(process)
        process.read_until(ready)
        return process

    yield start
    for process in made:
        process.give_up()


@pytest.mark.parametrize(
    ("controlled", "keys", "seen"),
    [(True, "", ""), (False, "", ""), (False, "\x1b[19~", "asking"), (False, "ab", "ab")],
    ids=["hang-up", "no hang-up", "in a dialog", "in a field"],
)
def test_an_app_leaves_when_its_terminal_closes(starts: Starts, controlled: bool, keys: str, seen: str) -> None:
    app = starts(controlled=controlled)
    if keys:
        app.type(keys)
        app.read_until(seen)
    app.close_terminal()
    assert app.ended(PATIENCE) == 129


def test_itop_leaves_when_its_terminal_closes_without_a_hang_up_while_a_dialog_is_open(starts: Starts) -> None:
    app = starts(ready="new run")
    app.type("O")
    app.read_until("database")
    app.close_terminal()
    assert app.ended(PATIENCE) == 129


def test_the_app_leaves_while_an_operation_does_not_end(starts: Starts) -> None:
    app = starts("hurry")
    app.type("\x1b[20~")
    app.read_until("busy")
    app.close_terminal()
    assert app.ended(PATIENCE) == 129


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_the_app_and_gives_the_terminal_back(starts: Starts, number: signal.Signals) -> None:
    app = starts(controlled=True)
    app.process.send_signal(number)
    rest = app.rest()
    assert app.ended(PATIENCE) == 128 + number
    assert termios.tcgetattr(app.theirs) == app.before
    for given_back in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1003l", b"\x1b[?2004l", b"\x1b[<u"):
        assert given_back in rest
    assert b"Traceback" not in rest


def test_a_signal_gives_the_terminal_back_also_where_an_operation_does_not_end(starts: Starts) -> None:
    app = starts("hurry", controlled=True)
    app.type("\x1b[20~")
    app.read_until("busy")
    app.process.terminate()
    rest = app.rest()
    assert app.ended(PATIENCE) == 143
    assert termios.tcgetattr(app.theirs) == app.before
    assert b"\x1b[?1049l" in rest


def test_bytes_that_are_no_utf_8_do_not_end_the_app(starts: Starts) -> None:
    app = starts()
    app.type(b"\xff\xfe")
    app.type("ok")
    app.read_until("ok")


def test_where_there_is_no_shell_to_return_to_the_app_stays(starts: Starts) -> None:
    """A program that is stopped where no one can continue it is lost."""
    app = starts(controlled=True)
    app.type("\x1a")
    app.read_until("no shell")
    app.type("still")
    app.read_until("still")


def test_an_app_in_a_browser_leaves_when_its_server_has_ended(tmp_path: Path) -> None:
    environ = {
        **os.environ, "ITOP_HOME": str(tmp_path), "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", _SMALL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environ,
    ) as app:  # fmt: skip
        assert app.stdin is not None
        assert app.stdout is not None
        seen = b""
        while b"small app" not in seen:
            seen += os.read(app.stdout.fileno(), 65536)
        app.stdin.close()
        app.stdout.close()
        try:
            app.wait(PATIENCE)
        finally:
            app.kill()
