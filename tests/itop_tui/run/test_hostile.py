"""Names, figures and logs of the worst kind: shown as text, and the screen stays up."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from db.records import RunStatus, StepMetric
from db.session import Database
from itop_tui.run.layers_tab import LayersPane
from itop_tui.run.log_view import LogView
from itop_tui.run.run_screen import RunScreen
from tests.itop_tui.run.fabricate import record_run, settings
from tests.itop_tui.run.hosting import run_screen, until

NAMES = (
    "[red]markup[/red] [@click=app.quit]x[/]",
    "\x1b[31mred\x1b]0;title\x07",
    "right\u202eleft \u2066isolate",
    "🎉👨‍👩‍👧 名前 ﷽",
    "x" * 5_000,
    "two\nlines\tand a tab",
)


def screen_text(screen: RunScreen) -> list[str]:
    return [strip.text for strip in screen._compositor.render_strips()]


@pytest.mark.parametrize("size", [(80, 24), (40, 10)])
async def test_hostile_names_on_every_tab(database: Database, size: tuple[int, int]) -> None:
    layers = [(name[:200], (4, 3), 0.5) for name in NAMES]
    run = record_run(
        database, name=NAMES[1] + NAMES[0] + NAMES[2] + NAMES[3], steps=120, layers=layers, log="\n".join(NAMES) + "\n",
        ended=RunStatus.FAILED, reason=NAMES[0] + NAMES[1],
    )  # fmt: skip
    async with run_screen(Database.open, run.id, size=size) as (pilot, screen):
        for key in "12345":
            await pilot.press(key)
            if key == "2":
                await until(pilot, lambda: screen.query_one(LayersPane).table.row_count == len(NAMES), "the layers")
                await pilot.press("v")
                await pilot.pause()
            if key == "5":
                await until(pilot, lambda: screen.query_one(LogView).line_count > len(NAMES), "the log")
            text = screen_text(screen)
            assert all(cell_len(line) == size[0] for line in text)
            assert not any(ord(character) < 32 for line in text for character in line)
            assert not any(character in line for line in text for character in "\u202e\u2066\x9b")
        assert pilot.app.is_running


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
async def test_runs_with_hardly_a_step_can_be_zoomed_and_read(database: Database, steps: int) -> None:
    run = record_run(database, steps=steps, total_steps=0, kinds=())
    async with run_screen(Database.open, run.id, size=(80, 24)) as (pilot, screen):
        await pilot.press(
            "plus", "minus", "right", "left", "left_square_bracket", "right_square_bracket", "m", "y", "X", "z", "0"
        )
        await pilot.pause()
        assert screen.is_current
        shown = "\n".join(screen_text(screen))
        assert ("no step yet" in shown) == (steps == 0)


async def test_figures_that_are_not_finite_are_named_where_they_begin(database: Database) -> None:
    def bad(metric: StepMetric) -> StepMetric:
        loss = math.nan if metric.step >= 60 else metric.loss
        return replace(metric, loss=loss, accuracy=math.inf if metric.step == 30 else metric.accuracy)

    run = record_run(database, steps=120, alter=bad)
    async with run_screen(Database.open, run.id) as (_, screen):
        text = "\n".join(screen_text(screen))
        assert "NaN at step 60" in text
        assert "∞ at step 30" in text
        assert "✗" in text
        assert "loss NaN" in text


async def test_nothing_but_nan_and_zero_loss(database: Database) -> None:
    run = record_run(
        database, steps=50, alter=lambda metric: replace(metric, loss=0.0, accuracy=math.nan, learning_rate=0.0)
    )
    async with run_screen(Database.open, run.id) as (pilot, screen):
        await pilot.press("plus", "y", "m")
        await pilot.pause()
        assert "NaN at step 1" in "\n".join(screen_text(screen))


async def test_a_dense_run_says_that_it_has_no_mask(database: Database) -> None:
    run = record_run(database, steps=30, config=settings(sparse=False))
    async with run_screen(Database.open, run.id) as (pilot, screen):
        shown = "\n".join(screen_text(screen))
        assert re.search(r"charts \d.* empty", shown), "those of its mask are left out, and counted"
        assert "death rate" not in shown
        await pilot.press("2")
        await until(pilot, lambda: "A dense run" in "\n".join(screen_text(screen)), "the summary")
