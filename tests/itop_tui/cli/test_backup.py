"""Backups that are made while another process writes, put back in another home."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from db import paths
from db.records import RunQuery, RunStatus
from db.runs import checkpoints, runs
from db.session import Database
from engine.training.mask_history import HISTORY_FILE
from itop_tui.service import backups
from itop_tui.service.backups import BackupError
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import queued, running
from tests.patience import PATIENCE, wait_for

# What a worker does with its checkpoints: the file, its row with the removal of an older one, then that one's file.
_WRITER = """
import hashlib, os, sys
from pathlib import Path
from db import paths
from db.runs import checkpoints, removal, runs
from db.session import Database
db, run_id = Database.open(), int(sys.argv[1])
run = runs.get(db, run_id)
folder = paths.run_folder(run.uid) / "checkpoints"
folder.mkdir(parents=True, exist_ok=True)
step = 0
while True:
    step += 1
    content = f"{run_id} {step} ".encode() * 2000
    path = folder / f"step-{step}.pt"
    Path(f"{path}.part").write_bytes(content)
    Path(f"{path}.part").rename(path)
    sha = hashlib.sha256(content).hexdigest()
    before = [one.path for one in checkpoints.for_run(db, run_id)]
    checkpoints.add(db, run_id=run_id, attempt_id=None, step=step, epoch=0, kind="last", path=str(path),
                    bytes=len(content), sha256=sha)
    removal.remove(checkpoints.unreferenced(db, run_id, before))
    if step == 3:
        print("going", flush=True)
"""


@contextmanager
def writing(run_id: int) -> Iterator[None]:
    """Another process that writes and removes checkpoints of a run all the time."""
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(run_id)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "going\n"
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


def assert_whole(home: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Every checkpoint that the database names is there and whole, and no file is there without a row."""
    monkeypatch.setenv("ITOP_HOME", str(home))
    db = Database.open()
    named = set()
    for run in runs.list_runs(db, RunQuery(limit=None)):
        for one in checkpoints.for_run(db, run.id):
            path = paths.run_folder(run.uid) / one.path
            assert path.is_relative_to(home)
            assert hashlib.sha256(path.read_bytes()).hexdigest() == one.sha256
            named.add(path)
    assert named == set(home.glob("runs/*/checkpoints/*"))
    return db


@pytest.mark.parametrize("name", ["copy", "copy.tar"])
def test_backups_while_checkpoints_come_and_go(
    database: Database, home: Path, itop: Itop, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, works = queued(database, "waits"), queued(database, "works")
    running(database, works)
    with writing(works.id):
        for number in range(4):
            made = itop("backup", str(tmp_path / str(number) / name))
            assert (made.code, made.err) == (0, "")
    assert list(home.glob(".itop-backup*")) == []
    for number in range(4):
        put = itop("restore", str(tmp_path / str(number) / name), "--into", str(tmp_path / f"new{number}"))
        assert put.code == 0, put.err
        with closing(assert_whole(tmp_path / f"new{number}", monkeypatch)) as new:
            assert len(checkpoints.for_run(new, works.id)) == 1
            # Its process belongs to the original: nothing here may take it for its own, nor start what waits there too.
            assert runs.get(new, works.id).status is RunStatus.LOST
            assert "resum" in str(runs.get(new, works.id).reason)
            assert runs.get(new, waits.id).held
    monkeypatch.setenv("ITOP_HOME", str(home))
    assert runs.get(database, works.id).status is RunStatus.RUNNING
    assert not runs.get(database, waits.id).held


@pytest.fixture
def kept(database: Database, home: Path) -> Path:
    """The checkpoint of a run."""
    run = queued(database)
    path = paths.run_folder(run.uid) / "checkpoints" / "a.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights" * 1000)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    checkpoints.add(
        database, run_id=run.id, attempt_id=None, step=3, epoch=0, kind="last", path=str(path), bytes=7000,
        sha256=digest,
    )  # fmt: skip
    return path


def test_a_lost_home_is_restored(database: Database, home: Path, kept: Path, itop: Itop, tmp_path: Path) -> None:
    (home / "config.toml").write_text("theme = 'itop-light'")
    (kept.parents[1] / "console.log").write_text("epoch 1")
    (kept.parents[1] / HISTORY_FILE).write_bytes(b"blocks")
    assert itop("backup", str(tmp_path / "b.tar")).code == 0
    database.close()
    shutil.rmtree(home)
    assert itop("restore", str(tmp_path / "b.tar")).code == 0
    with closing(Database.open()) as db:
        assert [run.name for run in runs.list_runs(db)] == ["sparse digits"]
    assert kept.read_bytes() == b"weights" * 1000
    assert (kept.parents[1] / "console.log").read_text() == "epoch 1"
    assert (kept.parents[1] / HISTORY_FILE).read_bytes() == b"blocks"
    assert (home / "config.toml").exists()
    assert list(home.glob(".itop*")) == []


