"""Databases that each revision's own code wrote: everything in them is still there, and can be continued."""

from __future__ import annotations

import gzip
import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db import key_values, migrate
from db.history import metrics
from db.history.writer import MetricWriter
from db.records import RunStatus
from db.runs import attempts, checkpoints, commands, runs
from db.session import Database
from tests.db.helpers import start, step
from tests.described import described

FILES = sorted((Path(__file__).parent / "released").glob("*.sqlite.gz"))

Rows = list[dict[str, Any]]


def contents(path: Path) -> dict[str, Rows]:
    """Every table's rows, as they lie there."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]
            for name in names
            if not name.startswith("sqlite_")
        }


def backups(path: Path) -> list[Path]:
    return list(path.parent.glob("itop.db.*.backup"))


@pytest.fixture(params=FILES, ids=lambda file: file.name[:4])
def released(request: pytest.FixtureRequest, home: Path) -> Path:
    path = home / "itop.db"
    path.write_bytes(gzip.decompress(request.param.read_bytes()))
    return path


def test_there_is_a_file_of_every_revision_before_this_one() -> None:
    assert {file.name[:4] for file in FILES} >= set(migrate.REVISIONS[:-1])


def test_every_table_of_a_file_is_filled(released: Path) -> None:
    assert [name for name, rows in contents(released).items() if not rows] == []


def test_every_value_is_still_there(released: Path) -> None:
    before = contents(released)
    (revision,) = before.pop("alembic_version")
    Database.open().close()
    after = contents(released)
    assert after["alembic_version"] == [{"version_num": migrate.HEAD}]
    for table, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[table]]
        if "recipe" in rows[0]:  # renamed by 0005: what counts is which runs share one
            assert _together(kept) == _together(rows)
            rows, kept = ([row | {"recipe": None} for row in each] for each in (rows, kept))
        assert kept == rows, table
    with closing(sqlite3.connect(released)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    if revision["version_num"] != migrate.HEAD:
        (backup,) = backups(released)
        saved = contents(backup)
        assert saved.pop("alembic_version") == [revision]
        assert saved == before


def _together(rows: Rows) -> list[list[int]]:
    """The ids of the runs that share a recipe."""
    groups: dict[str, list[int]] = {}
    for row in rows:
        groups.setdefault(row["recipe"], []).append(row["id"])
    return list(groups.values())


def test_a_run_queued_now_joins_those_of_its_recipe(released: Path) -> None:
    with closing(Database.open()) as db:
        for old in (runs.find(db, "resumed"), runs.get(db, 3)):
            config = {key: value for key, value in old.config.items() if value is not None}
            assert runs.create(db, **described(config | {"seed": 77})).recipe == old.recipe


def test_every_function_reads_it(released: Path) -> None:
    with closing(Database.open()) as db:
        run = runs.find(db, "resumed")
        assert (run.status, run.step, run.tags, run.notes) == (RunStatus.RUNNING, 880, ("paper", "naïve"), "two\nlines")
        assert (run.test_accuracy, run.flops_ratio, run.best_val_accuracy) == (0.9, 0.25, 0.8)
        assert run.recipe is not None
        assert runs.find(db, "fork").parent_id == run.id
        assert runs.find(db, "fork").recipe == run.recipe
        first, second = attempts.for_run(db, run.id)
        assert (first.status, first.exit_code, first.traceback) == (RunStatus.FAILED, 1, "Traceback: no")
        assert (second.start_step, second.ended_at, second.versions) == (650, None, {"torch": "2.7"})
        assert [each.kind for each in commands.pending(db, run.id)] == ["pause"]
        assert checkpoints.pick(db, run.id, "last").step == 650
        assert key_values.get(db, "theme") == {"name": "dark", "compact": [1, None]}
        steps = metrics.steps(db, run.id)
        assert [each.step for each in steps] == list(range(881))
        assert [each.step for each in steps if each.loss == math.inf] == [301]
        assert [each.epoch for each in metrics.epochs(db, run.id)] == list(range(9))
        assert [each.update for each in metrics.mask_updates(db, run.id)] == list(range(9))
        layer = metrics.layer_stats(db, run.id)[0]
        assert (layer.layer, layer.shape, layer.dead_outputs) == ("features.0", (4, 3), 2)
        assert len(metrics.layer_history(db, run.id, "classifier")) == 9
        thin = metrics.series(db, run.id, "loss", buckets=5)
        losses = [each.loss for each in steps if each.loss is not None and math.isfinite(each.loss)]
        assert {min(losses), max(losses), math.inf} <= set(thin.values)
        assert len(metrics.sparks(db, [run.id], points=9)[run.id]) == 9


def test_the_thinned_copies_are_those_that_recording_would_have_made(released: Path) -> None:
    with closing(Database.open()) as db:
        old = runs.find(db, "resumed")
        again = runs.create(db, config=old.config, name="again")
        with MetricWriter(db, again.id, start(db, again).id) as writer:
            for metric in metrics.steps(db, old.id):
                writer.step(replace(metric, metrics={}))  # no program has declared the one that a file holds
        chunks = contents(released)["step_chunks"]

    def of(run_id: int) -> Rows:
        return [row | {"run_id": 0} for row in chunks if row["run_id"] == run_id]

    assert of(old.id)
    assert of(old.id) == of(again.id)


def test_a_run_goes_on_from_where_it_was(released: Path) -> None:
    with closing(Database.open()) as db:
        run = runs.find(db, "resumed")
        attempt = attempts.latest(db, run.id)
        assert attempt is not None
        with MetricWriter(db, run.id, attempt.id) as writer:
            for number in range(881, 1100):
                writer.step(step(number))
        assert attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason=None)
        runs.requeue_resume(db, run.id, checkpoints.pick(db, run.id, "last").id)
        with MetricWriter(db, run.id, start(db, run).id) as writer:
            writer.step(step(651))
        assert [each.step for each in metrics.steps(db, run.id)] == list(range(652))
        assert metrics.series(db, run.id, "loss", buckets=4).steps[-1] == 651
        runs.delete(db, runs.find(db, "fork").id)
        assert db.give_back_space() >= 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/old/home/runs/{uid}/checkpoints/a.pt", "checkpoints/a.pt"),
        ("/old/runs/{uid}/x/runs/{uid}/checkpoints/a.pt", "checkpoints/a.pt"),
        ("/old/home/runs/{uid}/checkpoints/../../a.pt", None),
        ("/old/home/runs/{uid}/", None),
        ("/old/home/runs/{uid}", None),
        ("/old/home/runs/another/checkpoints/a.pt", None),
        ("/nowhere/a.pt", None),
        ("checkpoints/a.pt", None),
        ("../{uid}/a.pt", None),
    ],
)
def test_of_a_checkpoints_path_the_part_in_the_runs_folder_is_kept(home: Path, before: str, after: str | None) -> None:
    """Wherever the home was when it was written; what is elsewhere stays as it was written."""
    path = home / "itop.db"
    path.write_bytes(gzip.decompress((Path(__file__).parent / "released" / "0009.sqlite.gz").read_bytes()))
    with closing(sqlite3.connect(path)) as connection, connection:
        (uid,) = connection.execute("SELECT uid FROM runs WHERE id = 1").fetchone()
        connection.execute("UPDATE checkpoints SET path = ?", (before.format(uid=uid),))
    with closing(Database.open()) as db:
        (row,) = checkpoints.for_run(db, 1)
    with closing(sqlite3.connect(path)) as connection:
        ((named,),) = connection.execute("SELECT path FROM checkpoints").fetchall()
    assert named == (after or before).format(uid=uid)
    assert row.path == str(home / "runs" / uid / named)
    assert row.outside == (named[0] in "/.")
