"""The journey of a new user in a real terminal, with keys alone: launch, see it finish, resume, fork."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db import attempts, checkpoints, metrics, runs
from db.records import RunQuery, RunStatus
from db.session import Database

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux, a terminal to run the app in")


class Terminal:
    """`itop` in a tmux window of its own server; what is typed are keys, what is read is the screen."""

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

    def wait_for(self, *texts: str, within: float = 60) -> str:
        """Waits until the screen holds every one of the texts, and returns it."""
        return self.until(lambda screen: all(text in screen for text in texts), f"{texts}", within)

    def until(self, condition: Callable[[str], bool], wanted: str, within: float = 60) -> str:
        deadline = time.monotonic() + within
        while True:
            screen = self.screen()
            if condition(screen):
                return screen
            assert time.monotonic() < deadline, f"{wanted} did not come; the screen is:\n{screen}"
            time.sleep(0.05)

    def move_to(self, field: str) -> None:
        """Presses Down in the form until the cursor is on a field."""
        for _ in range(80):
            current = next((line for line in self.screen().splitlines() if line.startswith("▌")), "")
            if current.strip("▌•! ").startswith(field):
                return
            self.press("Down")
            self.until(lambda screen, was=current: was not in screen, f"the line after {current!r}")  # type: ignore[misc]
        raise AssertionError(f"the form has no field {field!r}:\n{self.screen()}")

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture(params=[(80, 24), pytest.param((120, 40), marks=pytest.mark.slow)], ids=["80x24", "120x40"])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    window = Terminal(tmp_path, *request.param)
    try:
        yield window
    finally:
        window.close()


def test_launch_from_the_form_see_it_finish_resume_it_and_fork_it(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_for("new run")
    terminal.press("n")
    terminal.wait_for("from RigL-ITOP, quick (digits)", "ready")
    terminal.move_to("name")
    terminal.press("-l", "first light")
    terminal.move_to("epochs")
    terminal.press("BSpace", "BSpace", "2")
    terminal.wait_for("86 steps")
    terminal.press("C-s")

    terminal.wait_for("first light", "✓ completed")
    database = Database.open(f"sqlite:///{tmp_path / 'itop.db'}")
    try:
        run = runs.find(database, "first light")
        assert (run.status, run.step, run.total_steps) == (RunStatus.COMPLETED, 86, 86)
        assert run.config["epochs"] == 2
        assert [step.step for step in metrics.steps(database, run.id)] == list(range(1, 87))
        best = checkpoints.pick(database, run.id, "best")

        terminal.press("Enter")
        terminal.wait_for("1 Charts", "✓ completed")
        terminal.press("4")
        terminal.wait_for("best", "last")
        screen = terminal.screen().splitlines()
        cursor_moves = [line for line in screen if line.split()[:1] in (["last"], ["best"])]
        if cursor_moves[0].split()[0] != "best":
            terminal.press("Down")
        terminal.press("r")
        terminal.until(lambda _: len(attempts.for_run(database, run.id)) == 2, "a second attempt")
        again = attempts.latest(database, run.id)
        assert again is not None
        assert again.start_step == best.step

        terminal.until(lambda _: runs.get(database, run.id).status is RunStatus.COMPLETED, "the resumed run's end")
        terminal.wait_for("✓ completed")
        assert [step.step for step in metrics.steps(database, run.id)] == list(range(1, 87))

        terminal.press("f")
        terminal.wait_for("fork of run 1 at step 43", "ready")
        terminal.move_to("name")
        terminal.press("C-u")
        terminal.press("-l", "second light")
        terminal.wait_for("second light", "ready")
        terminal.press("C-s")
        terminal.until(lambda _: runs.count(database, RunQuery()) == 2, "the fork")
        fork = runs.find(database, "second light")
        assert (fork.parent_id, fork.fork_step, fork.config) == (run.id, best.step, run.config)
        terminal.until(lambda _: runs.get(database, fork.id).status is RunStatus.COMPLETED, "the fork's end")
        assert [step.step for step in metrics.steps(database, fork.id)] == list(range(best.step + 1, 87))

        # Alone: a key right after Escape would be read as one with Alt.
        terminal.press("Escape")
        terminal.wait_for("itop › runs", "second light")
        terminal.press("q")
        terminal.until(lambda screen: "first light" not in screen, "the end of the app")
    finally:
        database.close()
