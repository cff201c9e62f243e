"""The further processes of a run on several devices: started, watched and ended by its worker, which is rank 0.

There is no launcher between worker and ranks that could lose a signal, or die and leave them behind. The warden and all
commands know the worker alone. The kernel kills a rank whose worker is dead; a rank that dies ends the run, with the
reason of the one that died first: the others then only report that they lost contact.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from db.records import RunStatus
from engine.launch.exit_reasons import Ending
from engine.launch.oom import oom_kills
from engine.launch.processes import host_name, signal_name

__all__ = ["RankProcesses", "die_with", "report"]

_OTHERS_SECONDS = 0.5  # how long after a death others may show that theirs was the first
_OWN_SECONDS = 2.0  # how long the worker may take to notice it by itself, before its watcher ends it
_LEAVE_SECONDS = 10.0  # how long a rank may take to end when its work is done
_REPORT_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class _Death:
    rank: int
    code: int
    said: Mapping[str, Any]
    out_of_memory: bool

    @property
    def is_echo(self) -> bool:
        """Whether it only says that another one is gone."""
        return bool(self.said.get("lost_contact"))

    def ending(self, size: int) -> Ending:
        who = f"rank {self.rank} of {size} on {host_name()}"
        if self.code < 0:
            how = f"{who} was killed by {signal_name(-self.code)} (signal {-self.code})"
            if self.out_of_memory:
                how = f"out of memory: {who} was killed by the kernel"
            return Ending(RunStatus.KILLED, how, signal=-self.code, retry_may_help=True)
        reason = str(self.said.get("reason") or f"exited with code {self.code} before the run was over")
        trace = self.said.get("traceback")
        return Ending(
            RunStatus.FAILED,
            f"{who}: {reason}",
            traceback=None if trace is None else str(trace),
            retry_may_help=bool(self.said.get("retry_may_help")),
        )


class RankProcesses:
    """The ranks from 1 on; all methods are for the worker's main thread.

    Args:
        size: How many ranks there are, the worker included.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._processes: list[subprocess.Popen[bytes]] = []
        self._reports: list[int] = []
        self._deaths: list[_Death] = []
        self._changed = threading.Condition()
        self._closing = False
        self._noticed = False
        self._counted = oom_kills()

    def start(self) -> None:
        """Start them; they import torch and wait for their work.

        Raises:
            OSError: They cannot be started.
        """
        for rank in range(1, self._size):
            read, write = os.pipe()
            try:
                # From the main thread: the kernel watches the thread that starts a process, not the whole parent.
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "engine.rank", str(rank), str(os.getpid()), str(write)],
                    stdin=subprocess.PIPE,
                    pass_fds=(write,),
                )
            except BaseException:
                os.close(read)
                raise
            finally:
                os.close(write)
            self._processes.append(process)
            self._reports.append(read)

    def send(self, work: Callable[[int], Mapping[str, Any]]) -> None:
        """Give every rank its work, by its number; it must be written as JSON."""
        for rank, process in enumerate(self._processes, 1):
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it is dead, as its watcher will say
                process.stdin.write(json.dumps(work(rank)).encode() + b"\n")
                process.stdin.flush()

    def watch(self, ended: Callable[[Ending], None]) -> None:
        """Watch them from now on.

        Args:
            ended: Called, on another thread, where one died and the main thread did not notice within two seconds: it
                may wait for a device that will never answer.
        """
        for rank in range(1, self._size):
            threading.Thread(target=self._wait, args=(rank,), name=f"rank {rank}", daemon=True).start()
        threading.Thread(target=self._attend, args=(ended,), name="ranks", daemon=True).start()

    def cause(self, seconds: float) -> Ending | None:
        """Return how the first rank died, waiting for that so many seconds; None where all are alive or done.

        What comes of it is the caller's from now on.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: bool(self._deaths), seconds)
            if not self._deaths:
                return None
            self._noticed = True
            self._changed.notify_all()
            left = min(_OTHERS_SECONDS, max(0.0, deadline - time.monotonic()))
            self._changed.wait_for(lambda: any(not death.is_echo for death in self._deaths), left)
            return self._first().ending(self._size)

    def close(self, *, done: bool) -> None:
        """End them, at once unless they are `done` and end by themselves."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        deadline = time.monotonic() + (_LEAVE_SECONDS if done else 0.0)
        for process, report_end in zip(self._processes, self._reports, strict=True):
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            process.kill()
            process.wait()
            os.close(report_end)
        self._processes, self._reports = [], []

    def _wait(self, rank: int) -> None:
        process, report_end = self._processes[rank - 1], self._reports[rank - 1]
        code = process.wait()
        with self._changed:
            if self._closing or code == 0:
                return
            counted = oom_kills()
            grew = counted is not None and self._counted is not None and counted > self._counted
            self._deaths.append(_Death(rank, code, _read(report_end), grew and code == -signal.SIGKILL))
            self._changed.notify_all()

    def _attend(self, ended: Callable[[Ending], None]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._deaths) or self._closing)
            if self._changed.wait_for(lambda: self._noticed or self._closing, _OWN_SECONDS):
                return
            self._noticed = True
            ending = self._first().ending(self._size)
        ended(ending)

    def _first(self) -> _Death:
        return next((death for death in self._deaths if not death.is_echo), self._deaths[0])


def _read(report_end: int) -> Mapping[str, Any]:
    os.set_blocking(report_end, False)
    try:
        said = json.loads(os.read(report_end, _REPORT_BYTES))
    except (BlockingIOError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def report(report_end: int, said: Mapping[str, Any]) -> None:
    """Say, as a rank that ends, why; a traceback that is too long is left out, so that this waits for no reader."""
    written = json.dumps(said).encode()
    if len(written) > _REPORT_BYTES // 2:
        written = json.dumps({**said, "traceback": None}).encode()
    with contextlib.suppress(OSError):
        os.write(report_end, written)


def die_with(parent: int) -> None:
    """Let the kernel kill this process when the thread that started it ends, however that comes about.

    Where the kernel has no such service, a thread looks for the parent twice a second.
    """
    if sys.platform.startswith("linux"):
        import ctypes

        set_parent_death_signal = 1
        ctypes.CDLL(None, use_errno=True).prctl(set_parent_death_signal, int(signal.SIGKILL), 0, 0, 0)
    else:
        threading.Thread(target=_follow, args=(parent,), name="parent", daemon=True).start()
    if os.getppid() != parent:  # it died before it could be watched
        os._exit(1)


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
