"""Processes that record as a worker does, started in milliseconds and killed at will.

`Nursery` starts one interpreter that imports everything; each `Recorder` is a fork of it. What a recorder handed to its
`MetricWriter` is counted in a file that both sides map into memory, so the count outlives a kill.
"""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Self

from db.history.writer import MetricWriter
from db.session import Database
from tests.db.helpers import step, wait_for

__all__ = ["Nursery", "Recorder"]

_COUNT = 0  # bytes 0 to 7: steps handed over
_STATE = 8  # byte 8: 0 at work, 1 done, 2 failed


class Recorder:
    """One recording process.

    Attributes:
        pid: Its process.
    """

    def __init__(self, pid: int, file: Path) -> None:
        self.pid = pid
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), 16)

    @property
    def handed_over(self) -> int:
        """How many steps it has given to its writer, from 1 on without a gap."""
        return int.from_bytes(self._shared[_COUNT:_STATE], "little")

    @property
    def is_done(self) -> bool:
        """Whether it recorded all it should, and closed the database."""
        assert self._shared[_STATE] != 2, "a recorder failed; what it raised is above"
        return self._shared[_STATE] == 1

    def kill(self) -> None:
        """End it by SIGKILL, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        wait_for(self._is_gone, f"process {self.pid} to be gone")

    def _is_gone(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return False


class Nursery:
    """The process that recorders are forks of; it ends, and they with it, at the end of the `with` statement.

    Args:
        folder: Where the counts may lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Recorder] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.db.recording"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        return self

    def __exit__(self, *_: object) -> None:
        for recorder in self._started:
            if not recorder._is_gone():
                recorder.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def start(self, run_id: int, attempt_id: int, *, steps: int = 2**31, rate: float = 0.0) -> Recorder:
        """Start a recorder.

        Args:
            run_id: The run.
            attempt_id: Its latest attempt.
            steps: How many steps it records before it closes the database and ends.
            rate: Steps a second; 0 is as fast as it can.
        """
        file = self._folder / f"count-{run_id}-{attempt_id}"
        file.write_bytes(bytes(16))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{run_id} {attempt_id} {steps} {rate} {file}\n")
        self._process.stdin.flush()
        recorder = Recorder(int(self._process.stdout.readline()), file)
        self._started.append(recorder)
        return recorder

    def longest_log(self, recorders: Sequence[Recorder]) -> int:
        """Wait until all of some recorders are done; returns the most bytes that SQLite's log had meanwhile."""
        log, longest = self._folder / "itop.db-wal", 0

        def all_done() -> bool:
            nonlocal longest
            longest = max(longest, log.stat().st_size if log.exists() else 0)
            return all(recorder.is_done for recorder in recorders)

        wait_for(all_done, "the recorders", 1200)
        return longest


def _record(shared: mmap.mmap, run_id: int, attempt_id: int, steps: int, rate: float) -> None:
    with closing(Database.open()) as db, MetricWriter(db, run_id, attempt_id) as writer:
        began = time.monotonic()
        for number in range(1, steps + 1):
            writer.step(step(number))
            shared[_COUNT:_STATE] = number.to_bytes(8, "little")
            if rate:
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
            elif number % 500 == 0:
                writer.flush()  # as fast as it can is as fast as it is committed


def _child(words: list[str]) -> None:
    run_id, attempt_id, steps, rate, file = words
    with Path(file).open("r+b") as opened, mmap.mmap(opened.fileno(), 16) as shared:
        try:
            _record(shared, int(run_id), int(attempt_id), int(steps), float(rate))
            shared[_STATE] = 1
        except BaseException:
            traceback.print_exc()
            shared[_STATE] = 2
    os._exit(0)


def _main() -> None:
    import numpy  # noqa: F401 - the writer's thread needs it, and a fork should not import it again

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children: the kernel reaps them
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _child(line.split())
        print(child, flush=True)


if __name__ == "__main__":
    _main()
