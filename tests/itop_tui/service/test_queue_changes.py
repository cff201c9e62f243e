from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import key_values as kept
from db.runs import commands, runs
from db.runs.queue import Direction
from db.session import Database
from engine.config.run_config import RunConfig
from itop_tui.service import queue_changes
from tests.described import described

CONFIG = RunConfig.create(data="digits").as_dict()


def queue(database: Database, number: int) -> list[int]:
    return [runs.create(database, **described(CONFIG), name=f"run {position}").id for position in range(number)]


def order(database: Database) -> list[int]:
    return [run.id for run in runs.waiting(database)]


@pytest.mark.parametrize(
    ("to", "chosen", "expected"),
    [
        ("up", "cd", "acdbe"),
        ("up", "ab", "abcde"),
        ("up", "abd", "abdce"),
        ("down", "ab", "cabde"),
        ("down", "de", "abcde"),
        ("down", "bde", "acbde"),
        ("top", "ce", "ceabd"),
        ("bottom", "ac", "bdeac"),
    ],
)
def test_several_runs_move_as_a_block_that_keeps_its_order(
    database: Database, to: Direction, chosen: str, expected: str
) -> None:
    ids = dict(zip("abcde", queue(database, 5), strict=True))
    queue_changes.move(database, [ids[letter] for letter in reversed(chosen)], to)
    assert order(database) == [ids[letter] for letter in expected]


def test_a_block_stops_at_the_runs_of_another_priority(database: Database) -> None:
    first, second, third, fourth = queue(database, 4)
    runs.set_priority(database, first, 1)
    outcome = queue_changes.move(database, [second, third], "up")
    assert outcome.problems == ()
    assert order(database) == [first, second, third, fourth]
    alone = queue_changes.move(database, [second], "up")
    assert "needs another priority" in alone.problems[0]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_moving_changes_the_order_alone_and_keeps_the_block_in_its_own(database: Database, data: st.DataObject) -> None:
    for run_id in order(database):
        commands.send(database, run_id, "stop")
    ids = queue(database, 5)
    chosen = data.draw(st.lists(st.sampled_from(ids), unique=True, max_size=5))
    to: Direction = data.draw(st.sampled_from(get_args(Direction)))
    outcome = queue_changes.move(database, chosen, to)
    after = order(database)
    assert outcome.problems == ()
    assert sorted(after) == ids
    assert [run_id for run_id in after if run_id in chosen] == sorted(chosen)
    assert [run_id for run_id in after if run_id not in chosen] == [one for one in ids if one not in chosen]


def test_holding_and_releasing_tell_what_could_not_be_done(database: Database, scheduled: list[str]) -> None:
    first, second = queue(database, 2)
    assert queue_changes.hold(database, [first, 99, second]).done == (first, second)
    assert runs.queued(database) == []
    assert scheduled == []
    outcome = queue_changes.release(database, [second, 99])
    assert outcome.done == (second,)
    assert "99" in outcome.problems[0]
    assert [run.id for run in runs.queued(database)] == [second]
    assert len(scheduled) == 1


def test_priorities_and_slots(database: Database) -> None:
    first, second = queue(database, 2)
    queue_changes.add_priority(database, [second], 2)
    queue_changes.add_priority(database, [second, first], 1)
    assert [(run.id, run.priority) for run in runs.waiting(database)] == [(second, 3), (first, 1)]
    assert queue_changes.add_slots(database, "cpu", 1) == 2
    assert queue_changes.add_slots(database, "cuda:0", -1) == 0
    assert queue_changes.add_slots(database, "cuda:0", -1) == 0
    assert kept.get(database, "slots") == {"cpu": 2, "cuda:0": 0}
    assert queue_changes.add_slots(database, "cpu", 1000) == 64
