"""What is done to the chosen runs: stop, kill, pause, resume, fork, copy; and what is opened from a list of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.records import CheckpointRecord, RunRecord
from itop_tui import opening
from itop_tui.dialogs.chooser import Item, Picker
from itop_tui.dialogs.chosen import ChosenRuns, Runs, for_chosen, named, named_all, sentence_case
from itop_tui.dialogs.questions import Ask
from itop_tui.figures.format import plain, plural
from itop_tui.keys import in_brackets
from itop_tui.screen import ItopScreen
from itop_tui.service import launching, lengthening, run_reading, run_requests

if TYPE_CHECKING:
    from db.session import Database


def queue_again(screen: ItopScreen, run: RunRecord, which: str | None = None) -> None:
    """Queue a run that has ended to resume from a checkpoint, and say from which step.

    Args:
        screen: Where that is said.
        run: The run.
        which: The id of the checkpoint; None for the last one, or the beginning where it has none.
    """

    def resume(db: Database) -> tuple[RunRecord, int | None, str]:
        from db.runs import attempts, checkpoints
        from itop_tui.service.code_review import changed_since

        changed = changed_since(db, attempts.latest(db, run.id))
        queued = launching.resume(db, run.id, which)
        start = queued.start_checkpoint_id
        return queued, None if start is None else checkpoints.get(db, start).step, changed

    def report(found: tuple[RunRecord, int | None, str]) -> None:
        queued, step, changed = found
        how = "start from the beginning: it has no checkpoint" if step is None else f"resume from step {step:,}"
        code = f" Its code has changed since it started: {plain(changed, 200)}." if changed else ""
        screen.notify(f"{sentence_case(named(queued))} is queued to {how}.{code}", markup=False)

    screen.itop.operate(resume, report, failing="Could not resume")


def fork_from_last(screen: ItopScreen, run: RunRecord) -> None:
    """Open the form for a fork from a run's last checkpoint; say so where it has none."""

    def fork(checkpoint: CheckpointRecord | None) -> None:
        if checkpoint is None:
            text = f"{sentence_case(named(run))} has no checkpoint to fork from."
            screen.notify(text, severity="warning", markup=False)
        else:
            screen.itop.open_new_run(run.config, title=run.name, parent=run, checkpoint=checkpoint)

    screen.itop.operate(lambda db: run_reading.last_checkpoint(db, run.id), fork, failing="Could not fork")


