"""The thresholds of alarms: what a file says counts, and what makes no sense gets one message and its default."""

from __future__ import annotations

from pathlib import Path

import pytest

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
