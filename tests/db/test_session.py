from __future__ import annotations

import os
import random
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from db import key_values
from db.errors import DatabaseGone, DatabaseRefused, DatabaseUnavailable, StoreError
from db.runs import runs
from db.session import Database
from db.sqlite.sqlite_file import APPLICATION_ID, network_file_system
from tests.db.helpers import new_run, output_of, python, wait_for
from tests.patience import PATIENCE


def pragma(db: Database, name: str) -> object:
    with db.read() as session:
        return session.connection().exec_driver_sql(f"PRAGMA {name}").scalar_one()


def test_every_connection_is_set_up(db: Database) -> None:
    assert pragma(db, "journal_mode") == "wal"
    assert pragma(db, "synchronous") == 1
    assert pragma(db, "foreign_keys") == 1
    assert pragma(db, "busy_timeout") == 10_000
    assert pragma(db, "application_id") == APPLICATION_ID


def test_the_folder_is_made_and_the_file_opened_again(home: Path) -> None:
    path = home / "deep" / "er" / "x.db"
    with closing(Database.open(str(path))) as first:
        run = new_run(first)
    with closing(Database.open(f"sqlite:///{path}")) as second:
        assert runs.get(second, run.id) == run
        assert second.warnings == ()


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "nonsense://x", "post gres://", "postgresql+psycopg://u:p@host:port/x"]
)
def test_what_cannot_be_a_database_is_refused_in_words(url: str) -> None:
    with pytest.raises(StoreError):
        Database.open(url)


