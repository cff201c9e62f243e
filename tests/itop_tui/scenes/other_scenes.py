"""The queue with its devices, and the form of a new run."""

from __future__ import annotations

from textual.command import CommandPalette
from textual.widgets import OptionList

from itop_tui.app import ItopApp
from itop_tui.dialogs.chooser import Picker
from itop_tui.dialogs.help import HelpScreen
from itop_tui.dialogs.questions import Confirm
from itop_tui.new_run.field_finder import FieldFinder
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.new_run.plan_pane import PlanPane
from itop_tui.queue.board import QueueBoard
from itop_tui.queue.others_chooser import OthersChooser
from itop_tui.queue.queue_screen import QueueScreen
from tests.itop_tui.scenes.data import KNOWN, UNKNOWN, empty_queue, form, queue
from tests.itop_tui.scenes.scene import Scene, Step, listed, on


def _sampled(app: ItopApp) -> bool:
    assert isinstance(app.screen, QueueScreen)
    scene = app.screen._scene
    return bool(scene.state.host) and scene.sample is not None


def _queued(app: ItopApp) -> bool:
    return _sampled(app) and bool(app.screen.query_one(QueueBoard).run)


QUEUE = (
    Scene("queue", queue, (listed, "Q", on(QueueScreen), _queued, "space", "space"), QueueScreen),
    Scene("queue-device", queue, (listed, "Q", on(QueueScreen), _queued, "home"), QueueScreen),
    Scene(
        "queue-after", queue, (listed, "Q", on(QueueScreen), _queued, "T", on(OthersChooser), "space"), OthersChooser
    ),
    Scene("queue-empty", empty_queue, (listed, "Q", on(QueueScreen), _sampled), QueueScreen),
    Scene("help-queue", queue, (listed, "Q", on(QueueScreen), "question_mark"), HelpScreen, texts=False),
)


def planned(app: ItopApp) -> bool:
    """Whether the form shows the plan of what it holds."""
    for screen in app.screen_stack:
        if isinstance(screen, NewRunScreen):
            pane = screen.query_one(PlanPane)
            wrong = screen.form.grid is None
            asking = pane.planning is not None or (pane.wanted is not None and pane.plan is None)
            return wrong or not pane.display or not asking
    return False


def _offered(app: ItopApp) -> bool:
    return isinstance(app.screen, CommandPalette) and bool(app.screen.query_one(OptionList).option_count)


def _at(field: str) -> Step:
    def go(app: ItopApp) -> bool:
        assert isinstance(app.screen, NewRunScreen)
        app.screen.fields.go_to(field)
        return True

    return go


def _swept(app: ItopApp) -> bool:
    assert isinstance(app.screen, NewRunScreen)
    pane = app.screen.query_one(PlanPane)
    grid = app.screen.form.grid
    if grid is None or not pane.display:
        return True
    return pane.plan is not None and pane.of == f"of the first of {len(grid.configs)} runs" and not pane.note


_FORM: tuple[Step, ...] = (listed, "n", on(NewRunScreen))
_SWEEP: tuple[Step, ...] = (
    *_FORM, _at("seed"), "ctrl+u", *"1..3", _at("growth"), "comma", _at("density"), "ctrl+u", *"0.05,0.1",
)  # fmt: skip

FORM = (
    Scene("form", form(every_field=True), (*_FORM, _at("growth")), NewRunScreen, planned, texts=False),
    Scene("form-mistake", form(), (*_FORM, _at("fix"), "space", _at("density"), "ctrl+u", "7"), NewRunScreen, planned,
          texts=False),
    Scene("form-sweep", form(), _SWEEP, NewRunScreen, _swept, texts=False),
    Scene("form-sweep-unknown", form(UNKNOWN), _SWEEP, NewRunScreen, _swept, texts=False),
    Scene("form-sweep-mistake", form(), (*_SWEEP, *",7"), NewRunScreen, _swept, texts=False),
    Scene("form-copy", form(), (listed, "j", "d", on(NewRunScreen)), NewRunScreen, planned, texts=False),
    Scene("form-start", form(), (*_FORM, "ctrl+o", on(Picker), "end"), Picker, planned),
    Scene("form-model", form(), (*_FORM, _at("model"), "enter", on(Picker)), Picker, planned,
          texts=False),
    Scene("form-find", form(), (*_FORM, "ctrl+f", on(FieldFinder), *"death"), FieldFinder, planned, texts=False),
    Scene("form-folded", form(), (*_FORM, _at("density"), "ctrl+u", "1", "f5"), NewRunScreen, planned,
          texts=False),
    Scene("form-changed", form(), (*_FORM, _at("fix"), "space", _at("epochs"), "ctrl+u", "9", "f4"), NewRunScreen,
          planned, texts=False),
    Scene("form-plan", form(), (*_FORM, "f3"), NewRunScreen, planned, texts=False),
    Scene("form-leave", form(KNOWN), (*_FORM, _at("epochs"), "ctrl+u", "9", "escape", on(Confirm)), Confirm, planned,
          texts=False),
    Scene("help-form", form(), (*_FORM, "ctrl+p", *"help", _offered, "enter", on(HelpScreen)), HelpScreen, planned,
          texts=False),
)  # fmt: skip
