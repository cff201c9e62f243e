"""What SQLite does for each query: nothing scans a history, and lists and summaries do not even look at one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from db import key_values
from db.finding import grouping, listing
from db.history import cut_back, declared, metrics
from db.history.declared import Metric
from db.history.writer import MetricWriter
from db.records import EpochMetric, LayerMaskStat, MaskUpdate, RunQuery, RunRecord, RunStatus
from db.rows import get_run
from db.runs import attempts, checkpoints, code, commands, endings, queue, runs
from db.session import Database
from tests.db.helpers import new_run, start, started, step

HISTORIES = ("step_metrics", "step_values", "step_chunks", "epoch_metrics", "mask_updates", "layer_mask_stats")


@contextmanager
def statements(db: Database) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database meanwhile."""
    heard: list[tuple[str, Any]] = []

    def hear(_connection: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:
        if sql.split(None, 1)[0] in ("SELECT", "WITH", "UPDATE", "DELETE", "INSERT"):
            heard.append((sql, parameters[0] if many else parameters))

    sa.event.listen(db._engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        sa.event.remove(db._engine, "before_cursor_execute", hear)


def plans(db: Database, call: Callable[[], object]) -> list[str]:
    """One line for each table or index that a call's queries go through."""
    with statements(db) as heard:
        call()
    assert heard
    with db.read() as session:
        driver = session.connection().connection.driver_connection
        assert driver is not None
        return [row[3] for sql, parameters in heard for row in driver.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]


def of_histories(plan: list[str]) -> list[str]:
    return [line for line in plan if any(name in line.split() for name in HISTORIES)]


_POWER = Metric("power", "power", "power", "W")
"""A metric without a column."""


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database of SQLite with 22 runs; the first two have enough of everything for two levels of copies."""
    declared._by_name[_POWER.name] = _POWER
    try:
        yield from _filled(tmp_path_factory)
    finally:
        del declared._by_name[_POWER.name]


def _filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with closing(Database.open(str(tmp_path_factory.mktemp("plans") / "itop.db"))) as db:
        for _ in range(2):
            run, attempt = started(db)
            with MetricWriter(db, run.id, attempt.id) as writer:
                for number in range(9000):
                    writer.step(step(number, metrics={_POWER.name: float(number)} if number % 7 == 0 else {}))
                writer.epoch(EpochMetric(1, 100, val_accuracy=0.5))
                layer = LayerMaskStat("fc", 0, (2,), 2, 1, 0, 0, 1)
                writer.mask_update(MaskUpdate(0, 0, 0.5, 3, 3, 40, 0.5, 0.5), [layer])
        for _ in range(20):
            new_run(db)
        yield db


@pytest.fixture
def run(db: Database) -> RunRecord:
    return runs.get(db, 1)


LISTS: dict[str, Callable[[Database, RunRecord], object]] = {
    "list": lambda db, run: runs.list_runs(db, RunQuery(text="vgg", statuses=(RunStatus.RUNNING,))),
    **{
        f"by {name}": lambda db, run, name=name: runs.list_runs(db, RunQuery(sort=name, descending=True, limit=5))  # type: ignore[misc]
        for name in ("id", "loss", "val_accuracy", "progress", "created_at")
    },
    "count": lambda db, run: runs.count(db, RunQuery(text="vgg")),
    "find": lambda db, run: listing.find(db, run.uid),
    "get": lambda db, run: runs.get(db, run.id),
    "active": lambda db, run: runs.active(db),
    "queued": lambda db, run: queue.queued(db),
    "waiting": lambda db, run: queue.waiting(db),
    "groups": lambda db, run: grouping.groups(db, RunQuery(), "recipe"),
    "attempts": lambda db, run: attempts.for_run(db, run.id),
    "open attempts": lambda db, run: attempts.open_attempts(db),
    "checkpoints": lambda db, run: checkpoints.for_run(db, run.id),
    "commands": lambda db, run: commands.pending(db, run.id),
    "settings": lambda db, run: key_values.get(db, "theme"),
    "by any metric": lambda db, run: runs.list_runs(db, RunQuery(text="metrics.power>1", sort="metrics.power")),
    "edit": lambda db, run: runs.update_fields(db, run.id, notes="changed"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_or_summary_does_not_look_at_histories(db: Database, run: RunRecord, name: str) -> None:
    assert of_histories(plans(db, lambda: LISTS[name](db, run))) == []


def test_what_has_started_with_its_code_is_found_without_going_through_all_attempts(db: Database) -> None:
    mark = code.CodeMark(frozenset({1}), 0)
    lines = plans(db, lambda: code.started_since(db, mark))
    assert [line for line in lines if line.startswith("SCAN") and {"attempts", "code_files"} & {*line.split()}] == []


def test_what_has_ended_is_found_without_going_through_all_runs(db: Database) -> None:
    mark = endings.Mark(frozenset({1}), 0, 0)
    lines = plans(db, lambda: endings.since(db, mark))
    assert "SEARCH runs USING INTEGER PRIMARY KEY (rowid=?)" in lines
    tables = {"runs", "attempts", "commands"}
    assert [line for line in lines if line.startswith("SCAN") and tables & {*line.split()}] == []


def _cut(db: Database, run: RunRecord) -> None:
    with db.write() as session:
        cut_back.truncate(session, get_run(session, 2), 5000)


def _record(db: Database, run: RunRecord) -> None:
    other = new_run(db)
    with MetricWriter(db, other.id, start(db, other).id) as writer:
        for number in range(300):
            writer.step(step(number, metrics={_POWER.name: float(number)}))


READS: dict[str, Callable[[Database, RunRecord], object]] = {
    "steps": lambda db, run: metrics.steps(db, run.id, after=10, until=20),
    "last steps": lambda db, run: metrics.steps(db, run.id, after=8990),
    "epochs": lambda db, run: metrics.epochs(db, run.id),
    "mask updates": lambda db, run: metrics.mask_updates(db, run.id),
    "layer stats": lambda db, run: metrics.layer_stats(db, run.id),
    "layer history": lambda db, run: metrics.layer_history(db, run.id, "fc"),
    "new layer updates": lambda db, run: metrics.layer_updates(db, run.id, after=3),
    **{
        f"series in {buckets}": lambda db, run, buckets=buckets: metrics.series(db, run.id, "loss", buckets=buckets)  # type: ignore[misc]
        for buckets in (None, 1, 5, 100, 5000)
    },
    "window": lambda db, run: metrics.series(db, run.id, "loss", first=100, last=8000, buckets=50),
    **{
        f"series without a column in {buckets}": lambda db, run, buckets=buckets: metrics.series(  # type: ignore[misc]
            db, run.id, "power", buckets=buckets
        )
        for buckets in (None, 1, 100)
    },
    "averages": lambda db, run: metrics.averages(db, run.id, "loss", first=0, last=9000, buckets=20),
    "averages without a column": lambda db, run: metrics.averages(db, run.id, "power", first=0, last=9000, buckets=20),
    "recorded": lambda db, run: metrics.recorded(db, [run.id]),
    "epochs' series": lambda db, run: metrics.series(db, run.id, "val_loss", buckets=5),
    "updates' series": lambda db, run: metrics.series(db, run.id, "churn", buckets=5),
    "several": lambda db, run: metrics.several(db, [run.id, run.id + 1], ["loss", "accuracy"], buckets=10),
    "sparks": lambda db, run: metrics.sparks(db, list(range(1, 22)), points=10),
    "cut": _cut,
    "record": _record,
}


@pytest.mark.parametrize("name", READS)
def test_histories_are_searched_by_run_and_never_scanned(db: Database, run: RunRecord, name: str) -> None:
    lines = of_histories(plans(db, lambda: READS[name](db, run)))
    assert lines
    assert [line for line in lines if not line.startswith("SEARCH") or "run_id=?" not in line] == []


def test_a_curve_reads_few_rows_however_long_it_is(db: Database, run: RunRecord) -> None:
    """Of 9,000 steps no more than a thinned copy's tail and its ends; counted where SQLite hands rows over."""
    with statements(db) as heard:
        metrics.series(db, run.id, "loss", buckets=10)
    with db.read() as session:
        driver = session.connection().connection.driver_connection
        assert driver is not None
        rows = [len(driver.execute(sql, parameters).fetchall()) for sql, parameters in heard]
    assert 10 < sum(rows) < 500
