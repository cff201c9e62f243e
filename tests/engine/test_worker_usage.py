"""What the real worker records of its machine: with its own reader, and with one that a test makes up."""

from __future__ import annotations

from functools import partial

import pytest

from db.history import metrics
from db.history.declared import MACHINE_METRICS
from db.runs import attempts, checkpoints, runs
from db.session import Database
from engine import worker
from engine.launch.machine_usage import MachineUsage
from engine.training import usage_recorder
from engine.training.usage_recorder import UsageRecorder
from tests.engine.worker_runs import trained

pytestmark = pytest.mark.usefixtures("signals")


def test_a_run_records_its_own_process(db: Database) -> None:
    run = trained(db, epochs=2)
    assert run.metrics.keys() >= {"process_cpu", "process_memory", "host_cpu", "host_memory"}
    assert 0.05 < run.metrics["process_memory"] < run.metrics["host_memory"] * 2  # GiB: torch alone is more than 0.05
    assert run.metrics["process_cpu"] > 0


def test_readings_are_recorded_with_steps_and_energy_with_attempts(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reader:
        """Each reading uses one watt-hour more."""

        def __init__(self, devices: list[str]) -> None:
            assert devices == ["cpu"]
            self.count = 0

        def __call__(self) -> MachineUsage:
            self.count += 1
            return MachineUsage({"gpu_load": 0.5, "device_power": float(self.count)}, 3600.0 * (self.count - 1))

    monkeypatch.setattr(worker, "UsageReader", Reader)
    monkeypatch.setattr(usage_recorder, "_SOON_SECONDS", 0.001)
    monkeypatch.setattr(usage_recorder, "_LARGEST_SHARE", 1.0)
    monkeypatch.setattr(usage_recorder, "UsageRecorder", partial(UsageRecorder, every=0.001))
    run = trained(db, epochs=4, max_steps=14)
    read = metrics.steps(db, run.id, having=MACHINE_METRICS)
    assert read
    assert all(row.metrics["gpu_load"] == 0.5 for row in read)
    powers = [row.metrics["device_power"] for row in read]
    assert powers == sorted(set(powers))
    (first,) = attempts.for_run(db, run.id)
    assert first.energy_wh is not None
    assert run.energy_wh == first.energy_wh == run.metrics["device_power"] - 1 > 0

    runs.requeue_resume(db, run.id, checkpoints.pick(db, run.id, "last").id, config={**run.config, "max_steps": None})
    assert worker.main([str(run.id)]) == 0
    known = [attempt.energy_wh for attempt in attempts.for_run(db, run.id)]
    assert len(known) == 2
    assert runs.get(db, run.id).energy_wh == sum(energy for energy in known if energy is not None) > run.energy_wh
