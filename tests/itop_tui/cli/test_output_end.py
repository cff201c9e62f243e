"""Commands that follow a run end when no one can read them, in real processes; the run is not touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db.records import RunStatus
from db.runs import runs
from db.session import Database
from tests.itop_tui.cli.recorded import log_of, queued, running
from tests.itop_tui.tty.on_pty import OnPty
from tests.patience import PATIENCE

_FOLLOW = """
import sys
from db.session import Database
from itop_tui.cli import application
from itop_tui.cli.follow import follow
from itop_tui.cli.terminal import console

def command(tokens):
    print("following", flush=True)
    follow(Database.open(), [int(tokens[0])], out=console())

application._run_command = command
sys.exit(application.run(sys.argv[1:]))
"""
"""What `train --wait` does once the run is queued."""


@pytest.fixture
def followed(database: Database) -> str:
    """A run that runs and prints nothing more."""
    run = queued(database)
    running(database, run)
    log_of(run).write_text("first line\nsecond line\n")
    return str(run.id)


@pytest.fixture
def on_pty(home: Path) -> Iterator[Callable[..., OnPty]]:
    """Starts a program on a pseudo-terminal that is not its controlling one, or is."""
    made: list[OnPty] = []

    def start(*arguments: str, controlled: bool = False) -> OnPty:
        made.append(OnPty(list(arguments), home, controlled=controlled))
        return made[-1]

    yield start
    for each in made:
        each.give_up()


@pytest.mark.parametrize("command", [["-m", "itop_tui", "logs", "-f"], ["-c", _FOLLOW]], ids=["logs -f", "--wait"])
def test_a_follower_ends_when_its_reader_has_seen_enough(followed: str, home: Path, command: list[str]) -> None:
    """As in `itop logs -f 1 | head -1`: nothing more is printed, so no write would ever fail."""
    with subprocess.Popen(
        [sys.executable, *command, followed],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "ITOP_HOME": str(home)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline()
            process.stdout.close()
            assert process.wait(PATIENCE) == 0
            assert process.stderr.read() == b""
        finally:
            process.kill()


@pytest.mark.parametrize("command", [["-m", "itop_tui", "logs", "-f"], ["-c", _FOLLOW]], ids=["logs -f", "--wait"])
def test_a_follower_ends_with_its_terminal_without_a_hang_up(
    followed: str, database: Database, on_pty: Callable[..., OnPty], command: list[str]
) -> None:
    follower = on_pty(*command, followed)
    follower.read_until("line" if "logs" in command else "sparse dig")
    follower.close_terminal()
    assert follower.ended(PATIENCE) == 129
    assert runs.get(database, int(followed)).status is RunStatus.RUNNING


def test_a_live_view_that_is_ended_or_stopped_gives_the_cursor_back(
    followed: str, on_pty: Callable[..., OnPty]
) -> None:
    follower = on_pty("-c", _FOLLOW, followed, controlled=True)
    follower.read_until("sparse dig")
    follower.process.send_signal(signal.SIGTERM)
    rest = follower.rest()
    assert follower.ended(PATIENCE) == 128 + signal.SIGTERM
    assert rest.rfind(b"\x1b[?25h") > rest.rfind(b"\x1b[?25l")
    assert b"Traceback" not in rest
