"""Editing one line of text: where the caret is, and what a key does to it. No widget."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

LONGEST = 1000
"""The most characters a line may have."""


@dataclass(slots=True)
class LineEdit:
    """A line of text and a caret in it."""

    text: str = ""
    caret: int = 0

    @classmethod
    def at_end(cls, text: str) -> LineEdit:
        """A text with the caret behind it."""
        return cls(text, len(text))

    def insert(self, text: str) -> None:
        """Put a text in before the caret; what would make the line too long is left out."""
        text = text[: max(0, LONGEST - len(self.text))]
        self.text = self.text[: self.caret] + text + self.text[self.caret :]
        self.caret += len(text)

    def key(self, key: str) -> bool:
        """Do what a key does to the line."""
        text, caret = self.text, self.caret
        match key:
            case "left":
                self.caret = max(0, caret - 1)
            case "right":
                self.caret = min(len(text), caret + 1)
            case "home" | "ctrl+a":
                self.caret = 0
            case "end" | "ctrl+e":
                self.caret = len(text)
            case "backspace":
                self._cut(max(0, caret - 1), caret)
            case "delete" | "ctrl+d":
                self._cut(caret, min(len(text), caret + 1))
            case "ctrl+u":
                self._cut(0, caret)
            case "ctrl+k":
                self._cut(caret, len(text))
            case "ctrl+w":
                self._cut(text[:caret].rstrip().rfind(" ") + 1, caret)
            case _:
                return False
        return True

    def _cut(self, start: int, end: int) -> None:
        self.text, self.caret = self.text[:start] + self.text[end:], start

    def window(self, width: int) -> tuple[str, str, str]:
        """The visible part of the line, the caret always among it."""
        under = self.text[self.caret : self.caret + 1] or " "
        before, behind = self.text[: self.caret], self.text[self.caret + 1 :]
        while cell_len(before) + cell_len(under) > width:
            before = before[1:]
        room = width - cell_len(before) - cell_len(under)
        while cell_len(behind) > room:
            behind = behind[:-1]
        return before, under, behind
