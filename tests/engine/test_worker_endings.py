"""What the worker leaves behind where the database does not take its last word."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.history.writer import MetricWriter
from db.records import RunStatus
from db.runs import attempts, runs
from db.session import Database
from engine import worker
from engine.launch import settle
from engine.launch.attempt_files import read_json
from engine.launch.exit_reasons import verdict
from tests.engine.worker_runs import create, trained


@pytest.mark.usefixtures("signals")
def test_a_result_that_no_database_took_is_told_when_it_is_back(
    db: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The database goes in the instant between the last figure and the ending."""
    run = create(db, epochs=1)
    close = MetricWriter.close

    def close_and_lose_the_database(writer: MetricWriter) -> None:
        close(writer)
        (tmp_path / "itop.db").rename(tmp_path / "away.db")

    monkeypatch.setattr(MetricWriter, "close", close_and_lose_the_database)
    monkeypatch.setattr(worker, "_FINISH_SECONDS", 0.3)
    assert worker.main([str(run.id)]) == worker.EXIT_COMPLETED
    assert not (tmp_path / "itop.db").exists()
    (tmp_path / "away.db").rename(tmp_path / "itop.db")
    assert runs.get(db, run.id).status is RunStatus.RUNNING
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    files = settle.attempt_files(db, attempt)
    seen = {"exit_code": 0, "said": read_json(files.said)}
    assert settle.settle(db, attempt.id, files, verdict(seen, kill_asked=False))
    ended = runs.get(db, run.id)
    assert (ended.status, ended.reason, ended.exit_code) == (RunStatus.COMPLETED, None, 0)


@pytest.mark.usefixtures("signals")
def test_a_word_that_the_database_took_is_not_left_about(db: Database) -> None:
    run = trained(db, epochs=1)
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    assert not settle.attempt_files(db, attempt).said.exists()


@pytest.mark.usefixtures("signals")
def test_a_failure_by_hand_is_not_tried_again(db: Database) -> None:
    run = create(db, model="tests.engine.launch.models:broken_at_once")
    assert worker.main([str(run.id)]) == worker.EXIT_FAILED
    ended = runs.get(db, run.id)
    assert (ended.status, ended.reason) == (RunStatus.FAILED, "ArithmeticError: is not a number")
