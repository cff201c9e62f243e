"""The thresholds of alarms: what a file says counts, and what makes no sense gets one message and its default."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.alarms.alarm_watch import AlarmWatch
from engine.alarms.thresholds import Thresholds, parse, read


def test_what_a_table_says() -> None:
    table = {"on": ["collapse"], "dead_outputs": 0.5, "stalled_updates": 7, "diverged": 3}
    assert parse(table) == (Thresholds(on=("collapse",), dead_outputs=0.5, stalled_updates=7, diverged=3), ())
    assert parse({"on": []}) == (Thresholds(on=()), ())


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (3, "alarms = 3: must be a table"),
        ({"colapse": 0.1}, "'colapse' in [alarms]: there is no such setting"),
        ({"collapse": 2}, "alarms.collapse = 2: must be a number from 0 to 1"),
        ({"collapse": True}, "alarms.collapse = True: must be a number from 0 to 1"),
        ({"collapse": float("nan")}, "alarms.collapse = nan: must be"),
        ({"dead_outputs": "0.5"}, "alarms.dead_outputs = '0.5': must be"),
        ({"stalled_updates": 2.5}, "alarms.stalled_updates = 2.5: must be a whole number from 1 on"),
        ({"stalled_updates": 0}, "alarms.stalled_updates = 0: must be"),
        ({"diverged": 10**400}, "alarms.diverged = 1000"),
        ({"collapse": 10**5000}, "alarms.collapse = a int that cannot be shown: must be"),
        ({"diverged": 0.5}, "alarms.diverged = 0.5: must be a number from 1 on"),
        ({"on": "collapse"}, "alarms.on = 'collapse': must be a list of collapse, dead_outputs"),
        ({"on": ["fire", 3]}, "alarms.on = ['fire', 3]: must be a list of"),
    ],
)
def test_what_makes_no_sense_is_said_once_and_has_its_default(table: object, said: str) -> None:
    found, problems = parse(table)
    assert found == Thresholds()
    assert len(problems) == 1
    assert said in problems[0]


def test_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    assert read(path) == (Thresholds(), ())
    path.write_text('theme = "itop-dark"\n[alarms]\ncollapse = 0.2\n')
    assert read(path) == (Thresholds(collapse=0.2), ())
    path.write_bytes(b"[alarms\n\xff")
    found, problems = read(path)
    assert found == Thresholds()
    assert len(problems) == 1


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda path: path.write_text(f"alarms.collapse = 0x{'f' * 5000}")]
)
def test_a_run_starts_whatever_the_file_is(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "config.toml"
    make(path)
    found, problems = read(path)
    assert found == Thresholds()
    assert len(problems) == 1


def test_a_run_is_watched_with_any_thresholds_that_are_read() -> None:
    limits, problems = parse({"stalled_updates": 10**30, "diverged_steps": 10**30, "diverged": 10**300})
    assert not problems
    watch = AlarmWatch(limits)
    assert [alarm for step in range(100) for alarm in watch.after_step(step, 1.0)] == []
    assert watch.after_update(100, []) == []
