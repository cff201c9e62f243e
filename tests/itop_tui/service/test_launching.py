"""Queueing new runs, sweeps, copies and the demonstration, and resuming."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.runs import checkpoints, commands, runs
from db.session import Database
from engine.config.run_config import RunConfig
from engine.launch import submit
from itop_tui.service import launching, sweeps
from tests.itop_tui.cli.recorded import trained

CONFIG = RunConfig.create(data="digits").as_dict()


def queue(database: Database, number: int) -> list[int]:
    return [runs.create(database, config=CONFIG, name=f"run {position}").id for position in range(number)]


def order(database: Database) -> list[int]:
    return [run.id for run in runs.waiting(database)]


def test_a_group_that_has_all_is_reported_and_nothing_is_started(database: Database, scheduled: list[str]) -> None:
    made = sweeps.expand({"data": "digits", "seed": "1..3"})
    first = launching.launch(database, made.configs, group="seeds", tags=("paper",))
    assert first.sentence == "3 runs queued in group seeds."
    assert {run.tags for run in first.runs} == {("paper",)}
    assert all(run.total_steps > 0 for run in first.runs)
    again = launching.launch(database, made.configs, group="seeds", where="front")
    assert again.sentence == "Nothing to queue: group seeds has all 3 runs."
    wider = sweeps.expand({"data": "digits", "seed": "1..4"})
    ahead = launching.launch(database, wider.configs, group="seeds", where="front")
    assert ahead.sentence == "1 run queued in front of all that wait in group seeds; 3 of 4 were there already."
    assert order(database) == [4, 1, 2, 3]
    assert len(scheduled) == 2


def test_a_sweep_at_the_front_keeps_its_order(database: Database, scheduled: list[str]) -> None:
    queue(database, 2)
    runs.set_priority(database, 2, 7)
    made = sweeps.expand({"data": "digits", "seed": "1..3"})
    launching.launch(database, made.configs, group="seeds", where="front")
    assert order(database) == [3, 4, 5, 2, 1]
    held = launching.launch(database, made.configs[:1], name="later", where="held")
    assert held.sentence == "Run 6 is queued, and held: later"
    assert [run.id for run in runs.queued(database)] == [3, 4, 5, 2, 1]


def test_the_submission_is_where_the_person_is(
    database: Database, scheduled: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = launching.launch(database, sweeps.expand({"data": "digits", "seed": "1..2"}).configs, group="seeds").runs
    copies = launching.launch_copies(database, made)
    for run in (*made, *copies):
        assert (runs.submission(database, run.id) or {})["folder"] == str(tmp_path)


def test_copies_have_the_settings_and_tags_and_are_asked_for_once(database: Database, scheduled: list[str]) -> None:
    first = runs.create(database, config=CONFIG, tags=("paper",))
    second = runs.create(database, config=RunConfig.create(data="digits", seed=7).as_dict())
    made = launching.launch_copies(database, [second, first])
    assert [(run.config, run.tags) for run in made] == [(first.config, ("paper",)), (second.config, ())]
    assert len(scheduled) == 1


def test_many_are_resumed_with_one_call_of_the_scheduler(database: Database, scheduled: list[str]) -> None:
    made = queue(database, 3)
    for run_id in made[:2]:
        commands.send(database, run_id, "stop")
    result = launching.resume_all(database, made)
    assert result.done == tuple(made[:2])
    assert "only a run that has ended can be resumed" in result.problems[0]
    assert len(scheduled) == 1


def test_the_demonstration_is_one_group(database: Database, scheduled: list[str]) -> None:
    made = launching.launch_demo(database)
    assert [run.name for run in made] == ["demo-dense", "demo-set-itop", "demo-rigl-itop"]
    assert {run.group for run in made} == {"demo"}
    assert len(scheduled) == 1


def test_a_fork_that_never_ran_is_resumed_from_its_parents_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.setattr(submit, "ensure_scheduler", lambda db: None)
    database = Database.open()
    parent = trained(database)
    at = checkpoints.pick(database, parent.id, "best")
    fork = runs.create(
        database, config=parent.config, parent_id=parent.id, start_checkpoint_id=at.id, fork_step=at.step
    )
    commands.send(database, fork.id, "stop")
    assert launching.resume(database, fork.id).start_checkpoint_id == at.id
    database.close()
