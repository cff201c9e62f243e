"""A host is known by its machine, its boot and its process namespace; its name may change, or be another's too."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace

import pytest
import sqlalchemy as sa

from db.models import AttemptRow
from db.records import AttemptRecord, RunStatus
from db.runs import attempts, runs
from engine.launch import submit
from engine.launch.machine import attempt_age, sees, this_host
from tests.engine.launch.hosts import elsewhere, on_host, python, silent
from tests.engine.launch.tools import Lab

RECONCILE = "submit.reconcile(db); print(runs.get(db, {run}).status)"


def reserved(lab: Lab) -> AttemptRecord:
    attempt = runs.reserve(lab.db, lab.queue("wait").id, host=this_host(), device="cpu", slots=9)
    assert attempt is not None
    return attempt


def test_a_machine_that_was_renamed_knows_its_runs(lab: Lab) -> None:
    run = lab.queue("deaf")
    scheduler = lab.run_command(
        *on_host(
            sys.executable, "-P", "-m", "engine.launch.scheduler", "--foreground", "--", *lab.worker, name="before"
        )
    )
    lab.wait_status(run, RunStatus.RUNNING)
    assert lab.attempt(run).host == "before"
    assert python(RECONCILE.format(run=run.id), name="after") == "running"
    warden, worker = lab.identity(run, "warden"), lab.identity(run, "worker")
    for pid in (scheduler.pid, warden.pid, worker.pid):  # what the end of a container does
        os.kill(pid, signal.SIGKILL)
    assert python(RECONCILE.format(run=run.id), name="after") == "lost"


def test_a_renamed_machine_kills_its_run(lab: Lab) -> None:
    run = lab.queue("deaf")
    lab.start_warden(run)
    lab.wait_status(run, RunStatus.RUNNING)
    with lab.db.write() as session:  # as the scheduler would have done it
        here = this_host()
        session.execute(
            sa.update(AttemptRow).values(
                host="before", machine_id=here.machine_id, boot_id=here.boot_id, pid_namespace=here.pid_namespace
            )
        )
    python(f"submit.kill(db, {run.id})", name="after")
    assert lab.wait_status(run, RunStatus.KILLED).reason == "killed by user"


def test_another_container_of_the_same_name_leaves_a_run_alone(lab: Lab) -> None:
    run = lab.queue("deaf")
    lab.ensure_scheduler()
    lab.wait_status(run, RunStatus.RUNNING)
    silent(lab.db, run.id, 3600)
    assert python(RECONCILE.format(run=run.id), container=True) == "running"
    kill = f"try: submit.kill(db, {run.id})\nexcept StoreError as error: print(error)"
    said = python(kill, container=True)
    assert "another machine or container called" in said
    assert f"no sign of life for 1 h: if its machine is gone, itop give-up {run.id}" in said
    assert lab.identity(run, "worker").alive()
    assert len(attempts.for_run(lab.db, run.id)) == 1


def test_another_machine_of_the_same_name_and_id_leaves_a_run_alone_that_gives_signs_of_life(lab: Lab) -> None:
    attempt = reserved(lab)
    assert python(RECONCILE.format(run=attempt.run_id), boot=True) == "starting"
    silent(lab.db, attempt.run_id, 3600)  # after the machine was started again, there is none
    assert python(RECONCILE.format(run=attempt.run_id), boot=True) == "queued"


def test_what_an_attempt_has_in_common_with_a_host_decides() -> None:
    here = this_host()
    ours = AttemptRecord(
        id=1, run_id=1, number=1, host="h", device="cpu", pid=None, start_time=None, boot_id="boot", warden_pid=None,
        started_at=0.0, ended_at=None, status=RunStatus.STARTING, reason=None, exit_code=None, signal=None,
        start_step=0, traceback=None, versions={}, commit=None, dirty=None, command_line=None, machine_id="m",
        pid_namespace="1",
    )  # fmt: skip
    host = replace(here, name="h", machine_id="m", boot_id="boot", pid_namespace="1")
    assert sees(host, ours)
    assert sees(replace(host, name="renamed"), ours)
    assert sees(replace(host, boot_id="next", pid_namespace="2"), ours)  # started again
    assert not sees(replace(host, name="clone", boot_id="other"), ours)
    assert not sees(replace(host, pid_namespace="2"), ours)
    assert not sees(replace(host, machine_id="other"), ours)
    assert sees(replace(host, machine_id=""), replace(ours, machine_id=""))  # a container without an id
    old = replace(ours, machine_id=None, pid_namespace=None)  # a row of an earlier version
    assert sees(host, old)
    assert not sees(replace(host, name="renamed"), old)


def test_the_devices_of_a_renamed_machine_stay_taken(lab: Lab) -> None:
    reserved(lab)
    again = lab.queue("wait")
    assert runs.reserve(lab.db, again.id, host=replace(this_host(), name="after"), device="cpu", slots=1) is None
    assert len(runs.active(lab.db, replace(this_host(), name="after"))) == 1
    assert runs.reserve(lab.db, again.id, host=elsewhere(), device="cpu", slots=1) is not None


@pytest.mark.parametrize("shift", [-31_536_000.0, 31_536_000.0], ids=["set back", "set forward"])
def test_a_clock_that_was_set_changes_no_age_of_an_attempt(lab: Lab, shift: float) -> None:
    attempt = reserved(lab)
    assert 0 <= attempt_age(replace(attempt, started_at=attempt.started_at - shift)) < 60
    unknown = replace(attempt, started_uptime=None, started_at=attempt.started_at + 31_536_000.0)
    assert attempt_age(unknown) == 0.0


def test_a_submission_under_a_set_clock_is_not_failed_before_its_time(lab: Lab) -> None:
    attempt = reserved(lab)
    with lab.db.write() as session:
        session.execute(sa.update(AttemptRow).values(started_at=attempt.started_at - 31_536_000.0))
    submit.reconcile(lab.db)
    assert runs.get(lab.db, attempt.run_id).status is RunStatus.STARTING