def test_a_question_mark_in_a_url_does_not_lead_elsewhere(tmp_path: Path) -> None:
    """What follows it is no part of the path: the file would be another one than is said."""
    with pytest.raises(StoreError, match="question mark"):
        Database.open(f"sqlite:///{tmp_path}/what?.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["a%20b", "a b", "a#b", "a?b=c", 'it\'s "so"', "two\nlines", "näïve ☃", "file:x", "~a"]
)
@pytest.mark.parametrize("how", ["home", "file", "url"])
def test_a_home_of_any_name_is_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, how: str) -> None:
    """The path that is shown, the file that is opened and the one that a child process opens are the same."""
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    monkeypatch.setenv("ITOP_HOME", str(tmp_path / name))
    file = tmp_path / name / "itop.db"
    with closing(Database.open()) as db:
        run = new_run(db)
        place: str | Path | None = {"home": None, "file": str(file), "url": db.url}[how]
        if how == "url" and "?" in db.url:
            pytest.skip("this SQLAlchemy does not quote a path in a URL")
        assert db.path == file
        assert db.data_version() == db.data_version()
    with closing(Database.open(place)) as again:
        assert again.path == file
        assert runs.get(again, run.id).uid == run.uid
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_home_whose_name_is_not_utf_8_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    monkeypatch.setenv("ITOP_HOME", os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    with pytest.raises(DatabaseRefused, match=r"caf\\xe9/?.* is not UTF-8") as refused:
        Database.open()
    str(refused.value).encode()
    assert list(tmp_path.iterdir()) == []


def test_tables_that_are_not_those_of_their_revision_are_damage_and_no_hiccup(db: Database) -> None:
    """One who tries again while a database is unavailable must not do so forever here."""
    new_run(db)
    assert db.path is not None
    with closing(sqlite3.connect(db.path)) as other:
        other.execute("ALTER TABLE runs RENAME COLUMN reason TO because")
    with pytest.raises(StoreError, match=r"no such column: runs\.reason") as caught:
        runs.list_runs(db)
    assert not isinstance(caught.value, DatabaseUnavailable)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Database.open(str(tmp_path / "file" / "x.db"))


def test_a_write_holds_the_lock_from_its_start(db: Database) -> None:
    """Nothing was written yet, and still no one else can write: what was read cannot change before it is written."""
    assert db.path is not None
    with (
        closing(sqlite3.connect(db.path, timeout=0)) as other,
        db.write(),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")
    with closing(sqlite3.connect(db.path, timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")


def test_a_writer_outwaits_even_sqlites_own_patience(db: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try gives up after 50 ms here; the lock is let go only after several of them."""
    monkeypatch.setattr("db.session._BUSY_SECONDS", 0.05)
    monkeypatch.setattr("db.session._WRITE_PATIENCE_SECONDS", 30.0)
    refusals = 0

    def count(context: sa.ExceptionContext) -> None:
        nonlocal refusals
        refusals += 1

    with closing(Database.open()) as impatient:
        sa.event.listen(impatient._engine, "handle_error", count)
        with closing(sqlite3.connect(home / "itop.db", isolation_level=None, check_same_thread=False)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiter = threading.Thread(target=lambda: new_run(impatient, name="late"))
            waiter.start()
            wait_for(lambda: refusals >= 3, "several refusals")
            other.execute("ROLLBACK")
            waiter.join(PATIENCE)
    assert runs.find(db, "late").id == 1


def test_a_lock_that_is_never_let_go_is_said(db: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.session._BUSY_SECONDS", 0.0)
    monkeypatch.setattr("db.session._WRITE_PATIENCE_SECONDS", 0.05)
    with (
        closing(Database.open()) as impatient,
        closing(sqlite3.connect(home / "itop.db", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match=r"itop.db cannot be used just now: database is locked"):
            new_run(impatient)
        assert runs.list_runs(impatient) == []
        other.execute("ROLLBACK")
        new_run(impatient)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to anything")
def test_a_file_that_cannot_be_written_is_opened_to_read(home: Path, empty_database: Path) -> None:
    shutil.copy(empty_database, home / "itop.db")
    (home / "itop.db").chmod(0o400)
    with closing(Database.open()) as database:
        assert database.read_only == "write-protected"


def test_deleting_a_run_takes_its_rows_along_because_foreign_keys_are_on(db: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError), db.write() as session:
        session.connection().exec_driver_sql("INSERT INTO commands (run_id, kind, created_at) VALUES (77, 'stop', 0)")


def test_a_database_that_went_away_is_noticed_and_may_come_back(db: Database, home: Path) -> None:
    run = new_run(db)
    for name in ("itop.db", "itop.db-wal", "itop.db-shm"):
        (home / name).rename(home / f"away-{name}")
    with pytest.raises(DatabaseGone, match="moved, deleted or replaced"):
        runs.get(db, run.id)
    with pytest.raises(DatabaseGone):
        new_run(db)
    with pytest.raises(DatabaseGone):
        db.data_version()
    for name in ("itop.db", "itop.db-wal", "itop.db-shm"):
        (home / f"away-{name}").rename(home / name)
    assert runs.get(db, run.id) == run


def test_a_replaced_file_is_not_taken_for_the_old_one(db: Database, home: Path, empty_database: Path) -> None:
    new_run(db)
    shutil.copy(empty_database, home / "new.db")
    (home / "new.db").replace(home / "itop.db")
    with pytest.raises(DatabaseGone):
        runs.list_runs(db)


def test_a_forked_child_opens_connections_of_its_own(db: Database, home: Path) -> None:
    new_run(db)
    db.data_version()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            new_run(db, name="of the child")
            db.data_version()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert runs.find(db, "of the child").id == 2
    new_run(db)
    assert pragma(db, "integrity_check") == "ok"


def test_opening_it_again_in_one_process_keeps_the_locks_of_the_first(db: Database, home: Path) -> None:
    """Else another process that closes it takes itself for the last one, and throws the log away under our feet."""
    new_run(db, name="first")
    Database.open().close()
    script = "from db.runs import runs; from db.session import Database; db = Database.open()\n"
    output_of(python(script + "runs.create(db, config={}, name='second'); db.close()"))
    assert [run.name for run in runs.list_runs(db)] == ["second", "first"]
    new_run(db, name="third")
    assert output_of(python(script + "print(runs.count(db))")).strip() == "3"


def test_closing_twice_is_fine_and_leaves_no_log_behind(db: Database, home: Path) -> None:
    new_run(db)
    db.data_version()
    db.close()
    db.close()
    assert sorted(path.name for path in home.iterdir()) == ["itop.db"]


_OPEN = """
import sys
from db.runs import runs
from db.session import Database
db = Database.open(sys.argv[1])
print("ready", flush=True)
runs.create(db, config={"model": sys.argv[2]})
db.close()
"""


def test_processes_that_open_a_new_database_at_once_make_one(tmp_path: Path) -> None:
    path = tmp_path / "itop.db"
    processes = [python(_OPEN, path, number) for number in range(4)]
    for process in processes:
        output_of(process)
    with closing(Database.open(str(path))) as db:
        assert sorted(run.model for run in runs.list_runs(db)) == [str(number) for number in range(4)]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["itop.db"]


def test_a_process_killed_while_it_makes_the_tables_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from db import migrate, session
real = migrate.upgrade
def upgrade(connection):
    real(connection)
    os.kill(os.getpid(), signal.SIGKILL)
migrate.upgrade = upgrade
session.Database.open(sys.argv[1])
"""
    path = tmp_path / "itop.db"
    process = python(code, path)
    wait_for(lambda: process.poll() is not None, "the process to be killed")
    process.communicate()
    assert process.returncode == -9
    assert path.exists()
    with closing(Database.open(str(path))) as db:
        new_run(db)


MOUNTS = r"""
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/me/fast tmpfs rw 0 0
me@host:/ /mnt/with\040blank fuse.sshfs rw 0 0
/dev/sdb1 /mnt/disk fuse.ntfs-3g rw 0 0
C: /mnt/c 9p rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/lib/x.db", None),
        ("/home/me/x.db", "nfs4"),
        ("/homework/x.db", None),
        ("/home/me/fast/x.db", None),
        ("/mnt/with blank/x.db", "fuse.sshfs"),
        ("/mnt/disk/x.db", None),
        ("/mnt/c/x.db", "9p"),
    ],
)
def test_network_file_systems_are_told_by_the_deepest_mount(tmp_path: Path, path: str, expected: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS.lstrip())
    assert network_file_system(Path(path), mounts) == expected


def test_without_a_table_of_mounts_psutil_is_asked(tmp_path: Path) -> None:
    assert network_file_system(tmp_path, tmp_path / "missing") is None


def test_on_a_network_file_system_there_is_no_log_but_a_warning(
    home: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(empty_database, home / "itop.db")  # one that had a log before it was moved there
    monkeypatch.setattr("db.session.network_file_system", lambda path: "nfs4")
    with closing(Database.open()) as db:
        assert pragma(db, "journal_mode") == "delete"
        assert pragma(db, "synchronous") == 2
        assert len(db.warnings) == 1
        assert "nfs4" in db.warnings[0]
        assert str(home / "itop.db") in db.warnings[0]
        before = db.data_version()
        new_run(db)
        assert db.data_version() != before
        assert not (home / "itop.db-wal").exists()


def test_waiting_for_a_turn_to_write_draws_no_number_of_the_runs(
    db: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The states of Python's own generator are in the checkpoints: a busy database must not change them."""
    waited: list[float] = []
    with closing(sqlite3.connect(home / "itop.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def release(seconds: float) -> None:
            waited.append(seconds)
            if other.in_transaction:
                other.execute("ROLLBACK")

        monkeypatch.setattr("time.sleep", release)
        before = random.getstate()
        key_values.put(db, "written", True)
    assert waited
    assert random.getstate() == before
