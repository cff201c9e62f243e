"""What reaches the worker from outside, by signals and through the database, as wishes for its training.

| asked by          | signal          | command      |
|-------------------|-----------------|--------------|
| stop              | SIGTERM, SIGINT | `stop`       |
| checkpoint now    | SIGUSR1         | `checkpoint` |
| pause             | SIGTSTP         | `pause`      |
| go on             | SIGCONT         | `unpause`    |

Each may be repeated. SIGCONT also follows every SIGSTOP, and means nothing to a training that is not paused.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

from db.records import AttemptRecord, CommandRecord, RunStatus
from db.runs import attempts, commands
from db.session import Database
from engine.training.console import say
from engine.training.control import Control

__all__ = ["Listener", "obey_signals"]

_POLL_SECONDS = 0.2
_HEARTBEAT_SECONDS = 1.0


def obey_signals(control: Control) -> None:
    """Let the signals of this process mean what the table above says; for its main thread alone."""

    def stop(number: int, _frame: object) -> None:
        control.request_stop(control.out_of_time or f"stopped by {signal.Signals(number).name}")

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGUSR1, lambda *_: control.request_checkpoint(say))
    signal.signal(signal.SIGTSTP, lambda *_: control.request_pause())
    signal.signal(signal.SIGCONT, lambda *_: control.request_unpause())


class Listener(threading.Thread):
    """Keeps the heartbeat and the time limit, and hands commands from the database to the training.

    Args:
        db: The database.
        attempt: The attempt that is being made.
        control: Where wishes go.
        beat: Keeps the heartbeat.
    """

    def __init__(self, db: Database, attempt: AttemptRecord, control: Control, beat: Callable[[], None]) -> None:
        super().__init__(name="listener", daemon=True)
        self._db = db
        self._attempt = attempt
        self._control = control
        self._beat = beat
        self._done = threading.Event()
        self._taken: set[int] = set()
        self._stopping = False

    def close(self) -> None:
        """Stop listening; returns when the thread has ended."""
        self._done.set()
        self.join()

    def run(self) -> None:
        """Listen until closed."""
        last_beat = 0.0
        while not self._done.wait(_POLL_SECONDS):
            if (reason := self._control.out_of_time) is not None:  # before the database, which may be away
                self._control.request_stop(reason)
            try:
                for command in commands.pending(self._db, self._attempt.run_id):
                    if command.id not in self._taken:
                        self._taken.add(command.id)
                        self._obey(command)
                if self._control.stop_reason is not None and not self._stopping:
                    self._stopping = attempts.set_status(self._db, self._attempt.id, RunStatus.STOPPING)
                if time.monotonic() - last_beat >= _HEARTBEAT_SECONDS:
                    last_beat = time.monotonic()
                    self._beat()
            except Exception as error:  # a database that is away for a while must not end the training
                say(f"the database does not answer: {type(error).__name__}: {error}")
                self._done.wait(_HEARTBEAT_SECONDS)

    def _obey(self, command: CommandRecord) -> None:
        def answer(outcome: str) -> None:
            commands.acknowledge(self._db, command.id, outcome)

        if command.kind == "stop":
            self._control.request_stop("stopped by user")
            answer("stopping: a checkpoint is written first")
        elif command.kind == "pause":
            self._control.request_pause(answer)
        elif command.kind == "unpause":
            self._control.request_unpause()
            answer("going on")
        else:
            self._control.request_checkpoint(answer)
