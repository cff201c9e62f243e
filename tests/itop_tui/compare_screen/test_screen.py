"""The comparison, driven by keys."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from db import checkpoints, runs, settings
from db.paths import run_folder
from db.session import Database
from engine.training.checkpoint import write
from itop_tui.app import ItopApp
from itop_tui.comparison_state import SETTING, left_before, view_before
from itop_tui.screens.compare import CompareScreen
from itop_tui.screens.dialogs import Confirm
from itop_tui.screens.export import ExportDialog
from itop_tui.screens.run import RunScreen
from itop_tui.widgets.compare_chart import BandLine
from itop_tui.widgets.entry_list import EntryList
from itop_tui.widgets.mark_legend import MarkLegend
from itop_tui.widgets.scatter import Scatter
from itop_tui.widgets.sheet import SheetView
from tests.itop_tui.compare_screen.conftest import Opened
from tests.itop_tui.compare_screen.made import EXPLORED, FLOPS, TEST
from tests.itop_tui.run_screen.hosting import until
from tests.itop_tui.support import screen_text


async def press(pilot: Pilot[None], screen: CompareScreen, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await until(pilot, lambda: screen.is_settled, f"what {key} asks for")


def ids(screen: CompareScreen) -> tuple[int, ...]:
    """The runs that are compared now: a call, so that no earlier value is taken for granted."""
    return screen.ids


def window(screen: CompareScreen) -> tuple[float, float] | None:
    """What the charts show now."""
    return screen.curves.window


def logarithmic(screen: CompareScreen) -> bool:
    return screen.curves.chart.log_scale


def lines(screen: CompareScreen) -> list[BandLine]:
    return [line for line in screen.curves.chart.data.lines if isinstance(line, BandLine) and line.marker]


def text(screen: CompareScreen, sheet: str) -> str:
    return screen.query_one(f"#{sheet}", SheetView).sheet.as_text()


# -------------------------------------------------------------------------------------------------------------- entries


async def test_each_run_is_a_letter_with_a_curve_of_its_own(opened: Opened) -> None:
    async with opened() as (_, screen):
        assert "".join(entry.letter for entry in screen.entries) == "ABCDEF"
        assert [(line.marker, line.tone) for line in lines(screen)] == [
            (letter, f"curve-{at}") for at, letter in enumerate("ABCDEF")
        ]
        assert all((line.x[0], line.x[-1]) == (1, 300) for line in lines(screen))
        assert [line.reading != "" for line in screen.query_one(EntryList).lines] == [True] * 6


async def test_seeds_are_joined_and_told_apart_again(opened: Opened) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, screen, "g")
        assert [(entry.letter, entry.n) for entry in screen.entries] == [("A", 3), ("B", 2), ("C", 1)]
        first, _, single = lines(screen)
        assert len(first.std) == len(first.x)
        assert set(first.n.tolist()) == {3}
        assert len(single.std) == 0
        assert "±" in screen.query_one(EntryList).lines[0].reading
        assert "3 groups of 6 runs" in screen_text(screen.itop)
        await press(pilot, screen, "g")
        assert len(screen.entries) == 6


async def test_a_run_is_hidden_moved_taken_out_and_taken_in(opened: Opened) -> None:
    async with opened(1, 4, 6) as (pilot, screen):
        await press(pilot, screen, "down", "space")
        assert [line.marker for line in lines(screen)] == ["A", "C"]
        await press(pilot, screen, "space")
        assert [line.marker for line in lines(screen)] == ["A", "B", "C"]
        await press(pilot, screen, "K")
        assert ids(screen) == (4, 1, 6)
        assert screen.query_one(EntryList).cursor == 0
        await press(pilot, screen, "J", "J")
        assert ids(screen) == (1, 6, 4)
        await press(pilot, screen, "d")
        assert ids(screen) == (1, 6)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(screen.itop.focused, Input), "the question")
        await pilot.press("2", "enter")
        await until(pilot, lambda: ids(screen) == (1, 6, 2) and len(screen.entries) == 3, "the run")
        await press(pilot, screen, "up", "up", "up", "d", "d", "d")
        assert len(screen.ids) == 1, "the last one stays"


async def test_a_run_that_is_compared_already_or_does_not_exist_is_not_taken_in(opened: Opened) -> None:
    async with opened(1, 2) as (pilot, screen):
        for name in ("1", "nothing of that name"):
            await pilot.press("a")
            await until(pilot, lambda: isinstance(screen.itop.focused, Input), "the question")
            await pilot.press(*(("space" if letter == " " else letter) for letter in name), "enter")
            told = len(screen.itop.told)
            await until(pilot, lambda told=told: len(screen.itop.told) >= max(1, told), "what is told")  # type: ignore[misc]
        assert ids(screen) == (1, 2)


async def test_a_run_that_was_deleted_leaves_the_comparison(opened: Opened) -> None:
    async with opened(1, 2, 4) as (pilot, screen):
        runs.delete(screen.itop.database, 2)
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
        await press(pilot, screen, "f")
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, CompareScreen), "the first escape leaves the chart at full size"
        assert not screen.curves.full
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is not screen, "the list")


async def test_more_runs_than_letters_have_their_seeds_joined(opened: Opened, home: Path) -> None:
    with closing(Database.open()) as database:
        made = [runs.create(database, config={**runs.get(database, 1).config, "seed": seed}) for seed in range(50, 70)]
    async with opened(1, 4, *(run.id for run in made)) as (_, screen):
        assert screen.grouped
        assert [entry.n for entry in screen.entries] == [21, 1]


# ------------------------------------------------------------------------------------------------ how it was left


async def left_as(pilot: Pilot[None], screen: CompareScreen, ids: tuple[int, ...], **view: object) -> None:
    """Wait until the settings hold what was done last."""

    def kept() -> bool:
        found = settings.get(screen.itop.database, SETTING)
        left = left_before(found, ids)
        now = (screen.ids, screen.hidden, screen.grouped)
        return (
            left is not None
            and (left.ids, left.hidden, left.grouped) == now
            and view.items() <= view_before(found).items()
        )

    await until(pilot, kept, "how it was left to be kept")


async def test_order_and_hidden_runs_come_back_with_the_same_runs_and_no_others(opened: Opened) -> None:
    async with opened(1, 4, 6) as (pilot, screen):
        await press(pilot, screen, "J", "down", "space")
        await left_as(pilot, screen, (1, 4, 6))
        assert (ids(screen), screen.hidden) == ((4, 1, 6), frozenset({6}))
        app = screen.itop
        app.pop_screen()
        app.open_compare((6, 4, 1))
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen is not screen, "the screen")
        again = app.screen
        assert isinstance(again, CompareScreen)
        await until(pilot, lambda: again.is_settled, "the runs")
        assert ids(again) == (4, 1, 6), "the same comparison, opened again in one start"
        assert [line.marker for line in lines(again)] == ["A", "B"]
    async with opened(6, 1, 4) as (_, screen):
        assert ids(screen) == (4, 1, 6), "and at the next start"
        assert [line.hidden for line in screen.query_one(EntryList).lines] == [False, False, True]
    async with opened(4, 1) as (_, screen):
        assert (ids(screen), screen.hidden) == ((4, 1), frozenset()), "another comparison"


async def test_groups_and_how_everything_is_shown_come_back(opened: Opened) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, screen, "g", "x", "m", "u", "y", "tab", "i", "5", "v")
        await left_as(
            pilot, screen, (1, 2, 3, 4, 5, 6), tab="layers", layers="R_s", smoothing=0.6, chart="val_accuracy"
        )
    async with opened() as (pilot, screen):
        await until(pilot, lambda: screen.tab == "layers" and screen.is_settled, "the tab")
        assert screen.grouped
        assert "R_s" in text(screen, "layers")
        assert not screen.query_one(EntryList).display
        await press(pilot, screen, "1")
        charts = screen.curves
        assert (charts.across, charts.smoothing, charts.with_marks, logarithmic(screen)) == ("epoch", 0.6, False, False)
        assert charts.chart.title == "validation accuracy"


async def test_a_view_of_another_version_is_passed_over(opened: Opened) -> None:
    with closing(Database.open()) as database:
        settings.put(database, SETTING, {"view": {"tab": 7, "across": "years", "chart": []}, "comparisons": [3, {}]})
    async with opened(1, 4) as (_, screen):
        assert (screen.tab, screen.curves.across, ids(screen)) == ("curves", "step", (1, 4))


async def test_a_comparison_whose_runs_are_all_gone_is_left(opened: Opened) -> None:
    async with opened(1, 2) as (pilot, screen):
        app = screen.itop
        runs.delete(app.database, 1)
        runs.delete(app.database, 2)
        assert app.poller is not None
        app.poller.refresh()
        await until(pilot, lambda: app.screen is not screen, "the list")
        assert any("2 runs no longer there" in told.text for told in app.told)


async def test_a_run_that_had_ended_and_is_resumed_is_read_again(opened: Opened) -> None:
    async with opened(1, 2) as (pilot, screen):
        runs.update_fields(screen.itop.database, 2, name="called otherwise")
        assert screen.itop.poller is not None
        screen.itop.poller.refresh()
        await until(pilot, lambda: screen.entries[1].label == "called otherwise", "the new name")


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
        reading = screen.query_one(EntryList).lines[0].reading
        await press(pilot, screen, *["left_square_bracket"] * 20)
        assert screen.query_one(EntryList).lines[0].reading != reading
        await press(pilot, screen, "right_square_bracket", "c")
        assert screen.curves.cursor is None
        await press(pilot, screen, "m")
        await until(pilot, lambda: any(line.tone == "dim-0" for line in pane.chart.data.lines), "the raw curve behind")
        smooth = lines(screen)[0]
        assert np.nanstd(np.diff(smooth.y)) < 0.5 * np.nanstd(np.diff(pane.chart.data.lines[0].y))
        assert logarithmic(screen)
        await press(pilot, screen, "y")
        assert not logarithmic(screen)
        await press(pilot, screen, "x")
        assert pane.chart.data.x_unit == "epoch"
        assert lines(screen)[0].x[-1] == pytest.approx(10.0, abs=0.05)
        await press(pilot, screen, "x")
        assert pane.chart.data.x_unit == "hour"
        assert (lines(screen)[0].x[[0, -1]] * 3600).tolist() == pytest.approx([0, 299], abs=2)  # a step a second
        assert pane.chart.extent[1] * 3600 == pytest.approx(299)
        await press(pilot, screen, "plus")
        zoomed = window(screen)
        assert zoomed is not None
        assert zoomed[1] * 3600 < 299
        await press(pilot, screen, "x")
        assert pane.chart.data.x_unit == "step"
        await press(pilot, screen, "f", "tab")
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
        assert "checkpoint 300 (latest)" in screen_text(screen.itop)
        await press(pilot, screen, "x", "x")
        assert (screen.curves.chart.data.marks * 3600).tolist() == pytest.approx([99, 199, 299])
        await press(pilot, screen, "space")
        assert not len(screen.curves.chart.data.marks), "what is hidden is not marked"
        await press(pilot, screen, "space", "u")
        assert not len(screen.curves.chart.data.marks)
        assert not legend.display
        await press(pilot, screen, "u", "down")
        assert not len(screen.curves.chart.data.marks), "a dense run has no mask updates"


async def test_every_recorded_figure_has_a_chart(opened: Opened) -> None:
    async with opened(1, 4, size=(80, 24)) as (pilot, screen):
        seen = []
        await press(pilot, screen, "f")
        for _ in range(19):
            seen.append(screen.curves.chart.title)
            await press(pilot, screen, "tab")
        assert len(set(seen)) == 19
        assert seen[0] == screen.curves.chart.title
        assert {"loss", "validation accuracy", "R_s explored", "churn"} <= set(seen)


# --------------------------------------------------------------------------------------------------------------- tables


async def test_results_are_those_of_the_runs_and_the_best_is_starred(opened: Opened) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, screen, "2")
        rows = screen.query_one("#results", SheetView).sheet.rows
        assert [row[1].text for row in rows] == [f"{'★ ' if at == 5 else ''}{TEST[at]:.2%}" for at in range(6)]
        assert rows[5][1].bold
        await press(pilot, screen, "g")
        assert screen.query_one("#results", SheetView).sheet.rows[0][1].text == "95.22% ± 0.12%"


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
            (letter, 1.0 if EXPLORED[at] is None else EXPLORED[at], TEST[at]) for at, letter in enumerate("ABCDEF")
        ]
        assert {point.x for point in by_flops.points} == set(FLOPS.values())
        await press(pilot, screen, "v")
        assert screen.query_one("#by-rs", Scatter).data.points[0].y == pytest.approx(TEST[0] + 0.01)
        await press(pilot, screen, "space")
        assert [point.letter for point in screen.query_one("#by-rs", Scatter).data.points] == list("BCDEF")
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
        assert "›" in screen_text(screen.itop)
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
        await press(pilot, screen, "n")
        assert "· fc" in screen.query_one("#masks", SheetView).sheet.title
        await press(pilot, screen, "N")
        assert "all layers" in screen.query_one("#masks", SheetView).sheet.title


async def test_models_that_differ_are_told(opened: Opened) -> None:
    keep_masks(1, 0, 1)
    keep_masks(2, 0, 1, size=12)
    async with opened(1, 2) as (pilot, screen):
        await press(pilot, screen, "6")
        await until(pilot, lambda: "their models differ" in text(screen, "masks"), "what is told")


# --------------------------------------------------------------------------------------------------------- copy, export


async def test_the_table_is_copied_as_text(opened: Opened) -> None:
    async with opened(1, 4) as (pilot, screen):
        await press(pilot, screen, "Y")
        assert screen.itop.clipboard.splitlines()[1].startswith("A rigl-d0.05-s1-lenet300-100")
        await press(pilot, screen, "3", "Y")
        assert "growth" in screen.itop.clipboard
        assert screen.itop.clipboard.startswith("A rigl")


async def export(pilot: Pilot[None], app: ItopApp, label: str) -> str:
    """Write one of the choices of the dialog; returns what the dialog says."""
    await pilot.press("E")
    await until(pilot, lambda: isinstance(app.screen, ExportDialog), "the dialog")
    dialog = app.screen
    assert isinstance(dialog, ExportDialog)
    at = next(at for at, choice in enumerate(dialog._choices) if choice.label.startswith(label))
    await pilot.press(*["down"] * at, "enter")
    await until(pilot, lambda: "ritten" in dialog.result, "the file")
    await pilot.press("escape")
    await until(pilot, lambda: app.screen is not dialog, "the dialog to close")
    return dialog.result


async def test_what_is_shown_is_exported_and_the_dialog_says_where(opened: Opened, tmp_path: Path) -> None:
    async with opened(1, 4) as (pilot, screen):
        app = screen.itop
        assert (
            await export(pilot, app, "svg: the chart of loss") == f"Written to {tmp_path / 'comparison-1-4-loss.svg'}"
        )
        drawing = ElementTree.parse(tmp_path / "comparison-1-4-loss.svg")
        assert len(drawing.findall(".//{*}path")) >= 3
        assert "set-d0.05-s1-lenet300-100" in "".join(drawing.getroot().itertext()), "the legend names the letters"
        assert await export(pilot, app, "html:") == f"Written to {tmp_path / 'comparison-1-4.html'}"
        assert await export(pilot, app, "csv: the table") == f"Written to {tmp_path / 'comparison-1-4-results.csv'}"
        assert (tmp_path / "comparison-1-4-results.csv").read_text().startswith("run,test acc")
        await export(pilot, app, "json: the table")
        assert json.loads((tmp_path / "comparison-1-4-results.json").read_text())[0]["run"].startswith("A rigl")
        await export(pilot, app, "json: all")
        assert (tmp_path / "run-1-rigl-d0.05-s1-lenet300-100.json").is_file()


async def test_a_file_that_is_there_is_overwritten_only_by_a_clear_yes(opened: Opened, tmp_path: Path) -> None:
    there = tmp_path / "comparison-1-4.html"
    there.write_text("precious")
    folder = tmp_path / "run-1-rigl-d0.05-s1-lenet300-100-csv"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    async with opened(1, 4) as (pilot, screen):
        app = screen.itop
        await pilot.press("E")
        await until(pilot, lambda: isinstance(app.screen, ExportDialog), "the dialog")
        dialog = app.screen
        assert isinstance(dialog, ExportDialog)
        for answer in ("n", "escape", "enter", "y"):
            dialog.query_one(OptionList).highlighted = 0
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, Confirm), "the question")
            assert f"Overwrite {there.name}?" in screen_text(app)
            assert "What is in it now is lost." in screen_text(app)
            assert dialog.result == f"Not written: {there.name} is there already"
            await pilot.press(answer)
            if answer == "enter":  # a key held too long says neither yes nor no
                assert isinstance(app.screen, Confirm)
                await pilot.press("n")
            await until(pilot, lambda: app.screen is dialog, "the question to go")
            if answer == "y":
                await until(pilot, lambda: dialog.result == f"Written to {there}", "the page")
            assert there.read_text().startswith("<!doctype html>" if answer == "y" else "precious")
        dialog.query_one(OptionList).highlighted = csv = next(
            at for at, choice in enumerate(dialog._choices) if choice.label.startswith("csv: all")
        )
        assert csv
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Confirm), "the question")
        assert "others stay" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: dialog.result.startswith("Written to"), "the folders")
    assert (folder / "mine.txt").read_text() == "mine"
    assert (folder / "steps.csv").is_file()
    assert (tmp_path / "run-4-set-d0.05-s1-lenet300-100-csv" / "steps.csv").is_file()


async def test_marked_runs_are_compared_and_exported_from_the_list(opened: Opened, tmp_path: Path) -> None:
    async with opened(1, 2) as (pilot, screen):
        app = screen.itop
        app.pop_screen()
        await until(pilot, lambda: app.screen is not screen, "the list")
        await pilot.press("c")
        assert any("Mark at least two" in told.text for told in app.told)
        await pilot.press("space", "space")
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen), "the comparison")
        assert isinstance(app.screen, CompareScreen)
        assert len(app.screen.ids) == 2
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, CompareScreen), "the list")
        assert "and 1 more" in await export(pilot, app, "json")


async def test_a_run_exports_its_chart(opened: Opened, tmp_path: Path) -> None:
    async with opened(1, 2) as (pilot, screen):
        app = screen.itop
        app.open_run(1)
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.view is not None, "the run")
        run = app.screen
        assert isinstance(run, RunScreen)
        await until(pilot, lambda: any(len(chart.data.lines) for chart in run.charts.charts), "its curves")
        await export(pilot, app, "svg")
    (made,) = tmp_path.glob("*.svg")  # noqa: ASYNC240 - nothing else waits here
    assert ElementTree.parse(made).getroot().tag.endswith("svg")
