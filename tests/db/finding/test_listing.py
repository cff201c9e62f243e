from __future__ import annotations

import math
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.errors import StoreError
from db.history.writer import MetricWriter
from db.models import RunRow
from db.query import quoted
from db.records import RunQuery, RunRecord, RunStatus, RunTotals
from db.runs import attempts, runs, shelf
from db.session import Database
from tests.db.helpers import CONFIG, fastest, new_run, start, started


def names(db: Database, **query: Any) -> list[str]:
    return [run.name for run in runs.list_runs(db, RunQuery(**query))]


def test_newest_first_and_in_pages(db: Database) -> None:
    for number in range(5):
        new_run(db, name=str(number))
    assert names(db) == ["4", "3", "2", "1", "0"]
    assert names(db, limit=2) == ["4", "3"]
    assert names(db, limit=2, offset=4) == ["0"]
    assert names(db, limit=None, offset=3) == ["1", "0"]
    assert names(db, descending=False, limit=1) == ["0"]
    assert runs.count(db) == runs.count(db, RunQuery(limit=1)) == 5


def test_a_page_tells_how_many_there_are_in_all(db: Database) -> None:
    for number in range(5):
        new_run(db, name=f"{number} {'even' if number % 2 == 0 else 'odd'}")

    def page(**query: Any) -> tuple[list[str], int]:
        listed, matching = runs.page(db, RunQuery(**query))
        assert matching == runs.count(db, RunQuery(**query))
        return [run.name for run in listed], matching

    assert page(text="even", limit=2) == (["4 even", "2 even"], 3)
    assert page(text="even", limit=2, offset=2) == (["0 even"], 3)
    assert page(text="even", limit=2, offset=4) == ([], 3)
    assert page(limit=None, sort="name", descending=False)[0][0] == "0 even"
    assert page(text="neither") == ([], 0)


def test_totals_count_the_archive_and_leave_out_the_trash(db: Database) -> None:
    assert runs.totals(db) == RunTotals(runs=0, archived=0, active=0, queued=0)
    waiting, away, gone = (new_run(db) for _ in range(3))
    running, paused = started(db), started(db)
    attempts.set_status(db, paused[1].id, RunStatus.PAUSED)
    shelf.archive(db, [away.id, running[0].id])
    shelf.trash(db, [gone.id])
    assert waiting.status == "queued"
    assert runs.totals(db) == RunTotals(runs=4, archived=2, active=2, queued=2)


def test_the_filter_looks_into_every_column_people_mean(db: Database) -> None:
    new_run(db, name="Alpha", tags=["paper"])
    new_run(db, name="beta", config=CONFIG | {"model": "lenet5", "data": "mnist", "sparse": False})
    start(db, new_run(db, name="gamma", config=CONFIG | {"growth": "random"}))
    assert names(db, text="alpha") == ["Alpha"]
    assert names(db, text="LENET") == ["beta"]
    assert names(db, text="mnist") == ["beta"]
    assert names(db, text="rigl") == ["Alpha"]
    assert names(db, text="pape") == ["Alpha"]
    assert names(db, text="running") == ["gamma"]
    assert names(db, text="vgg set-itop") == ["gamma"]
    assert names(db, text="  vgg  alpha ") == ["Alpha"]
    assert names(db, text="vgg beta") == []
    assert runs.count(db, RunQuery(text="vgg")) == 2


def test_a_wildcard_is_a_letter_like_any_other(db: Database) -> None:
    for name in ("100%", "100", "a_b", "axb", "back\\slash", "sla/sh", "'; DROP TABLE runs; --"):
        new_run(db, name=name)
    assert names(db, text="100%") == ["100%"]
    assert names(db, text="a_b") == ["a_b"]
    assert names(db, text="\\") == ["back\\slash"]
    assert names(db, text="a/s") == ["sla/sh"]
    assert names(db, text="'; drop") == ["'; DROP TABLE runs; --"]


