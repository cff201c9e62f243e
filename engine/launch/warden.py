"""The parent of one worker and the witness of its end: `python -m engine.launch.warden RUN_ID ATTEMPT_ID … -- WORKER…`.

It leads a session of its own, so neither the scheduler's death nor the closing of a terminal reaches it. It claims the
attempt (of two wardens for one attempt the second ends), starts the worker in another session with its output
in the run's console log, waits, writes how the worker ended to a file, and then records in the database what the worker
did not record itself. It imports little, because it stays in memory as long as the worker does; the database only at
the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from db import private_files
from engine.launch.attempt_files import AttemptFiles, last_line, read_json, write_json
from engine.launch.oom import oom_kills
from engine.launch.processes import ProcessIdentity, host_name
from engine.launch.submitted import allowed_environment, own_origin

_LOOK_SECONDS = 2.0  # how often the kernel's out-of-memory counter is read: its growth must be near the death
_OUTER_DEVICES = "ITOP_OUTER_CUDA_VISIBLE_DEVICES"
_GRACE_SECONDS = 120.0  # how long a worker may take for its last checkpoint before it is forced to end
_RETRY_FIRST, _RETRY_LAST, _RETRY_TOTAL = 0.2, 5.0, 600.0

USAGE = (
    "usage: python -m engine.launch.warden RUN_ID ATTEMPT_ID --folder FOLDER --number N --device DEVICE "
    "[--visible UUID] [--time-limit SECONDS] [--grace SECONDS] [--submission JSON] [--ranks N] [-- WORKER COMMAND]"
)
_OPTIONS = frozenset(
    {"--folder", "--number", "--device", "--visible", "--time-limit", "--grace", "--submission", "--ranks"}
)


class Task(NamedTuple):
    """What a warden is to do; travels on its command line.

    Attributes:
        run_id: The run.
        attempt_id: The reserved attempt.
        files: Where its files are.
        device: "cpu" or "cuda:N"; several GPUs with commas between.
        visible: What CUDA is to see of a GPU's host: the UUIDs of the run's GPUs, or their numbers.
        command: The worker, without the run and the attempt.
        time_limit: Seconds after which the worker ends itself; None for never.
        grace: Seconds it may take for that before the warden sends SIGTERM, and again before SIGKILL.
        submission: The folder and the variables with which the run was submitted; None for a run of an earlier version,
            which has them in a file.
        ranks: How many processes train the run together; the worker is the first of them and starts the others.
    """

    run_id: int
    attempt_id: int
    files: AttemptFiles
    device: str
    visible: str
    command: tuple[str, ...]
    time_limit: float | None = None
    grace: float = _GRACE_SECONDS
    submission: Mapping[str, Any] | None = None
    ranks: int = 1

    def arguments(self) -> list[str]:
        """The command line after the module's name."""
        limited = () if self.time_limit is None else ("--time-limit", repr(self.time_limit))
        submitted = () if self.submission is None else ("--submission", json.dumps(self.submission))
        several = () if self.ranks == 1 else ("--ranks", str(self.ranks))
        return [
            *(str(self.run_id), str(self.attempt_id), "--folder", str(self.files.folder)),
            *("--number", str(self.files.number), "--device", self.device, "--visible", self.visible),
            *(*limited, "--grace", repr(self.grace), *submitted, *several, "--", *self.command),
        ]

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> Task:
        """The inverse of `arguments`.

        Raises:
            ValueError: Something is missing or unknown.
        """
        words = list(arguments)
        command = tuple(words[words.index("--") + 1 :]) if "--" in words else ()
        words = words[: words.index("--")] if "--" in words else words
        options = dict(zip(words[2::2], words[3::2], strict=True))
        unknown = set(options) - _OPTIONS
        try:
            if unknown:
                raise ValueError(f"unknown option {min(unknown)}")
            device = options["--device"]
            return cls(
                int(words[0]),
                int(words[1]),
                AttemptFiles(Path(options["--folder"]), int(options["--number"])),
                device,
                options.get("--visible", ",".join(name.partition(":")[2] for name in device.split(","))),
                command or default_worker(),
                float(options["--time-limit"]) if "--time-limit" in options else None,
                float(options.get("--grace", _GRACE_SECONDS)),
                json.loads(options["--submission"]) if "--submission" in options else None,
                int(options.get("--ranks", 1)),
            )
        except (KeyError, IndexError) as error:
            raise ValueError(f"missing argument {error}") from None


