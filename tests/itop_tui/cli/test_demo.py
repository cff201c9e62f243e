"""`itop demo` without its training: what is queued, what is said, and what where it fails."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from db.history.writer import MetricWriter
from db.records import RunRecord, RunStatus
from db.runs import attempts, runs
from db.session import Database
from itop_tui.cli.commands import demo as demo_module
from itop_tui.service.words import DEMO_LENGTH
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import running


def end_as(status: RunStatus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the demo's runs end as soon as they are followed."""

    def follow(database: Database, run_ids: Sequence[int], *, out: Console) -> list[RunRecord]:
        for run_id in run_ids:
            run = runs.get(database, run_id)
            attempt = running(database, run)
            writer = MetricWriter(database, run_id, attempt)
            writer.progress(test_accuracy=0.9375, density=0.05, itop_rate=0.4, training_flops=2.5e9, flops_ratio=0.0625)
            writer.close()
            attempts.finish(database, attempt, status=status, reason="for a reason")
        return [runs.get(database, run_id) for run_id in run_ids]

    monkeypatch.setattr(demo_module, "follow", follow)


def test_three_methods_on_the_bundled_data_in_one_group(itop: Itop, monkeypatch: pytest.MonkeyPatch) -> None:
    end_as(RunStatus.COMPLETED, monkeypatch)
    outcome = itop("demo")
    assert outcome.code == 0
    listed = itop("runs", "--group", "demo", "--json").json()
    assert [run["method"] for run in listed] == ["RigL-ITOP", "SET-ITOP", "dense"]
    assert {run["data"] for run in listed} == {"digits"}
    assert all(run["total_steps"] > 0 for run in listed)
    rows = [line.split() for line in outcome.out.splitlines()]
    assert ["2", "SET-ITOP", "✓", "completed", "93.75%", "5%", "0.400", "2.5G", "6%"] in [row[:9] for row in rows]
    for command in ("itop show 3", "itop compare 1 2 3", "itop resume 3 --checkpoint best"):
        assert command in outcome.out


def test_again_it_makes_new_runs(itop: Itop, monkeypatch: pytest.MonkeyPatch) -> None:
    end_as(RunStatus.COMPLETED, monkeypatch)
    assert [[run["id"] for run in itop("demo", "--json").json()] for _ in range(2)] == [[1, 2, 3], [4, 5, 6]]


def test_where_it_fails_it_says_where_to_look(itop: Itop, monkeypatch: pytest.MonkeyPatch) -> None:
    end_as(RunStatus.FAILED, monkeypatch)
    outcome = itop("demo")
    assert outcome.code == 1
    assert "itop logs 1" in outcome.out
    assert "itop doctor" in outcome.out
    assert "itop resume" not in outcome.out


def test_its_length_is_the_same_wherever_it_is_said(itop: Itop, database: Database) -> None:
    from itop_tui.runs.greeting import _WAYS

    said = [Path(__file__).parents[3].joinpath("README.md").read_text(encoding="utf-8"), _WAYS["demo"][1]]
    said += [itop("runs").err, itop("--help").out]
    assert [DEMO_LENGTH in re.sub(r"[│\s]+", " ", text) for text in said] == [True] * 4
    assert not any(other in text for text in said for other in ("half a minute", "two-minute", "in two minutes"))
