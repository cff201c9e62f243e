"""Any single cell of the tables of runs, attempts and checkpoints may hold anything: it breaks only its own row."""

from __future__ import annotations

import math
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.finding import grouping
from db.history import metrics
from db.history.writer import MetricWriter
from db.models import AttemptRow, CheckpointRow, RunRow
from db.records import RunQuery, RunRecord, RunStatus, StepMetric
from db.runs import attempts, checkpoints, queue, runs
from db.session import Database
from tests.db.helpers import end, new_run, started

_TABLES = {
    row.__tablename__: [column.name for column in row.__table__.columns if column.name != "id"]
    for row in (RunRow, AttemptRow, CheckpointRow)
}
_CELLS = [(table, column) for table in _TABLES for column in _TABLES[table]]
_BAD = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=12),
    st.binary(max_size=12),
    st.sampled_from(
        ["", "abc", "{", "[]", "null", "[" * 5_000, '{"lr": 1e999}', "running", "../..", 1e18, -1, b"\xff"]
    ),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """A database with an ended run, a queued one and a running one; the ended one is number 1."""
    path = tmp_path_factory.mktemp("whole") / "itop.db"
    shutil.copy(empty_database, path)
    with closing(Database.open(str(path))) as db:
        for _ in range(2):
            run, attempt = started(db, tags=("a", "b"), group="g")
            checkpoints.add(
                db, run_id=run.id, attempt_id=attempt.id, step=0, epoch=0, kind="last", path=f"/x/{run.id}.pt", bytes=3,
                sha256="0" * 64,
            )  # fmt: skip
        end(db, runs.get(db, 1))
        new_run(db)
    return path


@pytest.fixture(scope="module")
def scratch(whole: Path) -> Iterator[tuple[Path, Database]]:
    """A copy of it that stays open, as opening one takes longer than all else."""
    path = whole.with_name("scratch.db")
    shutil.copy(whole, path)
    with closing(Database.open(str(path))) as db:
        yield path, db


