"""Runs whose machine gives no sign of life, and records from the future, on the command line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from db.models import AttemptRow, RunRow
from db.records import RunStatus
from db.runs import attempts, runs
from db.session import Database
from engine.launch import submit
from engine.launch.give_up import give_up
from tests.engine.launch.hosts import elsewhere, silent
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import queued, running


@pytest.fixture
def gone(database: Database) -> int:
    """A run of a machine that has said nothing for three hours."""
    run = queued(database)
    assert runs.reserve(database, run.id, host=elsewhere(), device="cpu", slots=1) is not None
    silent(database, run.id, 3 * 3600 + 30)
    return run.id


@pytest.mark.parametrize("command", [("runs",), ("show", "1"), ("queue",), ("doctor",)], ids=lambda words: words[0])
def test_a_silent_run_says_since_when(itop: Itop, gone: int, command: tuple[str, ...]) -> None:
    assert "no sign of life for 3 h" in " ".join(itop(*command).out.split())


@pytest.mark.parametrize("command", ["stop", "kill", "pause", "resume", "delete"])
def test_what_is_asked_of_it_names_the_way_out_once(itop: Itop, gone: int, command: str) -> None:
    outcome = itop(command, str(gone), *(["--yes"] if command == "delete" else []))
    assert outcome.code == 1
    said = " ".join(outcome.err.split())
    assert said.count(f"no sign of life for 3 h: if its machine is gone, itop give-up {gone} ends it as lost.") == 1


def test_it_is_given_up_and_then_deleted(itop: Itop, gone: int) -> None:
    (lost,) = itop("give-up", str(gone), "--json").json()
    assert lost["status"] == "lost"
    assert lost["reason"].endswith("no sign of life for 3 h from atlas")
    again = itop("give-up", str(gone))
    assert again.code == 1
    assert "is lost: only a run that should be at work can be given up" in again.err
    assert itop("delete", str(gone), "--yes").code == 0


def test_records_from_the_future_have_no_age_and_are_a_remark_of_doctor(itop: Itop, database: Database) -> None:
    run = queued(database)
    assert runs.reserve(database, run.id, host=elsewhere(), device="cpu", slots=1) is not None
    ahead = time.time() + 31_536_000
    with database.write() as session:
        session.execute(sa.update(RunRow).values(created_at=ahead, started_at=ahead, heartbeat_at=ahead))
        session.execute(sa.update(AttemptRow).values(started_at=ahead))
    for command in (("runs",), ("show", str(run.id)), ("queue",)):
        assert "365d" not in itop(*command).out
        assert "no sign of life" not in itop(*command).out
    assert "behind the latest record" in " ".join(itop("doctor").out.split())


@pytest.mark.parametrize("command", [("resume",), ("logs", "-f")], ids=lambda words: words[0])
def test_who_waits_for_it_reads_once_each_time_that_it_is_silent_until_it_is_given_up(
    itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    run = queued(database)

    def starts(db: Database) -> None:
        assert runs.reserve(db, run.id, host=elsewhere(), device="cpu", slots=1) is not None
        silent(db, run.id, 90)

    looks: Iterator[Callable[[], object]] = iter(
        [
            lambda: None,
            lambda: silent(database, run.id, 0),
            lambda: silent(database, run.id, 200),
            lambda: None,
            lambda: give_up(database, run.id),
        ]
    )
    monkeypatch.setattr(submit, "ensure_scheduler", starts)
    monkeypatch.setattr(time, "sleep", lambda _: next(looks)())  # between two looks at the run
    if command == ("resume",):
        attempts.finish(database, running(database, run), status=RunStatus.KILLED, reason="killed by SIGKILL", signal=9)
        outcome = itop("resume", str(run.id), "--wait")
    else:
        starts(database)
        outcome = itop("logs", str(run.id), "-f")
    said = outcome.out + outcome.err
    for since in ("1 min", "3 min"):
        assert said.count(f"no sign of life for {since}. This waits on; if its machine is gone, itop give-up") == 1
    assert said.count("no sign of life for") == (3 if command == ("resume",) else 2)  # and once in how it ended
    assert outcome.code == (1 if command == ("resume",) else 0)
