"""The energy of a run: that of its attempts, which a resume does not take back."""

from __future__ import annotations

from db.history import metrics
from db.history.writer import MetricWriter
from db.records import RunQuery, RunRecord
from db.runs import attempts, checkpoints, runs
from db.session import Database
from tests.db.helpers import end, new_run, start, started, step


def recorded(db: Database, run: RunRecord, attempt: int, steps: range, *energies: float) -> None:
    with MetricWriter(db, run.id, attempt) as writer:
        for number in steps:
            writer.step(step(number, metrics={"gpu_load": number / 10}))
        for energy in energies:
            writer.progress(energy_wh=energy, gpu_load=0.5)


def test_energy_is_of_the_attempt_and_the_run_has_the_sum(db: Database) -> None:
    run, first = started(db)
    assert (run.energy_wh, first.energy_wh) == (None, None)
    recorded(db, run, first.id, range(1, 6), 1.5, 2.5)
    assert runs.get(db, run.id).energy_wh == 2.5

    at = checkpoints.add(
        db, run_id=run.id, attempt_id=first.id, step=3, epoch=0, kind="last", path="/nowhere/3.pt", bytes=1,
        sha256="0" * 64,
    )  # fmt: skip
    end(db, run)
    runs.requeue_resume(db, run.id, at.id)
    second = start(db, run)
    resumed = runs.get(db, run.id)
    # The readings are of steps that are gone, and so are they; the energy was used all the same.
    assert resumed.energy_wh == 2.5
    assert resumed.metrics == {"gpu_load": 0.3}
    assert metrics.series(db, run.id, "gpu_load").steps == [1, 2, 3]

    recorded(db, run, second.id, range(4, 6), 0.25)
    assert runs.get(db, run.id).energy_wh == 2.75
    assert [attempt.energy_wh for attempt in attempts.for_run(db, run.id)] == [2.5, 0.25]


def test_where_no_attempt_knows_its_energy_the_run_has_none(db: Database) -> None:
    run, attempt = started(db)
    recorded(db, run, attempt.id, range(1, 4))
    assert runs.get(db, run.id).energy_wh is None


def test_runs_are_found_and_sorted_by_their_energy(db: Database) -> None:
    used = {}
    for energy in (3.0, 1.0, None):
        run, attempt = started(db)
        recorded(db, run, attempt.id, range(1, 2), *([energy] if energy is not None else []))
        used[energy] = run.id
    new_run(db)
    assert [run.id for run in runs.list_runs(db, RunQuery("energy>2"))] == [used[3.0]]
    most = runs.list_runs(db, RunQuery(sort="energy_wh", descending=True, limit=2))
    assert [run.id for run in most] == [used[3.0], used[1.0]]


def test_steps_with_a_reading_are_found_without_the_others(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as writer:
        for number in range(1, 41):
            own = {"gpu_load": 0.5} if number % 10 == 0 else {"device_power": 9.0} if number == 5 else {}
            writer.step(step(number, metrics=own))
    wanted = ("gpu_load", "device_power")
    assert [row.step for row in metrics.steps(db, run.id, having=wanted)] == [5, 10, 20, 30, 40]
    assert [row.step for row in metrics.steps(db, run.id, having=wanted, latest=2)] == [30, 40]
    assert metrics.count_steps(db, run.id, having=wanted, after=10) == 3
    assert metrics.steps(db, run.id, having=("gpu_temperature",)) == []
