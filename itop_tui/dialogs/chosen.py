"""The runs that an action is done to: the selected ones, those of a group, or the one at the cursor."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

from db.records import BatchResult, RunRecord
from itop_tui.dialogs.questions import Confirm
from itop_tui.figures.format import fit, plain, plural
from itop_tui.keys import find
from itop_tui.screen import ItopScreen
from itop_tui.service import run_reading

if TYPE_CHECKING:
    from db.session import Database

Runs = tuple[RunRecord, ...]
Changes = TypeVar("Changes", bound="ChosenRuns")


def named(run: RunRecord) -> str:
    """A run as a message names it: "run 12 (vgg-c rigl)"."""
    return f"run {run.id} ({fit(run.name, 30).rstrip()})"


def sentence_case(text: str) -> str:
    """A text with a capital letter at its start; a run's name within it stays as it is."""
    return text[:1].upper() + text[1:]


def named_all(runs: Runs) -> str:
    """Runs as a message names them: one by its name, several by their number."""
    return named(runs[0]) if len(runs) == 1 else plural(len(runs), "run")


def counted(runs: Runs) -> Callable[[int], str]:
    """Name runs in a message about some of them: by name where it is all, else by their number."""
    return lambda number: named_all(runs) if number == len(runs) else plural(number, "run")


class ChosenRuns:
    """The runs that are `chosen` on a screen: has operations done to them, and reports how it went."""

    def __init__(self, screen: ItopScreen) -> None:
        self.screen = screen

    def take(self, name: str, then: Callable[[Runs], None]) -> None:
        """Call a function with those of the chosen runs that an action can be done to.

        Says why where it can be done to none. Runs of a closed group are read first.

        Args:
            name: The action.
            then: Gets the runs, never none.
        """
        action = find(self.screen.SCOPE, name)
        chosen = self.screen.chosen

        def choose(runs: Runs) -> None:
            able = tuple(run for run in runs if action.refusal(run) is None)
            if able:
                then(able)
            else:
                refusal = action.refusal(runs[0] if runs else None)
                self.screen.notify(refusal or "There is no run here.", severity="warning", markup=False)

        if all(run_id in chosen.known for run_id in chosen.ids):
            choose(tuple(chosen.known[run_id] for run_id in chosen.ids))
        else:
            operate = self.screen.itop.operate
            operate(lambda db: run_reading.read(db, chosen.ids), choose, failing="The runs cannot be read")

    def confirm(self, question: str, consequence: str, verb: str, then: Callable[[], None]) -> None:
        """Ask before something that cannot be undone, as `Confirm` does; `then` is called after a yes."""
        self.screen.app.push_screen(Confirm(question, consequence, verb), lambda yes: then() if yes else None)

    def change(
        self,
        runs: Runs,
        operation: Callable[[Database, list[int]], BatchResult],
        sentence: str,
        *,
        failing: str,
        otherwise: Callable[[], object] | None = None,
    ) -> None:
        """Do one thing to runs (`operation` gets their ids), and report it in a sentence, as `report` does."""
        ids = [run.id for run in runs]
        report = self.report(sentence, runs)
        self.screen.itop.operate(lambda db: operation(db, ids), report, otherwise=otherwise, failing=failing)

    def report(self, sentence: str, runs: Runs = ()) -> Callable[[BatchResult], None]:
        """Make the function that reports an outcome.

        Args:
            sentence: What is said of the runs it was done to, empty where the list shows it; `{runs}` and `{Runs}`
                name them.
            runs: The runs it was asked for; where they are not given, `{runs}` is a number.
        """

        def report(outcome: BatchResult) -> None:
            if outcome.done and sentence:
                name = counted(runs)(len(outcome.done)) if runs else plural(len(outcome.done), "run")
                self.screen.notify(sentence.format(runs=name, Runs=sentence_case(name)), markup=False)
            for problem in outcome.problems[:3]:
                self.screen.notify(plain(problem, limit=300), severity="error", markup=False)
            if len(outcome.problems) > 3:
                more = plural(len(outcome.problems) - 3, "more problem")
                self.screen.notify(f"{more} like these.", severity="error", markup=False)

        return report


def for_chosen(action: Callable[[Changes, Runs], None]) -> Callable[[Changes], None]:
    """Make an action of a method that gets runs: it is called with the chosen runs that the action can be done to."""

    @wraps(action)
    def act(changes: Changes) -> None:
        changes.take(action.__name__.removeprefix("action_"), lambda runs: action(changes, runs))

    return act
