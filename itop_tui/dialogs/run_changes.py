"""What can be done to the chosen runs from the list. Each asks the app to do it in a thread and tells how it went."""

from __future__ import annotations

from db.records import CheckpointRecord, RunRecord
from itop_tui import opening
from itop_tui.dialogs.chosen import Runs, counted, named, named_all
from itop_tui.dialogs.picker import Item, Picker
from itop_tui.dialogs.questions import Confirm
from itop_tui.dialogs.shelf_changes import ShelfActions
from itop_tui.figures.format import plural
from itop_tui.service import launching, run_reading, run_requests


class RunActions(ShelfActions):
    """A screen whose actions start, stop and continue runs."""

    def action_open_run(self) -> None:
        """Open the run at the cursor."""
        if self.permits("open_run") and self.current_run is not None:
            self.itop.open_run(self.current_run.id)

    def action_export(self) -> None:
        """Ask in which format to write the chosen runs, and where."""
        from itop_tui.dialogs.export_dialog import offer_runs

        if self.permits("export"):
            offer_runs(self, self.chosen.ids)

    def action_new_run(self) -> None:
        """Open the form of a new run."""
        self.itop.open_new_run()

    def action_open_queue(self) -> None:
        """Open the queue and the devices."""
        self.itop.open_queue()

    def action_demo(self) -> None:
        """Queue the demonstration."""

        def tell(made: list[RunRecord]) -> None:
            self.notify("The demonstration is queued: dense, SET-ITOP and RigL-ITOP on the digits.", markup=False)
            self.show_run(made[0].id)

        self.itop.operate(launching.launch_demo, tell, failing="The demonstration could not be queued")

    def action_open_database(self) -> None:
        """Ask for another database, and open it."""

        def decided(place: str | None) -> None:
            if place and place != opening.place():
                self.itop.switch_database(place)

        items = [
            Item(place, place, "open now" if place == opening.place() else "")
            for place in dict.fromkeys((opening.place(), *opening.recent()))
        ]
        hint = "a folder, a database file, or the URL of a server"
        self.app.push_screen(Picker("Open a database", items, free=True, hint=hint), decided)

    def action_stop_run(self) -> None:
        """Stop the chosen runs; each writes a checkpoint first."""
        self.with_chosen("stop_run", self._stop)

    def _stop(self, runs: Runs) -> None:
        ids = [run.id for run in runs]
        self.itop.operate(
            lambda db: run_requests.stop(db, ids),
            self.tell(lambda n: f"Asked {counted(runs)(n)} to stop."),
            failing="Could not stop",
        )

    def action_kill_run(self) -> None:
        """Kill the chosen runs, after asking."""
        self.with_chosen("kill_run", self._kill)

    def _kill(self, runs: Runs) -> None:
        ids = [run.id for run in runs]

        def decided(yes: bool | None) -> None:
            if yes:
                self.itop.operate(
                    lambda db: run_requests.kill(db, ids),
                    self.tell(lambda n: f"Killed {counted(runs)(n)}."),
                    failing="Could not kill",
                )

        self.app.push_screen(
            Confirm(
                f"Kill {named_all(runs)}?",
                "What was trained since the last checkpoint is lost. Stop (s) would write a checkpoint first.",
                "Kill",
            ),
            decided,
        )

    def action_checkpoint_now(self) -> None:
        """Let the chosen runs write a checkpoint now."""
        self.with_chosen("checkpoint_now", self._checkpoint)

    def _checkpoint(self, runs: Runs) -> None:
        ids = [run.id for run in runs]
        self.itop.operate(
            lambda db: run_requests.checkpoint_now(db, ids),
            self.tell(lambda n: f"Asked {counted(runs)(n)} for a checkpoint: it is written between two steps."),
            failing="Could not ask for a checkpoint",
        )

    def action_pause_run(self) -> None:
        """Pause the chosen runs that are running; where none is, let the paused ones go on."""
        self.with_chosen("pause_run", self._pause)

    def _pause(self, runs: Runs) -> None:
        running = tuple(run for run in runs if run.status != "paused")
        meant, words = (running, "pause; the memory stays held") if running else (runs, "go on")
        self.itop.operate(
            lambda db: run_requests.pause_all(db, meant),
            self.tell(lambda n: f"Asked {counted(meant)(n)} to {words}."),
            failing="Could not pause",
        )

    def action_resume_run(self) -> None:
        """Queue the chosen runs to go on from their last checkpoints."""
        self.with_chosen("resume_run", self._resume)

    def _resume(self, runs: Runs) -> None:
        if len(runs) > 1:
            ids = [run.id for run in runs]
            self.itop.operate(
                lambda db: launching.resume_all(db, ids),
                self.tell(lambda n: f"{plural(n, 'run')} queued to go on from the last checkpoint."),
                failing="Could not resume",
            )
            return

        def tell(queued: RunRecord) -> None:
            start = "from its last checkpoint" if queued.start_checkpoint_id else "from the beginning: no checkpoint"
            self.notify(f"{named(queued).capitalize()} is queued to go on {start}.", markup=False)

        self.itop.operate(lambda db: launching.resume(db, runs[0].id), tell, failing="Could not resume")

    def action_fork_run(self) -> None:
        """Open the form for a fork from the run's last checkpoint."""
        run = self.current_run
        if not self.permits("fork_run") or run is None:
            return

        def fork(checkpoint: CheckpointRecord | None) -> None:
            if checkpoint is None:
                told = f"{named(run).capitalize()} has no checkpoint to fork from."
                self.notify(told, severity="warning", markup=False)
            else:
                self.itop.open_new_run(run.config, title=run.name, parent=run, checkpoint=checkpoint)

        self.itop.operate(lambda db: run_reading.last_checkpoint(db, run.id), fork, failing="Could not fork")

    def action_duplicate_run(self) -> None:
        """Open the form with the run's settings; of several runs, queue a copy each after asking."""
        if len(self.chosen.ids) > 1:
            self.with_chosen("duplicate_run", self._duplicate_all)
        elif self.permits("duplicate_run") and self.current_run is not None:
            self.itop.open_new_run(self.current_run.config, title=f"run {self.current_run.id}")

    def _duplicate_all(self, runs: Runs) -> None:
        def decided(yes: bool | None) -> None:
            if yes:
                self.itop.operate(
                    lambda db: launching.launch_copies(db, runs),
                    lambda made: self.notify(f"{plural(len(made), 'copy', 'copies')} queued.", markup=False),
                    failing="Could not queue the copies",
                )

        self.app.push_screen(
            Confirm(
                f"Queue a copy of each of {plural(len(runs), 'run')}?",
                "Each copy has the same settings, seed and tags, and starts from the beginning.",
                "Queue",
            ),
            decided,
        )