def default_worker() -> tuple[str, ...]:
    """The command that trains; with `-P`, so that a folder `db` in the current one is not imported instead of ours."""
    return (sys.executable, "-P", "-m", "engine.worker")


def inner_environment(outer: Mapping[str, str], task: Task) -> dict[str, str]:
    """The worker's environment: its GPU is the only one there is, and what it prints is in the log at once.

    A GPU is named by its UUID, so the order in which CUDA counts does not matter; a run that was given the processor
    must not find a GPU by itself. Threads that wait for each other sleep rather than spin: where runs share the
    processor with anything else, spinning costs a small network nine tenths of its speed.
    """
    inner = {"OMP_WAIT_POLICY": "PASSIVE", **outer, "PYTHONUNBUFFERED": "1"}
    inner["CUDA_VISIBLE_DEVICES"] = task.visible if task.device != "cpu" else ""
    inner[_OUTER_DEVICES] = f"={outer['CUDA_VISIBLE_DEVICES']}" if "CUDA_VISIBLE_DEVICES" in outer else "all"
    return inner


def outer_environment(inner: Mapping[str, str]) -> dict[str, str]:
    """The inverse: for a scheduler that a worker starts, which must see every device that its own warden saw."""
    outer = dict(inner)
    devices = outer.pop(_OUTER_DEVICES, None)
    if devices == "all":
        outer.pop("CUDA_VISIBLE_DEVICES", None)
    elif devices is not None:
        outer["CUDA_VISIBLE_DEVICES"] = devices.removeprefix("=")
    return outer


