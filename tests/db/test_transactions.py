"""What every database promises about transactions, whoever else reads and writes meanwhile."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
import sqlalchemy as sa

from db import key_values
from db.models import RunRow
from db.records import RunStatus
from db.runs import attempts, runs
from db.session import Database
from tests.db.helpers import new_run, started


def test_an_exception_rolls_back(db: Database) -> None:
    run = new_run(db)

    def fail() -> None:
        with db.write() as session:
            session.execute(sa.update(RunRow).values(name="changed"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert runs.get(db, run.id).name == run.name


def test_a_reader_sees_one_snapshot_and_stands_in_nobodys_way(db: Database) -> None:
    new_run(db)
    with db.read() as session:
        count = sa.select(sa.func.count(RunRow.id))
        assert session.scalar(count) == 1
        new_run(db)  # would fail or wait if the reader held a lock
        assert session.scalar(count) == 1
    with db.read() as session:
        assert session.scalar(count) == 2


def test_a_writer_stands_in_no_readers_way(db: Database) -> None:
    run = new_run(db)
    with db.write() as session:
        session.execute(sa.update(RunRow).values(name="not committed"))
        assert runs.get(db, run.id).name == run.name


def test_the_version_moves_with_every_commit_of_anybody(db: Database) -> None:
    first = db.data_version()
    assert db.data_version() == first
    new_run(db)
    second = db.data_version()
    assert second != first
    with closing(Database.open()) as other:
        new_run(other)
    third = db.data_version()
    assert third != second
    runs.list_runs(db)
    assert db.data_version() == third


def test_many_threads_share_one_database(db: Database) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for index in range(20):
                key_values.put(db, f"{number}-{index}", index)
                assert key_values.get(db, f"{number}-{index}") == index
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert all(key_values.get(db, f"{number}-19") == 19 for number in range(12))


def test_of_many_words_about_one_ending_exactly_one_is_the_first(db: Database) -> None:
    """Worker, warden, scheduler and app may all report it at the same instant."""
    for _ in range(10):
        run, attempt = started(db)
        together = threading.Barrier(4)
        heard: list[int] = []

        def tell(number: int, attempt_id: int, together: threading.Barrier, heard: list[int]) -> None:
            together.wait(60)
            if attempts.finish(db, attempt_id, status=RunStatus.FAILED, reason=str(number), exit_code=number):
                heard.append(number)

        tellers = [threading.Thread(target=tell, args=(number, attempt.id, together, heard)) for number in range(4)]
        for teller in tellers:
            teller.start()
        for teller in tellers:
            teller.join(60)
        (first,) = heard
        ended, run = attempts.get(db, attempt.id), runs.get(db, run.id)
        assert (ended.reason, ended.exit_code) == (run.reason, run.exit_code) == (str(first), first)


def test_an_ended_attempt_is_not_brought_back_to_life_by_what_its_worker_says_at_that_instant(db: Database) -> None:
    for _ in range(10):
        run, attempt = started(db)
        together = threading.Barrier(2)

        def pause(attempt_id: int = attempt.id, together: threading.Barrier = together) -> None:
            together.wait(60)
            for status in (RunStatus.PAUSED, RunStatus.RUNNING):
                attempts.set_status(db, attempt_id, status)

        worker = threading.Thread(target=pause)
        worker.start()
        together.wait(60)
        attempts.finish(db, attempt.id, status=RunStatus.KILLED, reason="killed")
        worker.join(60)
        assert runs.get(db, run.id).status is attempts.get(db, attempt.id).status is RunStatus.KILLED
