"""One run: its tabs, what lies over them, and the mask of a layer; then runs side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textual.screen import Screen
from textual.widgets import OptionList

from itop_tui.app import ItopApp
from itop_tui.chart.heat_map import HeatMap
from itop_tui.compare.compare_screen import CompareScreen
from itop_tui.dialogs.chooser import Picker
from itop_tui.dialogs.export_dialog import ExportDialog
from itop_tui.dialogs.help import HelpScreen
from itop_tui.dialogs.questions import Confirm
from itop_tui.dialogs.run_picker import RunPicker
from itop_tui.run.device_strip import DeviceStrip
from itop_tui.run.log_view import LogView
from itop_tui.run.mask_screen import MaskScreen
from itop_tui.run.metric_picker import FigurePicker
from itop_tui.run.provenance_screen import ProvenanceScreen
from itop_tui.run.run_reader import Request
from itop_tui.run.run_screen import RunScreen
from tests.itop_tui.run import made
from tests.itop_tui.run.hosting import shows_curves
from tests.itop_tui.scenes import run_data as data
from tests.itop_tui.scenes.scene import Data, Scene, Step, listed, on


def _run(app: ItopApp) -> RunScreen:
    return next(screen for screen in reversed(app.screen_stack) if isinstance(screen, RunScreen))


def seen(app: ItopApp) -> bool:
    """Whether the run's screen shows what its open tab has asked for."""
    screen = _run(app)
    view, reader = screen.view, screen._reader
    if view is None or reader is None or (screen.tab == "charts" and not shows_curves(screen)):
        return False
    strip = screen.query_one(DeviceStrip)
    if strip.display and not strip.readings and not strip.elsewhere:
        return False
    asked: Request = reader.request
    if screen.tab == "layers":
        heat = screen.query_one(HeatMap)
        drawn = view.history is not None and (not view.layers or bool(heat.render_line(1).text.strip()))
        return view.layers is not None and (not asked.history or not heat.display or drawn)
    return not asked.files or view.files is not None


def _log_read(app: ItopApp) -> bool:
    log = _run(app).query_one(LogView)
    return log.line_count > 0 and (not log.following or log.scroll_y == log.max_scroll_y)


def _mask_read(app: ItopApp) -> bool:
    screen = next(screen for screen in app.screen_stack if isinstance(screen, MaskScreen))
    return not screen._asking and (screen.grid is not None or "No mask" in screen.picture.note)


_OPEN: tuple[Step, ...] = (listed, "enter", on(RunScreen), seen)


def _tab(name: str, tab: str, view: data.View, *keys: Step, texts: bool = True) -> Scene:
    return Scene(name, data.watched(view), (*_OPEN, *keys), RunScreen, seen, tab, texts)


def _over(name: str, shows: type[Screen[Any]], *keys: Step, texts: bool = True) -> Scene:
    return Scene(name, data.watched(data.forked), (*_OPEN, *keys, on(shows)), shows, seen, texts=texts)


_MASK: tuple[Step, ...] = (*_OPEN, "2", seen, "down", "enter", on(MaskScreen), _mask_read)

RUN = (
    _tab("run-charts", "charts", made.view),
    _tab("run-chart-full", "charts", made.view, "z", "m", "X", *["left_square_bracket"] * 12),
    _tab("run-chart-zoomed", "charts", made.view, "plus", seen, "plus", seen, "y"),
    _tab("run-forked", "charts", data.forked),
    _tab("run-diverged", "charts", data.diverged),
    _tab("run-waiting", "charts", data.waiting),
    _tab("run-elsewhere", "charts", data.elsewhere),
    _tab("run-layers", "layers", made.view, "2"),
    _tab("run-heat-map", "layers", made.view, "2", seen, "v"),
    _tab("run-layers-waiting", "layers", data.waiting, "2"),
    _tab("run-config", "config", data.forked, "3"),
    _tab("run-config-search", "config", data.forked, "3", "slash", *"rate"),
    _tab("run-checkpoints", "checkpoints", data.ended, "4"),
    _tab("run-checkpoints-none", "checkpoints", data.waiting, "4"),
    replace(_tab("run-log", "log", made.view, "5"), ready=_log_read),
    replace(_tab("run-log-search", "log", made.view, "5", _log_read, "slash", *"epoch  3", "enter"),
            ready=_log_read),
    _over("metric-picker", FigurePicker, "e", on(FigurePicker), *"loss", texts=False),
    _over("provenance", ProvenanceScreen, "3", "W", texts=True),
    _over("confirm-checkpoint", Confirm, "4", seen, "x", texts=False),
    _over("export-run", ExportDialog, "1", "E", on(ExportDialog), "tab", "ctrl+u", *"~/paper", texts=False),
    _over("help-run", HelpScreen, "3", "question_mark", texts=False),
    Scene("mask", data.watched(), _MASK, MaskScreen, _mask_read),
    Scene("mask-glyphs", data.watched(), (*_MASK, "v"), MaskScreen, _mask_read),
    Scene("mask-none", data.watched(lambda request: replace(made.view(request), checkpoints=())), _MASK,
          MaskScreen, _mask_read),
    Scene("mask-layers", data.watched(), (*_MASK, "slash", on(Picker)), Picker,
          lambda app: app.screen.query_one(OptionList).option_count, texts=False),
    Scene("help-mask", data.watched(), (*_MASK, "question_mark"), HelpScreen, texts=False),
)  # fmt: skip


def _settled(app: ItopApp) -> bool:
    screen = next(screen for screen in app.screen_stack if isinstance(screen, CompareScreen))
    masks = screen.reader.masks
    read = screen.tab != "masks" or masks.problem is not None or masks.value is not None
    return screen.is_settled and read


def _runs_listed(app: ItopApp) -> bool:
    return isinstance(app.screen, RunPicker) and bool(app.screen.matching)


_COMPARE: tuple[Step, ...] = (listed, "percent_sign", "c", on(CompareScreen), _settled)


def _sheet(name: str, tab: str, *keys: Step, of: Data = data.compared) -> Scene:
    return Scene(name, of, (*_COMPARE, *keys), CompareScreen, _settled, tab)


def _beside(name: str, shows: type[Screen[Any]], *keys: Step) -> Scene:
    return Scene(name, data.compared, (*_COMPARE, *keys, on(shows)), shows, _settled, texts=False)


COMPARE = (
    _sheet("compare-curves", "curves"),
    _sheet("compare-groups", "curves", "g"),
    _sheet("compare-curve-full", "curves", "z", "m", "y", *["left_square_bracket"] * 12),
    _sheet("compare-results", "results", "g", _settled, "2"),
    _sheet("compare-settings", "settings", "3"),
    _sheet("compare-scatter", "scatter", "g", _settled, "4"),
    _sheet("compare-layers", "layers", "5"),
    _sheet("compare-masks", "masks", "6"),
    _sheet("compare-masks-problem", "masks", "6", of=data.unreadable_masks),
    _sheet("compare-baseline", "curves", "g", _settled, "I"),
    _sheet("compare-table", "table", "7"),
    Scene(
        "compare-take-in",
        data.compared,
        (*_COMPARE, "3", "x", "x", "A", on(RunPicker), _runs_listed, "down", "space"),
        RunPicker,
        _runs_listed,
        texts=False,
    ),
    _beside("export-comparison", ExportDialog, "3", "E", on(ExportDialog), "tab", "ctrl+u", *"~/paper"),
    _beside("help-compare", HelpScreen, "3", "question_mark"),
)
