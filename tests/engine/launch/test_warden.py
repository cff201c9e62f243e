"""One warden and one worker, real ones, and every way in which the worker can end."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from db.records import RunStatus
from db.runs import attempts, commands, runs
from engine.launch import submit
from engine.launch import warden as warden_module
from engine.launch.attempt_files import AttemptFiles, read_json, write_json
from engine.launch.processes import ProcessIdentity, host_name
from engine.launch.warden import Task, Warden
from tests.engine.launch.tools import Lab, wait_for
from tests.patience import PATIENCE


def test_a_task_survives_its_command_line(lab: Lab) -> None:
    run = lab.queue("wait")
    task = Task(run.id, 7, lab.files(run, 2), "cuda:1", "GPU-1", ("worker", "--", "x"))
    assert Task.parse(task.arguments()) == task
    several = task._replace(device="cuda:0,cuda:2", visible="0,2", ranks=2)
    assert Task.parse(several.arguments()) == several
    words = several.arguments()
    at = words.index("--visible")
    assert Task.parse(words[:at] + words[at + 2 :]).visible == "0,2"
    submitted = task._replace(submission={"folder": b"/\xff".decode("utf-8", "surrogateescape"), "environment": {}})
    assert Task.parse(submitted.arguments()) == submitted
    assert Task.parse(task.arguments()[:-4]).command == warden_module.default_worker()


@pytest.mark.parametrize(
    "words", [[], ["1"], ["1", "2"], ["a", "2", "--folder", "f", "--number", "1", "--device", "cpu"]]
)
def test_a_command_line_that_is_none_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert warden_module.main(words) == 2
    assert "usage:" in capsys.readouterr().err


def test_a_worker_killed_with_9_is_shown_as_killed_with_the_signal(lab: Lab) -> None:
    run = lab.queue("deaf")
    warden = lab.start_warden(run)
    lab.wait_status(run, RunStatus.RUNNING)
    worker = lab.identity(run, "worker")
    assert lab.attempt(run).pid == worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    ended = lab.wait_status(run, RunStatus.KILLED)
    assert (ended.reason, ended.signal, ended.exit_code) == ("killed by SIGKILL (signal 9)", 9, None)
    assert warden.wait() == 0
    assert not lab.files(run).claim.exists()
    assert read_json(lab.files(run).exit)["signal"] == 9  # type: ignore[index]


def test_the_last_line_of_a_crash_is_its_reason_and_the_console_is_kept(lab: Lab) -> None:
    run = lab.queue("crash")
    lab.start_warden(run).wait()
    ended = lab.get(run)
    assert (ended.status, ended.reason) == (RunStatus.FAILED, "ValueError: the loss is made of cheese")
    assert ended.exit_code == 1
    console = lab.files(run).console.read_text(encoding="utf-8")
    assert console.startswith("--- attempt 1, ")
    assert "cheese" in console


def test_an_exit_without_a_word(lab: Lab) -> None:
    run = lab.queue("exit 5")
    lab.start_warden(run).wait()
    ended = lab.get(run)
    assert (ended.status, ended.reason) == (RunStatus.FAILED, "exited with code 5 and printed nothing")
    assert ended.exit_code == 5


def test_what_the_worker_said_itself_stays(lab: Lab) -> None:
    run = lab.queue("finish 0")
    lab.start_warden(run).wait()
    ended = lab.get(run)
    assert (ended.status, ended.reason, ended.exit_code) == (RunStatus.COMPLETED, "finished", 0)


def test_a_signal_to_stop_reaches_the_worker_through_its_warden(lab: Lab) -> None:
    run = lab.queue("wait")
    warden = lab.start_warden(run)
    lab.wait_status(run, RunStatus.RUNNING)
    warden.send_signal(signal.SIGHUP)  # as a closing terminal sends it: it has no effect
    warden.send_signal(signal.SIGTERM)
    ended = lab.wait_status(run, RunStatus.STOPPED)
    assert ended.reason == "stopped by user"
    assert warden.wait() == 0


def test_what_the_worker_leaves_behind_goes_with_it(lab: Lab) -> None:
    run = lab.queue("children")
    lab.start_warden(run)
    worker = psutil.Process(lab.identity(run, "worker").pid)
    child = ProcessIdentity.of(wait_for(worker.children, "the worker's child")[0].pid)
    assert child is not None
    assert child.alive()
    os.kill(lab.identity(run, "worker").pid, signal.SIGKILL)
    lab.wait_status(run, RunStatus.KILLED)
    wait_for(lambda: not child.alive(), "the worker's child to be gone")


def test_a_worker_that_cannot_be_started_fails_the_attempt(lab: Lab) -> None:
    lab.worker = ("/nowhere/python",)
    run = lab.queue("wait")
    lab.start_warden(run).wait()
    ended = lab.attempt(run)
    assert ended.status is RunStatus.FAILED
    assert ended.reason == ("the worker could not be started: [Errno 2] No such file or directory: '/nowhere/python'")
    assert (lab.get(run).status, lab.get(run).start_failures) == (RunStatus.QUEUED, 1)


def test_of_two_wardens_of_one_attempt_one_leaves(lab: Lab) -> None:
    run = lab.queue("finish 0.3")
    first = lab.start_warden(run)
    second = lab.spawn_warden(lab.attempt(run), run)
    assert (first.wait(), second.wait()) == (0, 0)
    assert lab.get(run).status is RunStatus.COMPLETED
    assert lab.files(run).console.read_text().count("--- attempt 1") == 1


def test_a_run_that_was_to_be_killed_before_its_worker_began_never_begins(lab: Lab) -> None:
    run = lab.queue("deaf")
    write_json(lab.files(run).kill, {"by": "me"})
    lab.start_warden(run).wait()
    assert (lab.get(run).status, lab.get(run).reason) == (RunStatus.KILLED, "killed by user")
    assert not lab.files(run).console.exists()


def test_sessions_environment_and_memory(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.queue("deaf", device="cuda:1")
    attempt = runs.reserve(lab.db, run.id, host="h", device="cuda:1", slots=1)
    assert attempt is not None
    warden = lab.spawn_warden(attempt, run, device="cuda:1", env={"CUDA_VISIBLE_DEVICES": "5"})
    worker = lab.identity(run, "worker")
    lab.wait_status(run, RunStatus.RUNNING)
    assert os.getsid(warden.pid) == warden.pid != os.getsid(0)
    assert os.getsid(worker.pid) == worker.pid
    assert psutil.Process(worker.pid).environ()["CUDA_VISIBLE_DEVICES"] == "1"
    assert psutil.Process(warden.pid).memory_info().rss < 40 * 2**20
    other = lab.queue("deaf")
    lab.start_warden(other, env={"CUDA_VISIBLE_DEVICES": "5"})
    assert psutil.Process(lab.identity(other, "worker").pid).environ()["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize("devices", [None, "", "5", "all"])
def test_a_scheduler_that_a_worker_starts_sees_the_devices_that_the_worker_does_not(devices: str | None) -> None:
    outer = {"A": "b"} if devices is None else {"A": "b", "CUDA_VISIBLE_DEVICES": devices}
    task = Task(1, 2, AttemptFiles(Path("f"), 1), "cuda:1", "GPU-1", ("worker",))
    inner = warden_module.inner_environment(outer, task)
    assert inner["CUDA_VISIBLE_DEVICES"] == "GPU-1"
    assert warden_module.inner_environment(outer, task._replace(device="cpu"))["CUDA_VISIBLE_DEVICES"] == ""
    added = {"PYTHONUNBUFFERED": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    assert warden_module.outer_environment(inner) == {**outer, **added}
    assert warden_module.outer_environment(outer) == outer


def test_a_policy_for_waiting_threads_that_the_user_set_is_kept() -> None:
    task = Task(1, 2, AttemptFiles(Path("f"), 1), "cpu", "", ("worker",))
    inner = warden_module.inner_environment({"OMP_WAIT_POLICY": "ACTIVE"}, task)
    assert inner["OMP_WAIT_POLICY"] == "ACTIVE"


def test_the_worker_stands_where_its_run_was_submitted(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "the user's project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ITOP_DATA_DIR", "theirs")
    run = lab.queue("deaf")
    monkeypatch.setenv("ITOP_DATA_DIR", "another's")
    monkeypatch.chdir(tmp_path)
    lab.queue("deaf")
    lab.start_warden(run)
    worker = psutil.Process(lab.identity(run, "worker").pid)
    assert worker.cwd() == str(folder)
    assert worker.environ()["ITOP_DATA_DIR"] == "theirs"


def test_a_run_of_an_earlier_version_has_its_submission_in_a_file(lab: Lab, tmp_path: Path) -> None:
    run = runs.create(lab.db, config={}, notes="deaf")
    files = lab.files(run)
    files.folder.mkdir(parents=True)
    write_json(files.origin, {"folder": str(tmp_path), "environment": {"ITOP_DATA_DIR": "theirs"}})
    lab.start_warden(run)
    worker = psutil.Process(lab.identity(run, "worker").pid)
    assert (worker.cwd(), worker.environ()["ITOP_DATA_DIR"]) == (str(tmp_path), "theirs")
    assert submit.submission(run)["folder"] == str(tmp_path)
    assert submit.submission()["folder"] == str(Path.cwd())


def test_a_worker_whose_origin_is_gone_stands_in_its_runs_folder(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "soon gone"
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        run = lab.queue("deaf")
    folder.rmdir()
    lab.start_warden(run)
    assert psutil.Process(lab.identity(run, "worker").pid).cwd() == str(lab.files(run).folder)


def test_a_full_disk_fails_the_attempt_with_that_reason(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object, **__: object) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(warden_module, "write_json", no_space)
    run = lab.queue("deaf")
    attempt = runs.reserve(lab.db, run.id, host=host_name(), device="cpu", slots=1)
    assert attempt is not None
    Warden(Task(run.id, attempt.id, lab.files(run), "cpu", "", lab.worker)).run()
    assert lab.attempt(run).status is RunStatus.FAILED
    assert lab.attempt(run).reason == "the run's folder cannot be written to: [Errno 28] No space left on device"


def test_a_database_that_is_away_is_waited_for(lab: Lab) -> None:
    run = lab.queue("deaf")
    warden = lab.start_warden(run)
    lab.wait_status(run, RunStatus.RUNNING)
    path = lab.home / "itop.db"
    away = lab.home / "away.db"
    lab.db.close()
    for name in ("", "-wal", "-shm"):
        if (lab.home / f"itop.db{name}").exists():
            (lab.home / f"itop.db{name}").rename(lab.home / f"away.db{name}")
    os.kill(lab.identity(run, "worker").pid, signal.SIGKILL)
    wait_for(lab.files(run).exit.exists, "the exit file")
    wait_for(lambda: "is not there" in (lab.home / "stderr").read_text(), "the warden to have met the absence")
    assert warden.poll() is None
    assert not path.exists()  # no new one was made
    for name in ("-wal", "-shm", ""):
        if (lab.home / f"away.db{name}").exists():
            (lab.home / f"away.db{name}").rename(lab.home / f"itop.db{name}")
    assert not away.exists()
    assert warden.wait(PATIENCE) == 0
    lab.reopen()
    assert lab.get(run).reason == "killed by SIGKILL (signal 9)"


def test_a_deleted_run_is_not_waited_for(lab: Lab) -> None:
    run = lab.queue("deaf")
    warden = lab.start_warden(run)
    lab.wait_status(run, RunStatus.RUNNING)
    attempts.finish(lab.db, lab.attempt(run).id, status=RunStatus.LOST, reason="said by a test")
    runs.delete(lab.db, run.id)
    os.kill(lab.identity(run, "worker").pid, signal.SIGKILL)
    assert warden.wait(PATIENCE) == 0


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group with little memory, where we may make one."""
    group = make_group(f"itop-test-{os.getpid()}", 150 * 2**20)
    if group is None:
        pytest.skip("this user may not make a control group with a memory limit")
    yield group
    wait_for(lambda: not (group / "cgroup.procs").read_text(), "the group to be empty")
    group.rmdir()


