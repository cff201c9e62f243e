"""Several users of one machine: a shared home, a private one, and one to look at only. Real users, real processes."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.launch.conftest import fake_worker
from tests.patience import wait_for
from tests.real_users import LAB, ROOT, USERS, as_user, itop, need_users, place_for_all, python

_QUEUE = """
from db.runs import runs
from db.session import Database
from engine.launch import submit
db = Database.open()
run = runs.create(db, config={"device": "cpu"}, notes=%r, name=%r, submission=submit.submission())
print(run.id, run.uid)
"""
_START = """
from db.session import Database
from engine.launch import submit
submit.ensure_scheduler(Database.open(), worker=%r)
"""
_STATES = """
from db.records import RunQuery
from db.runs import runs
from db.session import Database
print({run.name: str(run.status) for run in runs.list_runs(Database.open(), RunQuery())})
"""


@pytest.fixture
def place() -> Iterator[Path]:
    need_users()
    with place_for_all() as folder:
        yield folder


def queue(user: str, home: Path, notes: str) -> tuple[int, Path]:
    """Queue a run of the fake worker as a user; gives its id and its folder."""
    number, uid = python(user, _QUEUE % (notes, f"{user}s"), home=home).split()
    return int(number), home / "runs" / uid


def start_scheduler(user: str, home: Path) -> None:
    python(user, _START % (fake_worker(),), home=home)


def states(user: str, home: Path) -> str:
    return python(user, _STATES, home=home)


def owner(path: Path) -> tuple[int, int, str]:
    status = path.stat()
    return status.st_uid, status.st_gid, oct(stat.S_IMODE(status.st_mode))


def test_two_users_share_a_home_and_each_starts_only_its_own_runs(place: Path) -> None:
    home = place / "home"
    shared = itop("alice", "share", "lab", home=home)
    assert shared.returncode == 0, shared.stderr
    assert owner(home) == (USERS["alice"], LAB, "0o2770")
    alices, alices_folder = queue("alice", home, "finish 0")
    seen = json.loads(itop("bob", "queue", "--json", home=home).stdout)
    assert {run["user"]: run["waits_because"] for run in seen["waiting"]}["alice"] == "waits for alice's scheduler"
    bobs, bobs_folder = queue("bob", home, "finish 0")
    start_scheduler("bob", home)
    wait_for(lambda: "'bobs': 'completed'" in states("bob", home), "bob's run to end", every=0.2)
    assert "'alices': 'queued'" in states("alice", home), "bob's scheduler does not run what alice has queued"
    assert not alices_folder.exists()
    assert owner(bobs_folder) == (USERS["bob"], LAB, "0o2770")
    assert owner(bobs_folder / "console.log") == (USERS["bob"], LAB, "0o660")

    start_scheduler("alice", home)
    wait_for(lambda: "'alices': 'completed'" in states("bob", home), "alice's run to end", every=0.2)
    assert owner(alices_folder / "console.log") == (USERS["alice"], LAB, "0o660")
    assert alices != bobs
    gone = itop("eve", "runs", home=home)
    assert gone.returncode == 1
    assert re.search(r"cannot be read: it is owned by alice", gone.stderr), gone.stderr


def test_the_scheduler_of_another_user_is_reported_with_its_owner(place: Path) -> None:
    home = place / "home"
    assert itop("alice", "share", "lab", home=home).returncode == 0
    number, _ = queue("alice", home, "deaf")
    start_scheduler("alice", home)
    try:
        said = itop("bob", "queue", home=home).stdout
        assert re.search(r"the scheduler of alice serves this home \(pid \d+\)", said), said
        refused = itop("bob", "kill", str(number), home=home)
        assert "belongs to alice" in refused.stderr
    finally:
        itop("alice", "kill", str(number), home=home)


def test_a_home_that_is_private_again_is_closed_to_the_group(place: Path) -> None:
    home = place / "home"
    assert itop("alice", "share", "lab", home=home).returncode == 0
    queue("alice", home, "finish 0")
    assert itop("alice", "share", "--off", home=home).returncode == 0
    assert owner(home)[2] == "0o700"
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in home.iterdir() if path.is_file()} == {"0o600"}
    assert itop("bob", "runs", home=home).returncode == 1


def test_a_home_that_may_only_be_read_is_read(place: Path) -> None:
    """Without a log, in a folder where none can be made, and with the log of somebody who has it open."""
    home = place / "home"
    number, folder = queue("alice", home, "finish 0")
    folder.mkdir(parents=True)
    (folder / "console.log").write_text("a line\n", encoding="utf-8")
    for path in (home, *home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*"))

    listed = itop("bob", "runs", home=home)
    assert listed.returncode == 0, listed.stderr
    assert "alices" in listed.stdout
    assert "read-only: owned by alice" in listed.stderr
    assert "opened as a file that no one changes" in listed.stderr
    for words in (["show", "1"], ["logs", "1"], ["queue"]):
        done = itop("bob", *words, home=home)
        assert done.returncode == 0, (words, done.stderr)
    for words in (["tag", "1", "+new"], ["stop", "1"], ["kill", "1"], ["delete", "1", "--yes"], ["hold", "1"]):
        done = itop("bob", *words, home=home)
        assert done.returncode == 1, words
        assert done.stderr.count("owned by alice") == 1, (words, done.stderr)
        assert done.stderr.count("Read-only") == 1, (words, done.stderr)
    assert sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*")) == before
    assert number == 1


def test_a_read_only_home_shows_what_its_owner_has_not_yet_moved_out_of_the_log(place: Path) -> None:
    home = place / "home"
    source = (
        "import os, time\n" + _QUEUE % ("finish 0", "alices") + "\n"
        "for name in ('itop.db', 'itop.db-wal', 'itop.db-shm'): os.chmod(os.environ['ITOP_HOME'] + '/' + name, 0o644)\n"
        "os.chmod(os.environ['ITOP_HOME'], 0o755)\n"
        "os._exit(0)"  # as a kill: the log stays
    )
    python("alice", source.replace("print(run.id, run.uid)", "print(run.id, run.uid, flush=True)"), home=home)
    assert (home / "itop.db-wal").stat().st_size > 0
    listed = itop("bob", "runs", home=home)
    assert "alices" in listed.stdout, listed.stderr


def test_a_file_of_a_group_member_does_not_decide_what_runs(place: Path) -> None:
    """A run of an earlier version has no submission in its row; `origin.json` in its folder had its place."""
    home = place / "home"
    assert itop("alice", "share", "lab", home=home).returncode == 0
    _, folder = queue("alice", home, "finish 0")
    forget = "import sqlite3, os; c = sqlite3.connect(os.environ['ITOP_HOME'] + '/itop.db'); "
    python("alice", f"{forget} c.execute('UPDATE runs SET submission = NULL'); c.commit()", home=home)
    evil = place / "evil"
    touch = f"import pathlib; pathlib.Path({str(place / 'ran')!r}).touch()"
    says = json.dumps({"environment": {"PYTHONPATH": f"{evil}:{ROOT}"}})
    plant = (
        f"import os, pathlib; e = pathlib.Path({str(evil)!r}); e.mkdir(); e.chmod(0o755)\n"
        f"(e / 'sitecustomize.py').write_text({touch!r})\n"
        f"f = pathlib.Path({str(folder)!r})\n"
        "f.parent.mkdir(exist_ok=True); f.parent.chmod(0o2770); f.mkdir(); f.chmod(0o2770)\n"
        f"(f / 'origin.json').write_text({says!r})"
    )
    python("bob", plant, home=home)
    start_scheduler("alice", home)
    wait_for(lambda: "'alices': 'completed'" in states("alice", home), "alice's run to end", every=0.2)
    assert not (place / "ran").exists()


def test_everybody_reads_nothing_of_a_private_home(place: Path) -> None:
    home = place / "home"
    assert itop("alice", "runs", home=home).returncode == 0
    done = as_user("bob", ["cat", str(home / "itop.db")], home=home)
    assert done.returncode != 0
    refused = itop("bob", "runs", home=home)
    assert "owned by alice" in refused.stderr
    assert home.stat().st_mode & 0o077 == 0
