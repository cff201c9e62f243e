"""A user with many runs, in a real terminal with keys only: find, group, compare, save a view."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from db.finding import views
from db.records import RunStatus
from db.session import Database
from tests.end_to_end.terminal import Terminal, needs_tmux
from tests.itop_tui.run.fabricate import record_run, settings

pytestmark = needs_tmux

GROWTHS, DENSITIES, SEEDS = ("random", "gradient"), (0.05, 0.1), (1, 2, 3)


@pytest.fixture
def home(home: Path) -> Path:
    """Two methods at two densities with three seeds each, and a dense run that failed."""
    with contextlib.closing(Database.open()) as db:
        for growth in GROWTHS:
            for density in DENSITIES:
                for seed in SEEDS:
                    config = settings(growth=growth, density=density, seed=seed)
                    name = f"{growth}-{density}-s{seed}"
                    record_run(db, name=name, config=config, steps=200, total_steps=200, ended=RunStatus.COMPLETED)
        record_run(db, name="dense", config=settings(sparse=False), ended=RunStatus.FAILED, reason="ValueError: no")
    return home


def test_find_group_and_compare_past_experiments(terminal: Terminal, home: Path) -> None:
    terminal.wait_for("13 runs", "dense")

    # A mistake is reported, with the nearest correct spelling.
    terminal.press("/")
    terminal.press("-l", "densty<0.1")
    terminal.wait_for("did you mean density")
    terminal.press("C-u")
    terminal.wait_for("words, or state:")
    terminal.press("-l", "growth:gradient density<0.1")
    terminal.until(lambda screen: "random-0" not in screen and "gradient-0" in screen, "the runs that match")
    terminal.press("Enter")
    terminal.wait_for("esc clear filter")

    # The three seeds are one line, with their mean and standard deviation.
    terminal.press("g")
    terminal.wait_for("Group by")
    terminal.press("-l", "seeds")
    terminal.press("Enter")
    terminal.wait_for("by recipe", "×3", "±")
    terminal.press("g")
    terminal.wait_for("Group by")
    terminal.press("-l", "no groups")
    terminal.press("Enter")
    terminal.until(lambda screen: "×3" not in screen and "gradient-0" in screen, "single runs again")

    # All of them side by side.
    terminal.press("%")
    terminal.press("c")
    terminal.wait_for("compare · 3 runs", "loss")
    terminal.press("3")
    terminal.wait_for("seed", "left out")
    terminal.press("2")
    terminal.wait_for("val acc", "90")
    terminal.press("Escape")
    terminal.wait_for("itop › runs")

    # The query is saved as a view, for every later start.
    terminal.press("v")
    terminal.wait_for("^s save current view")
    terminal.press("C-s")
    terminal.wait_for("esc")
    terminal.press("-l", "sparse rigl")
    terminal.wait_for("sparse rigl")
    terminal.press("Enter")
    with contextlib.closing(Database.open()) as db:
        terminal.until(lambda _: [view.name for view in views.views(db)] == ["sparse rigl"], "the saved view")
        assert views.views(db)[0].text == "growth:gradient density<0.1"
    terminal.wait_for("sparse rigl")
    terminal.press("q")
    terminal.until(lambda screen: "sparse rigl" not in screen, "the end of the app")