def damage(path: Path, table: str, column: str, value: object, row: int = 1) -> bool:
    """Replace one cell, whatever the rules of the table; False where SQLite itself refuses the value."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        as_text = isinstance(value, bytes) and value == b"\xff"
        new = "CAST(? AS TEXT)" if as_text else "?"
        try:
            connection.execute(f'UPDATE {table} SET "{column}" = {new} WHERE id = ?', (value, row))
        except sqlite3.IntegrityError:
            return False
        connection.commit()
    return True


def same(before: Any, after: Any) -> bool:
    return all(
        one == other or (one != one and other != other)
        for one, other in ((getattr(before, each.name), getattr(after, each.name)) for each in fields(before))
    )


@settings(max_examples=60)
@given(
    sort=st.sampled_from(sorted(runs.SORTS)),
    cell=st.sampled_from([(table, column) for table in _TABLES for column in _TABLES[table]]),
    value=_BAD,
)
def test_any_cell_with_any_value_breaks_only_its_own_row(
    whole: Path, scratch: tuple[Path, Database], cell: tuple[str, str], value: object, sort: str
) -> None:
    path, db = scratch
    with closing(sqlite3.connect(whole)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    before = {run.id: run for run in runs.list_runs(db)}
    if damage(path, *cell, value):
        found = {run.id: run for run in [*runs.list_runs(db, RunQuery(archived=None)), runs.get(db, 1)]}
        assert all(same(before[run_id], found[run_id]) for run_id in (2, 3))
        if cell[0] != "runs":
            assert same(before[1], found[1])
        for name, kind in (("status", RunStatus), ("config", dict), ("step", int), ("created_at", (int, float))):
            assert all(isinstance(getattr(run, name), kind) for run in found.values())
        for text in ("lr>0.01", "growth:gradient", "loss:nan", "duration>1h", "x", "is:active", "created>1d"):
            assert {run.id for run in runs.list_runs(db, RunQuery(text=text))} <= {1, 2, 3}
        runs.page(db, RunQuery(sort=sort))
        runs.page(db, RunQuery(sort="config.density"))
        grouping.groups(db, RunQuery(), "recipe")
        grouping.groups(db, RunQuery(), "config.growth")
        runs.totals(db)
        assert 3 in {run.id for run in queue.waiting(db)}
        queue.queued(db)
        assert 2 in {run.id for run in runs.active(db)}
        attempts.open_attempts(db)
        queue.move(db, 3, "top")
        for run_id in (1, 2, 3):
            attempts.for_run(db, run_id)
            attempts.latest(db, run_id)
            checkpoints.for_run(db, run_id)
        damaged = runs.get(db, 1)
        if not (damaged.status.is_active or damaged.status is RunStatus.QUEUED):
            runs.delete(db, 1)
            assert {run.id for run in runs.list_runs(db)} <= {2, 3}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("config", "{"),
        ("config", "[]"),
        ("config", "[" * 100_000),
        ("config", b"\xff"),
        ("metrics", "3"),
        ("metrics", '{"a": "b"}'),
        ("status", "unheard of"),
        ("step", "three"),
        ("step", -1),
        ("step", 2**62),
        ("loss", "low"),
        ("created_at", 1e18),
        ("created_at", -5.0),
        ("started_at", float("inf")),
        ("heartbeat_at", "yesterday"),
        ("name", b"\xff"),
        ("notes", b"\x00\x01"),
        ("tags", b"\x00"),
        ("uid", "../../etc"),
        ("held", "perhaps"),
        ("pid", 2**40),
        ("nonfinite", "x"),
    ],
)
def test_the_field_that_is_damaged_is_named(whole: Path, tmp_path: Path, column: str, value: object) -> None:
    path = tmp_path / "itop.db"
    shutil.copy(whole, path)
    assert damage(path, "runs", column, value)
    with closing(Database.open(str(path))) as db:
        run = runs.get(db, 1)
        assert run.damaged == (column,)
        assert [each.damaged for each in runs.list_runs(db)] == [(), (), (column,)]
        assert not run.status.is_active


def test_what_is_damaged_reads_as_harmless(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "itop.db"
    shutil.copy(whole, path)
    for column, value in {
        "status": "?",
        "step": "x",
        "created_at": "x",
        "loss": "x",
        "uid": "/",
        "config": "?",
    }.items():
        assert damage(path, "runs", column, value)
    with closing(Database.open(str(path))) as db:
        run: RunRecord = runs.get(db, 1)
    assert run.damaged == ("config", "created_at", "loss", "status", "step", "uid")
    assert (run.status, run.step, run.loss, run.uid, run.config) == (RunStatus.LOST, 0, None, "damaged-1", {})
    assert math.isnan(run.created_at)


@pytest.mark.parametrize("cell", ["low", b"\xff"])
def test_a_number_that_is_none_leaves_out_its_step_alone(whole: Path, tmp_path: Path, cell: object) -> None:
    path = tmp_path / "itop.db"
    shutil.copy(whole, path)
    with closing(Database.open(str(path))) as db:
        run = runs.create(db, config={}, name="with steps")
        attempt = runs.reserve(db, run.id, host="here", device="cpu", slots=9)
        assert attempt is not None
        with MetricWriter(db, run.id, attempt.id) as writer:
            for step in range(1, 6):
                writer.step(StepMetric(step=step, epoch=1, loss=float(step), accuracy=0.5, learning_rate=0.1))
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE step_metrics SET loss = ? WHERE run_id = ? AND step = 3", (cell, run.id))
        loss, rate = (metrics.series(db, run.id, name) for name in ("loss", "learning_rate"))
        assert (loss.steps, loss.values) == ([1, 2, 4, 5], [1.0, 2.0, 4.0, 5.0])
        assert rate.steps == [1, 2, 3, 4, 5]
