"""Whatever a row says, nothing outside of a run's own folder is removed, and no link is followed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from db.history.writer import MetricWriter
from db.paths import run_folder
from db.records import RunRecord
from db.runs import checkpoints, removal, runs
from db.runs.removal import Remains, remove
from db.session import Database
from tests.db.helpers import end, new_run, start, started, step

SHA = "0" * 64


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    return path


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def with_row(db: Database, path: str) -> RunRecord:
    """A run that has ended, with a folder, and a checkpoint row that names the path."""
    run, attempt = started(db)
    write(run_folder(run.uid) / "checkpoints" / "own.pt")
    checkpoints.add(
        db, run_id=run.id, attempt_id=attempt.id, step=1, epoch=1, kind="manual", path=path, bytes=7, sha256=SHA
    )
    end(db, run)
    return run


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A folder of somebody, with files in it."""
    write(tmp_path / "precious" / "thesis.tex")
    write(tmp_path / "precious" / "data" / "1.bin")
    return tmp_path / "precious"


@pytest.mark.parametrize("what", ["folder", "file", "up", "up_in_own", "other_run", "root", "home", "runs"])
@pytest.mark.parametrize("how", ["delete", "forget"])
def test_what_a_row_names_outside_of_its_runs_folder_stays(db: Database, precious: Path, what: str, how: str) -> None:
    other = write(run_folder("0123456789ab") / "checkpoints" / "a.pt")
    home = run_folder("x").parent.parent
    named = {
        "folder": str(precious),
        "file": str(precious / "thesis.tex"),
        "up": os.path.relpath(precious, run_folder("x")),
        "up_in_own": f"checkpoints/{os.path.relpath(precious / 'thesis.tex', run_folder('x') / 'y')}",
        "other_run": str(other),
        "root": "/",
        "home": str(home),
        "runs": "..",
    }[what]
    run = with_row(db, named)
    (row,) = checkpoints.for_run(db, run.id)
    assert row.outside
    before = tree(precious)

    gone = runs.delete(db, run.id) if how == "delete" else checkpoints.remove(db, row.id)
    problems = remove(gone)

    assert tree(precious) == before
    assert other.exists()
    assert len(problems) == 1
    assert "is outside of the run's folder" in problems[0]
    assert run_folder(run.uid).exists() == (how == "forget")


@pytest.mark.parametrize("named", ["checkpoints", "checkpoints/", "./checkpoints"])
def test_a_folder_is_no_checkpoints_file(db: Database, named: str) -> None:
    run = with_row(db, named)
    (row,) = checkpoints.for_run(db, run.id)
    (problem,) = remove(checkpoints.remove(db, row.id))
    assert "is a folder" in problem
    assert (run_folder(run.uid) / "checkpoints" / "own.pt").exists()


@pytest.mark.parametrize("named", ["", ".", "\0", "a\0b"])
def test_a_name_that_is_none_removes_nothing(home: Path, named: str) -> None:
    write(run_folder("aa") / "checkpoints" / "own.pt")
    before = tree(home)
    remove(Remains("aa", (named,)))
    assert tree(home) == before


@pytest.mark.parametrize("uid", ["", ".", "..", "../precious", "/", "aa/checkpoints", "a\0"])
def test_a_uid_that_is_no_folders_name_removes_nothing(home: Path, precious: Path, uid: str) -> None:
    write(run_folder("aa") / "checkpoints" / "own.pt")
    before = tree(home), tree(precious)
    (problem,) = remove(Remains(uid, folder=True))
    assert "nothing is removed" in problem
    assert (tree(home), tree(precious)) == before


def test_of_a_run_that_is_a_link_only_the_link_is_removed(home: Path, precious: Path) -> None:
    run_folder("aa").parent.mkdir(parents=True)
    run_folder("aa").symlink_to(precious)
    before = tree(precious)
    (problem,) = remove(Remains("aa", ("thesis.tex",)))
    assert "is a link" in problem
    assert remove(Remains("aa", folder=True)) == []
    assert not os.path.lexists(run_folder("aa"))
    assert tree(precious) == before


