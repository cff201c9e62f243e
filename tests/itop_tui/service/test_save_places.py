"""A file for the best weights that would overwrite something, or could not be written, is refused at submission."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from db.errors import IllegalState
from db.records import RunStatus
from db.runs import attempts, runs, saved_files
from db.session import Database
from engine.config.save_target import checksum_of, target
from itop_tui.service import launching
from itop_tui.service.save_places import check_saves
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.conftest import database as database
from tests.itop_tui.cli.conftest import home as home
from tests.itop_tui.cli.conftest import itop as itop
from tests.itop_tui.cli.conftest import scheduler_calls as scheduler_calls
from tests.itop_tui.cli.recorded import queued, trained


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def refusal(database: Database, *saves: str) -> str:
    with pytest.raises(IllegalState) as refused:
        check_saves(database, saves)
    return str(refused.value)


def test_a_place_that_can_be_written_to_is_accepted(database: Database) -> None:
    check_saves(database, ["best.pt", None, "./other.pt", "~nobody-of-that-name.pt"])
    check_saves(database, [None, None])


@pytest.mark.parametrize(
    ("save", "problem"),
    [
        (".", "is a folder: name a file in it"),
        ("models", "is a folder: name a file in it"),
        ("models/", "is a folder: name a file in it"),
        ("models/..", "is a folder: name a file in it"),
        ("nowhere/best.pt", "make it first"),
        ("there.pt", "there is a file already"),
        ("models/link.pt", "there is a file already"),
        ("there.pt/best.pt", "is no folder"),
        ("pipe", "is no plain file"),
        ("dangling", "is no plain file"),
        ("/dev/null", "is no plain file"),
        ("x" * 250, "the file's name is too long"),
        ("x" * 300, "the file's name is too long"),
        ("x" * 300 + "/best.pt", "cannot be reached"),
        ("circle/best.pt", ""),
    ],
    ids=lambda value: value[:20],
)
def test_each_place_that_cannot_be_written_to_is_refused(
    database: Database, here: Path, save: str, problem: str
) -> None:
    (here / "models").mkdir()
    (here / "there.pt").write_text("precious")
    (here / "models" / "link.pt").symlink_to(here / "there.pt")
    (here / "dangling").symlink_to(here / "gone")
    (here / "circle").symlink_to(here / "circle")
    os.mkfifo(here / "pipe")
    text = refusal(database, save)
    assert text.startswith("save = ")
    assert problem in text
    assert "\n" not in text


def test_a_folder_that_cannot_be_written_to_is_refused(database: Database, here: Path) -> None:
    folder = here / "readonly"
    folder.mkdir()
    if os.geteuid():
        folder.chmod(0o500)
    else:  # to whom only a file system can refuse it
        mounted = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
        if subprocess.run(mounted, capture_output=True, check=False).returncode:
            pytest.skip("this user may not mount a file system")
    try:
        assert "cannot be written to" in refusal(database, "readonly/best.pt")
    finally:
        if not os.geteuid():
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_two_runs_that_wait_do_not_write_to_one_file(itop: Itop, here: Path) -> None:
    train = ("train", "--data", "digits", "--name", "first")
    assert itop(*train, "--save", "best.pt").code == 0
    for name in ("best.pt", "./best.pt", str(here / "best.pt")):
        second = itop(*train, "--save", name)
        assert second.code == 1
        assert "run 1 (first) will write to it" in second.err
    assert len(itop("runs", "--json").json()) == 1
    (here / "else").mkdir()
    os.chdir(here / "else")
    assert itop(*train, "--save", "best.pt").code == 0
    assert itop(*train, "--save", "../best.pt").code == 1
    assert itop("stop", "1").code == 0
    assert itop(*train, "--save", "../best.pt").code == 0


@pytest.mark.parametrize("command", [("train", "--iters", "3"), ("sweep", "--seed", "1..3")])
def test_several_runs_with_one_file_are_refused(itop: Itop, command: tuple[str, ...]) -> None:
    refused = itop(*command, "--data", "digits", "--save", "best.pt")
    assert refused.code == 1
    assert "3 runs would write to one file" in refused.err
    assert itop("runs", "--json").json() == []


def test_a_fork_does_not_write_over_its_parents_file(itop: Itop, database: Database, here: Path) -> None:
    parent = trained(database, save="best.pt")
    (here / "best.pt").write_text("the parent's")
    refused = itop("fork", str(parent.id), "--epochs", "4")
    assert refused.code == 1
    assert "there is a file already" in refused.err
    assert itop("fork", str(parent.id), "--epochs", "4", "--save", "none").code == 0


def test_a_resumed_run_writes_over_its_own_file_only(
    itop: Itop, database: Database, here: Path, scheduler_calls: list[int]
) -> None:
    run = trained(database, status=RunStatus.STOPPED, save=str(here / "best.pt"))
    path = target("best.pt")
    path.write_text("of somebody else")
    refused = itop("resume", str(run.id))
    assert refused.code == 1
    assert "there is a file already, which is not this run's" in refused.err
    # The app's way, for several runs: the others are resumed.
    other = trained(database, "other", status=RunStatus.STOPPED)
    result = launching.resume_all(database, [run.id, other.id])
    assert result.done == (other.id,)
    assert "which is not this run's" in result.problems[0]
    assert runs.get(database, run.id).status is RunStatus.STOPPED

    path.write_text("its own")
    saved_files.keep(database, run.id, path, checksum_of(path) or "")
    path.write_text("changed since")
    assert itop("resume", str(run.id)).code == 1
    path.write_text("its own")
    assert itop("resume", str(run.id)).code == 0


def test_what_a_run_has_written_is_forgotten_with_it(database: Database, here: Path) -> None:
    run = queued(database)
    path = here / os.fsdecode(b"not-utf8-\xff.pt")
    saved_files.announce(database, run.id, path)
    assert saved_files.find(database, run.id) == saved_files.SavedFile(path, None)
    attempt = runs.reserve(database, run.id, host="h", device="cpu", slots=1)
    assert attempt is not None
    attempts.finish(database, attempt.id, status=RunStatus.FAILED, reason="r")
    runs.delete(database, run.id)
    assert saved_files.find(database, run.id) is None
