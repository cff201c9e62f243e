"""The small questions: confirm something, ask for a line or a page of text."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Input, Label, TextArea

from itop_tui.figures.format import plain
from itop_tui.widgets.key_bar import KeyBar, KeyHint
from itop_tui.widgets.leaving import Dialog


class Confirm(Dialog[bool]):
    """Asks before something that cannot be undone.

    Only `y` says yes: enter does not, so that a key that is held too long deletes nothing.

    Args:
        question: What would be done.
        consequence: What that means.
        verb: What the yes is called.
    """

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar = [("y", "answer(True)", "yes"), ("n,escape,q", "answer(False)", "no")]

    def __init__(self, question: str, consequence: str, verb: str) -> None:
        super().__init__()
        self._question, self._consequence, self._verb = question, consequence, verb

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        with Vertical(classes="dialog"):
            yield Label(plain(self._question, limit=200), classes="title", markup=False)
            yield Label(plain(self._consequence, limit=600), classes="body", markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        """Show the two keys."""
        self.query_one(KeyBar).hints = (
            KeyHint("y", self._verb.lower(), "screen.answer(True)"),
            KeyHint("n", "don't", "screen.answer(False)"),
        )

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)


class Ask(Dialog[str | None]):
    """Asks for a line of text; None where it is cancelled.

    Args:
        title: What is asked.
        value: The text to start from.
        placeholder: What an empty field shows.
    """

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar = [("escape", "leave", "cancel")]

    def __init__(self, title: str, value: str, placeholder: str) -> None:
        super().__init__()
        self._title, self._value, self._placeholder = title, plain(value, limit=500), placeholder

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        with Vertical(classes="dialog"):
            yield Label(plain(self._title, limit=100), classes="title", markup=False)
            yield Input(self._value, placeholder=self._placeholder, max_length=500, compact=True)
            yield KeyBar()

    def on_mount(self) -> None:
        """Show the two keys."""
        self.query_one(KeyBar).hints = (
            KeyHint("↵", "save", "screen.save"),
            KeyHint("esc", "cancel", "screen.leave"),
        )

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Close with the text."""
        self.dismiss(self.query_one(Input).value)


class AskText(Dialog[str | None]):
    """Asks for a text of several lines; None where it is cancelled.

    Args:
        title: What is asked.
        value: The text to start from.
        note: What is useful to know about it; may be empty.
    """

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar = [
        Binding("ctrl+s", "save", "save", priority=True),
        Binding("escape", "leave", "cancel", priority=True),
    ]

    def __init__(self, title: str, value: str, note: str = "") -> None:
        super().__init__()
        self._title, self._note = title, note
        # The widget draws control characters as they are: a terminal would obey them.
        self._value = "\n".join(plain(line) for line in value.splitlines())

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        with Vertical(classes="dialog large"):
            yield Label(plain(self._title, limit=100), classes="title", markup=False)
            if self._note:
                yield Label(plain(self._note, limit=300), classes="body", markup=False)
            yield TextArea(self._value, soft_wrap=True, tab_behavior="focus", compact=True)
            yield KeyBar()

    def on_mount(self) -> None:
        """Show the two keys, and put the caret at the end."""
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)
        self.query_one(KeyBar).hints = (
            KeyHint("^s", "save", "screen.save"),
            KeyHint("esc", "cancel", "screen.leave"),
        )

    def action_save(self) -> None:
        """Close with the text."""
        self.dismiss(self.query_one(TextArea).text)
