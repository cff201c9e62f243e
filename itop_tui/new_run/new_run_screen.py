"""The form of a new run: from a preset or a past run, validated as you type, with the plan beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.timer import Timer
from textual.widgets import Static

from db.records import Where
from engine.config.catalogue import DATASETS, MODELS
from engine.config.presets import PRESETS
from engine.config.run_config import ConfigError
from itop_tui.dialogs.chooser import Item, Picker, run_item
from itop_tui.dialogs.questions import Confirm
from itop_tui.figures.format import plain, plural
from itop_tui.keys import bindings, in_scope
from itop_tui.new_run.field_finder import FieldFinder
from itop_tui.new_run.field_help import FieldHelp
from itop_tui.new_run.form_status import FormStatus
from itop_tui.new_run.plan_pane import PlanPane
from itop_tui.new_run.run_form import ALL_FIELDS, RunForm
from itop_tui.new_run.settings_form import SettingsForm
from itop_tui.new_run.side_pane import SidePane
from itop_tui.screen import ItopScreen
from itop_tui.service import launching, run_reading, sweeps
from itop_tui.service.launching import Launched, Unsure
from itop_tui.service.starting_after import find_typed, problems_of
from itop_tui.widgets.key_bar import KeyHint

if TYPE_CHECKING:
    from db.records import CheckpointRecord, RunRecord
    from db.session import Database
    from itop_tui.service.sweeps import Grid

_PAUSE = 0.25
"""Seconds without a key before the runs that were typed are looked up."""
_FORK_LOCKS = {"model": "as in the checkpoint", "data": "as in the checkpoint"}


class NewRunScreen(ItopScreen):
    """Sets up and launches a run."""

    SCOPE = "form"
    CSS_PATH = "new_run.tcss"
    BINDINGS = bindings(in_scope("form"))
    AUTO_FOCUS = "SettingsForm"

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        title: str = "",
        parent: RunRecord | None = None,
        checkpoint: CheckpointRecord | None = None,
    ) -> None:
        super().__init__()
        first = next(iter(PRESETS.values()))
        self._fork_of, self._checkpoint = parent, checkpoint
        self._from_step = 0 if checkpoint is None else checkpoint.step
        self._start_title = title if settings is not None else first.title
        self.form = RunForm(
            settings if settings is not None else first.config().as_dict(),
            _FORK_LOCKS if checkpoint else None,
            name=f"{plain(parent.name, limit=60)} fork" if parent else "",
            tags=parent.tags if parent else (),
            lists=parent is None,
        )
        self._launching = False
        self._runs_timer: Timer | None = None
        self._runs_seen: Mapping[str, str] | None = self.form.after
        self._estimated: PlanPane.Estimated | None = None

    @property
    def heading(self) -> str:
        """What the top bar says."""
        if self._fork_of is not None and self._checkpoint is not None:
            return f"fork of run {self._fork_of.id} at step {self._checkpoint.step:,}"
        return "new run"

    def compose_body(self) -> ComposeResult:
        """Lay out the fields, their help and the plan."""
        yield Static(id="start")
        with Container(id="body"):
            yield SettingsForm(self.form)
            with SidePane(id="side"):
                yield FieldHelp()
                yield PlanPane(from_step=self._from_step)
        yield FormStatus(widget_id="status")

    def on_mount(self) -> None:
        """Show the start."""
        help_pane = self.query_one(FieldHelp)
        help_pane.lists, help_pane.spec = self.form.lists, self.fields.current
        self._show_all()

    # ------------------------------------------------------------------------------------------------------ showing

    @property
    def fields(self) -> SettingsForm:
        """The fields."""
        return self.query_one(SettingsForm)

    @on(SettingsForm.Edited)
    def _show_all(self) -> None:
        self._show_status()
        self.query_one(FieldHelp).show_state(self.form)
        line = Text("from ", overflow="ellipsis")
        line.append(plain(self._start_title, limit=80), "bold")
        if self.form.changes:
            changes = plain(", ".join(self.form.differences()), limit=1000)
            line.append(f"   {plural(len(self.form.changes), 'change')}: {changes}")
        self.query_one("#start", Static).update(line)
        self.refresh_keys()
        self.query_one(PlanPane).show_soon(self.form.grid)
        if self.form.after != self._runs_seen:
            self._runs_seen = None
            if self._runs_timer is not None:
                self._runs_timer.stop()
            self._runs_timer = self.set_timer(_PAUSE, self._look_up_runs)

    def _show_status(self) -> None:
        known = self._estimated
        seconds = known.taken.seconds if known is not None and known.grid == self.form.grid else None
        self.query_one(FormStatus).show_state(self.form, self._from_step, seconds)

    @on(PlanPane.Estimated)
    def _take_estimate(self, message: PlanPane.Estimated) -> None:
        self._estimated = message
        if not self._launching:
            self._show_status()

    def _look_up_runs(self) -> None:
        """See whether the runs that it is to start after are there."""
        if not self.itop.is_open:
            return
        named = self._runs_seen = self.form.after

        def found(problems: Mapping[str, str]) -> None:
            if named == self.form.after and self.is_attached:
                self._show_wrong_runs(problems)

        self.itop.operate(lambda db: problems_of(db, named), found, failing="The runs cannot be looked up")

    def _show_wrong_runs(self, problems: Mapping[str, str]) -> None:
        self.form.show_wrong_runs(problems)
        self._show_status()
        self.query_one(FieldHelp).show_state(self.form)
        self.fields.show_problems()
        self.refresh_keys()

    @on(SettingsForm.FieldHighlighted)
    def _moved(self, message: SettingsForm.FieldHighlighted) -> None:
        help_pane = self.query_one(FieldHelp)
        help_pane.spec, help_pane.folded = message.spec, message.folded
        help_pane.show_state(self.form)

    @on(SettingsForm.Arranged)
    def _arranged(self) -> None:
        self.refresh_keys()

    def action_find_field(self) -> None:
        """Find a field, and go there."""

        def found(name: str | None) -> None:
            if name is not None:
                self.go_to(name)

        self.app.push_screen(FieldFinder(self.form, self.fields.current.name), found)

    def go_to(self, name: str) -> None:
        """Put the cursor on a field, and give it the keys."""
        self._hide_plan()
        self.fields.go_to(name)

    @property
    def plan_shown(self) -> bool:
        """Whether the keys are the plan's, which on a small screen is shown in place of the fields."""
        return self.has_class("-plan")

    def action_show_plan(self) -> None:
        """Give the keys to the plan, or back to the fields."""
        if self.plan_shown:
            self._hide_plan()
        else:
            self.add_class("-plan")
            self.query_one(SidePane).take_keys()
            self.refresh_keys()

    def _hide_plan(self) -> None:
        if self.plan_shown:
            self.remove_class("-plan")
            self.query_one(SidePane).leave_keys()
            self.call_after_refresh(self.fields.focus)  # until then they may be hidden, and take no keys
            self.refresh_keys()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A click on the fields gives them the keys."""
        if event.widget is self.fields:
            self._hide_plan()

    def action_turn_page(self, step: int) -> None:
        """Go to another section; in the plan, scroll a page."""
        if self.plan_shown:
            self.query_one(SidePane).turn_page(step)
        else:
            self.fields.action_move_section(step)

    @on(SettingsForm.ListWanted)
    def _list_choices(self, message: SettingsForm.ListWanted) -> None:
        spec = message.spec

        def chosen(value: str | None) -> None:
            if value is not None:
                self.fields.choose(value)

        items = [Item(choice, choice, _described(spec.name, choice)) for choice in spec.choices]
        current = str(self.form.entries[spec.name]).split(",")[-1]
        self.app.push_screen(Picker(spec.label, items, current=current, free=spec.free), chosen)

    @property
    def typing(self) -> bool:
        """Every letter is the form's."""
        return True

    def key_hints(self) -> Iterable[KeyHint]:
        """The form's keys; while something is wrong, launching says so, and what can be taken back stands first."""
        back = {"screen.show_plan": "fields"} if self.plan_shown else {}
        back |= {"screen.show_changed": "all fields"} if self.fields.only_changed else {}
        back |= {"screen.fold": "unfold"} if self.fields.on_title else {}
        hints = [hint for hint in super().key_hints() if hint.action != "app.quit"]
        for hint in sorted(hints, key=lambda hint: (hint.action != "screen.launch", hint.action not in back)):
            if hint.action == "screen.launch" and self.form.problems:
                yield KeyHint(hint.key, f"({plural(len(self.form.problems), 'field')} to fix)", hint.action)
            else:
                yield replace(hint, label=back.get(hint.action, hint.label))

    # -------------------------------------------------------------------------------------------------------- start

    def action_choose_start(self) -> None:
        """Choose a preset or a past run to start from."""
        if self._checkpoint is not None:
            self.notify("A fork starts from its parent's settings.", severity="warning", markup=False)
            return
        self.itop.operate(run_reading.past_runs, self._offer_starts, failing="Past runs cannot be read")

    def _offer_starts(self, past: Sequence[RunRecord]) -> None:
        """List the presets, and every past run."""
        items = [Item(f"preset:{preset.name}", preset.title, preset.description) for preset in PRESETS.values()]
        items += (run_item(run, "run:") for run in past)
        known = {f"run:{run.id}": run for run in past}

        def chosen(value: str | None) -> None:
            if value in known:
                self.start_from(known[value].config, f"run {known[value].id}")
            elif value is not None:
                preset = PRESETS[value.removeprefix("preset:")]
                self.start_from(preset.config().as_dict(), preset.title)

        self.app.push_screen(Picker("Start from", items), chosen)

    def start_from(self, settings: Mapping[str, Any], title: str) -> None:
        """Fill the form again."""
        self._start_title = title
        self.form = RunForm(settings, name=self.form.name, tags=self.form.tags, after=self.form.after)
        self.fields.show_form(self.form)
        self._show_all()

    # ------------------------------------------------------------------------------------------------------ leaving

    def action_launch_run(self, where: Where) -> None:
        """Queue the run, or go to the first field that is wrong."""
        if self._launching:
            return
        if self.form.config is None or self.form.problems:
            self._show_problem()
            return
        steps = self.form.config.planned_steps()
        if self._checkpoint is not None and steps is not None and steps <= self._checkpoint.step:
            self.notify(
                f"Nothing would be left to train: the checkpoint is at step {self._checkpoint.step:,} of {steps:,}. "
                "Raise epochs, or fork from an earlier checkpoint.",
                severity="warning",
                markup=False,
            )
            self.go_to("epochs")
            return
        self._launch(where)

    def _show_problem(self) -> None:
        """Say what is wrong, and go to the first field that is."""
        self.notify(plain(self.form.summary() or "", limit=300), severity="warning", markup=False)
        first = next((name for name in self.form.problems if name in ALL_FIELDS), None)
        if first is not None:
            self.go_to(first)

    def _launch(self, where: Where, sure: Grid | None = None) -> None:
        """Queue what was typed; `sure` holds the runs where a person was asked because they are many."""
        self._launching = True
        self.query_one(FormStatus).parts = (("… queueing", "text"),)
        whole = self.form.whole_grid()
        about: dict[str, Any] = {"name": self.form.name, "tags": self.form.tags, "where": where}
        if self._fork_of is not None:
            about["parent_id"] = self._fork_of.id
        if self._fork_of is not None and self._checkpoint is not None:
            about |= {"start_checkpoint_id": self._checkpoint.id, "fork_step": self._checkpoint.step}
        after = self.form.after

        def launch(db: Database) -> Launched | Unsure | dict[str, str] | ConfigError:
            # They are found again: one may have been deleted, or typed just now.
            wrong = problems_of(db, after)
            if wrong:
                return wrong
            try:
                grid = sure or whole()
            except ConfigError as error:
                return error
            starts_after = find_typed(db, after)
            return launching.launch_sweep(db, grid, sure=sure is not None, starts_after=starts_after, **about)

        def answer(launched: Launched | Unsure | dict[str, str] | ConfigError) -> None:
            if isinstance(launched, Unsure):
                self._ask(launched, where)
            else:
                self._launched(launched)

        self.itop.operate(launch, answer, otherwise=self._not_launched, failing="The run could not be launched")

    def _ask(self, unsure: Unsure, where: Where) -> None:
        """Ask before many runs are queued."""
        self._not_launched()

        def decided(yes: bool | None) -> None:
            if yes:
                self._launch(where, unsure.grid)

        rest = unsure.grid.runs - unsure.number
        there = f" The other {rest:,} of the sweep are in its group already." if rest else ""
        text = f"{sweeps.axes_shown(unsure.grid)}.{there}"
        self.app.push_screen(Confirm(sweeps.many(unsure.number) or "", text, "Queue"), decided)

    def _launched(self, launched: Launched | dict[str, str] | ConfigError) -> None:
        if isinstance(launched, ConfigError):
            self.form.show_wrong_points(launched)
            self._not_launched()
            self._show_all()
            self.fields.show_problems()
            self._show_problem()
            return
        if isinstance(launched, dict):
            self._launching = False
            self._show_wrong_runs(launched)
            self.go_to(next(iter(launched)))
            return
        self.leave()
        self.itop.runs_launched(launched)

    def _not_launched(self) -> None:
        self._launching = False
        self._show_status()

    def action_copy_command(self) -> None:
        """Copy the command line that launches the same run."""
        command = self.form.command_line()
        if command is None:
            self.notify("There is no command line while a field is wrong.", severity="warning", markup=False)
            return
        self.itop.copy(command, command)

    def action_leave(self) -> None:
        """Go back; asks where something was typed. From the plan, back to the fields."""
        if self.plan_shown:
            self._hide_plan()
            return
        typed = self.form.typed
        if not typed:
            self.dismiss()
            return

        def decided(yes: bool | None) -> None:
            if yes:
                self.leave()

        self.app.push_screen(
            Confirm(f"Discard {plural(len(typed), 'change')}?", "The run is not launched.", "Discard"), decided
        )


def _described(field: str, choice: str) -> str:
    """What the catalogue says of a model or a data set."""
    if field == "model":
        return MODELS[choice].description
    return DATASETS[choice].description if field == "data" else ""
