"""What reaches a running training from outside: stop, pause, unpause, checkpoint.

Signals and the command listener make requests from their own threads; the training loop carries them out between two
steps, where the whole state is consistent. This module knows neither signals nor the database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from engine.training.callbacks import Callback
from engine.training.console import say

if TYPE_CHECKING:
    from engine.training.outcome import Outcome
    from engine.training.training import Training

__all__ = ["Control"]

Answer = Callable[[str], None]


class Control(Callback):
    """Carries requests from other threads to the training loop. All request methods are thread safe and repeatable.

    Answers are called on the training's thread. One that raises is reported in the log and does not end the training.

    Attributes:
        holding: Whether the training waits between two steps.
        on_pause: Called on the training's thread when it pauses (True) and when it resumes (False).
        save: Called on the training's thread to write a checkpoint between two steps; returns what to answer.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._stop_reason: str | None = None
        self._due: float | None = None
        self._due_reason = ""
        self._paused = False
        self._pause_answers: list[Answer] = []
        self._unpause_answers: list[Answer] = []
        self._checkpoint_answers: list[Answer] = []
        self.holding = False
        self.on_pause: Callable[[bool], None] = lambda paused: None
        self.save: Callable[[Training], str] = lambda trainer: "this run writes no checkpoints"

    @property
    def stop_reason(self) -> str | None:
        """Why the run is to stop, or None."""
        return self._stop_reason

    def stop_after(self, seconds: float, reason: str) -> None:
        """Set a time limit so many seconds from now; the listener checks `out_of_time` and stops the training."""
        self._due, self._due_reason = time.monotonic() + seconds, reason

    @property
    def out_of_time(self) -> str | None:
        """Why the run is to stop if its time is up, else None."""
        return self._due_reason if self._due is not None and time.monotonic() >= self._due else None

    def request_stop(self, reason: str) -> None:
        """Stop before the next step; the first reason counts. Safe in a signal handler."""
        # A signal handler runs on the training's thread and may interrupt it anywhere, also inside the condition's
        # lock; that lock is reentrant, so this cannot deadlock.
        with self._changed:
            if self._stop_reason is None:
                self._stop_reason = reason
            self._changed.notify_all()

    def request_pause(self, answer: Answer = lambda outcome: None) -> None:
        """Hold the training between two steps until unpaused or stopped; ``answer`` is called when it holds."""
        with self._changed:
            self._paused = True
            self._pause_answers.append(answer)
            self._changed.notify_all()

    def request_unpause(self, answer: Answer = lambda outcome: None) -> None:
        """Let a paused training resume; ``answer`` is called when it does, or before its next step."""
        with self._changed:
            self._paused = False
            self._unpause_answers.append(answer)
            self._changed.notify_all()

    def request_checkpoint(self, answer: Answer = lambda outcome: None) -> None:
        """Write a checkpoint between two steps, also while paused; ``answer`` is called with what was written."""
        with self._changed:
            self._checkpoint_answers.append(answer)
            self._changed.notify_all()

    def asks_to_meet(self) -> bool:
        """Whether something was requested since the last step; takes no lock."""
        return self._stop_reason is not None or self._paused or bool(self._unanswered())

    def on_step_end(self, trainer: Training) -> None:
        """Carry out what was requested since the last step."""
        if not self.asks_to_meet():
            return
        while True:
            with self._changed:
                checkpoints, self._checkpoint_answers = self._checkpoint_answers, []
                pauses, self._pause_answers = self._pause_answers, []
                unpauses, self._unpause_answers = self._unpause_answers, []
                hold = self._paused and self._stop_reason is None
            if hold and not self.holding:
                trainer.flush()
                self.holding = True  # before the answer: who reads it may look at the state
                self.on_pause(True)
            _give(pauses, f"paused after step {trainer.step}" if hold else "not paused: resumed or stopped first")
            if checkpoints:
                _give(checkpoints, self.save(trainer))
            if not hold:
                break
            _give(unpauses, "not resumed: paused again first")
            with self._changed:
                self._changed.wait_for(self._has_news)
        if self.holding:
            self.holding = False
            trainer.throughput.restart()
            if self._stop_reason is None:  # stopping is not resuming
                self.on_pause(False)
        _give(unpauses, "resumed" if self._stop_reason is None else "not resumed: stopped first")
        if self._stop_reason is not None:
            trainer.stop(self._stop_reason)

    def wants_stop(self) -> str | None:
        """Why an evaluation should be interrupted, or None."""
        return self._stop_reason

    def on_end(self, trainer: Training, outcome: Outcome) -> None:
        """Answer what came too late."""
        with self._changed:
            answers = self._unanswered()
            self._pause_answers, self._unpause_answers, self._checkpoint_answers = [], [], []
        _give(answers, f"too late: the run has {outcome.status}")

    def _has_news(self) -> bool:
        return not self._paused or self._stop_reason is not None or bool(self._unanswered())

    def _unanswered(self) -> list[Answer]:
        return self._pause_answers + self._unpause_answers + self._checkpoint_answers


def _give(answers: Iterable[Answer], outcome: str) -> None:
    for answer in answers:
        try:
            answer(outcome)
        except Exception as error:  # a training must not end because of an answer
            say(f"could not answer {outcome!r}: {type(error).__name__}: {error}")
