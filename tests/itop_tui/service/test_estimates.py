from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from db.history.writer import MetricWriter
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, RunQuery, RunRecord, RunStatus, StepMetric
from db.runs import attempts, checkpoints, runs
from db.session import Database
from engine.config.experiments import as_stored
from engine.config.run_config import RunConfig
from engine.launch.processes import host_name
from itop_tui.service.estimates import Estimate, estimate, kept_checkpoints

CONFIG = RunConfig.create(data="digits", batch_size=50, epochs=4, device="cpu")
PLAN = {"parameters": 1000, "maskable": 900, "steps": 116, "layers": [{}, {}]}


def past(
    database: Database, config: RunConfig, speed: float, *, device: str = "cpu", host: str = "",
    status: RunStatus = RunStatus.COMPLETED, size: int = 0,
) -> RunRecord:  # fmt: skip
    run = runs.create(database, **as_stored(config), total_steps=116)
    attempt = runs.reserve(database, run.id, host=host or host_name(), device=device, slots=99)
    assert attempt is not None
    attempts.running(database, attempt.id, pid=1, start_time=None, boot_id=None)
    with MetricWriter(database, run.id, attempt.id) as writer:
        writer.step(StepMetric(1, 1, 0.5, samples_per_second=speed))
    if size:
        checkpoints.add(
            database, run_id=run.id, attempt_id=attempt.id, step=1, epoch=1, kind="last", path=f"{run.id}.pt",
            bytes=size, sha256="0" * 64, val_accuracy=None,
        )  # fmt: skip
    if status.is_terminal:
        attempts.finish(database, attempt.id, status=status, reason=None)
    return runs.get(database, run.id)


def judged(database: Database, *configs: RunConfig, plan: object = None) -> Estimate:
    return estimate(database, configs or (CONFIG,), plan, kind="cpu")  # type: ignore[arg-type]


def test_without_a_past_run_nothing_is_guessed(database: Database) -> None:
    found = judged(database)
    assert (found.seconds, found.bytes) == (None, None)
    assert found.seconds_from == "unknown: no past run like it"
    assert found.bytes_from == "unknown: neither a past run like it nor its size is known"


def test_the_time_is_that_of_the_median_speed(database: Database) -> None:
    for speed in (1000.0, 4000.0, 500.0, math.nan):
        past(database, CONFIG.with_changes(seed=int(speed) if speed == speed else 1), speed)
    past(database, CONFIG, 2000.0, status=RunStatus.RUNNING)
    found = judged(database)
    steps = CONFIG.planned_steps()
    assert steps is not None
    assert found.seconds == pytest.approx(steps * 50 / 1500.0)
    assert found.seconds_from == "from 4 past runs at 1.5k/s"


@pytest.mark.parametrize(
    "other",
    [{"model": "lenet5"}, {"data": "mnist"}, {"batch_size": 10}, {"precision": "bf16"}, {"compile": True}],
    ids=lambda changes: next(iter(changes)),
)
def test_runs_of_another_kind_tell_nothing(database: Database, other: dict[str, object]) -> None:
    past(database, CONFIG.with_changes(**({"model": "lenet300-100", "data": "mnist"} | other)), 1000.0)
    if "data" not in other and "model" not in other:
        past(database, CONFIG.with_changes(**other), 1000.0)
    assert judged(database).seconds is None


def test_runs_elsewhere_failed_or_on_another_device_tell_nothing(database: Database) -> None:
    past(database, CONFIG, 1000.0, host="elsewhere")
    past(database, CONFIG, 1000.0, device="cuda:0")
    past(database, CONFIG, 1000.0, status=RunStatus.FAILED)
    assert judged(database).seconds is None
    on_gpu = CONFIG.with_changes(device="cuda:1")
    assert judged(database, on_gpu).seconds is not None
    anywhere = CONFIG.with_changes(device="auto")
    assert judged(database, anywhere).seconds is None
    assert estimate(database, [anywhere], kind="cuda").seconds is not None


