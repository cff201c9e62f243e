"""Finds a field of the form by its label, its flag, its name or what it means."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.config.field_info import field_flags
from itop_tui.dialogs.chooser import Item, Picker
from itop_tui.new_run import form_layout
from itop_tui.new_run.run_form import ALL_FIELDS, FIELDS, FieldSpec, RunForm, shown


class FieldFinder(Picker):
    """Lists the fields with what they hold; what is typed is found in their names first, then in what they mean."""

    def __init__(self, form: RunForm, current: str) -> None:
        fields = form_layout.FIELD_ORDER
        items = [Item(spec.name, spec.label, _detail(spec, form)) for spec in fields]
        self._words = {spec.name: " ".join((spec.label, spec.name, *_flags(spec))).casefold() for spec in fields}
        super().__init__("Go to field", items, current=current, hint="label, flag or meaning")

    def fill(self, value: str, otherwise: int = 0) -> None:
        """List what matches; once something is typed, with the cursor on the best match."""
        super().fill("" if self.typed else value, otherwise)

    def found(self) -> tuple[Item, ...]:
        """The best ones first: those with a name of which a word begins with what is typed."""
        words = self.typed.casefold().split()
        ranks = {item.value: self._rank(item.value, words) for item in self.items}
        found = [item for item in self.items if ranks[item.value] is not None]
        return tuple(sorted(found, key=lambda item: ranks[item.value] or 0))

    def _rank(self, name: str, words: Sequence[str]) -> int | None:
        if all(re.search(rf"(?:\b|_){re.escape(word)}", self._words[name]) for word in words):
            return 0
        if all(word in self._words[name] for word in words):
            return 1
        return 2 if all(word in f"{self._words[name]} {ALL_FIELDS[name].help.casefold()}" for word in words) else None


def _flags(spec: FieldSpec) -> tuple[str, ...]:
    flag = "--tag" if spec.name == "tags" else f"--{spec.name.replace('_', '-')}"
    return (flag, *(field_flags(spec.name) if spec.name in FIELDS else ()))


def _detail(spec: FieldSpec, form: RunForm) -> str:
    idle = form.without_effect(spec.name)
    return "  ".join(filter(None, (shown(form.entries[spec.name]), form.note(spec.name), idle or "", _flags(spec)[0])))
