"""When what a run uses is read, and what becomes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from engine.launch.machine_usage import MachineUsage
from engine.training import usage_recorder
from engine.training.training import Training
from engine.training.usage_recorder import UsageRecorder
from tests.patience import wait_for


class Trains:
    """The part of a training that a recorder sees."""

    def __init__(self) -> None:
        self.step = 0
        self.recorded: dict[str, float] = {}

    def record(self, **values: float) -> None:
        self.recorded.update(values)


class Latest:
    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, **values: Any) -> None:
        self.calls.append(values)


def recorder(read: Callable[[], MachineUsage], *, every: float = 3600.0) -> tuple[UsageRecorder, Trains, Latest]:
    trains, latest = Trains(), Latest()
    made = UsageRecorder(read, latest, every=every)
    made.on_start(cast(Training, trains))
    return made, trains, latest


def readings(*values: Mapping[str, float], joules: float | None = None) -> Callable[[], MachineUsage]:
    coming = iter(values)
    return lambda: MachineUsage(next(coming), joules)


def test_a_reading_belongs_to_the_step_that_is_being_taken() -> None:
    made, trains, latest = recorder(readings({"gpu_load": 0.5}, {"gpu_load": 0.9}))
    made.look()
    assert trains.recorded == {"gpu_load": 0.5}
    trains.step = 1
    made.look()
    assert trains.recorded == {"gpu_load": 0.9}
    assert latest.calls == [{"gpu_load": 0.5}, {"gpu_load": 0.9}]


def test_while_no_step_ends_the_latest_values_go_on_and_the_next_step_gets_the_mean() -> None:
    """As in a validation or a pause."""
    each = [{"gpu_load": 0.9, "device_power": 300.0}, {"gpu_load": 0.3}, {"gpu_load": 0.0, "device_power": 100.0}]
    made, trains, latest = recorder(readings(*each, {"gpu_load": 0.8}))
    for _ in each:
        made.look()
    assert trains.recorded == {"gpu_load": pytest.approx(0.4), "device_power": 200.0}
    assert latest.calls == each
    trains.step = 1
    made.look()
    assert trains.recorded["gpu_load"] == 0.8


def test_energy_is_given_where_it_is_known_and_never_as_0() -> None:
    for joules, given in ((None, None), (0.0, None), (1800.0, 0.5)):
        made, _, latest = recorder(readings({"gpu_load": 0.5}, joules=joules))
        made.look()
        assert latest.calls[0].get("energy_wh") == given
    made, _, latest = recorder(readings({}))
    made.look()
    assert latest.calls == []


def test_before_the_training_there_are_latest_values_alone() -> None:
    latest = Latest()
    UsageRecorder(readings({"host_cpu": 1.0}), latest).look()
    assert latest.calls == [{"host_cpu": 1.0}]


def test_it_reads_at_the_start_soon_after_it_then_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_recorder, "_SOON_SECONDS", 0.01)
    count = [0]

    def read() -> MachineUsage:
        count[0] += 1
        return MachineUsage({"host_cpu": float(count[0])})

    made = UsageRecorder(read, Latest(), every=3600.0)
    made.start()
    wait_for(lambda: count[0] == 1, "the first reading")
    made.on_start(cast(Training, Trains()))
    wait_for(lambda: count[0] == 3, "a reading at the start and one soon after")
    made.close()
    assert count[0] == 4


def test_where_a_reading_costs_much_there_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, _ = recorder(readings({}), every=10.0)
    paused: list[float | None] = []

    class Wake(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            paused.append(timeout)
            made._closing = len(paused) == 3
            return False

    costs = iter([0.001, 0.02, 0.2])
    monkeypatch.setattr(made, "_wake", Wake())
    monkeypatch.setattr(made, "look", lambda: next(costs, 0.0))
    made._run()
    assert paused == [10.0, 10.0, 40.0]


def test_a_driver_that_fails_ends_the_reading_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    def read() -> MachineUsage:
        raise OSError("fallen off the bus")

    made, _, latest = recorder(read)
    made.start()
    made.close()
    assert "not recorded any more: OSError: fallen off the bus" in capsys.readouterr().out
    assert latest.calls == []


def test_a_driver_that_does_not_answer_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_recorder, "_CLOSE_SECONDS", 0.01)
    answers = threading.Event()

    def read() -> MachineUsage:
        answers.wait()
        return MachineUsage()

    made, _, _ = recorder(read)
    made.start()
    made.close()
    assert made._thread.is_alive()
    answers.set()
    made._thread.join()
