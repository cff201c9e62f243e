"""What the form of a new run knows, without a widget: fields, what was typed, what is wrong, what changed.

Everything comes from `engine.config.run_config` (through `engine.config.field_info`), so that a setting declared
there is in the form without a word written here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from engine.config.field_info import (
    FIELD_SECTIONS,
    choices_of,
    field_help,
    field_label,
    irrelevant_because,
    setting_text,
)
from engine.config.references import FORMS
from engine.config.run_config import ConfigError, RunConfig
from engine.config.setting import Section, allowed
from itop_tui.service import command_lines, sweeps
from itop_tui.service.sweeps import Grid, GridTooLargeError

Kind = Literal["switch", "choice", "text"]
Entry = str | bool
"""What a field's editor holds: a switch a bool, everything else its text."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of the form; the run's own have no section, and text beyond the choices is allowed where `free`."""

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
        return field_label(self.name) if self.name in RunConfig.model_fields else self.name.replace("_", " ")

    @property
    def listed(self) -> str:
        """How a list is made of it, in words; empty where none can be."""
        if not self.section or self.kind == "switch" or not sweeps.may_list(self.name):
            return ""
        if self.kind == "choice":
            return "a comma adds another choice."
        whole = int in sweeps.kinds_of(self.name)
        return "a list, as in 1,2,5 or 1..5." if whole else "a list, with commas between."


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
        words = f"one of the {len(choices)} in the list, or a custom one as {FORMS}"
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


_NAME = "What the run is called in every list; of a sweep, what its group is called. Empty: named for the settings."
_TAGS = "Words to find the run by later: paper, baseline, try."
_AFTER = "It starts when these runs have ended, in any way. Ids, ranges or names that only one run has; empty: at once."
_AFTER_OK = "It starts only when these runs have completed; where one of them ends otherwise, it is held."
_RUNS = "runs, as in 12 14 or 3..7"
OWN_FIELDS: dict[str, FieldSpec] = {
    "name": FieldSpec("name", "", "text", (), False, True, _NAME, "any text", ""),
    "tags": FieldSpec("tags", "", "text", (), False, True, _TAGS, "words, with spaces between", ""),
    "after": FieldSpec("after", "", "text", (), False, True, _AFTER, _RUNS, ""),
    "after_ok": FieldSpec("after_ok", "", "text", (), False, True, _AFTER_OK, _RUNS, ""),
}
"""What is the run's own and no setting."""

AFTER_FIELDS = ("after", "after_ok")
"""Those of them that name other runs; only the database knows whether they are right."""

ALL_FIELDS: dict[str, FieldSpec] = {**OWN_FIELDS, **FIELDS}
"""Everything the form holds, in its order."""


