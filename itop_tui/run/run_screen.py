"""The screen of one run: what its keys do; the registry in `itop_tui.keys` says which keys those are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import ClassVar

from db.history import metrics
from db.records import LayerMaskStat, RunRecord
from itop_tui.dialogs.chosen import named
from itop_tui.dialogs.questions import Confirm
from itop_tui.figures.chart_metrics import all_figures
from itop_tui.figures.chart_specs import MOST_CHARTS
from itop_tui.figures.format import plain, plural
from itop_tui.keys import bindings, find, in_scope
from itop_tui.run import checkpoint_files
from itop_tui.run.checkpoints_tab import CheckpointsPane
from itop_tui.run.config_tab import ConfigPane
from itop_tui.run.layers_tab import LayersPane
from itop_tui.run.log_tab import LogPane
from itop_tui.run.mask_screen import MaskScreen
from itop_tui.run.metric_picker import FigurePicker
from itop_tui.run.provenance_screen import ProvenanceScreen
from itop_tui.run.run_display import RunDisplay
from itop_tui.run.tabs import TABS
from itop_tui.service import operations
from itop_tui.widgets.key_bar import KeyHint


class RunScreen(RunDisplay):
    """Everything about one run, live: what the keys do.

    Args:
        run_id: The run.
    """

    SCOPE = "run"
    CSS_PATH = "run.tcss"
    BINDINGS = bindings(in_scope("run"))
    AUTO_FOCUS = None
    _HEADINGS: ClassVar[dict[str, str]] = {tab.capitalize(): tab for tab in TABS}

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys of a tab work while it is open."""
        try:
            tab = self._HEADINGS.get(find("run", action).heading)
        except KeyError:
            return super().check_action(action, parameters)
        return tab is None or tab == self.tab

    def key_hints(self) -> Iterable[KeyHint]:
        """What works now, what belongs to the open tab first."""
        own = {action.name for action in in_scope("run") if action.heading.lower() == self.tab}
        mine: list[KeyHint] = []
        others: list[KeyHint] = []
        for hint in super().key_hints():
            name = hint.action.removeprefix("screen.")
            if hint.action == "app.quit":  # q leaves the screen here
                continue
            if name == "leave":
                others.append(replace(hint, pinned=True))
            elif hint.action.startswith("app.") or self.check_action(name, ()):
                (mine if name in own else others).append(hint)
        return [*mine, *others]

    # ------------------------------------------------------------------------------ the run

    async def action_open_tab(self, tab: str) -> None:
        """Open a tab; the log once the run was read, which says where its log is."""
        if tab != "log" or self.current_run is not None:
            await self.open_tab(tab)

    def action_export(self) -> None:
        """Ask in which format to write the run, or its chosen chart, and where."""
        from itop_tui.dialogs.export_dialog import offer_runs

        if self.permits("export"):
            charts = self.charts.charts if self.tab == "charts" else []
            offer_runs(self, self.chosen.ids, *(chart for chart in charts if chart.display))

    def action_leave(self) -> None:
        """Close what is open within the screen, else the screen."""
        if self.tab == "config" and self.query_one(ConfigPane).close_search():
            return
        if self.tab == "log" and self.query_one(LogPane).close_search():
            return
        if self.tab == "charts" and self.charts.full:
            self.charts.action_toggle_full()
            return
        self.dismiss(None)

    def action_resume_here(self) -> None:
        """Queue the run to go on from the checkpoint at the cursor, or from its last one."""
        run = self.current_run
        if not self.permits("resume_here") or run is None:
            return
        chosen = self.query_one(CheckpointsPane).selected if self.tab == "checkpoints" else None
        which = str(chosen.id) if chosen is not None else "last"

        def tell(queued: RunRecord) -> None:
            start = f"at step {chosen.step:,}" if chosen is not None else "from its last checkpoint"
            if queued.start_checkpoint_id is None:
                start = "from the beginning: it has no checkpoint"
            self.notify(f"{named(queued).capitalize()} is queued to go on {start}.", markup=False)

        self.itop.operate(lambda db: operations.resume(db, run.id, which), tell, failing="Could not resume")

    def action_fork_here(self) -> None:
        """Open the form of a new run that starts from the checkpoint at the cursor."""
        run = self.current_run
        chosen = self.query_one(CheckpointsPane).selected
        if run is None or not self.permits("fork_here"):
            return
        if chosen is None:
            self.notify("There is no checkpoint to fork from.", severity="warning", markup=False)
            return
        self.itop.open_new_run(run.config, title=run.name, parent=run, checkpoint=chosen)

    # ------------------------------------------------------------------------------ charts

    def action_choose_figures(self) -> None:
        """Choose what the chosen chart shows."""
        charts = self.charts
        self._pick_figures("Figures of this chart", charts.specs[charts.chosen].names, charts.set_figures)

    def action_add_chart(self) -> None:
        """Choose the figures of one more chart."""

        def add(names: tuple[str, ...]) -> None:
            if not self.charts.add_chart(names):
                self.notify(f"There are {MOST_CHARTS} charts already.", severity="warning", markup=False)

        self._pick_figures("Figures of a new chart", (), add)

    def _pick_figures(self, title: str, chosen: tuple[str, ...], then: Callable[[tuple[str, ...]], object]) -> None:
        run = self.current_run
        if run is None:
            return

        def picked(names: tuple[str, ...] | None) -> None:
            if names is not None:
                then(names)

        def ask(layers: list[LayerMaskStat]) -> None:
            figures = all_figures(layer.layer for layer in layers)
            self.app.push_screen(FigurePicker(title, figures, chosen), picked)

        self.itop.operate(lambda db: metrics.layer_stats(db, run.id), ask, failing="Could not read the layers")

    # ------------------------------------------------------------------------------ layers

    def action_open_mask(self) -> None:
        """Show the mask of the layer at the cursor."""
        run, row = self.current_run, self.query_one(LayersPane).table.selected
        if run is None or row is None:
            self.notify("There is no layer with a mask here.", severity="warning", markup=False)
            return
        self.app.push_screen(MaskScreen(run, row.layer, self.mask_reader()))

    # ------------------------------------------------------------------------------ configuration

    def action_provenance(self) -> None:
        """Show where the attempts came from."""
        attempts = self.known_attempts
        if attempts:
            self.app.push_screen(ProvenanceScreen(attempts))
        else:
            self.notify("There is no attempt yet.", severity="warning", markup=False)

    # ------------------------------------------------------------------------------ checkpoints

    def action_delete_checkpoint(self) -> None:
        """Delete the checkpoint at the cursor, after telling what that frees."""
        pane = self.query_one(CheckpointsPane)
        chosen, others = pane.selected, pane.table.rows_shown
        if chosen is None:
            self.notify("There is no checkpoint here.", severity="warning", markup=False)
            return

        def deleted(problems: list[str]) -> None:
            self.notify(f"Checkpoint {chosen.id} of step {chosen.step:,} is deleted.", markup=False)
            for problem in problems:
                self.notify(plain(problem, limit=300), severity="error", markup=False)

        def decided(yes: bool | None) -> None:
            if yes:
                self.itop.operate(
                    lambda db: checkpoint_files.delete(db, chosen.id), deleted, failing="The checkpoint stays"
                )

        def ask(frees: str) -> None:
            question = f"Delete checkpoint {chosen.id} ({chosen.kind}, step {chosen.step:,})?"
            self.app.push_screen(Confirm(question, f"{frees} This cannot be undone.", "Delete"), decided)

        self.itop.operate(lambda _: checkpoint_files.freed(chosen, others), ask, failing="Could not look at the file")

    def action_verify_checkpoints(self) -> None:
        """Read all checkpoint files and compare them with their checksums."""
        pane = self.query_one(CheckpointsPane)
        rows = pane.table.rows_shown

        def told(found: dict[int, str]) -> None:
            pane.verified(found)
            bad = [row for row in rows if found[row.id]]
            words = f"{plural(len(bad), 'checkpoint is', 'checkpoints are')} not what was written."
            well = f"{plural(len(rows), 'checkpoint')} verified: what was written is what is there."
            self.notify(words if bad else well, severity="error" if bad else "information", markup=False)

        if rows:
            self.notify("Reading the checkpoints …", markup=False)
            self.itop.operate(
                lambda _: {row.id: checkpoint_files.verify(row) for row in rows}, told, failing="Could not verify"
            )
