"""Attempts whose end was not recorded: what their files and processes show."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from db.history.writer import MetricWriter
from db.records import AttemptRecord, RunRecord, RunStatus, StepMetric
from db.runs import attempts, runs
from engine.launch import settle, submit
from engine.launch.attempt_files import AttemptFiles, write_json
from engine.launch.exit_reasons import Ending
from engine.launch.processes import ProcessIdentity, host_name
from engine.launch.settle import look
from tests.engine.launch.tools import Lab, wait_for

ME = ProcessIdentity.current()


@pytest.fixture
def dead() -> ProcessIdentity:
    """A process of this boot that is gone."""
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = ProcessIdentity.of(child.pid)
        assert identity is not None
        return identity


class Case:
    """A reserved attempt with its folder that has taken a step, and no process but those a test writes down."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.run: RunRecord = lab.queue("")
        attempt = runs.reserve(lab.db, self.run.id, host=host_name(), device="cpu", slots=9)
        assert attempt is not None
        self.attempt: AttemptRecord = attempt
        self.files: AttemptFiles = lab.files(self.run)
        with MetricWriter(lab.db, self.run.id, attempt.id) as recorder:
            recorder.step(StepMetric(1, epoch=1, loss=1.0))

    def claim(self, warden: ProcessIdentity, worker: ProcessIdentity | None) -> None:
        write_json(self.files.claim, {"warden": warden.as_dict(), "worker": worker and worker.as_dict()})

    def settled(self) -> tuple[RunStatus, str | None]:
        submit.reconcile(self.lab.db)
        run = self.lab.get(self.run)
        return run.status, run.reason


@pytest.fixture
def case(lab: Lab) -> Iterator[Case]:
    return Case(lab)  # type: ignore[return-value]


def test_living_processes_are_left_alone(case: Case, dead: ProcessIdentity) -> None:
    case.claim(ME, None)
    assert case.settled()[0] is RunStatus.STARTING
    case.claim(ME, dead)  # the warden is about to write the end down
    assert case.settled()[0] is RunStatus.STARTING
    case.claim(dead, ME)  # the warden was killed; the worker goes on
    assert case.settled()[0] is RunStatus.STARTING


def test_when_both_are_gone_without_a_word_the_run_is_lost(case: Case, dead: ProcessIdentity) -> None:
    case.claim(dead, dead)
    assert case.settled() == (RunStatus.LOST, "the process vanished without a word")
    assert not case.files.claim.exists()


def test_a_process_that_has_only_the_number_does_not_count_as_alive(case: Case) -> None:
    stranger = ME._replace(start_time=ME.start_time - 100)
    case.claim(stranger, stranger)
    assert case.settled() == (RunStatus.LOST, "the process vanished without a word")


def test_after_a_reboot_the_reason_is_the_reboot(case: Case) -> None:
    before = ME._replace(boot_id="00000000-0000-0000-0000-000000000000")
    case.claim(before, before)
    assert case.settled() == (RunStatus.LOST, "host rebooted")


def test_the_exit_file_is_the_truth_also_after_a_reboot(case: Case) -> None:
    before = ME._replace(boot_id="00000000-0000-0000-0000-000000000000")
    case.claim(before, before)
    write_json(case.files.exit, {"exit_code": 1, "last_line": "ValueError: no"})
    assert case.settled() == (RunStatus.FAILED, "ValueError: no")


def test_an_end_that_is_written_down_later_keeps_its_time(case: Case) -> None:
    ended_at = case.attempt.started_at + 3
    write_json(case.files.exit, {"signal": 9, "ended_at": ended_at})
    assert case.settled()[0] is RunStatus.KILLED
    assert case.lab.get(case.run).ended_at == case.lab.attempt(case.run).ended_at == ended_at


def test_a_lost_run_ends_with_its_last_heartbeat(case: Case, dead: ProcessIdentity) -> None:
    heartbeat = case.lab.get(case.run).heartbeat_at
    case.claim(dead, dead)
    assert case.settled()[0] is RunStatus.LOST
    assert case.lab.get(case.run).ended_at == heartbeat


def test_a_wish_to_kill_explains_a_silent_end(case: Case, dead: ProcessIdentity) -> None:
    case.claim(dead, dead)
    write_json(case.files.kill, {"by": "me"})
    assert case.settled() == (RunStatus.KILLED, "killed by user")