class RunForm:
    """The settings being typed, compared with what they started from.

    Of the start, fields that no longer exist are left out, and missing ones take their default. Fields in `locked`
    cannot be changed, each for the reason there. Without `lists` a list in a field makes no sweep: a fork is one run.
    """

    def __init__(
        self,
        start: Mapping[str, Any],
        locked: Mapping[str, str] | None = None,
        *,
        name: str = "",
        tags: Sequence[str] = (),
        after: Mapping[str, str] | None = None,
        lists: bool = True,
    ) -> None:
        self.locked = dict(locked or {})
        self.lists = lists
        self.start: dict[str, Entry] = {"name": name, "tags": " ".join(tags)}
        self.start |= {field: (after or {}).get(field, "") for field in AFTER_FIELDS}
        for field, spec in FIELDS.items():
            self.start[field] = as_entry(field, start[field]) if field in start else spec.default
        self.entries: dict[str, Entry] = dict(self.start)
        self.grid: Grid | None = None
        """The runs that would be launched, a sample where they are many; None while something is wrong."""
        self.config: RunConfig | None = None
        self.problems: dict[str, str] = {}
        self._wrong_runs: dict[str, str] = {}
        self._wrong_points: dict[str, str] = {}
        self._variants: tuple[Mapping[str, Any], ...] = ()
        self._validate()

    @property
    def name(self) -> str:
        """The name that was typed; empty for none."""
        return str(self.entries["name"]).strip()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that were typed, each once, without their "#"."""
        words = (word.lstrip("#") for word in str(self.entries["tags"]).replace(",", " ").split())
        return tuple(dict.fromkeys(word for word in words if word))

    @property
    def after(self) -> dict[str, str]:
        """The runs that it is to start after as they were typed, by the field."""
        return {field: str(self.entries[field]).strip() for field in AFTER_FIELDS}

    def show_wrong_runs(self, problems: Mapping[str, str]) -> None:
        """Take in what is wrong with the runs that it is to start after, by the field."""
        self._wrong_runs = dict(problems)
        self._validate()

    def set(self, name: str, entry: Entry) -> None:
        """Take what was typed into a field, and validate the whole."""
        if entry != self.entries[name]:
            self.entries[name] = entry
            self._wrong_runs.pop(name, None)
            if name in FIELDS:
                self._wrong_points = {}
            if name in FIELDS or name in AFTER_FIELDS:
                self._validate()

    def show_wrong_points(self, error: ConfigError) -> None:
        """Take in what was found wrong when all runs of a large grid were made."""
        self._wrong_points = self._in_words(error, self._settings())
        self._validate()

    def _settings(self) -> dict[str, Any]:
        """The settings as they were typed."""
        typed = {name: entry.strip() if isinstance(entry := self.entries[name], str) else entry for name in FIELDS}
        return {name: None if entry == "" and FIELDS[name].optional else entry for name, entry in typed.items()}

    def whole_grid(self) -> Callable[[], Grid]:
        """What makes all runs as they are typed now, and not only a sample. It may take seconds: call it in a thread.

        It raises `ConfigError` where settings of some runs do not go together.
        """
        grid, settings = self.grid, self._settings()

        def whole() -> Grid:
            if grid is not None and not grid.points:
                return grid
            made = sweeps.expand(settings)
            _check_code(made.configs)
            return made

        return whole

    def _validate(self) -> None:
        settings = self._settings()
        self.grid = self.config = None
        try:
            axes = sweeps.axes_of(settings) if self.lists else {}
            self._variants = tuple(_variants(settings, axes))
            self.grid = sweeps.sample(settings) if self.lists else Grid({}, (RunConfig.create(settings),))
            _check_code(self.grid.configs)
            self.config, self.problems = self.grid.configs[0], {}
        except ConfigError as error:
            self.grid = None
            self._variants = self._variants or (settings,)
            self.problems = self._in_words(error, settings)
        except GridTooLargeError as error:
            self._variants = self._variants or (settings,)
            longest = max(FIELDS, key=lambda name: len(str(self.entries[name])) if name in self.listed else -1)
            self.problems = {longest: str(error)}
        self.problems = self._wrong_runs | self._wrong_points | self.problems

    @staticmethod
    def _in_words(error: ConfigError, settings: Mapping[str, Any]) -> dict[str, str]:
        """The first problem of each field in words, with the value where it is one of a list."""
        problems: dict[str, str] = {}
        for problem in error.problems:
            listed = problem.field in FIELDS and str(problem.value) != str(settings[problem.field])
            message = f"{problem.value}: {problem.message}" if listed else problem.message
            problems.setdefault(problem.field, message)
        return problems

    @property
    def listed(self) -> frozenset[str]:
        """The fields that hold a list, whether or not it is right."""
        if not self.lists:
            return frozenset()
        return frozenset(
            name for name in FIELDS if isinstance(entry := self.entries[name], str) and _is_list(name, entry)
        )

    def size(self) -> str:
        """How many runs there are, and of what; empty for a single run."""
        return sweeps.size_shown(self.grid) if self.grid is not None and self.grid.axes else ""

    def changed(self, name: str) -> bool:
        """Whether a field differs from the start."""
        entry, start = self.entries[name], self.start[name]
        if isinstance(entry, bool) or isinstance(start, bool):
            return entry != start
        if entry.strip() == start:
            return False
        try:  # 0.10 is no change from 0.1
            return name in OWN_FIELDS or float(entry) != float(start)
        except ValueError:
            return True

    def note(self, name: str) -> str:
        """What is said beside a setting that is changed: how many values its list has, and what it was."""
        if name not in FIELDS or not self.changed(name):
            return ""
        values = self.grid.axes.get(name) if self.grid is not None else None
        return f"{len(values):,} values" if values else f"was {shown(self.start[name])}"

    @property
    def typed(self) -> tuple[str, ...]:
        """The fields that differ from the start, the run's own texts among them."""
        return tuple(name for name in ALL_FIELDS if self.changed(name))

    @property
    def of_interest(self) -> frozenset[str]:
        """The fields that a person looks for among all: those that differ from the start, and those that are wrong."""
        return frozenset(self.typed) | (self.problems.keys() & ALL_FIELDS.keys())

    @property
    def changes(self) -> tuple[str, ...]:
        """The settings that differ from the start."""
        return tuple(name for name in FIELDS if self.changed(name))

    def without_effect(self, name: str) -> str | None:
        """Why a field has no effect now, or cannot be changed; None where it can and has.

        A field that is wrong always counts, so that it can be fixed.
        """
        if name in self.locked:
            return self.locked[name]
        if name in self.problems or name in OWN_FIELDS:
            return None
        reasons = [irrelevant_because(variant, name) for variant in self._variants]
        return reasons[0] if all(reasons) else None

    def differences(self) -> tuple[str, ...]:
        """Each change against the start in words: "lr 0.1 → 0.05"."""
        return tuple(
            f"{FIELDS[name].label} {shown(self.start[name])} → {shown(self.entries[name])}" for name in self.changes
        )

    def summary(self) -> str | None:
        """Why the run cannot be launched, naming the first wrong field; None where it can."""
        if not self.problems:
            return None
        names = [ALL_FIELDS[name].label if name in ALL_FIELDS else name for name in self.problems]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return f"{names[0]}{more}: {next(iter(self.problems.values()))}"

    def command_line(self) -> str | None:
        """The command that launches the same run or the same sweep; None while something is wrong."""
        if self.config is None or self.grid is None:
            return None
        axes = {name: "".join(str(self.entries[name]).split()) for name in self.grid.axes}
        return command_lines.command_line(self.config, name=self.name, tags=self.tags, axes=axes, after=self.after)


def _check_code(configs: Sequence[RunConfig]) -> None:
    """Refuse custom models and data sets that cannot be run, as far as that is known without running them."""
    wrong = [problem for config in configs for problem in config.code_problems()]
    if wrong:
        raise ConfigError(list(dict.fromkeys(wrong)))


def _is_list(name: str, entry: str) -> bool:
    try:
        return bool(sweeps.values_of(name, entry))
    except (ConfigError, GridTooLargeError):
        return True


_MOST_VARIANTS = 64


def _variants(settings: Mapping[str, Any], axes: Mapping[str, Sequence[str]]) -> Iterator[Mapping[str, Any]]:
    """The settings of some points: all combinations of what is chosen by name, which is what other fields hang on."""
    chosen = {name: values for name, values in axes.items() if FIELDS[name].kind == "choice"}
    first = {name: values[0] for name, values in axes.items()}
    for values in itertools.islice(itertools.product(*chosen.values()), _MOST_VARIANTS):
        yield {**settings, **first, **dict(zip(chosen, values, strict=True))}


def shown(entry: Entry) -> str:
    """An entry in words."""
    if isinstance(entry, bool):
        return "on" if entry else "off"
    return entry or "empty"
