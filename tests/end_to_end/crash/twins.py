"""The runs of the storms, and what each of them records when nothing interrupts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from db.records import RunRecord, RunStatus
from db.runs import runs
from db.session import Database
from engine.config.run_config import RunConfig
from itop_tui.service import launching
from tests.engine.training.helpers import same
from tests.engine.worker_runs import epoch_rows, last_state, step_rows, update_rows

RUNS: dict[str, dict[str, Any]] = {
    "dense": {},
    "SET, SGD": {"sparse": True, "growth": "random", "density": 0.05},
    "RigL, Adam": {"sparse": True, "growth": "gradient", "density": 0.1, "optimizer": "adam", "lr": 0.001},
    "SNFS, bf16": {"sparse": True, "growth": "momentum", "redistribution": "momentum", "precision": "bf16"},
}


@dataclass(frozen=True, slots=True)
class Uninterrupted:
    """What a run records when nothing interrupts it."""

    steps: list[tuple[Any, ...]]
    epochs: list[tuple[Any, ...]]
    updates: list[Any]
    state: dict[str, Any]


def configuration(name: str, epochs: int) -> dict[str, Any]:
    """The settings of one of `RUNS`: 27 steps an epoch, a checkpoint after each, a mask update every 20 steps."""
    base = {"data": "digits", "model": "lenet300-100", "device": "cpu", "lr": 0.02, "batch_size": 50, "seed": 7}
    return RunConfig.create(base, epochs=epochs, update_frequency=20, **RUNS[name]).as_dict()


def launch(db: Database, name: str, epochs: int) -> RunRecord:
    """Queue one of `RUNS`."""
    return launching.launch(db, [RunConfig.create(configuration(name, epochs))], name=name).runs[0]


def without_clocks(state: dict[str, Any]) -> dict[str, Any]:
    """A final state without the values that depend on a clock."""
    return {name: value for name, value in state.items() if "second" not in name and "time" not in name}


def whole(db: Database, run: RunRecord) -> Uninterrupted:
    """What a run that is complete has recorded."""
    ended = runs.get(db, run.id)
    assert ended.status is RunStatus.COMPLETED, (ended.name, ended.status, ended.reason)
    state = without_clocks(last_state(db, run))
    return Uninterrupted(step_rows(db, run), epoch_rows(db, run), update_rows(db, run), state)


def assert_equal(found: Uninterrupted, expected: Uninterrupted, name: str) -> None:
    """Whether a run recorded the same as its uninterrupted twin, and ended in the same state."""
    assert found.steps == expected.steps, name
    assert found.epochs == expected.epochs, name
    assert found.updates == expected.updates, name
    assert found.state.keys() == expected.state.keys()
    for part, value in expected.state.items():
        assert same(found.state[part], value), (name, part)
