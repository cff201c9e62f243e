"""No attempt is ever started twice, however many schedulers there are, and the scheduler is one of its database."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.models import AttemptRow, RunRow
from db.records import RunStatus
from db.runs import attempts, runs
from db.session import Database
from engine.launch import scheduler as scheduler_module
from engine.launch.lock import is_served, lock_path, scheduler_lock
from engine.launch.machine import this_host
from engine.launch.scheduler import Scheduler
from tests.engine.launch.tools import Lab, wait_for

# A scheduler without the lock, which takes every reserved attempt for one of a dead scheduler at once.
FORCED = (
    "import sys, time\nfrom db.session import Database\nfrom engine.launch import scheduler\n"
    "scheduler._ADOPT_SECONDS = 0.0\n"
    "one = scheduler.Scheduler(Database.open(), worker=sys.argv[1:])\n"
    "print('here', flush=True)\n"
    "while True:\n    one.tick()\n    time.sleep(0.01)\n"
)


def consoles(*homes: Path) -> dict[str, int]:
    """How often a worker was started for each run, by its uid."""
    found: dict[str, int] = {}
    for home in homes:
        for log in (home / "runs").glob("*/console.log"):
            found[log.parent.name] = found.get(log.parent.name, 0) + log.read_text().count("--- attempt")
    return found


def test_two_schedulers_in_two_homes_start_each_attempt_once(lab: Lab, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    queued = [lab.queue("finish 0.2") for _ in range(4)]
    for home in (lab.home, other):
        lab.run_command(
            *(sys.executable, "-P", "-c", FORCED, *lab.worker),
            env={"ITOP_HOME": str(home), "ITOP_DATABASE_URL": lab.db.url},
        )
    for run in queued:
        lab.wait_status(run, RunStatus.COMPLETED)
    assert consoles(lab.home, other) == {run.uid: 1 for run in queued}
    for child in lab.children:
        child.kill()


def test_of_many_who_want_to_start_an_attempt_one_does(lab: Lab) -> None:
    run = lab.queue("wait")
    attempt = runs.reserve(lab.db, run.id, host=this_host(), device="cpu", slots=1)
    assert attempt is not None
    won: list[bool] = []
    crowd = [threading.Thread(target=lambda: won.append(attempts.launch(lab.db, attempt.id))) for _ in range(8)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert sorted(won) == [False] * 7 + [True]
    assert attempts.running(lab.db, attempt.id, pid=10, start_time=1.0, boot_id="b")
    assert attempts.running(lab.db, attempt.id, pid=10, start_time=1.0, boot_id="b")  # the same one, again
    assert not attempts.running(lab.db, attempt.id, pid=11, start_time=2.0, boot_id="b")


def test_files_of_a_number_that_is_given_out_again_are_removed_before_anybody_sees_the_attempt(lab: Lab) -> None:
    run = lab.queue("wait")
    lab.files(run).kill.write_text("{}")
    seen: list[int] = []
    runs.reserve(lab.db, run.id, host=this_host(), device="cpu", slots=1, prepare=seen.append)
    assert seen == [1]
    with contextlib.suppress(FileNotFoundError):
        scheduler_module._clear(lab.files(run).folder, 1)
    assert not lab.files(run).kill.exists()


def test_the_lock_is_that_of_the_database_whatever_path_leads_to_it(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(lab.home)
    file_link = tmp_path / "elsewhere.db"
    file_link.symlink_to(lab.home / "itop.db")
    lock = scheduler_lock(lab.db)
    assert lock.acquire()
    monkeypatch.setenv("ITOP_HOME", str(tmp_path / "second home"))
    for path in (link / "itop.db", file_link):
        with contextlib.closing(Database.open(str(path))) as db:
            assert is_served(db)
            assert not scheduler_lock(db).acquire()
            assert db.path is not None
            assert lock_path(db.path) == lab.lock_file
    lock.release()
    assert not is_served(lab.db)


def test_the_lock_lies_beside_the_database_whatever_its_folder_is_called(tmp_path: Path) -> None:
    odd = tmp_path / "a b%20c#d?e'é\nf"
    with contextlib.closing(Database.open(odd / "itop.db")) as db:
        lock = scheduler_lock(db)
        assert lock.acquire()
        assert is_served(db)
        assert [path.parent for path in tmp_path.rglob("*scheduler-lock*")] == [odd]
        lock.release()


def test_a_second_home_gets_no_second_scheduler(lab: Lab, tmp_path: Path) -> None:
    lock = scheduler_lock(lab.db)
    assert lock.acquire()
    second = lab.run_command(
        *(sys.executable, "-P", "-m", "engine.launch.scheduler", "--foreground", "--", *lab.worker),
        env={"ITOP_HOME": str(tmp_path / "second"), "ITOP_DATABASE_URL": lab.db.url},
    )
    assert second.stdout is not None
    assert second.stdout.readline() == b"held\n"


@pytest.mark.parametrize("shift", [-31_536_000.0, 31_536_000.0], ids=["set forward", "set back"])
def test_a_clock_that_was_set_lets_no_run_rest_longer(lab: Lab, shift: float) -> None:
    run = lab.queue("finish 0")
    attempt = runs.reserve(lab.db, run.id, host=this_host(), device="cpu", slots=1)
    assert attempt is not None
    attempts.finish(lab.db, attempt.id, status=RunStatus.FAILED, reason="busy", retry_may_help=True)
    with lab.db.write() as session:
        session.execute(sa.update(AttemptRow).values(started_at=time.time() + shift, ended_at=time.time() + shift))
        session.execute(sa.update(RunRow).values(queued_at=time.time() + shift, heartbeat_at=time.time() + shift))
    one = Scheduler(lab.db, worker=lab.worker, retry_seconds=(0.3,))

    def ended() -> bool:
        one.tick()
        return lab.get(run).status is RunStatus.COMPLETED

    wait_for(ended, "the run to be tried again", every=0.05)


def test_what_was_reserved_under_a_clock_ahead_is_started_all_the_same(lab: Lab) -> None:
    run = lab.queue("finish 0")
    assert runs.reserve(lab.db, run.id, host=this_host(), device="cpu", slots=1) is not None
    with lab.db.write() as session:
        session.execute(sa.update(AttemptRow).values(started_at=time.time() + 31_536_000.0))
    one = Scheduler(lab.db, worker=lab.worker)

    def ended() -> bool:
        one.tick()
        return lab.get(run).status is RunStatus.COMPLETED

    wait_for(ended, "the run to be started", every=0.05)
    assert lab.files(run).console.exists()
