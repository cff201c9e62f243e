"""Every key of the screen, pressed in the real app on a run recorded in a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from textual.notifications import Notification
from textual.pilot import Pilot
from textual.widgets import Input

from db.models import RunRow
from db.paths import run_folder
from db.records import RunQuery, RunStatus, StepMetric
from db.runs import checkpoints, commands, runs
from db.session import Database
from engine.launch import submit
from itop_tui.chart.chart import Chart
from itop_tui.chart.heat_map import HeatMap
from itop_tui.chart.mark_legend import MarkLegend
from itop_tui.dialogs.chooser import Picker
from itop_tui.dialogs.help import HelpScreen
from itop_tui.dialogs.questions import Confirm
from itop_tui.figures.format import figure
from itop_tui.keys import in_scope
from itop_tui.run.checkpoints_tab import CheckpointsPane
from itop_tui.run.config_tab import ConfigPane
from itop_tui.run.config_view import ConfigView
from itop_tui.run.layers_tab import LayersPane
from itop_tui.run.log_view import LogView
from itop_tui.run.run_screen import RunScreen
from itop_tui.run.run_tabs import TABS
from itop_tui.widgets.tab_line import TabLine
from tests.itop_tui.run.conftest import RUNNING, STOPPED
from tests.itop_tui.run.fabricate import record_run, settings
from tests.itop_tui.run.hosting import keep_alive, run_screen, shows_curves, until

T = TypeVar("T")
Opened = tuple[Pilot[None], RunScreen]


@pytest.fixture
async def opened(recorded: None, home: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opened]:
    """The screen of a run that was stopped; no scheduler is started by what a test asks for."""
    monkeypatch.setattr(submit, "ensure_scheduler", lambda db: None)
    async with run_screen(Database.open, STOPPED) as (pilot, screen):
        yield pilot, screen


@pytest.fixture
async def active(recorded: None, home: Path) -> AsyncIterator[Opened]:
    """The screen of a running run, which gives signs of life for as long as a test may take."""
    with closing(Database.open()) as database:
        keep_alive(database, RUNNING)
    async with run_screen(Database.open, RUNNING) as (pilot, screen):
        yield pilot, screen


def now(value: T) -> T:
    """A value as it is now: keeps the type checker from believing that an attribute stays as it was."""
    return value


def visible(screen: RunScreen) -> list[Chart]:
    return [chart for chart in screen.charts.charts if chart.display]


async def settled(pilot: Pilot[None], screen: RunScreen) -> None:
    await until(pilot, lambda: shows_curves(screen), "the curves asked for")


def test_every_action_of_the_registry_is_one_of_the_screen() -> None:
    for action in in_scope("run"):
        assert callable(getattr(RunScreen, f"action_{action.name}", None)), action.name


async def test_the_number_keys_open_the_tabs(opened: Opened) -> None:
    pilot, screen = opened
    for key, tab in zip("54321", reversed(TABS), strict=True):
        await pilot.press(key)
        assert screen.tab == tab
        assert screen.query_one(f"#{tab}").display
        assert screen.query_one(TabLine).tab == tab


async def test_a_click_opens_a_tab(opened: Opened) -> None:
    pilot, screen = opened
    await pilot.click(TabLine, offset=(16, 0))
    assert screen.tab == "layers"


async def test_one_chart_at_full_size_and_back(opened: Opened) -> None:
    pilot, screen = opened
    assert len(visible(screen)) == 6
    await pilot.press("tab", "down", "j", "shift+tab", "z")
    assert [chart.title for chart in visible(screen)] == ["R_s explored"]
    await pilot.press("tab")
    assert [chart.title for chart in visible(screen)] == ["death rate"]
    await pilot.press("k", "up", "escape")
    assert len(visible(screen)) == 6
    assert visible(screen)[1].has_class("-chosen")
    await pilot.press("enter")
    assert len(visible(screen)) == 1


async def test_the_last_charts_are_on_a_second_page(opened: Opened) -> None:
    pilot, screen = opened
    await pilot.press("shift+tab")
    assert [chart.title for chart in visible(screen)] == ["samples/s", "density"]
    await settled(pilot, screen)
    assert len(visible(screen)[0].data.lines[0].x) > 0


async def test_zoom_and_pan_read_the_window_again(opened: Opened) -> None:
    pilot, screen = opened
    await pilot.press("plus")
    await settled(pilot, screen)
    assert screen.charts.window == pytest.approx((75.83, 375.17), abs=1)
    assert all(chart.window == screen.charts.window for chart in visible(screen))
    await pilot.press("right")
    assert screen.charts.window is not None
    assert screen.charts.window[1] == pytest.approx(450)
    await pilot.press("left", "h", "h", "h", "h")
    assert screen.charts.window is not None
    assert screen.charts.window[0] == pytest.approx(1)
    await pilot.press("l", "minus", "minus", "minus")
    assert now(screen.charts.window) is None
    await pilot.press("equals_sign", "0")
    assert now(screen.charts.window) is None
    await settled(pilot, screen)


async def test_the_wheel_zooms_where_the_mouse_is(opened: Opened) -> None:
    pilot, screen = opened
    chart = screen.charts.charts[0]
    await pilot._post_mouse_events([_scroll_up()], widget=chart, offset=(20, 5))
    await pilot.pause()
    window = screen.charts.window
    assert window is not None
    assert window[0] - 1 < 450 - window[1]


def _scroll_up() -> type:
    from textual.events import MouseScrollUp

    return MouseScrollUp


async def test_the_cursor_reads_the_values_of_the_nearest_step(opened: Opened) -> None:
    pilot, screen = opened
    chart = screen.charts.charts[0]
    await pilot.press("left_square_bracket")
    assert chart.cursor == pytest.approx(450)
    assert chart.readout(450).startswith("step 450  train 0.")
    assert "val 0.4" in chart.readout(400)
    await pilot.press("left_square_bracket", "left_square_bracket", "right_square_bracket")
    assert chart.cursor is not None
    assert chart.cursor < 450
    await pilot.press("backslash")
    assert chart.cursor is None


async def test_pointing_with_the_mouse_reads_on_every_chart(opened: Opened) -> None:
    pilot, screen = opened
    await pilot.hover(Chart, offset=(30, 4))
    await until(pilot, lambda: screen.charts.charts[0].cursor is not None, "the cursor")
    assert len({chart.cursor for chart in visible(screen)}) == 1


async def test_curves_are_smooth_at_first_with_the_raw_line_behind(opened: Opened) -> None:
    pilot, screen = opened
    chart = screen.charts.charts[0]
    assert [(line.label, line.tone, line.smooth) for line in chart.data.lines] == [
        ("train", "raw", False),
        ("train", "first", True),
        ("val", "second", False),
    ]
    raw, smooth = chart.data.lines[:2]
    # The legend has each metric once, with the last value that was recorded.
    assert f"━ train {figure(float(raw.y[-1]))}" in chart.render_line(0).text
    assert chart.render_line(0).text.count("train") == 1
    assert f"train smooth {figure(float(smooth.y[-1]))}" in chart.readout(450)
    assert "smoothing 0.6" in screen.query_one(TabLine).note
    await pilot.press("m", "m", "m")
    await settled(pilot, screen)
    assert [(line.label, line.smooth) for line in chart.data.lines] == [("train", False), ("val", False)]


async def test_the_axes_and_the_marks_can_be_changed(opened: Opened) -> None:
    pilot, screen = opened
    chart = screen.charts.charts[0]
    assert now(chart.log_scale)
    await pilot.press("y")
    assert not now(chart.log_scale)
    await pilot.press("y")
    assert [each.log_scale for each in visible(screen)] == [True, False, False, False, True, False]
    assert chart.data.marks.tolist() == [100, 200, 300, 400]
    await pilot.press("M")
    assert chart.data.marks.tolist() == []
    await pilot.press("X")
    assert chart.data.x_unit == "epoch"
    assert chart.data.lines[0].x[-1] == pytest.approx(4.5)


async def test_charts_of_masks_leave_their_room_where_there_is_none(recorded: None, database: Database) -> None:
    run = record_run(database, steps=100, config=settings(sparse=False))
    async with run_screen(Database.open, run.id) as (pilot, screen):
        await settled(pilot, screen)
        shown = [chart.title for chart in visible(screen)]
        assert shown[:4] == ["loss", "accuracy", "learning rate", "samples/s"]
        assert all(len(chart.data.lines) for chart in visible(screen)[:4])
        assert f"of 8, {8 - len(shown)} empty" in screen.query_one(TabLine).note


async def test_outliers_are_marked_until_all_values_are_wanted(recorded: None, database: Database) -> None:
    def spiked(metric: StepMetric) -> StepMetric:
        return replace(metric, loss=50_000.0 if metric.step in (200, 201) else metric.loss)

    run = record_run(database, steps=400, alter=spiked)
    async with run_screen(Database.open, run.id) as (pilot, screen):
        chart = screen.charts.charts[0]
        legend = screen.query_one(MarkLegend)
        await pilot.press("y")  # a linear axis
        await until(pilot, lambda: legend.outside, "the legend of what is outside")
        assert now(chart.is_cut)
        assert "▴▾ outside of the y-axis (Z)" in str(legend.render())
        assert "▴" in chart.render_line(1).text
        assert "50000" in chart.readout(200).replace(",", "")
        await pilot.press("Z")
        assert not now(chart.is_cut)
        assert not now(legend.outside)
        assert "▴" not in chart.render_line(1).text
        assert "y: all values (Z)" in screen.query_one(TabLine).note
        await pilot.press("Z")
        accuracy = screen.charts.charts[1]
        texts = [accuracy.render_line(row).text for row in range(accuracy.size.height)]
        assert any(text.lstrip().startswith("100%") for text in texts)
        assert any(text.lstrip().startswith("0%") for text in texts)
        await pilot.press("Z")
        assert now(chart.is_cut)


async def test_the_layers_and_their_heat_maps(opened: Opened) -> None:
    pilot, screen = opened
    await pilot.press("2")
    table = screen.query_one(LayersPane).table
    await until(pilot, lambda: table.row_count == 3, "the layers")
    assert str(table.get_row_at(0)[1]) == "fc1"
    await pilot.press("greater_than_sign", "o")
    assert (table.sorted_by, table.descending) == ("layer", True)
    assert str(table.get_row_at(0)[1]) == "fc3"
    await pilot.press("less_than_sign", "o", "v")
    heat = screen.query_one(HeatMap)
    assert now(heat.display)
    await until(pilot, lambda: "fc1" in str(heat.render_line(1).text), "the heat map")
    assert "R_s" in heat.title, "the density is constant, so it is not what is shown first"
    assert isinstance(screen.focused, HeatMap)
    await pilot.press("e")
    await until(pilot, lambda: isinstance(pilot.app.screen, Picker), "the measures")
    await pilot.press(*"churn", "enter")
    await until(pilot, lambda: "churn" in heat.title, "the chosen measure")
    assert now(heat.display)
    await pilot.press("v")
    assert not now(heat.display)
    assert table.display


async def test_the_configuration_is_searched_and_narrowed(opened: Opened) -> None:
    pilot, screen = opened
    await pilot.press("3", "slash", *"lr")
    view = screen.query_one(ConfigView)
    assert view.needle == "lr"
    await pilot.press("enter")
    assert not isinstance(screen.focused, Input)
    await pilot.press("escape")
    assert view.needle == ""
    assert screen.is_current
    await pilot.press("i")
    assert view.only_changes
    assert screen.query_one(ConfigPane).display


async def test_the_log_is_followed_and_searched(opened: Opened) -> None:
    pilot, screen = opened
    await pilot.press("5")
    view = screen.query_one(LogView)
    await until(pilot, lambda: view.line_count == 200, "the log")
    await until(pilot, lambda: view.scroll_y == view.max_scroll_y > 0, "the end of the log")
    assert now(view.following)
    await pilot.press("home")
    assert (view.scroll_y, view.following) == (0, False)
    await pilot.press("end")
    assert now(view.following)
    await pilot.press("F")
    assert not now(view.following)
    await pilot.press("slash", *"epoch 10", "enter")
    await pilot.pause()
    # 10 and 100 to 109; the last one is shown first.
    assert view.found == (11, 11)
    await pilot.press("full_stop")
    assert view.found == (1, 11)
    await pilot.press("comma")
    assert view.found == (11, 11)


async def test_the_log_grows_on_the_screen(opened: Opened, home: Path) -> None:
    pilot, screen = opened
    await pilot.press("5")
    view = screen.query_one(LogView)
    await until(pilot, lambda: view.line_count == 200, "the log")
    assert screen.view is not None
    with (run_folder(screen.view.run.uid) / "console.log").open("a") as file:
        file.write("one more\n")
    await until(pilot, lambda: view.line_count == 201, "the new line")
    assert view.lines[200] == "one more"


async def test_resume_from_the_checkpoint_at_the_cursor(opened: Opened, database: Database) -> None:
    pilot, screen = opened
    await pilot.press("4")
    pane = screen.query_one(CheckpointsPane)
    await until(pilot, lambda: pane.table.row_count == 2, "the checkpoints")
    await pilot.press("down")
    chosen = pane.table.selected
    assert chosen is not None
    assert chosen.kind == "best"
    await pilot.press("r")
    await until(pilot, lambda: runs.get(database, screen.run_id).status is RunStatus.QUEUED, "the run to be queued")
    assert runs.get(database, screen.run_id).start_checkpoint_id == chosen.id
    await until(pilot, lambda: screen.current_run is not None and screen.current_run.status == "queued", "the screen")


@pytest.mark.parametrize("tab", ["charts", "checkpoints"])
async def test_a_completed_run_at_its_last_step_is_not_queued_again(
    opened: Opened, database: Database, tab: str
) -> None:
    pilot, screen = opened
    last = checkpoints.pick(database, STOPPED, "last")
    with database.write() as session:
        row = session.get(RunRow, STOPPED)
        assert row is not None
        row.status, row.reason = RunStatus.COMPLETED, None
        row.step = row.total_steps = last.step
        row.test_accuracy = 0.9
    await until(pilot, lambda: screen.current_run is not None and screen.current_run.status == "completed", "the end")
    if tab == "checkpoints":
        await pilot.press("4")
        pane = screen.query_one(CheckpointsPane)
        await until(pilot, lambda: pane.table.row_count == 2, "the checkpoints")
        while pane.table.selected is None or pane.table.selected.id != last.id:
            await pilot.press("down" if pane.table.cursor_row == 0 else "up")
    await pilot.press("r")
    await until(
        pilot,
        lambda: any(f"has no step left after checkpoint {last.id}" in str(one.message) for one in _toasts(screen)),
        "the refusal",
    )
    assert len(_toasts(screen)) == 1
    run = runs.get(database, STOPPED)
    assert (run.status, run.test_accuracy, run.start_checkpoint_id) == (RunStatus.COMPLETED, 0.9, None)


def _toasts(screen: RunScreen) -> list[Notification]:
    return list(screen.app._notifications)


async def test_resume_from_another_tab_takes_the_last_checkpoint(opened: Opened, database: Database) -> None:
    pilot, screen = opened
    await pilot.press("r")
    await until(pilot, lambda: runs.get(database, screen.run_id).status is RunStatus.QUEUED, "the run to be queued")
    start_id = runs.get(database, screen.run_id).start_checkpoint_id
    assert screen.view is not None
    assert start_id == next(row.id for row in screen.view.checkpoints if row.kind == "last")


async def test_fork_from_the_checkpoint_at_the_cursor(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    pilot, screen = opened
    asked: list[tuple[object, object, object]] = []
    monkeypatch.setattr(
        type(screen.itop),
        "open_new_run",
        lambda app, settings=None, *, title="", parent=None, checkpoint=None: asked.append(
            (settings, parent, checkpoint)
        ),
    )
    await pilot.press("4")
    await until(pilot, lambda: screen.query_one(CheckpointsPane).table.row_count == 2, "the checkpoints")
    await pilot.press("f")
    run = screen.current_run
    assert run is not None
    assert asked == [(run.config, run, screen.query_one(CheckpointsPane).table.selected)]


async def test_an_active_run_refuses_to_be_resumed_and_says_why(active: Opened, database: Database) -> None:
    pilot, screen = active
    await pilot.press("4", "r")
    await until(pilot, lambda: bool(pilot.app._notifications), "the reason")
    reasons = [note.message for note in pilot.app._notifications]
    assert reasons == [f"Run {screen.run_id} is running: only a run that has ended can be resumed."]
    assert runs.get(database, screen.run_id).status is RunStatus.RUNNING


async def test_stop_asks_the_run_to_stop(active: Opened, database: Database) -> None:
    pilot, screen = active
    await pilot.press("s")
    await until(pilot, lambda: bool(commands.pending(database, screen.run_id)), "the command")
    assert [command.kind for command in commands.pending(database, screen.run_id)] == ["stop"]


async def test_pause_asks_the_run_to_pause(active: Opened, database: Database) -> None:
    pilot, screen = active
    await pilot.press("p")
    await until(pilot, lambda: bool(commands.pending(database, screen.run_id)), "the command")
    assert [command.kind for command in commands.pending(database, screen.run_id)] == ["pause"]


async def test_kill_asks_first(active: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    pilot, screen = active
    killed: list[int] = []
    monkeypatch.setattr(submit, "kill", lambda db, run_id: killed.append(run_id))
    await pilot.press("K")
    await until(pilot, lambda: isinstance(pilot.app.screen, Confirm), "the question")
    await pilot.press("n")
    await until(pilot, lambda: pilot.app.screen is screen, "the screen")
    assert killed == []
    await pilot.press("K")
    await until(pilot, lambda: isinstance(pilot.app.screen, Confirm), "the question")
    await pilot.press("y")
    await until(pilot, lambda: killed == [screen.run_id], "the kill")


@pytest.mark.parametrize("key", ["escape", "q"])
async def test_back_to_the_list(opened: Opened, key: str) -> None:
    pilot, screen = opened
    await pilot.press(key)
    await until(pilot, lambda: pilot.app.screen is not screen, "the list")
    assert pilot.app.is_running


async def test_the_help_holds_every_key(opened: Opened) -> None:
    pilot, _ = opened
    await pilot.press("question_mark")
    await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen), "the help")


async def test_the_footer_shows_the_keys_of_the_open_tab(opened: Opened) -> None:
    pilot, screen = opened
    assert next(hint.action for hint in screen.key_hints()) == "screen.toggle_full"
    await pilot.press("4")
    actions = [hint.action for hint in screen.key_hints()]
    assert actions[:2] == ["screen.resume_here", "screen.fork_here"]
    assert "screen.toggle_full" not in actions
    assert "app.quit" not in actions


async def test_a_run_that_is_deleted_closes_its_screen(opened: Opened, database: Database) -> None:
    pilot, screen = opened
    runs.delete(database, screen.run_id)
    await until(pilot, lambda: pilot.app.screen is not screen, "the list")
    assert runs.count(database, RunQuery()) == 1
    assert any("no longer there" in note.message for note in pilot.app._notifications)