def test_the_disk_is_that_of_past_checkpoints_or_of_the_parameters(database: Database) -> None:
    by_plan = judged(database, plan=PLAN)
    assert by_plan.bytes is not None
    assert "sized by its parameters" in by_plan.bytes_from
    # two last ones and the best: weights, the best weights, momentum
    assert by_plan.bytes == pytest.approx(3 * (4 * 1000 * 3 + 25_000) + 116 * 95, rel=0.02)
    past(database, CONFIG, 1000.0, size=777_000)
    by_past = judged(database, plan=PLAN)
    assert by_past.bytes is not None
    assert by_past.bytes == pytest.approx(3 * 777_000, rel=0.01)
    assert "sized by past ones" in by_past.bytes_from
    adam = CONFIG.with_changes(optimizer="adam", sparse=True, checkpoint_every=2)
    assert kept_checkpoints(adam) == 2 + 1 + 2
    with_adam = judged(database, adam, plan=PLAN)
    assert with_adam.bytes == pytest.approx(5 * (4 * 1000 * 4 + 3 * 900 + 25_000) + 116 * 95, rel=0.05)


def test_a_sweep_takes_the_sum_and_says_of_how_many_it_is_not_known(database: Database) -> None:
    past(database, CONFIG, 1000.0, size=50_000)
    one = judged(database, plan=PLAN)
    longer = CONFIG.with_changes(epochs=8)
    both = judged(database, CONFIG, longer, plan=PLAN)
    assert one.seconds is not None
    assert both.seconds is not None
    assert both.seconds > 2.5 * one.seconds
    assert both.seconds_from == "from 1 past run at 1.0k/s"
    mixed = judged(database, CONFIG, CONFIG.with_changes(model="lenet5", data="mnist"), longer, plan=PLAN)
    assert (mixed.seconds, mixed.bytes) == (None, None)
    assert mixed.seconds_from == "unknown for 1 of 3 runs: no past run like it"


def test_a_large_sweep_reads_the_past_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[RunQuery] = []

    def listed(db: Database, query: RunQuery) -> list[RunRecord]:
        read.append(query)
        return []

    monkeypatch.setattr(runs, "list_runs", listed)
    judged(database, *(CONFIG.with_changes(seed=seed) for seed in range(50)))
    assert len(read) == 1


def test_a_length_that_is_not_known_is_said(database: Database) -> None:
    own = CONFIG.with_changes(data="my.package:data", model="my.package:net")
    past(database, own, 1000.0, size=1000)
    assert judged(database, own).seconds_from.endswith("the length is not known before the data set is loaded")
    assert judged(database, own, plan=PLAN).seconds == pytest.approx(116 * 50 / 1000)


def test_rows_take_what_is_said_of_them(database: Database, home: Path) -> None:
    """Write the rows of a run, and measure the file; the constants may be off by a third."""
    from itop_tui.service import estimates

    def written() -> int:
        with closing(sqlite3.connect(home / "itop.db")) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return (home / "itop.db").stat().st_size

    steps, updates, layers = 12_000, 100, 8
    run = past(database, CONFIG, 1000.0, status=RunStatus.RUNNING)
    attempt = attempts.latest(database, run.id)
    assert attempt is not None
    before = written()
    with MetricWriter(database, run.id, attempt.id) as writer:
        for step in range(2, steps + 2):
            writer.step(
                StepMetric(step, 1, 1 / step, 0.5 + 0.1 / step, 0.1, 0.3 / step, 0.05, 0.3 + 0.1 / step, 9000.0 + step)
            )
        for number in range(updates):
            writer.mask_update(
                MaskUpdate(number, number + 1, 0.5, 10, 10, 100, 0.05, 0.1 + number / 999, 0.9, 0.8, 0.7, 0.1),
                [
                    LayerMaskStat(f"features.{layer}.weight", layer, (64, 64, 3, 3), 36_864, 1800, 90, 90, 5000,
                                  0.9, 0.3, 0.7, 0, 1)
                    for layer in range(layers)
                ],
            )  # fmt: skip
        for epoch in range(1, 41):
            writer.epoch(EpochMetric(epoch, epoch, 0.1, 0.9, 0.2, 0.8, 0.1, 3.2))
    said = (
        steps * estimates.STEP_BYTES
        + updates * (estimates.UPDATE_BYTES + layers * estimates.LAYER_BYTES)
        + 40 * estimates.EPOCH_BYTES
    )
    assert written() - before == pytest.approx(said, rel=0.33)