def make_group(name: str, limit: int) -> Path | None:
    for base, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(base, name)
        try:
            group.mkdir()
            (group / file).write_text(str(limit))
        except OSError:
            if group.is_dir():
                group.rmdir()
        else:
            return group
    return None


def test_a_worker_that_the_kernel_killed_for_memory_is_shown_as_such(lab: Lab, small_group: Path) -> None:
    run = lab.queue("hog")
    enter = "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])"
    # The warden, and with it the worker, is put into the group.
    attempt = runs.reserve(lab.db, run.id, host=host_name(), device="cpu", slots=1)
    assert attempt is not None
    task = Task(run.id, attempt.id, lab.files(run), "cpu", "", lab.worker)
    command = [sys.executable, "-P", "-m", "engine.launch.warden", *task.arguments()]
    lab.run_command(sys.executable, "-c", enter, str(small_group / "cgroup.procs"), *command)
    ended = lab.wait_status(run, RunStatus.KILLED)
    assert ended.signal == 9
    pattern = r"out of memory: killed by the kernel \(its memory had reached 0\.[12] GiB\)"
    assert re.fullmatch(pattern, ended.reason or "")


def test_the_command_that_stops_is_answered_by_the_worker(lab: Lab) -> None:
    run = lab.queue("wait")
    lab.start_warden(run)
    lab.wait_status(run, RunStatus.RUNNING)
    commands.send(lab.db, run.id, "stop")
    assert lab.wait_status(run, RunStatus.STOPPED).exit_code == 3