def test_by_state_and_group(db: Database) -> None:
    new_run(db, name="a", group="sweep")
    new_run(db, name="b", group="sweep")
    start(db, runs.find(db, "b"))
    new_run(db, name="c")
    assert names(db, group="sweep") == ["b", "a"]
    assert names(db, statuses=(RunStatus.QUEUED,)) == ["c", "a"]
    assert names(db, statuses=(RunStatus.QUEUED, RunStatus.RUNNING)) == ["c", "b", "a"]
    assert names(db, group="sweep", statuses=(RunStatus.RUNNING,), text="b") == ["b"]


@pytest.mark.parametrize("sort", sorted(runs.SORTS))
@pytest.mark.parametrize("descending", [False, True])
def test_every_column_sorts(db: Database, sort: str, *, descending: bool) -> None:
    for name in ("x", "y"):
        new_run(db, name=name)
    listed = runs.list_runs(db, RunQuery(sort=sort, descending=descending))
    assert len(listed) == 2


def test_an_unknown_column_is_refused_with_the_nearest(db: Database) -> None:
    with pytest.raises(StoreError, match=r"'accurcy'. Did you mean 'accuracy'\? Allowed: "):
        runs.list_runs(db, RunQuery(sort="accurcy"))
    with pytest.raises(StoreError):
        runs.list_runs(db, RunQuery(sort="id; DROP TABLE runs"))


def test_runs_without_a_figure_come_last_in_either_direction(db: Database) -> None:
    for name, loss in (("high", 2.0), ("none", None), ("low", 1.0), ("nan", math.nan)):
        run, attempt = started(db, name=name)
        with MetricWriter(db, run.id, attempt.id) as writer:
            writer.progress(loss=loss)
        attempts.finish(db, attempt.id, status=RunStatus.COMPLETED, reason=None)
    assert names(db, sort="loss", descending=False)[:2] == ["low", "high"]
    assert names(db, sort="loss", descending=True)[:2] == ["high", "low"]


def test_names_sort_without_regard_to_case_and_ties_by_id(db: Database) -> None:
    for name in ("b", "A", "C", "a"):
        new_run(db, name=name)
    assert names(db, sort="name", descending=False) == ["A", "a", "b", "C"]
    assert names(db, sort="name", descending=True) == ["C", "b", "a", "A"]
    assert names(db, sort="model", descending=True) == ["a", "C", "A", "b"]


def test_progress_is_the_share_of_steps_done(db: Database) -> None:
    for name, done, total in (("half", 5, 10), ("unknown", 9, 0), ("most", 90, 100)):
        run, attempt = started(db, name=name, total_steps=total)
        with MetricWriter(db, run.id, attempt.id) as writer:
            writer.progress(step=done)
    assert names(db, sort="progress", descending=True) == ["most", "half", "unknown"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30))
def test_any_name_is_found_by_itself(db: Database, text: str) -> None:
    if not text.split():
        return
    run = new_run(db, name=text)
    assert run.name == " ".join(text.split())
    listed = runs.list_runs(db, RunQuery(text=quoted(run.name), limit=None))
    assert run.id in [found.id for found in listed]


def test_a_list_reads_the_table_of_runs_and_nothing_else(db: Database) -> None:
    run, attempt = started(db)
    with MetricWriter(db, run.id, attempt.id) as writer:
        writer.progress(loss=0.5)
    seen: list[str] = []
    sa.event.listen(db._engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    runs.list_runs(db, RunQuery(text="vgg", sort="best_val_accuracy"))
    statements = [text for text in seen if text.startswith("SELECT")]
    assert len(statements) == 2
    for statement in statements:
        assert statement.count("FROM") == 1
        assert "\nFROM runs \n" in statement


@pytest.mark.benchmark
def test_ten_thousand_runs_are_listed_and_filtered_in_a_tenth_of_a_second(db: Database) -> None:
    first = new_run(db)
    with db.write() as session:
        row = session.get_one(RunRow, first.id)
        values = {name: getattr(row, name) for name in RunRecord.__dataclass_fields__ if name != "id"}
        rows = [values | {"uid": f"{number:012d}", "name": f"run {number}"} for number in range(10_000)]
        session.execute(sa.insert(RunRow), rows)
    for query in (RunQuery(limit=50), RunQuery(text="vgg rigl 99", sort="loss", limit=50)):
        assert fastest(lambda query=query: runs.list_runs(db, query)) < 0.1  # type: ignore[misc]
