"""What reaches a training from outside never ends it by failing, and is answered in the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from db.errors import DatabaseUnavailable
from db.records import AttemptRecord, RunRecord, RunStatus
from db.runs import attempts, commands, runs
from db.session import Database
from engine.training.control import Control
from engine.training.listener import Listener
from tests.engine.training.helpers import config, trainer
from tests.engine.worker_runs import create, wait_for


def raises(outcome: str) -> None:
    raise DatabaseUnavailable(f"no database for {outcome!r}")


def test_an_answer_that_fails_ends_no_training() -> None:
    control = Control()
    control.save = lambda trainer: "saved"
    control.on_pause = lambda paused: control.request_unpause() if paused else None
    control.request_pause(raises)
    control.request_checkpoint(raises)
    heard: list[str] = []
    control.request_checkpoint(heard.append)
    assert trainer(config(epochs=1), [control]).fit().status == "completed"
    assert heard == ["saved"]


def test_an_answer_that_fails_at_the_end_ends_no_training() -> None:
    control = Control()
    one = trainer(config(epochs=1), [control])
    outcome = one.fit()
    heard: list[str] = []
    control.request_checkpoint(raises)
    control.request_checkpoint(heard.append)
    control.on_end(one, outcome)
    assert heard == ["too late: the run has completed"]


class Heard:
    """A run whose listener is at work, and a database that can be made unavailable for its answers."""

    def __init__(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.db, self.control, self.available = db, Control(), True
        self.run: RunRecord = create(db)
        reserved = runs.reserve(db, self.run.id, host="here", device="cpu", slots=1)
        assert reserved is not None
        self.attempt: AttemptRecord = reserved
        attempts.running(db, reserved.id, pid=1, start_time=1.0, boot_id="boot")
        self._answer: Callable[..., bool] = commands.acknowledge
        monkeypatch.setattr(commands, "acknowledge", self.acknowledge)
        monkeypatch.setattr("engine.training.listener._HEARTBEAT_SECONDS", 0.05)
        self.refused = 0
        self.listener = Listener(db, reserved, self.control, beat=lambda: None)
        self.listener.start()

    def acknowledge(self, *arguments: Any) -> bool:
        if not self.available:
            self.refused += 1
            raise DatabaseUnavailable("the server restarts")
        return self._answer(*arguments)

    @property
    def status(self) -> RunStatus:
        return runs.get(self.db, self.run.id).status

    def answers(self) -> list[str | None]:
        return [command.outcome for command in commands.for_run(self.db, self.run.id)]

    def pause(self) -> None:
        commands.send(self.db, self.run.id, "pause")
        wait_for(lambda: self.control._paused, "the pause to be heard")

    def train(self, **settings: Any) -> threading.Thread:
        one = trainer(config(epochs=1, **settings), [self.control])
        self.result: list[str] = []
        thread = threading.Thread(target=lambda: self.result.append(one.fit().status))
        thread.start()
        return thread


@pytest.fixture
def heard(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    made = Heard(db, monkeypatch)
    yield made
    made.control.request_stop("the test is over")
    made.listener.close()


def test_commands_are_answered_once_the_database_is_back(heard: Heard) -> None:
    heard.available = False
    heard.pause()
    thread = heard.train()
    wait_for(lambda: heard.status is RunStatus.PAUSED, "the pause")
    commands.send(heard.db, heard.run.id, "unpause")
    thread.join(60)
    assert heard.result == ["completed"]
    wait_for(lambda: heard.refused, "an answer that failed")
    assert heard.answers() == [None, None]
    heard.available = True
    wait_for(lambda: None not in heard.answers(), "both answers")
    assert heard.answers() == ["paused after step 0", "resumed"]


def test_a_pause_is_recorded_before_it_is_answered(heard: Heard) -> None:
    states: list[RunStatus] = []
    answer = heard._answer

    def look(*arguments: Any) -> bool:
        states.append(heard.status)
        return answer(*arguments)

    heard._answer = look
    heard.pause()
    thread = heard.train()
    wait_for(lambda: heard.answers() == ["paused after step 0"], "the pause")
    heard.control.request_stop("enough")
    thread.join(60)
    assert states == [RunStatus.PAUSED]


def test_stopping_a_paused_run_stays_stopping(heard: Heard) -> None:
    heard.pause()
    seen: list[RunStatus] = []
    thread = heard.train()
    wait_for(lambda: heard.answers() == ["paused after step 0"], "the pause")
    assert heard.status is RunStatus.PAUSED
    commands.send(heard.db, heard.run.id, "stop")
    wait_for(lambda: heard.status is not RunStatus.PAUSED, "the stop")
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        seen.append(heard.status)
        time.sleep(0.01)
    thread.join(60)
    assert heard.result == ["stopped"]
    assert set(seen) == {RunStatus.STOPPING}


def test_the_listener_alone_writes_the_state(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """From one thread, so that no state overwrites a later one, and the training never waits for the database."""
    writers: set[str] = set()
    write: Callable[..., bool] = attempts.set_status

    def noted(*arguments: Any) -> bool:
        writers.add(threading.current_thread().name)
        return write(*arguments)

    monkeypatch.setattr(attempts, "set_status", noted)
    heard.control.request_pause()
    thread = heard.train()
    wait_for(lambda: heard.status is RunStatus.PAUSED, "the pause")
    heard.control.request_unpause()
    thread.join(60)
    wait_for(lambda: heard.status is RunStatus.RUNNING, "the state after the pause")
    assert writers == {"listener"}


def test_an_unpause_before_the_training_holds_is_answered_too() -> None:
    control, heard = Control(), list[str]()
    control.request_pause(heard.append)
    control.request_unpause(heard.append)
    assert trainer(config(epochs=1), [control]).fit().status == "completed"
    assert heard == ["not paused: resumed or stopped first", "resumed"]
