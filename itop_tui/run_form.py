"""What the form of a new run knows, without a widget: fields, what was typed, what is wrong, what changed.

Everything is read from `engine.config`, so that a setting declared there is in the form without a word written here.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from engine.config import (
    FIELD_SECTIONS,
    ConfigError,
    RunConfig,
    choices_of,
    field_help,
    irrelevant_because,
    setting_text,
)
from engine.settings import Section, allowed

Kind = Literal["switch", "choice", "text"]
Entry = str | bool
"""What a field's editor holds: a switch a bool, everything else its text."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of the form.

    Attributes:
        name: The setting's name.
        section: The part of the form it stands in; empty for the run's own name and tags.
        kind: How it is edited.
        choices: What may be chosen; further text is allowed where `free`.
        free: Whether text beyond the choices may be given (a user's own model, say).
        optional: Whether it may be empty.
        help: What it means.
        allowed: What it may be, in words.
        default: Its default, as its editor holds it.
    """

    name: str
    section: str
    kind: Kind
    choices: tuple[str, ...]
    free: bool
    optional: bool
    help: str
    allowed: str
    default: Entry

    @property
    def label(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ")


def as_entry(name: str, value: object) -> Entry:
    """A setting's value as its editor holds it."""
    return value if isinstance(value, bool) else setting_text(name, value)


def _spec(name: str, section: Section) -> FieldSpec:
    info = RunConfig.model_fields[name]
    kinds = set(get_args(info.annotation)) or {info.annotation}
    choices = choices_of(name)
    if name == "device":
        choices = ("auto", "cpu", "cuda")
    free = name in ("model", "data", "device")
    kind: Kind = "switch" if bool in kinds else "choice" if choices else "text"
    if free:
        words = f"one of the {len(choices)} in the list, or package.module:function"
        words = "auto, cpu, cuda or cuda:N" if name == "device" else words
    else:
        words = "one of " + ", ".join(choices) if choices else allowed(RunConfig, name)
        words = "on or off" if kind == "switch" else words
    return FieldSpec(
        name=name,
        section=section,
        kind=kind,
        choices=choices,
        free=free,
        optional=type(None) in kinds,
        help=field_help(name),
        allowed=words,
        default=as_entry(name, info.default),
    )


FIELDS: dict[str, FieldSpec] = {
    name: _spec(name, section) for section, names in FIELD_SECTIONS.items() for name in names
}
"""All fields by name, in the order of the form."""


def _own(name: str, allowed_words: str, meaning: str) -> FieldSpec:
    return FieldSpec(name, "", "text", (), False, True, meaning, allowed_words, "")


OWN_FIELDS: dict[str, FieldSpec] = {
    "name": _own("name", "any text", "What the run is called in every list. Empty: it is named for its settings."),
    "tags": _own("tags", "words, with spaces between", "Words to find the run by later: paper, baseline, try."),
}
"""What is the run's own and no setting."""

ALL_FIELDS: dict[str, FieldSpec] = {**OWN_FIELDS, **FIELDS}
"""Everything the form holds, in its order."""


class RunForm:
    """The settings being typed, compared with what they started from.

    Args:
        start: The settings to start from; fields that no longer exist are left out, missing ones take their default.
        locked: Fields that cannot be changed, each with the reason.
        name: The name to start from.
        tags: The tags to start from.
    """

    def __init__(
        self,
        start: Mapping[str, Any],
        locked: Mapping[str, str] | None = None,
        *,
        name: str = "",
        tags: Sequence[str] = (),
    ) -> None:
        self.locked = dict(locked or {})
        self.own: dict[str, str] = {"name": name, "tags": " ".join(tags)}
        self.start: dict[str, Entry] = {
            name: as_entry(name, start[name]) if name in start else spec.default for name, spec in FIELDS.items()
        }
        self.entries: dict[str, Entry] = dict(self.start)
        self.config: RunConfig | None = None
        self.problems: dict[str, str] = {}
        self._validate()

    @property
    def name(self) -> str:
        """The name that was typed; empty for none."""
        return self.own["name"].strip()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that were typed, each once, without their "#"."""
        words = (word.lstrip("#") for word in self.own["tags"].replace(",", " ").split())
        return tuple(dict.fromkeys(word for word in words if word))

    def entry(self, name: str) -> Entry:
        """What a field holds."""
        return self.own[name] if name in self.own else self.entries[name]

    def set(self, name: str, entry: Entry) -> None:
        """Take what was typed into a field, and validate the whole."""
        if name in self.own:
            self.own[name] = str(entry)
        elif entry != self.entries[name]:
            self.entries[name] = entry
            self._validate()

    def reset(self, name: str) -> None:
        """Give a field the value it had at the start."""
        if name in self.start:
            self.set(name, self.start[name])

    def settings(self) -> dict[str, Any]:
        """What was typed, as the configuration takes it: an empty text is None where that is allowed."""
        return {
            name: None if entry == "" and FIELDS[name].optional else entry.strip() if isinstance(entry, str) else entry
            for name, entry in self.entries.items()
        }

    def _validate(self) -> None:
        try:
            self.config = RunConfig.create(self.settings())
            self.problems = {}
        except ConfigError as error:
            self.config = None
            self.problems = {problem.field: problem.message for problem in error.problems}

    def changed(self, name: str) -> bool:
        """Whether a setting differs from the start."""
        if name in self.own:
            return False
        entry, start = self.entries[name], self.start[name]
        if isinstance(entry, bool) or isinstance(start, bool) or entry.strip() == start:
            return entry != start if isinstance(entry, bool) else entry.strip() != start
        try:  # 0.10 is no change from 0.1
            return float(entry) != float(start)
        except ValueError:
            return True

    @property
    def changes(self) -> tuple[str, ...]:
        """The fields that differ from the start."""
        return tuple(name for name in FIELDS if self.changed(name))

    def without_effect(self, name: str) -> str | None:
        """Why a field has no effect as things stand, or cannot be changed; None where it can and has.

        A field that is wrong always counts, so that it can be mended.
        """
        if name in self.locked:
            return self.locked[name]
        if name in self.problems or name in self.own:
            return None
        return irrelevant_because(self.settings(), name)

    def start_shown(self, name: str) -> str:
        """What a field was at the start, in words."""
        return shown(self.start[name])

    def summary(self) -> str | None:
        """Why the run cannot be launched, naming the first wrong field; None where it can."""
        if not self.problems:
            return None
        names = [FIELDS[name].label if name in FIELDS else name for name in self.problems]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return f"{names[0]}{more}: {next(iter(self.problems.values()))}"

    def command_line(self) -> str | None:
        """The command that launches the same run; None while something is wrong."""
        if self.config is None:
            return None
        return command_line(self.config, name=self.name, tags=self.tags)


def command_line(config: RunConfig, *, name: str = "", tags: Sequence[str] = ()) -> str:
    """The command that launches a run of these settings; what is as it comes is left out."""
    words = ["itop", "train"]
    for field, (value, _) in config.changes(RunConfig.create()).items():
        flag = field.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", setting_text(field, value)]
    if name:
        words += ["--name", name]
    for tag in tags:
        words += ["--tag", tag]
    return shlex.join(words)


def shown(entry: Entry) -> str:
    """An entry in words."""
    if isinstance(entry, bool):
        return "on" if entry else "off"
    return entry or "empty"