@pytest.mark.parametrize("where", ["checkpoints", "runs"])
def test_a_folder_on_the_way_that_is_a_link_is_not_followed(home: Path, tmp_path: Path, where: str) -> None:
    write(tmp_path / "original" / "aa" / "checkpoints" / "a.pt")
    if where == "runs":
        run_folder("aa").parent.symlink_to(tmp_path / "original")
    else:
        run_folder("aa").mkdir(parents=True)
        (run_folder("aa") / "checkpoints").symlink_to(tmp_path / "original" / "aa" / "checkpoints")
    before = tree(tmp_path / "original")
    (problem,) = remove(Remains("aa", ("checkpoints/a.pt",)))
    assert f"{where} is a link" in problem
    remove(Remains("aa", folder=True))
    assert tree(tmp_path / "original") == before


def test_of_a_file_that_is_a_link_only_the_link_is_removed(home: Path, precious: Path) -> None:
    link = run_folder("aa") / "checkpoints" / "a.pt"
    link.parent.mkdir(parents=True)
    for target in (precious / "thesis.tex", precious, precious / "nothing"):
        link.symlink_to(target)
        assert remove(Remains("aa", ("checkpoints/a.pt",))) == []
        assert not os.path.lexists(link)
    assert (precious / "thesis.tex").exists()


def test_a_link_within_a_deleted_runs_folder_is_not_followed(home: Path, precious: Path) -> None:
    write(run_folder("aa") / "checkpoints" / "a.pt")
    (run_folder("aa") / "checkpoints" / "more").symlink_to(precious)
    assert remove(Remains("aa", folder=True)) == []
    assert not run_folder("aa").exists()
    assert (precious / "thesis.tex").exists()


def test_what_is_gone_already_is_no_problem(home: Path) -> None:
    assert remove(Remains("aa", ("checkpoints/a.pt", "/nowhere/a.pt"), folder=True)) == []


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("chattr") is None, reason="root may write everywhere")
def test_what_cannot_be_removed_is_said_and_the_rest_is_removed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stays = write(run_folder("aa") / "checkpoints" / "a.pt")
    write(run_folder("aa") / "console.log")
    real = os.unlink

    def refusing(path: str, *, dir_fd: int | None = None) -> None:
        if path == "a.pt":
            raise PermissionError(1, "Operation not permitted", path)
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refusing)
    problems = remove(Remains("aa", folder=True))
    assert len(problems) == 1
    assert "remove it by hand" in problems[0]
    assert "Operation not permitted" in problems[0]
    assert stays.exists()
    assert not (run_folder("aa") / "console.log").exists()


def test_files_in_a_folder_that_is_no_runs_stay(home: Path, precious: Path) -> None:
    (problem,) = removal.remove_files(precious, "thesis.tex", "nothing")
    assert "outside" in problem
    assert (precious / "thesis.tex").exists()


def test_a_copy_of_a_home_has_its_own_files(
    db: Database, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = with_row(db, str(run_folder("x").parent / "x.pt"))  # outside
    file = str(run_folder(run.uid) / "checkpoints" / "own.pt")
    checkpoints.add(db, run_id=run.id, attempt_id=None, step=2, epoch=1, kind="manual", path=file, bytes=7, sha256=SHA)
    fork = new_run(db, parent_id=run.id, start_checkpoint_id=checkpoints.pick(db, run.id, "last").id, fork_step=2)
    with MetricWriter(db, fork.id, start(db, fork).id) as writer:
        writer.step(step(3))
    if db.path is None:
        pytest.skip("a server's database is not copied with the home")
    original = tree(home / "runs")
    copy = tmp_path.with_name(f"{tmp_path.name}-copy")
    with db.write():  # nothing is written meanwhile
        shutil.copytree(home, copy)
    monkeypatch.setenv("ITOP_HOME", str(copy))
    there = Database.open()
    try:
        found = checkpoints.pick(there, run.id, "last")
        assert found.path == str(copy / "runs" / run.uid / "checkpoints" / "own.pt")
        assert not found.outside
        remove(runs.delete(there, run.id, force=True))
    finally:
        there.close()
    assert not (copy / "runs" / run.uid).exists()
    assert tree(home / "runs") == original