class RunChanges(ChosenRuns):
    """The actions of a screen that start, stop and continue its chosen runs."""

    def action_open_run(self) -> None:
        """Open the run at the cursor."""
        run = self.screen.current_run
        if self.screen.permits("open_run") and run is not None:
            self.screen.itop.open_run(run.id)

    def action_export(self) -> None:
        """Ask in which format to write the chosen runs, and where."""
        from itop_tui.dialogs.export_dialog import offer_runs

        if self.screen.permits("export"):
            offer_runs(self.screen, self.screen.chosen.ids)

    def action_new_run(self) -> None:
        """Open the form of a new run."""
        self.screen.itop.open_new_run()

    def action_open_queue(self) -> None:
        """Open the queue and the devices."""
        self.screen.itop.open_queue()

    def action_demo(self) -> None:
        """Queue the demonstration."""

        def report(made: list[RunRecord]) -> None:
            queued = "The demonstration is queued: dense, SET-ITOP and RigL-ITOP on the digits."
            self.screen.notify(queued, markup=False)
            self.screen.show_run(made[0].id)

        self.screen.itop.operate(launching.launch_demo, report, failing="The demonstration could not be queued")

    def action_open_database(self) -> None:
        """Ask for another database, and open it."""

        def decided(place: str | None) -> None:
            if place and place != opening.place():
                self.screen.itop.switch_database(place)

        items = [
            Item(place, place, "open now" if place == opening.place() else "")
            for place in dict.fromkeys((opening.place(), *opening.recent()))
        ]
        hint = "a folder, a database file, or the URL of a server"
        self.screen.app.push_screen(Picker("Open a database", items, free=True, hint=hint), decided)

    @for_chosen
    def action_stop_run(self, runs: Runs) -> None:
        """Stop the chosen runs; each writes a checkpoint first."""
        self.change(runs, run_requests.stop, "Asked {runs} to stop.", failing="Could not stop")

    @for_chosen
    def action_kill_run(self, runs: Runs) -> None:
        """Kill the chosen runs, after asking."""
        stop = f"Stop{in_brackets(self.screen.SCOPE, 'stop_run')}"
        consequence = f"What was trained since the last checkpoint is lost. {stop} would write a checkpoint first."
        self.confirm(
            f"Kill {named_all(runs)}?",
            consequence,
            "Kill",
            lambda: self.change(runs, run_requests.kill, "Killed {runs}.", failing="Could not kill"),
        )

    @for_chosen
    def action_give_up_run(self, runs: Runs) -> None:
        """End the chosen runs as lost, after asking."""
        consequence = (
            "For a run whose machine is gone: it ends as lost, and can be resumed or deleted. One that gives signs of "
            "life is left as it is; finding that out takes up to 15 seconds."
        )

        def give_up() -> None:
            self.screen.itop.operate(
                lambda db: run_requests.give_up(db, [run.id for run in runs]),
                self.report("Gave up {runs}.", runs),
                failing="Could not give up",
                aside=True,
            )

        self.confirm(f"Give up {named_all(runs)}?", consequence, "Give up", give_up)

    @for_chosen
    def action_checkpoint_now(self, runs: Runs) -> None:
        """Have the chosen runs save a checkpoint now."""
        sentence = "Asked {runs} for a checkpoint: it is written between two steps."
        self.change(runs, run_requests.checkpoint_now, sentence, failing="Could not ask for a checkpoint")

    @for_chosen
    def action_pause_run(self, runs: Runs) -> None:
        """Pause the chosen runs that are running; where none is, continue the paused ones."""
        running = tuple(run for run in runs if run.status != "paused")
        meant, words = (running, "pause (memory still allocated)") if running else (runs, "continue")
        self.screen.itop.operate(
            lambda db: run_requests.pause_all(db, meant),
            self.report(f"Asked {{runs}} to {words}.", meant),
            failing="Could not pause",
        )

    @for_chosen
    def action_resume_run(self, runs: Runs) -> None:
        """Queue the chosen runs to resume from their last checkpoints."""
        if len(runs) == 1:
            queue_again(self.screen, runs[0])
            return
        ids = [run.id for run in runs]
        self.screen.itop.operate(
            lambda db: launching.resume_all(db, ids),
            self.report("{runs} queued to resume from the last checkpoint."),
            failing="Could not resume",
        )

    def action_extend_run(self) -> None:
        """Ask for more epochs, and queue the run at the cursor to resume with them."""
        screen, run = self.screen, self.screen.current_run
        if not screen.permits("extend_run") or run is None:
            return

        def decided(text: str | None) -> None:
            if text is None or not text.strip():
                return
            epochs = int(text) if text.strip().isdecimal() else text.strip()
            screen.itop.operate(lambda db: lengthening.extend(db, run.id, epochs), report, failing="Could not extend")

        def report(found: tuple[RunRecord, int | None]) -> None:
            queued, step = found
            how = "start from the beginning" if step is None else f"resume from step {step:,}"
            text = f"{sentence_case(named(queued))} is queued to {how}, to epoch {queued.total_epochs:,}."
            screen.notify(text, markup=False)

        times = run.config.get("multiplier", 1)
        hint = "epochs in all" if times == 1 else f"epochs in all, before they are multiplied by {times}"
        question = Ask(f"Extend {named(run)}", str(run.config.get("epochs", "")), hint)
        screen.app.push_screen(question, decided)

    def action_fork_run(self) -> None:
        """Open the form for a fork from the run's last checkpoint."""
        run = self.screen.current_run
        if self.screen.permits("fork_run") and run is not None:
            fork_from_last(self.screen, run)

    def action_duplicate_run(self) -> None:
        """Open the form with the run's settings; of several runs, queue a copy each after asking."""
        screen, run = self.screen, self.screen.current_run
        if len(screen.chosen.ids) > 1:
            self.take("duplicate_run", self._duplicate_all)
        elif screen.permits("duplicate_run") and run is not None:
            screen.itop.open_new_run(run.config, title=f"run {run.id}")

    def _duplicate_all(self, runs: Runs) -> None:
        def copy() -> None:
            self.screen.itop.operate(
                lambda db: launching.launch_copies(db, runs),
                lambda made: self.screen.notify(f"{plural(len(made), 'copy', 'copies')} queued.", markup=False),
                failing="Could not queue the copies",
            )

        question = f"Queue a copy of each of {plural(len(runs), 'run')}?"
        consequence = "Each copy has the same settings, seed and tags, and starts from the beginning."
        self.confirm(question, consequence, "Queue", copy)
