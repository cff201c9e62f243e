"""The runs that an action is done to: the marked ones, those of a group, or the one at the cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from db.records import BatchResult, RunRecord
from itop_tui.figures.format import fit, plain, plural
from itop_tui.keys import find
from itop_tui.screen import ItopScreen
from itop_tui.service import run_reading

Runs = tuple[RunRecord, ...]


def named(run: RunRecord) -> str:
    """A run as a message names it: "run 12 (vgg-c rigl)"."""
    return f"run {run.id} ({fit(run.name, 30).rstrip()})"


def named_all(runs: Runs) -> str:
    """Runs as a message names them: one by its name, several by their number."""
    return named(runs[0]) if len(runs) == 1 else plural(len(runs), "run")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which runs an action is done to.

    Attributes:
        ids: The runs, in order.
        known: The records of those that are listed.
    """

    ids: tuple[int, ...]
    known: Mapping[int, RunRecord]


class ChosenRuns(ItopScreen):
    """A screen whose actions act on chosen runs."""

    @property
    def chosen(self) -> Chosen:
        """The runs that actions act on."""
        run = self.current_run
        return Chosen((run.id,), {run.id: run}) if run else Chosen((), {})

    def show_run(self, run_id: int) -> None:
        """Show a run that was just made."""

    def with_chosen(self, name: str, then: Callable[[Runs], None]) -> None:
        """Go on with those of the chosen runs that an action can be done to.

        Tells why where it can be done to none. Runs of a closed group are read first, in a thread.

        Args:
            name: The action.
            then: Gets the runs, never none.
        """
        action = find(self.SCOPE, name)
        chosen = self.chosen

        def go_on(runs: Runs) -> None:
            able = tuple(run for run in runs if action.refusal(run) is None)
            if able:
                then(able)
            else:
                refusal = action.refusal(runs[0] if runs else None)
                self.notify(refusal or "There is no run here.", severity="warning", markup=False)

        if all(run_id in chosen.known for run_id in chosen.ids):
            go_on(tuple(chosen.known[run_id] for run_id in chosen.ids))
        else:
            self.itop.operate(lambda db: run_reading.read(db, chosen.ids), go_on, failing="The runs cannot be read")

    def tell(self, sentence: Callable[[int], str]) -> Callable[[BatchResult], None]:
        """Make the message about an outcome from what is said of a number of runs."""

        def tell(outcome: BatchResult) -> None:
            if outcome.done:
                self.notify(sentence(len(outcome.done)), markup=False)
            for problem in outcome.problems[:3]:
                self.notify(plain(problem, limit=300), severity="error", markup=False)
            if len(outcome.problems) > 3:
                more = plural(len(outcome.problems) - 3, "more problem")
                self.notify(f"{more} like these.", severity="error", markup=False)

        return tell


def counted(runs: Runs) -> Callable[[int], str]:
    """Name runs in a message about some of them: by name where it is all, else by their number."""
    return lambda number: named_all(runs) if number == len(runs) else plural(number, "run")
