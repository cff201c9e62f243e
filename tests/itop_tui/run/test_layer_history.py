"""The layers' history is read once; afterwards only what is new."""

from __future__ import annotations

from typing import Any

import pytest

from db.history import metrics
from db.history.writer import MetricWriter
from db.records import LayerMaskStat, MaskUpdate, RunStatus
from db.runs import attempts, checkpoints, runs
from db.session import Database
from itop_tui.run.run_reader import LayerHistory, LayerHistoryReader
from tests.itop_tui.run.fabricate import LAYERS, layer_stats, record_run, start


class Watched:
    """Counts the rows of layers that are read, and remembers after which update."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[int] = []
        self.after: list[int] = []
        read = metrics.layer_updates

        def watched(db: Database, run_id: int, *, after: int = -1) -> Any:
            found = read(db, run_id, after=after)
            self.rows.append(sum(len(layers) for _, _, layers in found))
            self.after.append(after)
            return found

        monkeypatch.setattr(metrics, "layer_updates", watched)

        def never(*_: object, **__: object) -> None:
            raise AssertionError("the whole history was read")

        monkeypatch.setattr(metrics, "layer_history", never)


def by_layer(database: Database, run_id: int, history: LayerHistory) -> None:
    """The history is what is recorded of each layer."""
    for name, stats in history.layers:
        recorded: list[tuple[int, LayerMaskStat]] = metrics.layer_history(database, run_id, name)
        assert list(zip(history.steps, stats, strict=True)) == recorded


def test_only_new_updates_are_read(database: Database) -> None:
    run = record_run(database, steps=300)
    reader = LayerHistoryReader(database, run.id)
    attempt = attempts.latest(database, run.id)
    assert attempt is not None
    with pytest.MonkeyPatch.context() as patch:
        watched = Watched(patch)
        before = reader.read(1)
        assert reader.read(1) is before, "nothing new: the same history"
        with MetricWriter(database, run.id, attempt.id) as writer:
            for update in (4, 5):
                writer.mask_update(
                    MaskUpdate(update, 100 * update, 0.4, 50, 50, 4_000, 0.05, 0.05), layer_stats(update)
                )
            writer.flush()
        after = reader.read(1)
        assert watched.after == [-1, 3, 3]
        assert watched.rows == [4 * len(LAYERS), 0, 2 * len(LAYERS)]
    assert after.steps == (0, 100, 200, 300, 400, 500)
    assert after.generation == before.generation
    assert before.steps == (0, 100, 200, 300)
    by_layer(database, run.id, after)


def test_updates_removed_by_a_resume_are_gone(database: Database) -> None:
    run = record_run(database, steps=300, kinds=("best",), ended=RunStatus.STOPPED, reason="stopped by user")
    reader = LayerHistoryReader(database, run.id)
    assert reader.read(1).steps == (0, 100, 200, 300)
    runs.requeue_resume(database, run.id, checkpoints.pick(database, run.id, "best").id)
    start(database, run.id)
    again = reader.read(runs.get(database, run.id).attempt_count)
    assert again.steps == (0, 100, 200)
    by_layer(database, run.id, again)


def test_a_dense_run_has_no_history(database: Database) -> None:
    run = record_run(database, steps=3, kinds=())
    reader = LayerHistoryReader(database, run.id + 1)
    assert reader.read(1) == LayerHistory((), (), 1)
