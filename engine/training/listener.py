"""What reaches the worker from outside, by signals and through the database, as requests to its training.

| asked by          | signal          | command      |
|-------------------|-----------------|--------------|
| stop              | SIGTERM, SIGINT | `stop`       |
| checkpoint now    | SIGUSR1         | `checkpoint` |
| pause             | SIGTSTP         | `pause`      |
| unpause           | SIGCONT         | `unpause`    |

Each may be repeated. SIGCONT also follows every SIGSTOP, and means nothing to a training that is not paused.

All that the database has to know of this is written by the listener's thread, and tried again until it succeeds: the
training's thread never waits for the database here, and a state cannot overwrite a later one.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable

from db.errors import AttemptOver
from db.records import AttemptRecord, CommandRecord, RunStatus
from db.runs import attempts, commands
from db.session import Database
from engine.training.console import say
from engine.training.control import Control

__all__ = ["Listener", "obey_signals"]

_POLL_SECONDS = 0.2
_HEARTBEAT_SECONDS = 1.0


def obey_signals(control: Control) -> None:
    """Make the signals of this process mean what the table above says; only in its main thread."""

    def stop(number: int, _frame: object) -> None:
        control.request_stop(control.out_of_time or f"stopped by {signal.Signals(number).name}")

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGUSR1, lambda *_: control.request_checkpoint(say))
    signal.signal(signal.SIGTSTP, lambda *_: control.request_pause())
    signal.signal(signal.SIGCONT, lambda *_: control.request_unpause())


class Listener(threading.Thread):
    """Keeps heartbeat, state and time limit, hands commands from the database to the training, and answers them.

    Args:
        db: The database.
        attempt: The attempt that is being made.
        control: Where requests go.
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
        self._answers: deque[tuple[int, str]] = deque()
        self._written = RunStatus.RUNNING

    def close(self) -> None:
        """Stop listening; returns when the thread has ended. Commands left unanswered are the ending's to answer."""
        self._done.set()
        self.join()

    def run(self) -> None:
        """Listen until closed."""
        last_beat = 0.0
        while not self._done.wait(_POLL_SECONDS):
            if (reason := self._control.out_of_time) is not None:  # before the database, which may be unavailable
                self._control.request_stop(reason)
            try:
                new = [one for one in commands.pending(self._db, self._attempt.run_id) if one.id not in self._taken]
                if new:  # they may be meant for a later attempt
                    attempts.confirm_open(self._db, self._attempt.run_id, self._attempt.id)
                for command in new:
                    self._taken.add(command.id)
                    self._obey(command)
                if time.monotonic() - last_beat >= _HEARTBEAT_SECONDS:
                    last_beat = time.monotonic()
                    self._beat()
                self._report()
            except Exception as error:  # a database that is unavailable for a while must not end the training
                if isinstance(over := error.__cause__ or error, AttemptOver):
                    self._control.request_stop(str(over))  # also where it is paused and records nothing
                    return
                say(f"the database does not answer: {type(error).__name__}: {error}")
                self._done.wait(_HEARTBEAT_SECONDS)
        try:
            self._report()
        except Exception as error:
            say(f"commands were not answered: {type(error).__name__}: {error}")

    def _report(self) -> None:
        """Write the state of the training, then the answers given so far, which may be about that state."""
        due = len(self._answers)
        status = self._status()
        if status is not self._written:
            attempts.set_status(self._db, self._attempt.id, status)
            self._written = status
        for _ in range(due):
            commands.acknowledge(self._db, *self._answers[0])
            self._answers.popleft()

    def _status(self) -> RunStatus:
        if self._control.stop_reason is not None:
            return RunStatus.STOPPING
        return RunStatus.PAUSED if self._control.holding else RunStatus.RUNNING

    def _obey(self, command: CommandRecord) -> None:
        def answer(outcome: str) -> None:
            self._answers.append((command.id, outcome))

        if command.kind == "stop":
            self._control.request_stop("stopped by user")
            answer("stopping: a checkpoint is written first")
        elif command.kind == "pause":
            self._control.request_pause(answer)
        elif command.kind == "unpause":
            self._control.request_unpause(answer)
        else:
            self._control.request_checkpoint(answer)