def test_an_exit_file_that_appears_while_we_look_is_believed(
    case: Case, dead: ProcessIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.claim(dead, dead)
    alive = ProcessIdentity.alive

    def last_moment(self: ProcessIdentity) -> bool:
        write_json(case.files.exit, {"exit_code": 7, "last_line": "OSError: at the last moment"})
        return alive(self)

    monkeypatch.setattr(ProcessIdentity, "alive", last_moment)
    assert case.settled() == (RunStatus.FAILED, "OSError: at the last moment")


def test_an_attempt_for_which_nothing_came_up_fails_after_a_while(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assert case.settled()[0] is RunStatus.STARTING
    monkeypatch.setattr(settle, "START_PATIENCE", 0.0)
    assert case.settled() == (RunStatus.FAILED, "never started: no process came up for it")


def test_what_the_worker_said_itself_is_believed_where_nobody_saw_its_end(case: Case, dead: ProcessIdentity) -> None:
    case.claim(dead, dead)
    write_json(case.files.said, Ending(RunStatus.COMPLETED, "", 0, ended_at=5000.0).as_dict())
    assert case.settled() == (RunStatus.COMPLETED, None)
    ended = case.lab.attempt(case.run)
    assert (ended.exit_code, ended.ended_at) == (0, 5000.0)


@pytest.mark.parametrize("why", ["vanished", "rebooted", "never started"])
def test_what_was_lost_before_its_first_step_is_tried_again(
    lab: Lab, dead: ProcessIdentity, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lab.queue("")
    attempt = runs.reserve(lab.db, run.id, host=host_name(), device="cpu", slots=9)
    assert attempt is not None
    if why == "never started":
        monkeypatch.setattr(settle, "START_PATIENCE", 0.0)
    else:
        process = dead if why == "vanished" else replace_boot(dead)
        claim = {"warden": process.as_dict(), "worker": process.as_dict()}
        write_json(lab.files(run).claim, claim)
    submit.reconcile(lab.db)
    assert (lab.get(run).status, lab.get(run).start_failures) == (RunStatus.QUEUED, 1)
    assert why.split()[0] in (lab.attempt(run).reason or "")


def replace_boot(process: ProcessIdentity) -> ProcessIdentity:
    return process._replace(boot_id="an earlier boot")


def test_the_patience_is_thirty_seconds(case: Case) -> None:
    assert look(replace(case.attempt, started_at=time.time() - 10), case.files) is None
    assert look(replace(case.attempt, started_at=time.time() - 31), case.files) is not None


def test_a_worker_started_by_hand_is_known_from_what_it_recorded(case: Case, dead: ProcessIdentity) -> None:
    attempts.running(case.lab.db, case.attempt.id, pid=ME.pid, start_time=ME.start_time, boot_id=ME.boot_id)
    assert case.settled()[0] is RunStatus.RUNNING
    other = Case(case.lab)
    attempts.running(other.lab.db, other.attempt.id, pid=dead.pid, start_time=dead.start_time, boot_id=dead.boot_id)
    assert other.settled() == (RunStatus.LOST, "the process vanished without a word")


def test_runs_of_other_hosts_are_not_ours_to_judge(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.queue("")
    runs.reserve(lab.db, run.id, host="elsewhere", device="cpu", slots=1)
    monkeypatch.setattr(settle, "START_PATIENCE", 0.0)
    assert submit.reconcile(lab.db) == 0
    assert lab.get(run).status is RunStatus.STARTING


def test_the_first_word_stays_and_is_counted_once(case: Case, dead: ProcessIdentity) -> None:
    case.claim(dead, dead)
    assert submit.reconcile(case.lab.db) == 1
    assert submit.reconcile(case.lab.db) == 0


def test_with_nothing_active_it_costs_two_queries(lab: Lab) -> None:
    for _ in range(50):
        runs.update_fields(lab.db, lab.queue("").id, held=True)
    statements: list[str] = []
    sa.event.listen(lab.db._engine, "before_cursor_execute", lambda *event: statements.append(event[2]))
    submit.reconcile(lab.db)
    # Whether an attempt is open, and whether a run waits for one that will not complete.
    assert [words.split()[0] for words in statements] == ["BEGIN", "SELECT"] * 2


def test_when_warden_and_worker_are_both_killed_the_next_who_looks_says_so(lab: Lab) -> None:
    run = lab.queue("deaf")
    lab.start_warden(run)
    lab.wait_status(run, RunStatus.RUNNING)
    warden, worker = lab.identity(run, "warden"), lab.identity(run, "worker")
    os.kill(warden.pid, signal.SIGKILL)
    wait_for(lambda: not warden.alive(), "the warden to be dead")
    submit.reconcile(lab.db)
    assert lab.get(run).status is RunStatus.RUNNING  # and it is: the worker goes on without its warden
    os.kill(worker.pid, signal.SIGKILL)
    wait_for(lambda: not worker.alive(), "the worker to be dead")
    submit.reconcile(lab.db)
    assert (lab.get(run).status, lab.get(run).reason) == (RunStatus.LOST, "the process vanished without a word")


def test_a_worker_without_its_warden_still_ends_as_it_says_itself(lab: Lab) -> None:
    run = lab.queue("wait")
    lab.start_warden(run)
    lab.wait_status(run, RunStatus.RUNNING)
    warden = lab.identity(run, "warden")
    os.kill(warden.pid, signal.SIGKILL)
    wait_for(lambda: not warden.alive(), "the warden to be dead")
    submit.stop(lab.db, run.id)
    assert lab.wait_status(run, RunStatus.STOPPED).exit_code == 3
