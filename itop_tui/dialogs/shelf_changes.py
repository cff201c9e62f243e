"""What is done to the records of the chosen runs: name, tags, notes, star, archive, delete, undo."""

from __future__ import annotations

from itop_tui.dialogs.chosen import ChosenRuns, Runs, named_all
from itop_tui.dialogs.questions import Ask, AskText, Confirm
from itop_tui.figures.format import plural, size
from itop_tui.screen import ItopScreen
from itop_tui.service import operations, shelf_operations
from itop_tui.service.shelf_operations import Footprint


class ShelfChanges:
    """The actions of a screen that organize its chosen runs.

    Args:
        screen: The screen that has them among its parts.
    """

    def __init__(self, screen: ItopScreen) -> None:
        self._screen = screen
        self._chosen = ChosenRuns(screen)

    def action_rename_run(self) -> None:
        """Ask for another name; for several runs, a pattern of names."""
        self._chosen.take("rename_run", self._rename)

    def _rename(self, runs: Runs) -> None:
        many = len(runs) > 1
        title = f"Rename {plural(len(runs), 'run')}" if many else f"Rename run {runs[0].id}"
        hint = "a pattern: {name} {id} {seed} {method} {density} {model} {data}" if many else "its new name"

        def decided(text: str | None) -> None:
            if text is None or not text.strip() or (not many and text == runs[0].name):
                return
            names = {run.id: operations.pattern_name(text, run) if many else text.strip() for run in runs}
            self._chosen.operate(
                lambda db: operations.rename(db, names),
                self._chosen.report("Renamed {runs}." if many else "", runs),
                failing="Could not rename",
            )

        self._screen.app.push_screen(Ask(title, "{name}" if many else runs[0].name, hint), decided)

    def action_tag_run(self) -> None:
        """Ask for the tags of the chosen runs."""
        self._chosen.take("tag_run", self._tag)

    def _tag(self, runs: Runs) -> None:
        shared = [tag for tag in runs[0].tags if all(tag in run.tags for run in runs)]
        ids = [run.id for run in runs]

        def decided(text: str | None) -> None:
            if text is not None:
                tags = tuple(dict.fromkeys(tag.strip().lstrip("#") for tag in text.replace(",", " ").split()))
                self._chosen.operate(
                    lambda db: operations.set_tags(db, ids, tuple(tag for tag in tags if tag)),
                    self._chosen.report("Tags of {runs} changed."),
                    failing="Could not change the tags",
                )

        question = Ask(f"Tags of {named_all(runs)}", " ".join(shared), "tags, separated by spaces")
        self._screen.app.push_screen(question, decided)

    def action_note_run(self) -> None:
        """Write notes about the chosen runs."""
        self._chosen.take("note_run", self._note)

    def _note(self, runs: Runs) -> None:
        shared = runs[0].notes if all(run.notes == runs[0].notes for run in runs) else ""
        differ = any(run.notes != shared for run in runs)
        warning = "Their notes differ. What is saved here replaces all of them." if differ else ""

        def decided(text: str | None) -> None:
            if text is not None and (differ or text.rstrip() != shared):
                self._chosen.change(
                    runs,
                    lambda db, ids: operations.set_notes(db, ids, text.rstrip()),
                    "Notes of {runs} saved.",
                    failing="Could not save the notes",
                )

        self._screen.app.push_screen(AskText(f"Notes of {named_all(runs)}", shared, warning), decided)

    def action_star_run(self) -> None:
        """Star the chosen runs, or, where all have a star, remove the stars."""
        self._chosen.take("star_run", self._star)

    def _star(self, runs: Runs) -> None:
        on = any(run.starred_at is None for run in runs)
        self._chosen.change(
            runs,
            lambda db, ids: shelf_operations.star(db, ids, on),
            "Starred {runs}." if on else "Removed the star of {runs}.",
            failing="Could not star",
        )

    def action_archive_run(self) -> None:
        """Archive the chosen runs, or, where all are archived, restore them."""
        self._chosen.take("archive_run", self._archive)

    def _archive(self, runs: Runs) -> None:
        on = any(run.archived_at is None for run in runs)
        self._chosen.change(
            runs,
            lambda db, ids: shelf_operations.archive(db, ids, on),
            "Archived {runs}. is:archived shows archived runs." if on else "Restored {runs} from the archive.",
            failing="Could not archive",
        )

    # ------------------------------------------------------------------------------------------- deleting and undoing

    def action_delete_run(self) -> None:
        """Delete the chosen runs, after saying what that frees."""
        self._chosen.take("delete_run", self._delete)

    def _delete(self, runs: Runs) -> None:
        uids = [run.uid for run in runs]

        def decided(yes: bool | None) -> None:
            if yes:
                ids = tuple(run.id for run in runs)
                self._chosen.operate(lambda db: shelf_operations.trash(db, ids), deleted, failing="Could not delete")

        def deleted(outcome: operations.Outcome) -> None:
            if outcome.done:
                self._screen.itop.bin.add(outcome.done)
            self._chosen.report("Deleted {runs}. Press U to undo until you quit.", runs)(outcome)

        def ask(found: Footprint) -> None:
            consequence = (
                f"Frees {size(found.bytes)} on disk ({plural(found.checkpoints, 'checkpoint')}) and all recorded "
                "metrics when you quit. Press U to undo until you quit."
            )
            self._screen.app.push_screen(Confirm(f"Delete {named_all(runs)}?", consequence, "Delete"), decided)

        self._chosen.operate(
            lambda db: shelf_operations.footprint(uids), ask, failing="The run's folder cannot be read"
        )

    def action_undo_delete(self) -> None:
        """Restore what was deleted last."""
        deleted = self._screen.itop.bin
        ids = deleted.latest
        if not ids:
            self._screen.notify("There is no deletion to undo.", severity="warning", markup=False)
            return

        def restored(outcome: operations.Outcome) -> None:
            deleted.remove(ids)
            self._chosen.report("Restored {runs}.")(outcome)

        self._chosen.operate(
            lambda db: shelf_operations.restore(db, ids),
            restored,
            # Another app emptied the trash: the deletion before it can perhaps still be undone.
            otherwise=lambda: deleted.remove(ids),
            failing="Could not restore",
        )
