"""The list of runs, what it can be turned into, and every dialog it opens."""

from __future__ import annotations

from typing import Any

from textual.command import CommandPalette
from textual.screen import Screen

from itop_tui.app import ItopApp
from itop_tui.dialogs.chooser import Picker
from itop_tui.dialogs.export_dialog import ExportDialog
from itop_tui.dialogs.help import HelpScreen, MessagesScreen
from itop_tui.dialogs.questions import Ask, AskText, Confirm
from itop_tui.runs.column_chooser import ColumnChooser
from itop_tui.runs.detail_charts import DetailCharts
from itop_tui.runs.filter_line import FilterLine
from itop_tui.runs.greeting import Greeting
from itop_tui.runs.run_detail import RunDetail
from itop_tui.runs.runs_screen import RunsScreen
from itop_tui.runs.view_picker import ViewPicker
from tests.itop_tui.scenes.data import closed, listing, nothing, places, stored, uncoloured, unreadable
from tests.itop_tui.scenes.scene import Scene, Step, listed, on
from tests.itop_tui.support import screen_text, table_of


def drawn(app: ItopApp) -> bool:
    """Whether the list has its curves and the details theirs."""
    below = app.screen_stack[0]
    table, pane, charts = table_of(app), below.query_one(RunDetail), next(iter(below.query(DetailCharts)), None)
    wanting = pane.is_on_screen and pane.run is not None and pane.run.step and not pane.losses
    uncharted = (
        pane.run is not None and charts is not None and charts.request is not None and charts.run_id != pane.run.id
    )
    return not (wanting or uncharted) and (
        all(each.column.key != "curve" for each in table.page.placed)
        or all(run.id in table.curves for run in table.runs_in_sight if run.step)
    )


def _filter(text: str) -> Step:
    """Put a text into the filter at once: how far a list follows what is typed key by key depends on the machine."""

    def put(app: ItopApp) -> bool:
        app.screen.query_one(FilterLine).put(text)
        return True

    return put


def _suggested(app: ItopApp) -> bool:
    return len(app.screen.query_one(FilterLine).suggestions) > 1


def _grouped(app: ItopApp) -> bool:
    return len(table_of(app).lines) == 3


def _opened(app: ItopApp) -> bool:
    return len(table_of(app).lines) > 3


def _over(name: str, shows: type[Screen[Any]], *keys: str, texts: bool = False) -> Scene:
    """A dialog over the list of one run of each kind."""
    way: tuple[Step, ...] = (listed, "home", "j", *keys, on(shows))
    return Scene(name, listing(), way, shows, drawn, texts=texts)


LIST = (
    Scene("list", listing(), (listed, "j", "space"), RunsScreen, drawn),
    Scene("list-uncoloured", uncoloured, (listed, "j", "space"), RunsScreen, drawn),
    Scene("list-failed", listing(), (listed, *"jjjjjjj"), RunsScreen, drawn),
    Scene("list-more-columns", listing(), (listed, "right"), RunsScreen, drawn, texts=False),
    Scene("list-marking-a-range", listing(), (listed, "V", "j", "j"), RunsScreen, drawn),
    Scene("list-recorded", stored, (listed, "j"), RunsScreen, drawn),
    Scene("list-groups", stored, (listed, "g", *"recipe", "enter", _grouped, "end", "right", _opened), RunsScreen,
          drawn, texts=False),
    Scene("list-filter", stored, (listed, "slash", _filter("growth:"), _suggested, "down"), RunsScreen, drawn),
    Scene("list-filter-mistake", stored,
          (listed, "slash", _filter("set densty<0.1 "), lambda app: app.screen.query_one(FilterLine).wrong), RunsScreen,
          drawn, texts=False),
    Scene("list-no-match", stored,
          (listed, "slash", _filter("nosuchrun"), "enter", lambda app: "No run matches" in screen_text(app)),
          RunsScreen, texts=False),
    Scene("list-empty", nothing, (lambda app: app.screen.query_one(Greeting).display,), RunsScreen, texts=False),
    Scene("list-trouble", unreadable, (listed, lambda app: app.problem), RunsScreen, drawn),
    Scene("list-closed", closed, (lambda app: app.problem,), RunsScreen),
    Scene("list-toast", listing(), (listed, "U", "j", "j", "r"), RunsScreen, drawn),
    _over("confirm-kill", Confirm, "K", texts=True),
    _over("confirm-delete", Confirm, *"jjjjjj", "x", texts=True),
    _over("ask-name", Ask, "R", texts=True),
    _over("ask-tags", Ask, *"jjjjj", "t", texts=True),
    _over("ask-notes", AskText, "N", *"better than", texts=True),
    _over("group-by", Picker, "g"),
    Scene("open-database", places, (listed, "O", on(Picker)), Picker, drawn),
    Scene("views", stored, (listed, "v", on(ViewPicker), "end"), ViewPicker, drawn),
    _over("columns", ColumnChooser, "e"),
    _over("columns-found", ColumnChooser, "e", *"acc"),
    _over("export", ExportDialog, "E", "tab", "ctrl+u", *"~/paper"),
    _over("help", HelpScreen, "question_mark"),
    _over("palette", CommandPalette, "ctrl+p", *"stop"),
    _over("messages-none", MessagesScreen, "ctrl+l"),
    Scene("messages", unreadable, (listed, lambda app: app.problem, "U", "ctrl+l"), MessagesScreen),
)  # fmt: skip
