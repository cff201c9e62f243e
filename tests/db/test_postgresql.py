"""What only a server can do to the store: several writers in one run, connections cut off, databases of others."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa

from db import migrate
from db.errors import DatabaseRefused, StoreError
from db.history import metrics
from db.history.cut_back import truncate
from db.history.writer import MetricWriter
from db.models import RunRow
from db.records import RunStatus
from db.runs import attempts, runs
from db.session import Database
from tests.db.helpers import new_run, output_of, python, start, started, step, wait_for
from tests.db.server import database_on
from tests.patience import PATIENCE


@pytest.fixture
def blank(server: sa.URL) -> Iterator[str]:
    """A database with nothing in it."""
    with database_on(server) as url:
        yield url


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def tables(url: str) -> list[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    return sorted(sa.inspect(engine).get_table_names())


def cut_off(db: Database) -> None:
    """End every connection to the database but the one that asks, as a server does that is restarted."""
    with db.read() as session:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        session.execute(sa.text(f"{others} AND pid <> pg_backend_pid()"))


def is_cut_off(connection: sa.Connection) -> bool:
    try:
        connection.exec_driver_sql("SELECT 1")
    except sa.exc.DBAPIError:
        return True
    return False


def test_a_worker_given_up_for_dead_that_writes_while_the_next_attempt_begins_leaves_nothing(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, first = started(db)
    zombie = MetricWriter(db, run.id, first.id)
    attempts.finish(db, first.id, status=RunStatus.LOST, reason="no heartbeat")
    runs.requeue_resume(db, run.id, None)

    def waits() -> bool:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        with db.read() as session:
            return bool(session.scalar(sa.text(waiting))) or zombie.pending == 0

    def disturbed(session: sa.orm.Session, row: RunRow, after: int) -> None:
        truncate(session, row, after)
        zombie.step(step(1, loss=666.0))
        wait_for(waits, "the dead worker's write to arrive")

    monkeypatch.setattr(runs, "truncate", disturbed)
    second = start(db, run)
    with pytest.raises(StoreError, match="is not the latest"):
        zombie.flush()
    assert metrics.steps(db, run.id) == []
    with MetricWriter(db, run.id, second.id) as recorder:
        recorder.step(step(1))


def test_a_cut_connection_loses_nothing(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as recorder:
        for number in range(1, 101):
            recorder.step(step(number))
            if number % 20 == 0:
                recorder.flush()
                cut_off(db)
    assert [each.step for each in metrics.steps(db, run.id)] == list(range(1, 101))
    assert runs.get(db, run.id).step == 100


def test_a_server_that_crashes_and_recovers_loses_nothing_that_was_acknowledged(server: sa.URL, db: Database) -> None:
    """One of its processes is killed; it then ends all others, and is back after it has read its log."""
    folder = server.query.get("host")
    if not isinstance(folder, str) or not folder.startswith("/tmp"):
        pytest.skip("only a server of our own may be crashed")
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as recorder:
        for number in range(1, 51):
            recorder.step(step(number))
        recorder.flush()
        with db.read() as session:
            backend = session.scalar(sa.text("SELECT pg_backend_pid()"))
        witness = sa.create_engine(server, poolclass=sa.NullPool).connect()
        os.kill(backend, signal.SIGKILL)
        wait_for(lambda: is_cut_off(witness), "the server to end what it is doing")
        for number in range(51, 101):
            recorder.step(step(number))
        recorder.flush()
    assert [each.step for each in metrics.steps(db, run.id)] == list(range(1, 101))


_RECORD = """
import sys
from db.session import Database
from db.history.writer import MetricWriter
from tests.db.helpers import step

recorder = MetricWriter(Database.open(), int(sys.argv[1]), int(sys.argv[2]))
number = 0
while True:
    for _ in range(25):
        number += 1
        recorder.step(step(number))
    recorder.flush()
    print(number, flush=True)
"""


def test_kill_9_loses_nothing_that_was_acknowledged(db: Database) -> None:
    run, attempt = started(db)
    process = python(_RECORD, run.id, attempt.id)
    assert process.stdout is not None
    for _ in range(6):
        acknowledged = int(process.stdout.readline())
    process.kill()
    rest = process.communicate(timeout=PATIENCE)[0].split("\n")[:-1]
    acknowledged = int(rest[-1]) if rest else acknowledged
    kept = [each.step for each in metrics.steps(db, run.id)]
    assert len(kept) >= acknowledged
    assert kept == list(range(1, len(kept) + 1))


_OPEN = """
import sys
from db.runs import runs
from db.session import Database
db = Database.open(sys.argv[1])
runs.create(db, config={"model": sys.argv[2]})
db.close()
"""


def test_processes_that_open_a_blank_database_at_once_make_one_set_of_tables(blank: str) -> None:
    processes = [python(_OPEN, blank, number) for number in range(3)]
    for process in processes:
        output_of(process)
    with closing(Database.open(blank)) as db:
        assert sorted(run.model for run in runs.list_runs(db)) == ["0", "1", "2"]


@pytest.mark.parametrize("revision", ["0001", "1975ea83b712"])
def test_another_programs_database_is_refused_and_left_alone(blank: str, revision: str) -> None:
    """That other program may use Alembic too, and number its revisions as we do."""
    execute(
        blank,
        "CREATE TABLE precious (thing text)",
        "CREATE TABLE alembic_version (version_num text)",
        f"INSERT INTO alembic_version VALUES ('{revision}')",
    )
    with pytest.raises(DatabaseRefused, match=r"holds tables of another program .*precious"):
        Database.open(blank)
    assert tables(blank) == ["alembic_version", "precious"]


def test_a_newer_database_is_refused_and_left_alone(blank: str) -> None:
    Database.open(blank).close()
    execute(blank, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseRefused, match="a newer itop wrote it"):
        Database.open(blank)
    execute(blank, f"UPDATE alembic_version SET version_num = '{migrate.HEAD}'")
    with closing(Database.open(blank)) as db:
        new_run(db)


def test_a_server_that_is_not_there_is_said_on_one_line_without_the_password() -> None:
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        Database.open("postgresql+psycopg://me:secret@localhost:1/itop")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_driver_that_is_not_installed_is_named() -> None:
    with pytest.raises(StoreError, match=r"cannot be opened: No module named 'pg8000'"):
        Database.open("postgresql+pg8000://localhost/itop")
