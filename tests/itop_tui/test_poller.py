from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from textual.message import Message

from db.records import RunTotals
from db.runs import runs, shelf
from db.session import Database
from engine.config.experiments import as_stored
from engine.config.presets import PRESETS
from itop_tui.poller import DatabaseReader, DatabaseTrouble, Poller, RunsChanged, View
from tests.itop_tui.support import MemoryReader, make_run
from tests.patience import PATIENCE


def watch(reader: MemoryReader) -> tuple[Poller, list[Message], SimpleNamespace]:
    posted: list[Message] = []
    time = SimpleNamespace(now=0.0)
    return Poller(reader, posted.append, clock=lambda: time.now), posted, time


def test_a_snapshot_is_posted_once_for_each_change() -> None:
    reader = MemoryReader([make_run(1)])
    poller, posted, _ = watch(reader)
    poller.look()
    poller.look()
    assert len(posted) == 1
    assert isinstance(posted[0], RunsChanged)
    assert [run.id for run in posted[0].snapshot.runs] == [1]
    reader.change([make_run(1), make_run(2)])
    poller.look()
    poller.look()
    assert len(posted) == 2


def test_another_view_is_read_without_a_change() -> None:
    poller, posted, _ = watch(MemoryReader([make_run(1), make_run(2, name="other")]))
    poller.look()
    poller.view = View(text="other")
    poller.look()
    last = posted[-1]
    assert isinstance(last, RunsChanged)
    assert last.snapshot.view.text == "other"
    assert [run.id for run in last.snapshot.runs] == [2]


def test_trouble_is_told_once_and_so_is_its_end() -> None:
    reader = MemoryReader([make_run(1)])
    poller, posted, _ = watch(reader)
    poller.look()
    reader.failure = OSError("disk I/O error")
    poller.look()
    poller.look()
    reader.failure = None
    poller.look()
    kinds = [type(message).__name__ for message in posted]
    assert kinds == ["RunsChanged", "DatabaseTrouble", "RunsChanged", "DatabaseTrouble"]
    told = [message.problem for message in posted if isinstance(message, DatabaseTrouble)]
    assert len(told) == 2
    assert "disk I/O error" in (told[0] or "")
    assert told[1] is None


def test_runs_are_settled_every_other_second_and_a_failure_there_hides_nothing() -> None:
    reader = MemoryReader([make_run(1)])
    poller, posted, time = watch(reader)
    for now in (0.0, 0.2, 1.9, 2.0, 2.2, 4.1):
        time.now = now
        poller.look()
    assert reader.settled == 3

    class Unsettled(MemoryReader):
        def settle(self) -> str | None:
            raise RuntimeError("no permission to look at processes")

    poller, posted, time = watch(Unsettled([make_run(1)]))
    poller.look()
    assert any(isinstance(message, RunsChanged) for message in posted)
    assert any(isinstance(message, DatabaseTrouble) and "permission" in (message.problem or "") for message in posted)


def test_a_look_tells_whether_something_was_new_and_failing_is_not() -> None:
    reader = MemoryReader([make_run(1)])
    poller, _, _ = watch(reader)
    assert poller.look()
    assert not poller.look()
    poller.view = View(text="set")
    assert poller.look()

    class Broken(MemoryReader):
        def version(self) -> int:
            raise RuntimeError("disk I/O error")

    poller, _, _ = watch(Broken([make_run(1)]))
    assert not poller.look()


def test_the_thread_rests_after_a_page_but_not_where_another_is_asked_for() -> None:
    import queue

    arrived: queue.Queue[object] = queue.Queue()
    poller = Poller(MemoryReader([make_run(1)]), arrived.put, interval=0.01, after_reading=60.0)
    poller.start()
    arrived.get(timeout=PATIENCE)
    poller.view = View(text="set")
    message = arrived.get(timeout=PATIENCE)
    assert isinstance(message, RunsChanged)
    assert message.snapshot.view.text == "set"
    poller.stop()


def test_the_thread_posts_and_ends() -> None:
    import threading

    arrived = threading.Event()
    poller = Poller(MemoryReader([make_run(1)]), lambda message: arrived.set(), interval=0.01)
    poller.start()
    assert arrived.wait(PATIENCE)
    poller.stop()
    assert not any(thread.name == "itop-poller" and thread.is_alive() for thread in threading.enumerate())


