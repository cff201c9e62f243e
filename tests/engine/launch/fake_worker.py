"""A worker that keeps to the contract of `engine.worker` and trains nothing: `fake_worker.py RUN_ID --attempt ID`.

What it does is the run's `notes`; all but the last two lines take one step first, so that their ends are ends:

- wait: runs until it is asked to stop, by command or SIGTERM, and records that;
- finish SECONDS: runs so long and completes;
- deaf: says nothing to the database and ignores SIGTERM;
- children: like deaf, with a child process of its own;  hog: takes memory until it dies;
- crash: prints a traceback and exits with 1, unrecorded;  exit N: exits with N, unrecorded;
- early WHAT: is there, and does one of these without a step;
- gone N: exits with N at once, before anything is known of it;  gone -N: dies of signal N as soon.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from db.history.writer import MetricWriter
from db.records import RunStatus, StepMetric
from db.runs import attempts, commands, runs
from db.session import Database
from engine.launch.processes import ProcessIdentity


def main() -> int:
    run_id, attempt_id = int(sys.argv[1]), int(sys.argv[3])
    db = Database.open()
    behaviour, _, argument = runs.get(db, run_id).notes.partition(" ")
    if behaviour == "gone":
        if int(argument) < 0:
            os.kill(os.getpid(), -int(argument))
        return int(argument)
    stopped: list[str] = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append("SIGTERM"))
    if behaviour == "early":
        behaviour, _, argument = argument.partition(" ")
    else:
        with MetricWriter(db, run_id, attempt_id) as recorder:
            recorder.step(StepMetric(1, epoch=1, loss=1.0))
    me = ProcessIdentity.current()
    attempts.running(db, attempt_id, pid=me.pid, start_time=me.start_time, boot_id=me.boot_id)
    if behaviour == "crash":
        print(
            "Traceback (most recent call last):\n  nothing\nValueError: \x1b[31mthe loss is made of cheese\x1b[0m\n\n",
            flush=True,
        )
        return 1
    if behaviour == "exit":
        return int(argument)
    if behaviour == "hog":
        hoard = []
        while True:
            hoard.append(bytearray(b"x" * (1 << 20)))
    if behaviour == "children":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    if behaviour in ("deaf", "children"):
        print("deaf", flush=True)
        while True:
            time.sleep(100)
    deadline = time.monotonic() + float(argument or "inf")
    while time.monotonic() < deadline:
        pending = commands.pending(db, run_id)
        if stopped or any(command.kind == "stop" for command in pending):
            for command in pending:
                commands.acknowledge(db, command.id, "stopped")
            attempts.finish(db, attempt_id, status=RunStatus.STOPPED, reason="stopped by user", exit_code=3)
            return 3
        time.sleep(0.02)
    attempts.finish(db, attempt_id, status=RunStatus.COMPLETED, reason="finished", exit_code=0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
