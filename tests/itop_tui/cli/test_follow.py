"""Following runs: the live view, the plain lines, and detaching."""

from __future__ import annotations

import dataclasses
import io
import math
import threading
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from rich.cells import cell_len
from rich.console import Console

from db.errors import RunNotFound
from db.records import RunRecord, RunStatus
from db.runs import attempts, runs, shelf
from db.session import Database
from engine.launch import submit
from itop_tui.cli import follow as follow_module
from itop_tui.cli.follow import (
    Followed,
    Follower,
    closing_line,
    follow,
    live_view,
    plain_line,
)
from itop_tui.figures.comparison import seconds_taken
from itop_tui.figures.run_view import percent_done, progress, seconds_left
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import queued, running, trained


@pytest.fixture
def run(database: Database) -> RunRecord:
    return trained(database, "a name with [markup] \x1b[31mand an escape", status=RunStatus.COMPLETED)


def _out(*, terminal: bool = False, width: int = 100) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, markup=False, highlight=False)


def _text(out: Console) -> str:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_figures_of_progress(run: RunRecord) -> None:
    going = dataclasses.replace(run, status=RunStatus.RUNNING, step=10, total_steps=40, samples_per_second=300.0)
    now = run.heartbeat_at or 0.0
    assert (progress(going), percent_done(going)) == (0.25, 25)
    assert seconds_left(going, now) == pytest.approx(30 * 100 / 300)
    assert seconds_left(dataclasses.replace(going, status=RunStatus.PAUSED), now) is None
    assert progress(dataclasses.replace(going, total_steps=0)) is None
    assert percent_done(dataclasses.replace(going, step=999, total_steps=1000)) == 99


def test_time_taken_is_that_of_the_attempts_without_the_time_between(database: Database, run: RunRecord) -> None:
    (attempt,) = attempts.for_run(database, run.id)
    first = dataclasses.replace(attempt, started_at=100.0, ended_at=110.0)
    second = dataclasses.replace(attempt, started_at=1000.0, ended_at=None)
    assert seconds_taken([first, second], now=1005.0) == 15.0
    assert seconds_taken([], now=0.0) is None


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_live_view_is_one_line_a_run_at_any_width(database: Database, run: RunRecord, width: int) -> None:
    names = ["short", run.name, "x" * 300]
    states = [RunStatus.RUNNING, RunStatus.QUEUED, RunStatus.COMPLETED]
    followed = [
        Followed(dataclasses.replace(run, name=name, status=status, loss=value, step=1, total_steps=2), None)
        for name, status, value in zip(names, states, [0.25, None, math.nan], strict=True)
    ]
    out = _out(width=width)
    out.print(live_view(followed, width=width, now=time.time()))
    lines = _text(out).splitlines()
    assert len(lines) == 3
    assert all(cell_len(line) <= width for line in lines)
    assert all("50%" in line and "━" in line for line in lines)
    if width >= 80:
        assert "NaN" in lines[2]
    assert "\x1b[31m" not in _text(out)


def test_plain_lines_and_closing_lines_say_what_is_known(run: RunRecord) -> None:
    assert "step 40/40" in plain_line(run)
    assert "R_s 0.140" in plain_line(run)
    assert "\x1b" not in plain_line(run)
    done = closing_line(Followed(run, None), now=0.0).plain
    assert "completed, test accuracy 90.21%, R_s 0.140" in done
    failed = dataclasses.replace(run, status=RunStatus.FAILED, reason="ValueError: [no] weights")
    assert closing_line(Followed(failed, None), now=0.0).plain.endswith("failed: ValueError: [no] weights")


@pytest.mark.parametrize("terminal", [True, False])
def test_follow_returns_when_all_have_ended(database: Database, terminal: bool) -> None:
    run = queued(database)
    attempt = running(database, run)
    ending = threading.Timer(
        0.3,
        attempts.finish,
        (database, attempt),
        {"status": RunStatus.KILLED, "reason": "killed by SIGKILL", "signal": 9},
    )
    ending.start()
    out = _out(terminal=terminal)
    ended = follow(database, [run.id], out=out)
    ending.join()
    assert ended is not None
    assert [one.status for one in ended] == [RunStatus.KILLED]
    assert "killed by SIGKILL" in _text(out)
    assert ("running" in _text(out)) is True


