"""The comparison, driven by keys."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from db.paths import run_folder
from db.records import StepMetric
from db.runs import checkpoints, runs
from db.session import Database
from engine.training.checkpoint import write
from itop_tui.chart.mark_legend import MarkLegend
from itop_tui.chart.scatter import Scatter
from itop_tui.compare.compare_screen import CompareScreen
from itop_tui.compare.entry_list import EntryList
from itop_tui.run.run_screen import RunScreen
from itop_tui.widgets.sheet import SheetView
from tests.described import described
from tests.itop_tui.compare.conftest import Opened
from tests.itop_tui.compare.driving import (
    app_of,
    ids,
    lines,
    logarithmic,
    pick,
    press,
    reported_as_broken,
    text,
    window,
)
from tests.itop_tui.compare.made import EXPLORED, FLOPS, TEST
from tests.itop_tui.run.fabricate import record_run
from tests.itop_tui.run.hosting import until
from tests.itop_tui.support import screen_text

# -------------------------------------------------------------------------------------------------------------- entries


async def test_each_run_is_a_letter_with_a_curve_of_its_own(opened: Opened) -> None:
    async with opened() as (_, screen):
        assert "".join(entry.letter for entry in screen.compared.entries) == "ABCDEF"
        assert [(line.marker, line.tone) for line in lines(screen)] == [
            (letter, f"curve-{at}") for at, letter in enumerate("ABCDEF")
        ]
        # Smooth curves are made of the means of two steps each, at the first of them.
        assert all((line.x[0], line.x[-1]) == (0, 300) for line in lines(screen))
        assert [reading != "" for reading in screen.query_one(EntryList).readings] == [True] * 6


async def test_seeds_are_joined_and_told_apart_again(opened: Opened) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, screen, "g")
        assert [(entry.letter, entry.n) for entry in screen.compared.entries] == [("A", 3), ("B", 2), ("C", 1)]
        first, _, single = lines(screen)
        assert len(first.std) == len(first.x)
        assert set(first.n.tolist()) == {3}
        assert len(single.std) == 0
        assert "±" in screen.query_one(EntryList).readings[0]
        assert "3 groups of 6 runs" in screen_text(app_of(screen))
        await press(pilot, screen, "g")
        assert len(screen.compared.entries) == 6


async def test_what_a_hidden_run_diverged_at_is_hidden_with_it(opened: Opened) -> None:
    def lost(metric: StepMetric) -> StepMetric:
        return replace(metric, loss=float("nan")) if metric.step >= 250 else metric

    with closing(Database.open()) as database:
        diverged = record_run(database, name="lost", steps=300, total_steps=300, alter=lost, kinds=())
    async with opened(1, diverged.id) as (pilot, screen):
        assert reported_as_broken(screen) == [f"NaN in run {diverged.id} at step 250"]
        await press(pilot, screen, "down", "space")
        assert reported_as_broken(screen) == []


async def test_a_run_is_hidden_moved_taken_out_and_taken_in(opened: Opened) -> None:
    async with opened(1, 4, 6) as (pilot, screen):
        await press(pilot, screen, "down", "space")
        assert [line.marker for line in lines(screen)] == ["A", "C"]
        await press(pilot, screen, "space")
        assert [line.marker for line in lines(screen)] == ["A", "B", "C"]
        await press(pilot, screen, "shift+up")
        assert ids(screen) == (4, 1, 6)
        assert screen.query_one(EntryList).cursor == 0
        await press(pilot, screen, "shift+down", "shift+down")
        assert ids(screen) == (1, 6, 4)
        await press(pilot, screen, "x")
        assert ids(screen) == (1, 6)
        await pick(pilot, screen, "id:2", 1)
        await pilot.press("enter")
        await until(pilot, lambda: ids(screen) == (1, 6, 2) and len(screen.compared.entries) == 3, "the run")
        await press(pilot, screen, "up", "up", "up", "x", "x", "x")
        assert len(screen.compared.ids) == 1, "the last one stays"


async def test_a_run_that_was_deleted_leaves_the_comparison(opened: Opened) -> None:
    async with opened(1, 2, 4) as (pilot, screen):
        runs.delete(app_of(screen).database, 2)
        screen.ask()
        await until(pilot, lambda: ids(screen) == (1, 4), "the run to go")


async def test_enter_opens_the_run_and_escape_leaves(opened: Opened) -> None:
    async with opened(4, 6) as (pilot, screen):
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen), "the run")
        shown = pilot.app.screen
        assert isinstance(shown, RunScreen)
        assert shown.run_id == 6
        pilot.app.pop_screen()
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen), "the comparison")
        await press(pilot, screen, "z")
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, CompareScreen), "the first escape leaves the chart at full size"
        assert not screen.curves.full
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is not screen, "the list")


async def test_more_runs_than_letters_have_their_seeds_joined(opened: Opened, home: Path) -> None:
    with closing(Database.open()) as database:
        made = [
            runs.create(database, **described({**runs.get(database, 1).config, "seed": seed})) for seed in range(50, 70)
        ]
    async with opened(1, 4, *(run.id for run in made)) as (_, screen):
        assert screen.compared.grouped
        assert [entry.n for entry in screen.compared.entries] == [21, 1]


# --------------------------------------------------------------------------------------------------------------- charts


async def test_charts_zoom_pan_smooth_and_change_their_axes(opened: Opened) -> None:
    async with opened(1, 4) as (pilot, screen):
        pane = screen.curves
        await press(pilot, screen, "plus", "plus")
        before = window(screen)
        assert before is not None
        assert before[1] - before[0] == pytest.approx(300 / 1.5**2, rel=0.02)
        await press(pilot, screen, "right")
        after = window(screen)
        assert after is not None
        assert after[0] > before[0]
        await press(pilot, screen, "left", "minus", "0")
        assert window(screen) is None
        await press(pilot, screen, "left_square_bracket", "left_square_bracket")
        assert (pane.cursor or 300) < 300
        reading = screen.query_one(EntryList).readings[0]
        await press(pilot, screen, *["left_square_bracket"] * 20)
        assert screen.query_one(EntryList).readings[0] != reading
        await press(pilot, screen, "right_square_bracket", "backslash")
        assert screen.curves.cursor is None
        await until(pilot, lambda: any(line.tone == "dim-0" for line in pane.chart.data.lines), "the raw curve behind")
        smooth = lines(screen)[0]
        assert np.nanstd(np.diff(smooth.y)) < 0.5 * np.nanstd(np.diff(pane.chart.data.lines[0].y))
        assert logarithmic(screen)
        await press(pilot, screen, "y")
        assert not logarithmic(screen)
        await press(pilot, screen, "X")
        assert pane.chart.data.x_unit == "epoch"
        assert lines(screen)[0].x[-1] == pytest.approx(10.0, abs=0.05)
        await press(pilot, screen, "X")
        assert pane.chart.data.x_unit == "hour"
        assert (lines(screen)[0].x[[0, -1]] * 3600).tolist() == pytest.approx([0, 299], abs=2)  # a step a second
        assert pane.chart.extent[1] * 3600 == pytest.approx(299)
        await press(pilot, screen, "plus")
        zoomed = window(screen)
        assert zoomed is not None
        assert zoomed[1] * 3600 < 299
        await press(pilot, screen, "X")
        assert pane.chart.data.x_unit == "itop_rate"
        assert window(screen) is None
        # The run's R_s at its first and at its last mask update.
        assert lines(screen)[0].x[[0, -1]].tolist() == pytest.approx([0.05, 1 - 0.95 * np.exp(-300 / 800)], abs=0.01)
        assert "R_s" in pane.chart.render_line(pane.chart.size.height - 1).text
        await press(pilot, screen, "X")
        assert pane.chart.data.x_unit == "step"
        await press(pilot, screen, "z", "tab")
        assert pane.chart.title == "validation accuracy"
        assert [line.marker for line in lines(screen)] == ["A", "B"]
        await press(pilot, screen, "shift+tab")
        assert pane.chart.title == "loss"


async def test_what_happened_to_the_run_at_the_cursor_is_marked(opened: Opened) -> None:
    keep_masks(4, 0)
    async with opened(1, 4, 6) as (pilot, screen):
        legend = screen.query_one(MarkLegend)
        assert screen.curves.chart.data.marks.tolist() == [100, 200, 300]
        assert (legend.whose, legend.kinds) == ("A", frozenset({"update"}))
        await press(pilot, screen, "down")
        assert (legend.whose, legend.kinds) == ("B", frozenset({"update", "checkpoint"}))
        assert [(event.x, event.kind) for event in screen.curves.chart.data.events] == [(300, "checkpoint")]
        await press(pilot, screen, "left_square_bracket", "right_square_bracket")
        assert "checkpoint 300 (latest)" in screen_text(app_of(screen))
        await press(pilot, screen, "X", "X")
        assert (screen.curves.chart.data.marks * 3600).tolist() == pytest.approx([99, 199, 299])
        await press(pilot, screen, "space")
        assert not len(screen.curves.chart.data.marks), "what is hidden is not marked"
        await press(pilot, screen, "space", "M")
        assert not len(screen.curves.chart.data.marks)
        assert not legend.display
        await press(pilot, screen, "M", "down")
        assert not len(screen.curves.chart.data.marks), "a dense run has no mask updates"


async def test_every_recorded_figure_has_a_chart(opened: Opened) -> None:
    async with opened(1, 4, size=(80, 24)) as (pilot, screen):
        await press(pilot, screen, "z")
        filled = [spec.heading for spec in screen.curves.specs if not spec.of_machine]
        seen = []
        for _ in filled:
            seen.append(screen.curves.chart.title)
            await press(pilot, screen, "tab")
        assert sorted(seen) == sorted(set(filled)), "each once"
        assert seen[0] == screen.curves.chart.title
        assert {"loss", "validation accuracy", "R_s explored", "churn"} <= set(seen)


# --------------------------------------------------------------------------------------------------------------- tables


async def test_results_are_those_of_the_runs_and_the_best_is_starred(opened: Opened) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, screen, "2")
        rows = screen.query_one("#results", SheetView).sheet.rows
        assert [row[3].text for row in rows] == [f"{'★ ' if at == 5 else ''}{TEST[at]:.2%}" for at in range(6)]
        assert rows[5][3].bold
        await press(pilot, screen, "g")
        first, _, dense = screen.query_one("#results", SheetView).sheet.rows
        assert [cell.text for cell in first[1:4]] == ["5%", "3", "95.22% ± 0.12%"]
        assert "±" not in " ".join(cell.text for cell in dense), "one run has no deviation"


async def test_only_settings_that_differ_are_listed(opened: Opened) -> None:
    async with opened(1, 4, 6) as (pilot, screen):
        await press(pilot, screen, "3")
        names = [row[0].text for row in screen.query_one("#settings", SheetView).sheet.rows]
        assert sorted(names) == ["growth", "lr", "sparse"]


async def test_scatter_plots_show_a_letter_a_run_and_change_their_accuracy(opened: Opened) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, screen, "4")
        by_rs, by_flops = (screen.query_one(f"#{name}", Scatter).data for name in ("by-rs", "by-flops"))
        assert [(point.letter, point.x, point.y) for point in by_rs.points] == [
            (letter, EXPLORED[at], TEST[at]) for at, letter in enumerate("ABCDEF") if EXPLORED[at] is not None
        ]  # a dense run has no R_s
        assert {point.x for point in by_flops.points} == set(FLOPS.values())
        await press(pilot, screen, "v")
        assert screen.query_one("#by-rs", Scatter).data.points[0].y == pytest.approx(TEST[0] + 0.01)
        await press(pilot, screen, "space")
        assert [point.letter for point in screen.query_one("#by-rs", Scatter).data.points] == list("BCDE")
        assert screen.query_one("#by-rs", Scatter).data.points[0].position == 1, "a colour stays with its run"


async def test_layers_stand_side_by_side_by_several_measures(opened: Opened) -> None:
    async with opened(1, 6) as (pilot, screen):
        await press(pilot, screen, "5")
        sheet = screen.query_one("#layers", SheetView).sheet
        assert [[cell.text for cell in row] for row in sheet.rows] == [
            ["fc1", "10%", "–"], ["fc2", "5%", "–"], ["fc3", "60%", "–"],
        ]  # fmt: skip
        await press(pilot, screen, "v")
        assert "R_s" in screen.query_one("#layers", SheetView).sheet.title


async def test_a_wide_table_is_moved_by_columns_and_pages(opened: Opened) -> None:
    async with opened(size=(80, 24)) as (pilot, screen):
        await press(pilot, screen, "2")
        table = screen.query_one("#results", SheetView)
        assert "›" in screen_text(app_of(screen))
        await press(pilot, screen, "right", "right")
        assert table.left == 2
        await press(pilot, screen, "left", "pagedown", "pageup", "i")
        assert table.left == 1
        assert not screen.query_one(EntryList).display
        await press(pilot, screen, "i")
        assert screen.query_one(EntryList).display


# ---------------------------------------------------------------------------------------------------------------- masks


def keep_masks(run_id: int, *flat: int, size: int = 8) -> None:
    """Give a run a checkpoint whose only layer has these active weights."""
    mask = torch.zeros(2, size // 2, dtype=torch.bool)
    mask.view(-1)[list(flat)] = True
    masking = {"masks": {"fc": mask}, "explored": {"fc": mask}, "fresh": {"fc": torch.empty(0)}, "updates": 1}
    with closing(Database.open()) as database:
        run = runs.get(database, run_id)
        kept = write(
            run_folder(run.uid) / "checkpoints" / "last.pt", {"step": 300, "epoch": 3, "model": {}, "masking": masking}
        )
        checkpoints.add(
            database, run_id=run_id, attempt_id=None, step=300, epoch=3, kind="last", path=str(kept.path),
            bytes=kept.bytes, sha256=kept.sha256, val_accuracy=None,
        )  # fmt: skip


async def test_the_overlap_of_final_masks_is_counted_from_the_checkpoints(opened: Opened) -> None:
    keep_masks(1, 0, 1, 2, 3)
    keep_masks(2, 2, 3, 4, 5)
    async with opened(1, 2, 4, 6) as (pilot, screen):
        await press(pilot, screen, "6")
        await until(pilot, lambda: screen.mask_layers == ("fc",), "the masks")
        told = text(screen, "masks")
        rows = screen.query_one("#masks", SheetView).sheet.rows
        # Two of six weights that either has are active in both.
        assert [[cell.text for cell in row] for row in rows] == [
            ["A step 300", "·", "33.3%"],
            ["B step 300", "33.3%", "·"],
        ]
        assert "C (run 4): it has no checkpoint" in told
        assert "D (run 6): a dense run has no masks" in told
        assert "Random masks of these densities: 33.3%" in told  # 4 · 4 / 8 = 2 in both are expected
        await press(pilot, screen, "v", "v")
        assert screen.query_one("#masks", SheetView).sheet.rows[0][2].text == "50.0%"
        await press(pilot, screen, "full_stop")
        assert "· fc" in screen.query_one("#masks", SheetView).sheet.title
        await press(pilot, screen, "comma")
        assert "all layers" in screen.query_one("#masks", SheetView).sheet.title


async def test_models_that_differ_are_told(opened: Opened) -> None:
    keep_masks(1, 0, 1)
    keep_masks(2, 0, 1, size=12)
    async with opened(1, 2) as (pilot, screen):
        await press(pilot, screen, "6")
        await until(pilot, lambda: "their models differ" in text(screen, "masks"), "the notice")
