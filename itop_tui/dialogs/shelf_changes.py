"""What is done to the records of the chosen runs: name, tags, notes, star, archive, delete, undo.

Where what was typed cannot be saved, the question is asked again with it: nothing typed is lost.
"""

from __future__ import annotations

from db.records import BatchResult
from itop_tui.dialogs.chosen import ChosenRuns, Runs, for_chosen, named_all
from itop_tui.dialogs.questions import Ask, AskText
from itop_tui.figures.format import plural, size
from itop_tui.keys import in_brackets
from itop_tui.service import labels, shelving
from itop_tui.service.shelving import Footprint


def undoing() -> str:
    """How a deletion is undone, in a sentence."""
    return f"It can be undone{in_brackets('runs', 'undo_delete')} until you quit."


class ShelfChanges(ChosenRuns):
    """The actions of a screen that organize its chosen runs."""

    @property
    def _problem(self) -> str:
        """What has just been reported: a question that is asked again covers the message."""
        return self.screen.itop.notices[-1].text

    @for_chosen
    def action_rename_run(self, runs: Runs) -> None:
        """Ask for another name; for several runs, a pattern of names."""
        many = len(runs) > 1
        title = f"Rename {plural(len(runs), 'run')}" if many else f"Rename run {runs[0].id}"
        hint = "a pattern: {name} {id} {seed} {method} {density} {model} {data}" if many else "its new name"

        def decided(text: str | None) -> None:
            if text is None or not text.strip() or (not many and text == runs[0].name):
                return
            names = {run.id: labels.pattern_name(text, run) if many else text.strip() for run in runs}
            self.screen.itop.operate(
                lambda db: labels.rename(db, names),
                self.report("Renamed {runs}." if many else "", runs),
                otherwise=lambda: ask(text, self._problem),
                failing="Could not rename",
            )

        def ask(value: str, problem: str = "") -> None:
            self.screen.app.push_screen(Ask(title, value, hint, problem), decided)

        ask("{name}" if many else runs[0].name)

    @for_chosen
    def action_tag_run(self, runs: Runs) -> None:
        """Ask for the tags of the chosen runs."""
        shared = [tag for tag in runs[0].tags if all(tag in run.tags for run in runs)]
        ids = [run.id for run in runs]

        def decided(text: str | None) -> None:
            if text is not None:
                tags = tuple(dict.fromkeys(tag.strip().lstrip("#") for tag in text.replace(",", " ").split()))
                self.screen.itop.operate(
                    lambda db: labels.set_tags(db, ids, tuple(tag for tag in tags if tag)),
                    self.report("Tags of {runs} changed."),
                    otherwise=lambda: ask(text, self._problem),
                    failing="Could not change the tags",
                )

        def ask(value: str, problem: str = "") -> None:
            title, hint = f"Tags of {named_all(runs)}", "tags, separated by spaces"
            self.screen.app.push_screen(Ask(title, value, hint, problem), decided)

        ask(" ".join(shared))

    @for_chosen
    def action_note_run(self, runs: Runs) -> None:
        """Write notes about the chosen runs."""
        shared = runs[0].notes if all(run.notes == runs[0].notes for run in runs) else ""
        differ = any(run.notes != shared for run in runs)
        warning = "Their notes differ. What is saved here replaces all of them." if differ else ""

        def decided(text: str | None) -> None:
            if text is not None and (differ or text.rstrip() != shared):
                self.change(
                    runs,
                    lambda db, ids: labels.set_notes(db, ids, text.rstrip()),
                    "Notes of {runs} saved.",
                    otherwise=lambda: ask(text, self._problem),
                    failing="Could not save the notes",
                )

        def ask(value: str, problem: str = "") -> None:
            self.screen.app.push_screen(AskText(f"Notes of {named_all(runs)}", value, problem or warning), decided)

        ask(shared)

    @for_chosen
    def action_star_run(self, runs: Runs) -> None:
        """Star the chosen runs, or, where all have a star, remove the stars."""
        on = any(run.starred_at is None for run in runs)
        self.change(
            runs,
            lambda db, ids: shelving.star(db, ids, on),
            "Starred {runs}." if on else "Removed the star of {runs}.",
            failing="Could not star",
        )

    @for_chosen
    def action_archive_run(self, runs: Runs) -> None:
        """Archive the chosen runs, or, where all are archived, restore them."""
        on = any(run.archived_at is None for run in runs)
        self.change(
            runs,
            lambda db, ids: shelving.archive(db, ids, on),
            "Archived {runs}. is:archived shows archived runs." if on else "Restored {runs} from the archive.",
            failing="Could not archive",
        )

    # ------------------------------------------------------------------------------------------- deleting and undoing

    @for_chosen
    def action_delete_run(self, runs: Runs) -> None:
        """Delete the chosen runs, after saying what that frees."""
        operate = self.screen.itop.operate
        uids, ids = [run.uid for run in runs], tuple(run.id for run in runs)

        def delete() -> None:
            operate(lambda db: shelving.trash(db, ids), deleted, failing="Could not delete")

        def deleted(outcome: BatchResult) -> None:
            if outcome.done:
                self.screen.itop.bin.add(outcome.done)
            undo = undoing().replace("{", "{{").replace("}", "}}")
            self.report(f"Deleted {{runs}}. {undo}", runs)(outcome)

        def ask(found: Footprint) -> None:
            consequence = (
                f"Frees {size(found.bytes)} on disk ({plural(found.checkpoints, 'checkpoint')}) and all recorded "
                f"metrics when you quit. {undoing()}"
            )
            self.confirm(f"Delete {named_all(runs)}?", consequence, "Delete", delete)

        operate(lambda db: shelving.footprint(uids), ask, failing="The run's folder cannot be read")

    def action_undo_delete(self) -> None:
        """Restore what was deleted last."""
        deleted = self.screen.itop.bin
        ids = deleted.latest
        if not ids:
            self.screen.notify("There is no deletion to undo.", severity="warning", markup=False)
            return

        def restored(outcome: BatchResult) -> None:
            deleted.remove(ids)
            self.report("Restored {runs}.")(outcome)

        self.screen.itop.operate(
            lambda db: shelving.restore(db, ids),
            restored,
            # Another app emptied the trash: the deletion before it can perhaps still be undone.
            otherwise=lambda: deleted.remove(ids),
            failing="Could not restore",
        )