@pytest.mark.parametrize("name", ["b", "b.tar"])
def test_two_names_of_one_file_are_both_restored(
    database: Database, kept: Path, itop: Itop, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the last checkpoint is the best one too: `tarfile` writes the second name as a link to the first."""
    (last,) = checkpoints.for_run(database, 1)
    best = kept.with_name("best.pt")
    best.hardlink_to(kept)
    checkpoints.add(
        database, run_id=1, attempt_id=None, step=3, epoch=0, kind="best", path=str(best), bytes=last.bytes,
        sha256=last.sha256,
    )  # fmt: skip
    assert itop("backup", str(tmp_path / name)).code == 0
    restored = itop("restore", str(tmp_path / name), "--into", str(tmp_path / "new"))
    assert restored.code == 0, restored.err
    with closing(assert_whole(tmp_path / "new", monkeypatch)) as new:
        assert {Path(one.path).name for one in checkpoints.for_run(new, 1)} == {"a.pt", "best.pt"}


def test_a_backup_stays_when_the_run_is_deleted(kept: Path, itop: Itop, tmp_path: Path) -> None:
    assert itop("backup", str(tmp_path / "b")).json is not None
    assert itop("delete", "1", "--yes").code == 0
    assert not kept.exists()
    assert itop("restore", str(tmp_path / "b"), "--into", str(tmp_path / "new")).code == 0
    assert next((tmp_path / "new").glob("runs/*/checkpoints/a.pt")).read_bytes() == b"weights" * 1000


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_checkpoint_that_is_not_whole_is_left_out_and_named(
    database: Database, kept: Path, itop: Itop, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.unlink() if damage == "missing" else kept.write_bytes(b"other")
    made = itop("backup", str(tmp_path / "b"))
    assert made.code == 1
    assert str(kept) in made.err
    assert len(checkpoints.for_run(database, 1)) == 1  # the original is as it was
    assert itop("restore", str(tmp_path / "b"), "--into", str(tmp_path / "new")).code == 0
    assert_whole(tmp_path / "new", monkeypatch).close()


def test_nothing_is_replaced(kept: Path, home: Path, itop: Itop, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    refused = itop("backup", str(tmp_path / "b"))
    assert (refused.code, "is there already" in refused.err) == (1, True)
    assert itop("backup", str(tmp_path / "c")).code == 0
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    refused = itop("restore", str(tmp_path / "c"))
    assert refused.code == 1
    assert "has runs already" in refused.err
    assert "--into" in refused.err
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("checkpoint", "checksum differs"),
        ("no checkpoint", "is missing"),
        ("database", "checksum differs"),
        ("no manifest", "is no backup"),
        ("manifest", "is no backup"),
        ("name", "is no backup"),
        ("newer", "newer itop"),
        ("link", "is missing"),
    ],
)
def test_what_is_not_whole_is_refused_and_nothing_is_left(
    kept: Path, itop: Itop, tmp_path: Path, spoil: str, words: str
) -> None:
    place, new = tmp_path / "b", tmp_path / "new"
    assert itop("backup", str(place)).code == 0
    manifest, file = place / "backup.json", next(place.glob("runs/*/checkpoints/a.pt"))
    content = json.loads(manifest.read_text())
    if spoil == "checkpoint":
        file.unlink()
        file.write_bytes(b"weighty" * 1000)
    elif spoil == "no checkpoint":
        file.unlink()
    elif spoil == "link":
        file.unlink()
        file.symlink_to("/etc/hostname")
    elif spoil == "database":
        (place / "itop.db").write_bytes(b"x" * 5000)
    elif spoil == "no manifest":
        manifest.unlink()
    elif spoil == "manifest":
        manifest.write_text("[" * 100_000)
    elif spoil == "newer":
        manifest.write_text(json.dumps(content | {"format": 2}))
    else:
        content["files"]["runs/../../../evil"] = {"bytes": 1, "sha256": ""}
        manifest.write_text(json.dumps(content))
    refused = itop("restore", str(place), "--into", str(new))
    assert refused.code == 1
    assert words in refused.err
    assert not new.exists()


def test_a_tar_file_that_is_cut_off_or_none_is_refused(kept: Path, itop: Itop, tmp_path: Path) -> None:
    place = tmp_path / "b.tar"
    assert itop("backup", str(place)).code == 0
    place.write_bytes(place.read_bytes()[:50_000])
    (tmp_path / "c.tar").write_text("no tar file")
    with tarfile.open(tmp_path / "d.tar", "w") as other:
        other.add(kept, "../evil")
    for name in ("b.tar", "c.tar", "d.tar", "e.tar"):
        refused = itop("restore", str(tmp_path / name), "--into", str(tmp_path / "new"))
        assert (refused.code, len(refused.err.splitlines())) == (1, 1), refused.err
        assert not (tmp_path / "new").exists()


def test_a_killed_backup_leaves_nothing_of_its_name(kept: Path, tmp_path: Path) -> None:
    place = tmp_path / "b"
    code = (
        "import os, sys; from pathlib import Path; from db.session import Database\n"
        "from itop_tui.service import backups\n"
        "backups._write_manifest = lambda *_: os.kill(os.getpid(), 9)\n"
        "backups.back_up(Database.open(), Path(sys.argv[1]))"
    )
    process = subprocess.run([sys.executable, "-c", code, str(place)], timeout=PATIENCE, check=False)
    assert process.returncode == -9
    assert not place.exists()


def test_a_server_is_refused_in_words(tmp_path: Path) -> None:
    class Server:
        url = "postgresql+psycopg://me:***@host/itop"

    with pytest.raises(BackupError, match="pg_dump"):
        backups.back_up(Server(), tmp_path / "b")  # type: ignore[arg-type]


def test_what_the_database_holds_in_its_log_is_in_the_backup(database: Database, home: Path, itop: Itop) -> None:
    queued(database, "only in the log")
    wait_for(lambda: (home / "itop.db-wal").stat().st_size > 0, "a log")
    assert itop("backup", str(home.parent / "b")).code == 0
    with closing(sqlite3.connect(home.parent / "b" / "itop.db")) as copy:
        assert copy.execute("SELECT name FROM runs").fetchall() == [("only in the log",)]
