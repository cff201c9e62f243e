"""The small questions: confirm something, ask for a line or a page of text."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input, Label, TextArea

from itop_tui.figures.format import plain
from itop_tui.widgets.key_bar import KeyBar, KeyHint
from itop_tui.widgets.leaving import Dialog

Answer = TypeVar("Answer")
_SAVE, _CANCEL = "screen.save", KeyHint("esc", "cancel", "screen.leave")


class Question(Dialog[Answer], Generic[Answer]):
    """A title, a text below it, what is to be filled in, and the keys.

    Args:
        title: What is asked.
        body: What is useful to know about it; may be empty.
        *fields: What is filled in.
        keys: What the key bar says.
        classes: Those of the box.
    """

    CSS_PATH = "dialogs.tcss"

    def __init__(
        self, title: str, body: str, *fields: Widget, keys: tuple[KeyHint, ...], classes: str = "dialog"
    ) -> None:
        super().__init__()
        self._title, self._body, self._fields, self._keys, self._box = title, body, fields, keys, classes

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        with Vertical(classes=self._box):
            yield Label(plain(self._title, limit=200), classes="title", markup=False)
            if self._body:
                yield Label(plain(self._body, limit=600), classes="body", markup=False)
            yield from self._fields
            yield KeyBar(*self._keys)


class Confirm(Question[bool]):
    """Asks before something that cannot be undone.

    Only `y` says yes: enter does not, so that a key that is held too long deletes nothing.

    Args:
        question: What would be done.
        consequence: What that means.
        verb: What the yes is called.
    """

    BINDINGS: ClassVar = [("y", "answer(True)", "yes"), ("n,escape,q", "answer(False)", "no")]

    def __init__(self, question: str, consequence: str, verb: str) -> None:
        yes, no = KeyHint("y", verb.lower(), "screen.answer(True)"), KeyHint("n", "don't", "screen.answer(False)")
        super().__init__(question, consequence, keys=(yes, no))

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)


class Ask(Question[str | None]):
    """Asks for a line of text, to start from `value`; None where it is cancelled."""

    BINDINGS: ClassVar = [("escape", "leave", "cancel")]

    def __init__(self, title: str, value: str, placeholder: str, note: str = "") -> None:
        field = Input(plain(value, limit=500), placeholder=placeholder, max_length=500, compact=True)
        super().__init__(title, note, field, keys=(KeyHint("↵", "save", _SAVE), _CANCEL))

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Close with the text."""
        self.dismiss(self.query_one(Input).value)


class AskText(Question[str | None]):
    """Asks for a text of several lines, to start from `value`; None where it is cancelled."""

    BINDINGS: ClassVar = [
        Binding("ctrl+s", "save", "save", priority=True),
        Binding("escape", "leave", "cancel", priority=True),
        Binding("ctrl+underscore", "undo", "undo", priority=True),  # ^z, the widget's own key, suspends the app
    ]

    def __init__(self, title: str, value: str, note: str = "") -> None:
        # The widget draws control characters as they are: a terminal would obey them.
        text = "\n".join(plain(line) for line in value.splitlines())
        area = TextArea(text, soft_wrap=True, tab_behavior="focus", compact=True)
        keys = (KeyHint("^s", "save", _SAVE), _CANCEL, KeyHint("^_", "undo", "screen.undo"))
        super().__init__(title, note, area, keys=keys, classes="dialog large")

    def on_mount(self) -> None:
        """Put the caret at the end."""
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)

    def action_undo(self) -> None:
        """Undo the last change of the text."""
        self.query_one(TextArea).undo()

    def action_save(self) -> None:
        """Close with the text."""
        self.dismiss(self.query_one(TextArea).text)
