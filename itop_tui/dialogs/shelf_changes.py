"""What can be done to the records of the chosen runs: name, tags, notes, star, archive, delete, undo."""

from __future__ import annotations

from db.records import BatchResult
from itop_tui.dialogs.chosen import ChosenRuns, Runs, counted, named_all
from itop_tui.dialogs.questions import Ask, AskText, Confirm
from itop_tui.figures.format import plural, size
from itop_tui.service import labels, shelving
from itop_tui.service.shelving import Footprint


class ShelfActions(ChosenRuns):
    """Actions that keep runs in order. Each asks the app to do it in a thread and tells how it went."""

    def action_rename_run(self) -> None:
        """Ask for another name; for several runs, a pattern of names."""
        self.with_chosen("rename_run", self._rename)

    def _rename(self, runs: Runs) -> None:
        many = len(runs) > 1
        title = f"Rename {plural(len(runs), 'run')}" if many else f"Rename run {runs[0].id}"
        hint = "a pattern: {name} {id} {seed} {method} {density} {model} {data}" if many else "its new name"

        def decided(text: str | None) -> None:
            if text is None or not text.strip() or (not many and text == runs[0].name):
                return
            names = {run.id: labels.pattern_name(text, run) if many else text.strip() for run in runs}
            self.itop.operate(
                lambda db: labels.rename(db, names),
                self.tell(lambda n: f"Renamed {counted(runs)(n)}.") if many else self.tell_problems,
                failing="Could not rename",
            )

        self.app.push_screen(Ask(title, "{name}" if many else runs[0].name, hint), decided)

    def tell_problems(self, outcome: BatchResult) -> None:
        """Say what went wrong only: what went well is seen in the list."""
        self.tell(lambda _: "")(BatchResult((), outcome.problems))

    def action_tag_run(self) -> None:
        """Ask for the tags of the chosen runs."""
        self.with_chosen("tag_run", self._tag)

    def _tag(self, runs: Runs) -> None:
        ids = [run.id for run in runs]
        shared = [tag for tag in runs[0].tags if all(tag in run.tags for run in runs)]

        def decided(text: str | None) -> None:
            if text is not None:
                tags = tuple(dict.fromkeys(tag.strip().lstrip("#") for tag in text.replace(",", " ").split()))
                self.itop.operate(
                    lambda db: labels.set_tags(db, ids, tuple(tag for tag in tags if tag)),
                    self.tell(lambda n: f"Tags of {plural(n, 'run')} changed."),
                    failing="Could not change the tags",
                )

        self.app.push_screen(Ask(f"Tags of {named_all(runs)}", " ".join(shared), "tags, with spaces between"), decided)

    def action_note_run(self) -> None:
        """Write notes about the chosen runs."""
        self.with_chosen("note_run", self._note)

    def _note(self, runs: Runs) -> None:
        shared = runs[0].notes if all(run.notes == runs[0].notes for run in runs) else ""
        differ = any(run.notes != shared for run in runs)
        warning = "Their notes differ. What is saved here replaces all of them." if differ else ""

        def decided(text: str | None) -> None:
            if text is not None and (differ or text.rstrip() != shared):
                ids = [run.id for run in runs]
                self.itop.operate(
                    lambda db: labels.set_notes(db, ids, text.rstrip()),
                    self.tell(lambda n: f"Notes of {counted(runs)(n)} saved."),
                    failing="Could not save the notes",
                )

        self.app.push_screen(AskText(f"Notes of {named_all(runs)}", shared, warning), decided)

    def action_star_run(self) -> None:
        """Star the chosen runs, or, where all have one, take their stars away."""
        self.with_chosen("star_run", self._star)

    def _star(self, runs: Runs) -> None:
        on = any(run.starred_at is None for run in runs)
        ids = [run.id for run in runs]
        self.itop.operate(
            lambda db: shelving.star(db, ids, on),
            self.tell(lambda n: f"{'Starred' if on else 'Took the star from'} {counted(runs)(n)}."),
            failing="Could not star",
        )

    def action_archive_run(self) -> None:
        """Put the chosen runs away, or, where all are put away, bring them back."""
        self.with_chosen("archive_run", self._archive)

    def _archive(self, runs: Runs) -> None:
        on = any(run.archived_at is None for run in runs)
        ids = [run.id for run in runs]
        hint = " is:archived shows what is archived." if on else ""
        self.itop.operate(
            lambda db: shelving.archive(db, ids, on),
            self.tell(lambda n: f"{'Archived' if on else 'Brought back'} {counted(runs)(n)}.{hint}"),
            failing="Could not archive",
        )

    # ------------------------------------------------------------------------------------------- deleting and undoing

    def action_delete_run(self) -> None:
        """Delete the chosen runs, after telling what that frees."""
        self.with_chosen("delete_run", self._delete)

    def _delete(self, runs: Runs) -> None:
        uids = [run.uid for run in runs]

        def decided(yes: bool | None) -> None:
            if yes:
                ids = tuple(run.id for run in runs)
                self.itop.operate(lambda db: shelving.trash(db, ids), deleted, failing="Could not delete")

        def deleted(outcome: BatchResult) -> None:
            if outcome.done:
                self.itop.bin.add(outcome.done)
            self.tell(lambda n: f"Deleted {counted(runs)(n)}. U takes it back until the app is left.")(outcome)

        def ask(found: Footprint) -> None:
            self.app.push_screen(
                Confirm(
                    f"Delete {named_all(runs)}?",
                    f"Frees {size(found.bytes)} on disk ({plural(found.checkpoints, 'checkpoint')}) and what was "
                    "recorded, when the app is left. Until then U takes it back.",
                    "Delete",
                ),
                decided,
            )

        self.itop.operate(lambda db: shelving.footprint(uids), ask, failing="Cannot look at the run's folder")

    def action_undo_delete(self) -> None:
        """Take back what was deleted last."""
        ids = self.itop.bin.latest
        if not ids:
            self.notify("Nothing was deleted that could be taken back.", severity="warning", markup=False)
            return

        def restored(outcome: BatchResult) -> None:
            self.itop.bin.remove(ids)
            self.tell(lambda n: f"Took back {plural(n, 'deleted run')}.")(outcome)

        self.itop.operate(
            lambda db: shelving.restore(db, ids),
            restored,
            # Another app emptied the trash: the deletion before it may still be taken back.
            otherwise=lambda: self.itop.bin.remove(ids),
            failing="Could not take that back",
        )
