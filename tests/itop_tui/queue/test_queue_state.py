"""What reading the queue asks of the database, however long the queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from db.models import RunRow
from db.records import RunRecord
from db.runs import runs
from db.runs.runs import NewRun
from db.session import Database
from engine.config.run_config import RunConfig
from itop_tui.queue import queue_state
from tests.db.test_plans import statements
from tests.described import described

CONFIG = RunConfig.create(data="digits").as_dict()


def make(database: Database, number: int) -> list[RunRecord]:
    return runs.create_many(database, [NewRun(**described(CONFIG), name="one of many") for _ in range(number)])


@contextmanager
def rows_loaded() -> Iterator[list[int]]:
    """The ids of the runs whose rows are read meanwhile."""
    heard: list[int] = []

    def hear(row: RunRow, _context: object) -> None:
        heard.append(row.id)

    sa.event.listen(RunRow, "load", hear)
    try:
        yield heard
    finally:
        sa.event.remove(RunRow, "load", hear)


def test_a_longer_queue_is_read_with_as_many_statements_and_rows(database: Database) -> None:
    made = [run.id for run in make(database, 50)]
    asked: list[int] = []
    for _ in range(2):
        with rows_loaded() as rows, statements(database) as heard:
            state = queue_state.read(database, range(10, 30))
        assert state.listed == tuple(made)
        assert state.queued == len(made)
        assert [run.id for run in state.waiting] == rows == made[10:30]
        assert set(state.reasons) == set(rows)
        asked.append(len(heard))
        made += [run.id for run in make(database, 150)]
    assert asked[0] == asked[1]


def test_no_more_runs_are_listed_than_so_many(database: Database) -> None:
    made = make(database, queue_state.LISTED + 1)
    state = queue_state.read(database)
    assert state.queued == len(made)
    assert state.listed == tuple(run.id for run in made[:-1])
