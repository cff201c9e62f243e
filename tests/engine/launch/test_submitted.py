"""Whose word counts for where a run is run, and which variables it gets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from db.records import RunStatus
from db.runs import attempts, run_owners, runs
from db.users import User, current
from engine.launch import submit
from engine.launch.lock import SchedulerLock, other_holders
from engine.launch.machine import this_host
from engine.launch.scheduler import Scheduler
from engine.launch.submitted import allowed_environment, own_origin
from tests.engine.launch.tools import Lab

_SOMEBODY = {"user": "somebody", "uid": 61009}
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to somebody else")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    path = tmp_path / "origin.json"
    path.write_text(json.dumps({"folder": "/x", "environment": {}}), encoding="utf-8")
    path.chmod(0o600)
    return path


def test_a_file_of_the_user_counts_unless_others_can_write_to_it(origin: Path) -> None:
    assert own_origin(origin) == {"folder": "/x", "environment": {}}
    for mode in (0o620, 0o602):
        origin.chmod(mode)
        assert own_origin(origin) is None


def test_a_link_a_pipe_and_a_file_that_is_no_object_count_nothing(origin: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(origin)
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "list").write_text("[1]", encoding="utf-8")
    (tmp_path / "list").chmod(0o600)
    assert [own_origin(tmp_path / name) for name in ("link", "pipe", "list", "absent")] == [None] * 4


@only_root
def test_a_file_of_somebody_else_counts_nothing(origin: Path) -> None:
    os.chown(origin, 61009, 61009)
    assert own_origin(origin) is None


def test_only_variables_of_the_list_are_read() -> None:
    given = {"LD_PRELOAD": "/x.so", "PATH": "/x", "ITOP_THREADS": "2", "PYTHONPATH": 7, "ITOP_DATA_DIR": "a\0b"}
    assert allowed_environment({"environment": given}) == {"ITOP_THREADS": "2"}
    assert allowed_environment({"environment": ["PATH"]}) == {}


def test_no_scheduler_starts_or_adopts_what_another_user_has_queued(lab: Lab) -> None:
    theirs = runs.create(lab.db, config={"device": "cpu"}, notes="finish 0", submission=_SOMEBODY)
    reserved = runs.create(lab.db, config={"device": "cpu"}, notes="finish 0", submission=_SOMEBODY)
    attempt = runs.reserve(lab.db, reserved.id, host=this_host(), device="cuda:7", slots=1)
    assert attempt is not None
    with lab.db.write() as session:
        session.connection().exec_driver_sql(
            f"UPDATE attempts SET started_at = started_at - 10 WHERE id = {attempt.id}"
        )
    scheduler = Scheduler(lab.db, worker=lab.worker)
    assert scheduler.tick() is False, "there is nothing for it to wait for"
    assert not scheduler.has_work()
    assert lab.get(theirs).status is RunStatus.QUEUED
    assert lab.get(theirs).attempt_count == 0
    assert not lab.files(reserved).folder.exists()
    assert submit.why_waiting(lab.db)[theirs.id] == "waits for somebody's scheduler"
    assert not run_owners.has_waiting(lab.db)


def test_a_run_that_is_queued_again_is_of_the_user_who_does_that(lab: Lab) -> None:
    run = runs.create(
        lab.db,
        config={"device": "cpu"},
        submission={**_SOMEBODY, "folder": "/theirs", "environment": {"PYTHONPATH": "/p"}},
    )
    attempt = runs.reserve(lab.db, run.id, host="h", device="cpu", slots=1)
    assert attempt is not None
    attempts.finish(lab.db, attempt.id, status=RunStatus.FAILED, reason="x")
    runs.requeue_resume(lab.db, run.id, None, submission=submit.submission())
    now = runs.submission(lab.db, run.id)
    assert User.from_dict(now) == current()
    assert now == submit.submission(), "nothing of the other user's is left"


def test_each_user_has_a_lock_whose_holder_is_known(lab: Lab) -> None:
    mine = lab.lock_file
    theirs = mine.with_name(mine.name.removesuffix(str(os.geteuid())) + "61009")
    other = SchedulerLock(theirs)
    assert other.acquire()
    assert SchedulerLock(mine).acquire(), "the lock of another user stands in no one's way"
    if os.geteuid() == 0:
        os.chown(theirs, 65534, 65534)
    (holder,) = other_holders(lab.db)
    assert holder.pid == os.getpid()
    assert str(holder).startswith("the scheduler of ")
    other.release()
    assert other_holders(lab.db) == []
