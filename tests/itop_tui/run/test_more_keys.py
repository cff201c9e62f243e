"""The chosen figures, the mouse, what is kept, checkpoints and provenance, in the real app."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from textual.events import MouseDown, MouseMove, MouseUp
from textual.pilot import Pilot
from textual.widgets import OptionList

from db import key_values as kept_settings
from db.history.writer import MetricWriter
from db.records import RunStatus
from db.runs import attempts, checkpoints, runs
from db.session import Database
from engine.launch.processes import host_name
from itop_tui.app import ItopApp
from itop_tui.chart.chart_painter import GUTTER
from itop_tui.chart.mark_legend import MarkLegend
from itop_tui.dialogs.questions import Confirm
from itop_tui.figures.chart_metrics import DEFAULT_CHARTS, MACHINE_CHARTS, MOST_FIGURES
from itop_tui.figures.curves import SMOOTHED
from itop_tui.run import checkpoint_files
from itop_tui.run.checkpoints_tab import CheckpointsPane
from itop_tui.run.device_strip import DeviceStrip, Reading, strip_parts
from itop_tui.run.metric_picker import FigurePicker
from itop_tui.run.provenance_screen import ProvenanceScreen, provenance_lines
from itop_tui.run.run_reader import SETTING
from itop_tui.run.run_screen import RunScreen
from tests.described import described
from tests.itop_tui.run import made
from tests.itop_tui.run.conftest import STOPPED
from tests.itop_tui.run.fabricate import record_run, settings
from tests.itop_tui.run.hosting import StillReader, run_screen, shows_curves, until

Opened = tuple[Pilot[None], RunScreen]


@pytest.fixture
async def opened(recorded: None, home: Path) -> AsyncIterator[Opened]:
    async with run_screen(Database.open, STOPPED) as (pilot, screen):
        yield pilot, screen


async def picker(pilot: Pilot[None]) -> FigurePicker:
    await until(pilot, lambda: isinstance(pilot.app.screen, FigurePicker), "the list of figures")
    dialog = pilot.app.screen
    assert isinstance(dialog, FigurePicker)
    await until(pilot, lambda: dialog.is_mounted and dialog.query_one(OptionList).option_count > 0, "the figures")
    return dialog


async def settled(pilot: Pilot[None], screen: RunScreen) -> None:
    await until(pilot, lambda: pilot.app.screen is screen and shows_curves(screen), "the curves asked for")


async def test_figures_are_searched_taken_and_left(opened: Opened) -> None:
    pilot, screen = opened
    await pilot.press("e")
    dialog = await picker(pilot)
    assert list(dialog.chosen) == ["loss", "val_loss"]
    await pilot.press("down", "space")
    assert list(dialog.chosen) == ["loss"]
    await pilot.press(*"churn", "down", "space", "enter")
    await settled(pilot, screen)
    assert screen.charts.specs[0].names == ("loss", "churn@fc1")
    data = screen.charts.charts[0].data
    drawn = [(line.label, line.right) for line in data.lines if line.tone != "raw"]
    assert drawn == [("train", False), ("churn fc1", True)]
    await pilot.press("e", "escape")
    await settled(pilot, screen)
    assert screen.charts.specs[0].names == ("loss", "churn@fc1")


async def test_a_chart_takes_no_more_figures_than_can_be_told_apart(opened: Opened) -> None:
    pilot, _ = opened
    await pilot.press("e")
    dialog = await picker(pilot)
    for _ in range(12):
        await pilot.press("down", "space")
    assert len(dialog.chosen) == MOST_FIGURES


async def test_charts_are_added_removed_and_put_back(opened: Opened) -> None:
    pilot, screen = opened
    await pilot.press("A")
    await picker(pilot)
    await pilot.press(*"seconds", "enter")
    await settled(pilot, screen)
    assert screen.charts.specs[1].names == ("seconds",)
    assert (len(screen.charts.charts), screen.charts.chosen) == (len(DEFAULT_CHARTS) + 1, 1)
    await pilot.press("delete", "x")
    await settled(pilot, screen)
    assert len(screen.charts.specs) == len(DEFAULT_CHARTS) - 1
    for _ in range(len(DEFAULT_CHARTS)):
        await pilot.press("x")
    assert len(screen.charts.specs) == 1
    await pilot.press("ctrl+r")
    await settled(pilot, screen)
    assert screen.charts.specs == DEFAULT_CHARTS
    assert [chart.title for chart in screen.charts.charts[:2]] == ["loss", "accuracy"]


async def test_the_charts_of_the_machine_have_pages_of_their_own(opened: Opened) -> None:
    pilot, screen = opened
    charts = screen.charts
    first = DEFAULT_CHARTS.index(MACHINE_CHARTS[0])
    await pilot.press("H")
    await settled(pilot, screen)
    assert charts.chosen == first
    shown = [chart.title for chart in charts.charts if chart.display]
    assert shown == [spec.heading for spec in MACHINE_CHARTS[: len(shown)]]
    assert charts.note.startswith("machine")
    for _ in range(first):  # to the end of these pages, and around through all others
        await pilot.press("shift+tab")
        mixed = {spec.of_machine for spec, chart in zip(charts.specs, charts.charts, strict=True) if chart.display}
        assert len(mixed) == 1
    assert charts.chosen == 0
    await pilot.press("H", "H")
    assert charts.chosen == 0
    # Where a person has removed them, they come back.
    await pilot.press("H")
    for _ in MACHINE_CHARTS:
        await pilot.press("x")
    assert not any(spec.of_machine for spec in charts.specs)
    await pilot.press("H")
    await settled(pilot, screen)
    assert charts.specs[charts.chosen :] == MACHINE_CHARTS


async def test_how_the_view_was_left_is_kept_for_the_next_start(opened: Opened, database: Database) -> None:
    pilot, _ = opened
    await pilot.press("X", "m", "y", "M", "z", "tab", "2")

    def kept() -> object:
        state = kept_settings.get(database, SETTING, {})
        return state if state.get("tab") == "layers" else None

    await until(pilot, lambda: kept() is not None, "the state to be kept")
    async with run_screen_again() as (_, again):
        assert again.tab == "layers"
        charts = again.charts
        assert (charts.across, charts.smoothing, charts.logarithmic, charts.with_marks) == ("epoch", 0.9, False, False)
        assert (charts.full, charts.chosen) == (True, 1)


@asynccontextmanager
async def run_screen_again() -> AsyncIterator[Opened]:
    """The screen again, in a new app; its charts are not on the screen, so nothing is waited for."""
    app = ItopApp(Database.open, reader=StillReader)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.is_open and app.snapshot is not None, "the database")
        app.open_run(STOPPED)
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.tab == "layers", "the tab")
        assert isinstance(app.screen, RunScreen)
        yield pilot, app.screen


async def test_a_setting_of_nonsense_is_ignored(recorded: None, database: Database) -> None:
    kept_settings.put(
        database,
        SETTING,
        {"charts": "x", "chosen": -3, "smoothing": "much", "across": 7, "tab": "nothing", "full": "yes"},
    )
    async with run_screen(Database.open, STOPPED) as (_, screen):
        assert screen.charts.specs == DEFAULT_CHARTS
        assert (screen.charts.chosen, screen.charts.smoothing, screen.charts.across) == (0, SMOOTHED, "step")
        assert screen.tab == "charts"
        assert not screen.charts.full


async def test_hours_across(opened: Opened) -> None:
    pilot, screen = opened
    await pilot.press("X", "X")
    await until(pilot, lambda: shows_curves(screen) and screen.charts.charts[0].data.x_unit == "hour", "the hours")
    line = screen.charts.charts[0].data.lines[0]
    assert line.x[-1] * 3600 == pytest.approx(449)
    assert "training time" in screen.charts.note
    await pilot.press("plus")
    await settled(pilot, screen)
    assert screen.charts.window == pytest.approx((75.83, 375.17), abs=1)  # kept in steps, whatever stands across
    await pilot.press("X", "0")
    await until(pilot, lambda: shows_curves(screen) and screen.charts.charts[0].data.x_unit == "itop_rate", "R_s")
    # The last mask update, at step 400, explored the last weights; what was trained since lies at its place.
    ends = screen.charts.charts[0].data.lines[0].x
    assert ends[-1] == pytest.approx(1 - 0.95 * math.exp(-400 / 800))
    assert (np.diff(ends) >= 0).all()
    assert screen.charts.charts[0].readout(ends[-1]).startswith("R_s 0.4")
    assert "over R_s" in screen.charts.note
    await pilot.press("X")
    assert screen.charts.across == "step"


async def test_dragging_zooms_into_what_was_dragged_over(opened: Opened) -> None:
    pilot, screen = opened
    chart = screen.charts.charts[0]
    await pilot._post_mouse_events([MouseDown], widget=chart, offset=(GUTTER + 10, 5), button=1)
    await pilot._post_mouse_events([MouseMove], widget=chart, offset=(GUTTER + 20, 5), button=1)
    assert chart.selection is not None
    await pilot._post_mouse_events([MouseMove], widget=chart, offset=(GUTTER + 30, 5), button=1)
    await pilot._post_mouse_events([MouseUp], widget=chart, offset=(GUTTER + 30, 5), button=1)
    await settled(pilot, screen)
    window = screen.charts.window
    assert window is not None
    columns = chart.columns
    assert window[0] == pytest.approx(1 + 449 * 10 / columns, abs=449 / columns)
    assert window[1] == pytest.approx(1 + 449 * 30 / columns, abs=2 * 449 / columns)
    await pilot._post_mouse_events([MouseDown], widget=chart, offset=(GUTTER + 10, 5), button=1)
    await pilot._post_mouse_events([MouseMove], widget=chart, offset=(GUTTER + 4, 5), button=1, shift=True)
    await pilot._post_mouse_events([MouseUp], widget=chart, offset=(GUTTER + 4, 5), button=1)
    await settled(pilot, screen)
    moved = screen.charts.window
    assert moved is not None
    assert moved[1] - moved[0] == pytest.approx(window[1] - window[0])


async def test_marks_are_told_by_glyph_and_by_a_legend(recorded: None, database: Database) -> None:
    parent = runs.get(database, STOPPED)
    child = record_run(database, steps=650, parent=parent, config=settings(lr=0.05), kinds=("last",))
    async with run_screen(Database.open, child.id) as (pilot, screen):
        legend = screen.query_one(MarkLegend)
        assert legend.display
        assert legend.kinds == {"update", "drop", "fork", "checkpoint", "parent"}
        data = screen.charts.charts[0].data
        kinds = [(event.kind, event.x) for event in data.events]
        assert kinds == [("fork", 100), ("checkpoint", 650), ("drop", 500)]
        assert "learning rate drops to 0.01 at 500" in screen.charts.charts[0].readout(500)
        await pilot.press("M")
        await settled(pilot, screen)
        assert not screen.charts.charts[0].data.events
        assert legend.kinds == {"parent"}


# ------------------------------------------------------------------------------ checkpoints


async def test_a_checkpoint_is_deleted_after_telling_what_that_frees(opened: Opened, database: Database) -> None:
    pilot, screen = opened
    await pilot.press("4")
    pane = screen.query_one(CheckpointsPane)
    await until(pilot, lambda: pane.table.row_count == 2, "the checkpoints")
    chosen = pane.table.selected
    assert chosen is not None
    await pilot.press("x")
    await until(pilot, lambda: isinstance(pilot.app.screen, Confirm), "the question")
    shown = "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())
    assert "Frees 7 B." in shown
    await pilot.press("y")
    await until(pilot, lambda: pane.table.row_count == 1, "the checkpoint to go")
    assert [row.kind for row in checkpoints.for_run(database, screen.run_id)] == ["best"]
    assert checkpoint_files.glance(chosen) == checkpoint_files.MISSING


async def test_a_checkpoint_that_a_fork_needs_is_kept_with_the_reason(opened: Opened, database: Database) -> None:
    pilot, screen = opened
    best = checkpoints.pick(database, STOPPED, "best")
    child = runs.create(
        database, **described(settings(lr=0.05)), name="child", total_steps=1_000, parent_id=STOPPED,
        fork_step=best.step, start_checkpoint_id=best.id,
    )  # fmt: skip
    assert child.status is RunStatus.QUEUED
    await pilot.press("4")
    pane = screen.query_one(CheckpointsPane)
    await until(pilot, lambda: pane.table.row_count == 2, "the checkpoints")
    await pilot.press("down", "x")
    await until(pilot, lambda: isinstance(pilot.app.screen, Confirm), "the question")
    await pilot.press("y")
    await until(
        pilot, lambda: any("cannot be removed" in note.message for note in pilot.app._notifications), "the reason"
    )
    assert checkpoint_files.glance(best) == ""
    assert len(checkpoints.for_run(database, STOPPED)) == 2


def damage(changed: str, gone: str) -> None:
    """Put as many other bytes into one file, and take away another."""
    Path(changed).write_bytes(b"Weights")
    Path(gone).unlink()


async def test_damaged_and_missing_files_are_told(opened: Opened) -> None:
    pilot, screen = opened
    await pilot.press("4")
    pane = screen.query_one(CheckpointsPane)
    await until(pilot, lambda: pane.table.row_count == 2, "the checkpoints")
    await pilot.press("exclamation_mark")
    await until(pilot, lambda: any("verified" in note.message for note in pilot.app._notifications), "the word")
    last, best = pane.table.listed
    damage(last.path, best.path)
    await pilot.press("exclamation_mark")
    await until(pilot, lambda: "damaged" in str(pane.table.get_row_at(0)[-1]), "what is wrong")
    assert "missing" in str(pane.table.get_row_at(1)[-1])


# ------------------------------------------------------------------------------ provenance and devices


async def test_where_the_attempts_came_from(opened: Opened) -> None:
    pilot, screen = opened
    await pilot.press("3", "W")
    await until(pilot, lambda: isinstance(pilot.app.screen, ProvenanceScreen), "the page")
    shown = "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())
    assert "itop train --data digits --sparse" in shown
    assert "0123456789abcdef0123" in shown
    await pilot.press("left_square_bracket", "right_square_bracket", "escape")
    await until(pilot, lambda: pilot.app.screen is screen, "the run")


def test_everything_kept_of_an_attempt_is_said_as_text() -> None:
    attempt = made.attempt(
        ended_at=made.attempt().started_at + 60, exit_code=1, signal=9, reason="[red]no[/]",
        diff="--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new \x1b[31m\n" + "+more\n" * 3_000,
        environment={"CUDA_VISIBLE_DEVICES": "0,1"}, traceback="Traceback\nValueError: no",
    )  # fmt: skip
    lines = provenance_lines(attempt)
    text = "\n".join("".join(part for part, _ in line) for line in lines)
    for wanted in ("exit code 1", "signal 9", "after 1m 00s", "CUDA_VISIBLE_DEVICES 0,1", "+new ␛[31m", "[red]no[/]",
                   "ValueError: no", "more lines"):  # fmt: skip
        assert wanted in text
    assert ("-old", "bad") in [part for line in lines for part in line]
    assert ("+more", "good") in [part for line in lines for part in line]


async def test_the_devices_of_a_run_on_this_host_are_read_in_a_thread(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record_run(database, steps=5)
    asked: list[tuple[tuple[str, ...], int | None]] = []

    def probe(strip: DeviceStrip, names: tuple[str, ...], pid: int | None) -> list[Reading]:
        asked.append((names, pid))
        return [Reading("cpu", 40.0 + len(asked), 8_000_000_000, 16_000_000_000, None, 500_000_000, None, 98.0)]

    monkeypatch.setattr("itop_tui.run.device_strip.Prober.__call__", probe)
    monkeypatch.setattr("itop_tui.run.device_strip.EVERY", 3600.0)  # the first reading stays on the screen
    monkeypatch.setattr("itop_tui.run.run_screen.host_name", lambda: "atlas")
    async with run_screen(Database.open, run.id) as (pilot, screen):
        strip = screen.query_one(DeviceStrip)
        await until(pilot, lambda: bool(strip.readings), "the first reading")
        assert asked[0] == (("cpu",), 4242)
        assert "41%" in str(strip.render())
        assert "98% of a core" in str(strip.render())
        assert strip.display


async def test_a_run_on_another_host_says_so(database: Database) -> None:
    run = record_run(database, steps=5)
    assert host_name() != "atlas"
    async with run_screen(Database.open, run.id) as (pilot, screen):
        strip = screen.query_one(DeviceStrip)
        await until(pilot, lambda: strip.display, "the strip")
        assert str(strip.render()) == "on host atlas: its devices cannot be read from here"


async def test_of_a_run_on_another_host_the_strip_shows_what_it_recorded(database: Database) -> None:
    run = record_run(database, steps=5)
    attempt = attempts.latest(database, run.id)
    assert attempt is not None
    with MetricWriter(database, run.id, attempt.id) as writer:
        writer.progress(process_cpu=1.984, process_memory=2.5, gpu_load=0.873, gpu_temperature=61.0, device_power=214.6)
    async with run_screen(Database.open, run.id) as (pilot, screen):
        strip = screen.query_one(DeviceStrip)
        await until(pilot, lambda: bool(strip.recorded), "what was recorded")
        said = str(strip.render())
    assert said == "on host atlas, recorded last  198% of a core, 2.5 GiB of memory, GPU 87%, 61 °C, 215 W"


async def test_a_run_that_has_ended_has_no_device(opened: Opened) -> None:
    assert not opened[1].query_one(DeviceStrip).display


def test_what_is_said_of_a_device() -> None:
    hot = Reading("cuda:0", 97.4, 10 * 2**30, 80 * 2**30, 88.0, 2**30, 9 * 2**30, 101.0)
    parts = strip_parts(hot, (0.0, 50.0, None, 100.0))
    text = "".join(part for part, _ in parts)
    assert text.startswith("cuda:0 ▁▅ █ 97%  memory ")
    assert ("  88 °C", "bad") in parts
    gone = strip_parts(Reading("cuda:3", problem="there is no such device here"), ())
    assert "cannot be read: there is no such device here" in "".join(part for part, _ in gone)


async def test_the_real_probe_reads_this_processor_and_this_process() -> None:
    import os

    from itop_tui.run.device_strip import Prober

    (reading,) = Prober()(("cpu",), os.getpid())
    assert reading.total is not None
    assert reading.total > 0
    assert reading.process_memory is not None
    (unknown,) = Prober()(("cuda:99",), None)
    assert unknown.problem is not None