def test_the_database_reader_reads_page_order_filter_and_counts(database: Database) -> None:
    reader = DatabaseReader(database)
    empty = reader.read(View())
    assert (empty.total, empty.matching, empty.runs) == (0, 0, ())
    for seed, preset in enumerate(("digits-dense", "digits-set", "digits-rigl", "digits-rigl")):
        runs.create(database, **as_stored(PRESETS[preset].config(seed=seed)), name=f"run {seed}")
    before = reader.version()
    page = reader.read(View(limit=2))
    assert [run.name for run in page.runs] == ["run 3", "run 2"]
    assert (page.matching, page.total, page.active, page.queued) == (4, 4, 0, 4)
    found = reader.read(View(text="rigl", limit=1))
    assert (len(found.runs), found.matching, found.total) == (1, 2, 4)
    upwards = reader.read(View(sort="name", descending=False))
    assert [run.name for run in upwards.runs] == ["run 0", "run 1", "run 2", "run 3"]
    runs.update_fields(database, page.runs[0].id, name="another")
    assert reader.version() != before
    database.close()


def test_another_view_of_the_same_state_reads_its_page_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[Database] = []
    totals = runs.totals

    def count(db: Database) -> RunTotals:
        counted.append(db)
        return totals(db)

    monkeypatch.setattr(runs, "totals", count)
    reader = DatabaseReader(database)
    runs.create(database, **as_stored(PRESETS["digits-set"].config()))
    for text in ("", "s", "se", "set", "dense"):
        assert reader.read(View(text=text)).total == 1
    assert len(counted) == 1
    runs.create(database, **as_stored(PRESETS["digits-dense"].config()))
    assert [reader.read(View(text=text)).total for text in ("dense", "")] == [2, 2]
    assert len(counted) == 2


def test_the_archive_is_counted_but_not_listed(database: Database) -> None:
    reader = DatabaseReader(database)
    made = [runs.create(database, **as_stored(PRESETS["digits-set"].config())) for _ in range(3)]
    shelf.archive(database, [made[0].id])
    shelf.trash(database, [made[1].id])
    page = reader.read(View())
    assert ([run.id for run in page.runs], page.matching, page.total, page.archived) == ([made[2].id], 1, 2, 1)
    away = reader.read(View(text="is:archived"))
    assert ([run.id for run in away.runs], away.matching) == ([made[0].id], 1)


def test_every_column_sorts_by_something_the_database_knows(database: Database) -> None:
    from itop_tui.runs.run_columns import COLUMNS, FIELDS, settings_columns

    for column in (*COLUMNS, *FIELDS, *settings_columns()):
        if column.sort:
            DatabaseReader(database).read(replace(View(), sort=column.sort))
    database.close()


def test_every_grouping_that_is_offered_is_one_and_every_figure_has_a_mean(database: Database) -> None:
    from itop_tui.runs import list_state
    from itop_tui.runs.run_columns import COLUMNS, FIELDS
    from itop_tui.runs.run_layout import ChosenColumn

    for seed in range(2):
        runs.create(database, **as_stored(PRESETS["digits-set"].config(seed=seed)))
    figures = list_state.figures([ChosenColumn(column.key) for column in (*COLUMNS, *FIELDS)])
    reader = DatabaseReader(database)
    for by, _, _ in list_state.groupings():
        if by:
            assert sum(each.group.n for each in reader.read(View(by=by, figures=figures)).groups) <= 2, by
    for sort in ("id", "name", "status", "best_val_accuracy", "age", "config.lr"):
        reader.read(View(by="recipe", figures=figures, group_sort=list_state.group_sort(sort, figures)))
    database.close()


def test_groups_are_read_with_the_members_of_those_that_are_open(database: Database) -> None:
    for preset in ("digits-set", "digits-rigl"):
        for seed in range(3):
            runs.create(database, **as_stored(PRESETS[preset].config(seed=seed)))
    reader = DatabaseReader(database)
    closed = reader.read(View(by="recipe"))
    assert [(each.group.n, each.members) for each in closed.groups] == [(3, None), (3, None)]
    assert (closed.runs, closed.matching, closed.listed, closed.total) == ((), 2, 2, 6)
    key = closed.groups[1].group.key
    opened = reader.read(View(by="recipe", opened=frozenset({key})))
    members = opened.groups[1].members
    assert members is not None
    assert [run.id for run in members] == list(opened.groups[1].group.run_ids)
    assert opened.runs == members
    assert [each.called and each.called.parts for each in opened.groups] == [("RigL-ITOP",), ("SET-ITOP",)]
    assert [opened.called[run.id].parts for run in members] == [("seed 0",), ("seed 1",), ("seed 2",)]
    assert len(reader.read(View(by="recipe", limit=1)).groups) == 1
    database.close()


def test_queued_runs_that_nothing_will_start_are_told_unless_held(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = SimpleNamespace(now=False)
    monkeypatch.setattr("engine.launch.submit.scheduler_running", lambda db: serving.now)
    reader = DatabaseReader(database)
    assert reader.settle() is None
    runs.create(database, **as_stored(PRESETS["digits-dense"].config()))
    assert reader.settle() is None  # It may be on its way.
    told = reader.settle()
    assert told is not None
    assert "1 queued run will not start" in told
    assert "^g" in told
    serving.now = True
    assert reader.settle() is None
    database.close()