def test_reading_the_followed_runs_takes_no_query_for_each(database: Database) -> None:
    """It was two queries a run at each change."""
    followed = [queued(database) for _ in range(20)]
    attempt = running(database, followed[3])
    follower = Follower(database, [run.id for run in followed], _out())
    follower._read()
    statements: list[str] = []
    sa.event.listen(database._engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert [one.run.id for one in follower._read()] == [run.id for run in followed]
    # At most one for the ids and one for the rows, however many runs are followed.
    assert 1 <= len([each for each in statements if each.startswith("SELECT")]) <= 2
    attempts.finish(database, attempt, status=RunStatus.KILLED, reason="killed by SIGKILL", signal=9)
    now = time.time() + 3600
    taken = follower._read()[3].seconds(now)
    assert taken is not None
    assert taken < 3600
    runs.requeue_resume(database, followed[3].id, None)
    running(database, followed[3])
    again = follower._read()[3]
    assert again.started_at == attempts.for_run(database, followed[3].id)[-1].started_at


def test_a_run_that_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(RunNotFound, match="99"):
        follow(database, [queued(database).id, 99], out=_out())


def _fail_three_starts(database: Database, run: RunRecord) -> None:
    for _ in range(attempts.START_TRIES):
        attempt = runs.reserve(database, run.id, host="h", device="cpu", slots=1)
        assert attempt is not None
        killed = {"status": RunStatus.KILLED, "reason": "killed by SIGKILL (signal 9)", "signal": 9}
        attempts.finish(database, attempt.id, **killed, retry_may_help=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize(
    ("end", "shown"),
    [
        (_fail_three_starts, ": held: 3 starts in a row failed, the last one with: killed by SIGKILL (signal 9)"),
        (lambda database, run: runs.hold(database, run.id), ": held by user"),
        (lambda database, run: runs.hold(database, run.id, "until Monday"), ": held: until Monday"),
        (lambda database, run: shelf.trash(database, [run.id]), ": deleted"),
        (lambda database, run: runs.delete(database, run.id), ": deleted"),
    ],
    ids=["failed starts", "by a person", "with a reason", "trash", "permanently"],
)
def test_a_run_that_does_not_go_on_by_itself_is_not_waited_for(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    end: Callable[[Database, RunRecord], object],
    shown: str,
) -> None:
    run, other = queued(database), queued(database)
    attempt = running(database, other)

    def meanwhile(_: float) -> None:
        end(database, run)
        attempts.finish(database, attempt, status=RunStatus.COMPLETED, reason=None)

    monkeypatch.setattr(time, "sleep", meanwhile)  # between two looks at the runs
    out = _out(terminal=terminal, width=200)
    ended = follow(database, [run.id, other.id], out=out)
    assert ended is not None
    assert [one.status for one in ended] == [RunStatus.QUEUED, RunStatus.COMPLETED]
    assert f"run {run.id} {run.name}{shown}" in _text(out)
    assert f"run {other.id} {other.name}: completed" in _text(out)


def test_waiting_for_a_run_that_is_held_fails(itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process is never started here: what fails its starts is the request for a scheduler."""
    monkeypatch.setattr(submit, "ensure_scheduler", lambda db: _fail_three_starts(db, runs.get(db, 1)))
    outcome = itop("train", "--data", "digits", "--wait")
    assert outcome.code == 1
    assert "held: 3 starts in a row failed" in outcome.out


def test_what_failed_at_a_start_is_printed_while_the_run_waits_for_the_next(run: RunRecord) -> None:
    reason = "start 1 of 3 failed: killed by SIGKILL (signal 9)"
    assert plain_line(dataclasses.replace(run, status=RunStatus.QUEUED, reason=reason)).endswith(reason)


def test_ctrl_c_detaches_and_leaves_the_run(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    run = queued(database)
    running(database, run)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    out = _out()
    assert follow(database, [run.id], out=out) is None
    assert f"Detached: run {run.id} continues in the background." in _text(out)
    assert runs.get(database, run.id).status is RunStatus.RUNNING


def test_a_scheduler_that_died_is_started_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    run = queued(database)
    monkeypatch.setattr(follow_module, "_CARE_SECONDS", 0.0)

    def ensure(db: Database) -> None:
        attempt = running(db, run)
        attempts.finish(db, attempt, status=RunStatus.COMPLETED, reason=None)

    monkeypatch.setattr(submit, "ensure_scheduler", ensure)
    ended = follow(database, [run.id], out=_out())
    assert ended is not None
    assert ended[0].status is RunStatus.COMPLETED