class Warden:
    """One worker's life, from claim to verdict.

    Args:
        task: What to start, and where its files are.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._files = task.files
        self._stops_asked = self._stops_forwarded = 0
        self._pressed = 0  # how often the warden itself asked the worker to end because its time is up
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def run(self) -> None:
        """Watch the attempt until its end is recorded, or until that cannot be done."""
        me = ProcessIdentity.current()
        try:
            if not write_json(self._files.claim, {"warden": me.as_dict(), "worker": None}, exclusive=True):
                return  # another warden has this attempt
        except OSError as error:
            self._settle({"problem": f"the run's folder cannot be written to: {error}", "ended_at": time.time()})
            return
        self._listen()
        record = self._watch(me)
        try:
            write_json(self._files.exit, record)
        except OSError as error:  # a full disk must not keep the truth from the database
            _log(f"cannot write {self._files.exit}: {error}")
        self._settle(record)

    # The worker's life

    def _watch(self, me: ProcessIdentity) -> dict[str, Any]:
        """Start the worker, wait for its end, and say what was seen."""
        seen: dict[str, Any] = {"attempt_id": self._task.attempt_id, "started_at": time.time()}
        counted = oom_kills()
        if self._files.kill.exists():
            return {**seen, "signal": int(signal.SIGKILL), "ended_at": time.time()}
        try:
            with self._open_console() as console:
                start = console.tell()
                process = self._start(console)
        except OSError as error:
            return {**seen, "problem": f"the worker could not be started: {error}", "ended_at": time.time()}
        worker = ProcessIdentity.of(process.pid)
        if worker is not None:
            with contextlib.suppress(OSError):
                write_json(self._files.claim, {"warden": me.as_dict(), "worker": worker.as_dict()})
            if self._files.kill.exists():  # asked for between our first look and the line above
                worker.send_to_group(signal.SIGKILL)
        counted = self._wait(process, counted)
        now_counted = oom_kills()
        code = process.returncode
        return {
            **seen,
            "worker": None if worker is None else worker.as_dict(),
            "ended_at": time.time(),
            "exit_code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            "said": read_json(self._files.said),
            "stop_forwarded": self._stops_forwarded > 0,
            "time_limit": self._task.time_limit if self._pressed else None,
            "who": f"rank 0 of {self._task.ranks} on {host_name()}" if self._task.ranks > 1 else None,
            "out_of_memory": counted is not None and now_counted is not None and now_counted > counted,
            "peak_memory": _peak_memory(),
            "last_line": last_line(self._files.console, start=start),
        }

    def _open_console(self) -> Any:
        """The console log, with a line where this attempt begins."""
        descriptor = private_files.opener(self._files.console, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        console = os.fdopen(descriptor, "ab", buffering=0)
        when = time.strftime("%Y-%m-%d %H:%M:%S")
        where = f"on {self._task.device} of {host_name()}"
        console.write(f"--- attempt {self._files.number}, {when}, {where} ---\n".encode())
        return console

    def _start(self, console: Any) -> subprocess.Popen[bytes]:
        submission = self._task.submission
        if submission is None:
            submission = own_origin(self._files.origin) or {}
        folder = str(submission.get("folder") or self._files.folder)
        return subprocess.Popen(
            [*self._task.command, str(self._task.run_id), "--attempt", str(self._task.attempt_id)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            env=inner_environment(os.environ | allowed_environment(submission), self._task),
            cwd=folder if Path(folder).is_dir() else self._files.folder,
            start_new_session=True,
        )

    def _wait(self, process: subprocess.Popen[bytes], counted: int | None) -> int | None:
        """Wait for the worker's end; returns the out-of-memory counter as it was shortly before."""
        press_at = None
        if self._task.time_limit is not None:
            press_at = time.monotonic() + self._task.time_limit + self._task.grace
        while True:
            if _has_ended(process):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # loaders left behind would hold memory and the GPU
                process.wait()
                return counted
            if self._stops_forwarded < self._stops_asked:
                self._stops_forwarded = self._stops_asked
                process.send_signal(signal.SIGTERM)
            patience = _LOOK_SECONDS
            if press_at is not None and (patience := min(patience, press_at - time.monotonic())) <= 0:
                self._press(process)
                press_at = time.monotonic() + self._task.grace
                continue
            ready, _, _ = select.select([self._wake_read], [], [], patience)
            if ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 512)
            else:
                counted = oom_kills()

    def _press(self, process: subprocess.Popen[bytes]) -> None:
        """End a worker whose time is up and that does not end itself: first as `itop stop` would, then by SIGKILL."""
        self._pressed += 1
        _log(f"run {self._task.run_id} is over its time limit: {'asked to stop' if self._pressed == 1 else 'killed'}")
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._pressed == 1:
                process.send_signal(signal.SIGTERM)
            else:
                os.killpg(process.pid, signal.SIGKILL)

    # Signals

    def _listen(self) -> None:
        """Pass a request to stop on to the worker, outlive a hang-up, and be woken by the worker's end."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ask_stop())

    def _ask_stop(self) -> None:
        self._stops_asked += 1  # the loop that waits, woken by this very signal, passes it on

    # The verdict

    def _settle(self, record: dict[str, Any]) -> None:
        """Record the end in the database, again and again if it is unavailable; the exit file stays for `reconcile`."""
        from db.retrying import (  # with the database, which a warden does not hold in memory while it waits
            lengthening,
            tries,
        )

        for _ in tries(_RETRY_TOTAL, lengthening(_RETRY_FIRST, _RETRY_LAST)):
            if not self._files.folder.is_dir():  # a run that was deleted needs no verdict
                return
            try:
                from engine.launch.settle import settle_from_files  # brings the database with it

                settle_from_files(self._task.attempt_id, self._files, record)
            except Exception as error:  # whatever the driver raises: no caller could handle it
                _log(f"the database does not take the end of attempt {self._task.attempt_id}: {error}")
            else:
                return


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the worker is dead; not reaped where the system can say so without, so its number stays its own."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return process.poll() is not None


def _peak_memory() -> int:
    """The most memory the worker, or one of its children, ever held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _log(text: str) -> None:
    with contextlib.suppress(OSError):  # the log is on the full disk that there is often something to say about
        sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} warden {os.getpid()}: {text}\n")
        sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a warden; the exit code is 0 unless the arguments are wrong."""
    try:
        task = Task.parse(sys.argv[1:] if arguments is None else arguments)
    except ValueError as error:
        sys.stderr.write(f"warden: {error}\n{USAGE}\n")
        return 2
    with contextlib.suppress(PermissionError):  # already the leader of its session
        os.setsid()
    Warden(task).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
