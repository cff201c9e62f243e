"""What can be done to the chosen runs from the list. Each asks the app to do it in a thread and tells how it went."""

from __future__ import annotations

from collections.abc import Callable

from db.records import CheckpointRecord, RunRecord
from itop_tui import operations
from itop_tui.actions import find
from itop_tui.format import fit, plain, plural, size
from itop_tui.operations import Footprint, Outcome
from itop_tui.screens.base import ItopScreen
from itop_tui.screens.dialogs import Ask, Confirm


def named(run: RunRecord) -> str:
    """A run as a message names it: "run 12 (vgg-c rigl)"."""
    return f"run {run.id} ({fit(run.name, 30).rstrip()})"


def named_all(runs: tuple[RunRecord, ...]) -> str:
    """Runs as a message names them: one by its name, several by their number."""
    return named(runs[0]) if len(runs) == 1 else plural(len(runs), "run")


class RunActions(ItopScreen):
    """A screen whose actions act on chosen runs."""

    @property
    def chosen_runs(self) -> tuple[RunRecord, ...]:
        """The runs that actions act on."""
        run = self.current_run
        return (run,) if run else ()

    def show_run(self, run_id: int) -> None:
        """Show a run that was just made."""

    def _able(self, name: str) -> tuple[RunRecord, ...]:
        """The chosen runs an action can be done to; tells why where it can be done to none of them."""
        action = find(self.SCOPE, name)
        chosen = self.chosen_runs
        able = tuple(run for run in chosen if action.refusal(run) is None)
        if not able:
            self.notify(action.refusal(chosen[0] if chosen else None) or "", severity="warning", markup=False)
        return able

    def _tell(self, sentence: Callable[[int], str]) -> Callable[[Outcome], None]:
        """Make the message about an outcome from what is said of a number of runs."""

        def tell(outcome: Outcome) -> None:
            if outcome.done:
                self.notify(sentence(len(outcome.done)), markup=False)
            for problem in outcome.problems[:3]:
                self.notify(plain(problem, limit=300), severity="error", markup=False)

        return tell

    def action_open_run(self) -> None:
        """Open the run at the cursor."""
        if self.permits("open_run") and self.current_run is not None:
            self.itop.open_run(self.current_run.id)

    def action_new_run(self) -> None:
        """Open the form of a new run."""
        self.itop.open_new_run()

    def action_demo(self) -> None:
        """Queue the demonstration."""

        def tell(made: list[RunRecord]) -> None:
            self.notify("The demonstration is queued: dense, SET-ITOP and RigL-ITOP on the digits.", markup=False)
            self.show_run(made[0].id)

        self.itop.operate(operations.launch_demo, tell, failing="The demonstration could not be queued")

    def action_stop_run(self) -> None:
        """Stop the chosen runs; each writes a checkpoint first."""
        runs = self._able("stop_run")
        if runs:
            ids = [run.id for run in runs]
            self.itop.operate(
                lambda db: operations.stop(db, ids),
                self._tell(lambda n: f"Asked {named_all(runs) if n == len(runs) else plural(n, 'run')} to stop."),
                failing="Could not stop",
            )

    def action_kill_run(self) -> None:
        """Kill the chosen runs, after asking."""
        runs = self._able("kill_run")
        if not runs:
            return
        ids = [run.id for run in runs]

        def decided(yes: bool | None) -> None:
            if yes:
                self.itop.operate(
                    lambda db: operations.kill(db, ids),
                    self._tell(lambda n: f"Killed {named_all(runs) if n == len(runs) else plural(n, 'run')}."),
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

    def action_delete_run(self) -> None:
        """Delete the chosen runs, after telling what that frees."""
        runs = self._able("delete_run")
        if not runs:
            return
        ids, uids = [run.id for run in runs], [run.uid for run in runs]

        def decided(yes: bool | None) -> None:
            if yes:
                self.itop.operate(
                    lambda db: operations.delete(db, ids),
                    self._tell(lambda n: f"Deleted {named_all(runs) if n == len(runs) else plural(n, 'run')}."),
                    failing="Could not delete",
                )

        def ask(found: Footprint) -> None:
            self.app.push_screen(
                Confirm(
                    f"Delete {named_all(runs)}?",
                    f"Frees {size(found.bytes)} on disk ({plural(found.checkpoints, 'checkpoint')}) and removes what "
                    "was recorded. This cannot be undone.",
                    "Delete",
                ),
                decided,
            )

        self.itop.operate(lambda db: operations.footprint(uids), ask, failing="Could not look at the run's folder")

    def action_pause_run(self) -> None:
        """Pause the run at the cursor, or let it go on."""
        run = self.current_run
        if self.permits("pause_run") and run is not None:
            words = {"pause": "pause; its memory stays held", "unpause": "go on"}
            self.itop.operate(
                lambda db: operations.pause(db, run),
                lambda kind: self.notify(f"Asked {named(run)} to {words[kind]}.", markup=False),
                failing="Could not pause",
            )

    def action_resume_run(self) -> None:
        """Queue the run at the cursor to go on from its last checkpoint."""
        run = self.current_run
        if not self.permits("resume_run") or run is None:
            return

        def tell(queued: RunRecord) -> None:
            start = "from its last checkpoint" if queued.start_checkpoint_id else "from the beginning: no checkpoint"
            self.notify(f"{named(queued).capitalize()} is queued to go on {start}.", markup=False)

        self.itop.operate(lambda db: operations.resume(db, run.id), tell, failing="Could not resume")

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

        self.itop.operate(lambda db: operations.last_checkpoint(db, run.id), fork, failing="Could not fork")

    def action_duplicate_run(self) -> None:
        """Open the form with the run's settings."""
        run = self.current_run
        if self.permits("duplicate_run") and run is not None:
            self.itop.open_new_run(run.config, title=f"run {run.id}")

    def action_rename_run(self) -> None:
        """Ask for another name."""
        run = self.current_run
        if not self.permits("rename_run") or run is None:
            return

        def decided(name: str | None) -> None:
            if name and name.strip() and name != run.name:
                self.itop.operate(lambda db: operations.rename(db, run.id, name.strip()), failing="Could not rename")

        self.app.push_screen(Ask(f"Rename run {run.id}", run.name, "its new name"), decided)

    def action_tag_run(self) -> None:
        """Ask for the tags of the chosen runs."""
        runs = self.chosen_runs
        if not self.permits("tag_run") or not runs:
            return
        ids = [run.id for run in runs]
        shared = [tag for tag in runs[0].tags if all(tag in run.tags for run in runs)]

        def decided(text: str | None) -> None:
            if text is not None:
                tags = tuple(dict.fromkeys(tag.strip().lstrip("#") for tag in text.replace(",", " ").split()))
                self.itop.operate(
                    lambda db: operations.set_tags(db, ids, tuple(tag for tag in tags if tag)),
                    self._tell(lambda n: f"Tags of {plural(n, 'run')} changed."),
                    failing="Could not change the tags",
                )

        self.app.push_screen(Ask(f"Tags of {named_all(runs)}", " ".join(shared), "tags, with spaces between"), decided)
