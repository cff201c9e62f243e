"""What a comparison, a list and a run give to the clipboard and to files."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from textual.pilot import Pilot
from textual.widgets import Label, OptionList

from itop_tui.app import ItopApp
from itop_tui.compare.compare_screen import CompareScreen
from itop_tui.dialogs.export_dialog import ExportDialog
from itop_tui.dialogs.questions import Confirm
from itop_tui.run.run_screen import RunScreen
from tests.itop_tui.compare.conftest import Opened
from tests.itop_tui.compare.driving import app_of, press
from tests.itop_tui.run.hosting import until
from tests.itop_tui.support import screen_text


async def test_the_table_is_copied_as_text(opened: Opened) -> None:
    async with opened(1, 4) as (pilot, screen):
        await press(pilot, screen, "2", "greater_than_sign", "1", "Y")
        assert app_of(screen).clipboard.splitlines()[0].split()[:2] == ["run", "density"], "the order needs no mark"
        await press(pilot, screen, "2", "less_than_sign", "1", "Y")
        assert app_of(screen).clipboard.splitlines()[1].startswith("A rigl-d0.05-s1-lenet300-100")
        await press(pilot, screen, "3", "Y")
        assert "growth" in app_of(screen).clipboard
        assert app_of(screen).clipboard.startswith("A rigl")


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
        app = app_of(screen)
        assert (
            await export(pilot, app, "svg: the chart of loss") == f"Written to {tmp_path / 'comparison-1-4-loss.svg'}"
        )
        drawing = ElementTree.parse(tmp_path / "comparison-1-4-loss.svg")
        assert len(drawing.findall(".//{*}path")) >= 3
        texts = ["".join(text.itertext()) for text in drawing.findall(".//{*}text")]
        assert any("set-d0.05-s1-lenet300-100" in text for text in texts), "the legend names the letters"
        assert texts[texts.index("A:") :][:2] == ["A:", "mask update"], "and whose mask updates are marked"
        assert await export(pilot, app, "html:") == f"Written to {tmp_path / 'comparison-1-4.html'}"
        assert await export(pilot, app, "csv: the table") == f"Written to {tmp_path / 'comparison-1-4-results.csv'}"
        assert (tmp_path / "comparison-1-4-results.csv").read_text().startswith("run,density,n,test acc")
        await export(pilot, app, "json: the table")
        assert json.loads((tmp_path / "comparison-1-4-results.json").read_text())[0]["run"].startswith("A rigl")
        await export(pilot, app, "json: all")
        assert (tmp_path / "run-1-rigl-d0.05-s1-lenet300-100.json").is_file()


async def test_scatter_plots_are_exported_without_what_is_hidden(opened: Opened, tmp_path: Path) -> None:
    async with opened(1, 4, 6) as (pilot, screen):
        await press(pilot, screen, "4", "down", "space")
        for chart in ("R_s", "FLOPs"):
            said = await export(pilot, app_of(screen), f"svg: the chart of {chart}")
            assert said == f"Written to {tmp_path / f'comparison-1-4-6-{chart}-and-accuracy.svg'}"
    assert _letters(tmp_path / "comparison-1-4-6-R_s-and-accuracy.svg") == ["A"], "the dense run has no R_s"
    assert _letters(tmp_path / "comparison-1-4-6-FLOPs-and-accuracy.svg") == ["A", "C"]


def _letters(file: Path) -> list[str | None]:
    """The letters of the points of a drawing."""
    middle = ElementTree.parse(file).getroot().findall(".//{*}text[@text-anchor='middle']")
    return [text.text for text in middle if text.text in {"A", "B", "C"}]


async def test_the_table_of_a_paper_is_written_in_its_formats(opened: Opened, tmp_path: Path) -> None:
    async with opened(1, 4) as (pilot, screen):
        await press(pilot, screen, "7")
        for suffix in ("md", "tex", "csv"):
            said = await export(pilot, app_of(screen), f"{suffix}: the table of results as")
            assert said == f"Written to {tmp_path / f'comparison-1-4-table.{suffix}'}"
    assert "| RigL-ITOP lr=0.1 | **95.10 (1)** |" in (tmp_path / "comparison-1-4-table.md").read_text()
    assert r"\toprule" in (tmp_path / "comparison-1-4-table.tex").read_text()


async def test_a_file_that_is_there_is_overwritten_only_by_a_clear_yes(opened: Opened, tmp_path: Path) -> None:
    there = tmp_path / "comparison-1-4.html"
    there.write_text("precious")
    folder = tmp_path / "run-1-rigl-d0.05-s1-lenet300-100-csv"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    async with opened(1, 4) as (pilot, screen):
        app = app_of(screen)
        await pilot.press("E")
        await until(pilot, lambda: isinstance(app.screen, ExportDialog), "the dialog")
        dialog = app.screen
        assert isinstance(dialog, ExportDialog)
        for answer in ("n", "escape", "enter", "y"):
            dialog.query_one(OptionList).highlighted = 0
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, Confirm), "the question")
            assert f"Overwrite {there.name}?" in screen_text(app)
            # Where its lines break depends on the folder's name, so it is not looked for on the screen.
            assert "What is in it now is lost." in str(app.screen.query_one(".body", Label).content)
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
        app = app_of(screen)
        app.pop_screen()
        await until(pilot, lambda: app.screen is not screen, "the list")
        await pilot.press("c")
        assert any("Select at least two" in notice.text for notice in app.notices)
        await pilot.press("space", "space")
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen), "the comparison")
        assert isinstance(app.screen, CompareScreen)
        assert len(app.screen.compared.ids) == 2
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, CompareScreen), "the list")
        assert "and 1 more" in await export(pilot, app, "json")


async def test_a_run_exports_its_chart(opened: Opened, tmp_path: Path) -> None:
    async with opened(1, 2) as (pilot, screen):
        app = app_of(screen)
        app.open_run(1)
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.view is not None, "the run")
        run = app.screen
        assert isinstance(run, RunScreen)
        await until(pilot, lambda: any(len(chart.data.lines) for chart in run.charts.charts), "its curves")
        await until(pilot, lambda: any(chart.data.smoothing for chart in run.charts.charts), "smooth curves")
        await export(pilot, app, "svg")
    (made,) = tmp_path.glob("*.svg")  # noqa: ASYNC240 - nothing else waits here
    drawing = ElementTree.parse(made).getroot()
    texts = [text.text for text in drawing.findall(".//{*}text")]
    assert "mask update" in texts, "marked as on the screen"
    assert texts[-1] == "smoothed by a moving average of weight 0.6"
