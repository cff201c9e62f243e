"""How long a run is in its state, with commands, attempts and a clock made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from db.records import CommandKind, CommandRecord, RunStatus
from itop_tui.figures.run_times import Pause, at_work, in_state, pauses
from tests.itop_tui.run import made
from tests.itop_tui.support import NOW


def asked(number: int, kind: CommandKind, done_at: float | None, outcome: str | None) -> CommandRecord:
    return CommandRecord(number, 12, kind, NOW - 1000, done_at, outcome)


PAUSED = asked(1, "pause", NOW - 60, "paused after step 40")
RESUMED = asked(2, "unpause", NOW - 30, "resumed")


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ((), ()),
        ((PAUSED,), (Pause(NOW - 60),)),
        ((PAUSED, RESUMED), (Pause(NOW - 60, NOW - 30),)),
        ((asked(1, "pause", NOW - 60, "not paused: resumed or stopped first"),), ()),
        ((asked(1, "pause", None, None),), ()),
        ((PAUSED, asked(2, "unpause", NOW - 40, "not resumed: paused again first")), (Pause(NOW - 60),)),
        ((PAUSED, asked(2, "checkpoint", NOW - 40, "written")), (Pause(NOW - 60),)),
        ((PAUSED, asked(2, "stop", NOW - 10, "stopped")), (Pause(NOW - 60, NOW - 10),)),
    ],
)
def test_pauses_are_those_that_were_answered(commands: tuple[CommandRecord, ...], expected: tuple[Pause, ...]) -> None:
    assert pauses(commands) == expected


def test_time_at_work_leaves_pauses_out_and_those_of_earlier_attempts_alone() -> None:
    assert at_work(NOW - 100, NOW, (Pause(NOW - 60, NOW - 30),)) == 70
    assert at_work(NOW - 100, NOW, (Pause(NOW - 60),)) == 40
    assert at_work(NOW - 100, NOW, (Pause(NOW - 500),)) == 100


@pytest.mark.parametrize(
    ("changes", "paused", "expected"),
    [
        ({}, (), ("for", 754)),
        ({}, (Pause(NOW - 60, NOW - 30),), ("for", 724)),
        ({"status": RunStatus.PAUSED}, (Pause(NOW - 60),), ("for", 60)),
        ({"status": RunStatus.PAUSED}, (Pause(NOW - 500, NOW - 400), Pause(NOW - 60)), ("for", 60)),
        ({"status": RunStatus.PAUSED}, (), None),
        ({"status": RunStatus.PAUSED}, (Pause(NOW - 5000),), None),
        ({"status": RunStatus.STOPPING}, (), ("after", 754)),
        ({"status": RunStatus.QUEUED, "queued_at": NOW - 5}, (), ("for", 5)),
        ({"status": RunStatus.STOPPED, "ended_at": NOW - 54}, (), ("after", 700)),
        ({"status": RunStatus.STOPPED, "ended_at": NOW - 54}, (Pause(NOW - 154),), ("after", 600)),
    ],
)
def test_time_in_a_state_counts_from_when_it_began(
    changes: dict[str, Any], paused: tuple[Pause, ...], expected: tuple[str, float] | None
) -> None:
    assert in_state(made.run(**changes), made.attempt(), paused, NOW) == expected
    if expected is not None and expected[0] == "for":  # and it goes on, though nothing changes in the database
        later = in_state(made.run(**changes), made.attempt(), paused, NOW + 10)
        assert later == ("for", expected[1] + 10)
