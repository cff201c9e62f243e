"""The settings as flags: generated from `RunConfig`, with every spelling of the original `main.py`.

`@takes_settings` gives a command one flag for each field of `RunConfig` (cyclopts matches `--update-frequency` and
`--update_frequency` alike), grouped as the form groups them, and the original's flags that are no field of their own.
Values stay text here: `RunConfig.create` turns them into numbers, so that all problems are reported at once.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Annotated, Any

from cyclopts import Group, Parameter

from engine.config.field_info import FIELD_SECTIONS, choices_of, field_flags, field_help
from engine.config.run_config import ConfigError, Problem, RunConfig
from itop_tui.cli.errors import UsageError
from itop_tui.service.sweeps import LARGEST, MOST, kinds_of

Yes = Annotated[
    bool,
    Parameter(
        name=["--yes", "-y"], negative=(), show_default=False, help=f"Do not ask before more than {MOST:,} runs."
    ),
]

_ORIGINAL_GROUP = "Flags of the original main.py"

_WITHOUT_EFFECT = {
    "decay_frequency": "--decay_frequency has no effect: the published code never reads it; the learning rate drops at "
    "1/2 and 3/4 of the run (--lr_drop_every is a step decay)",
    "bench": "--bench has no effect: every run records its speed (samples a second) at each step",
    "save_features": "--save-features has no effect: itop keeps weights and masks in checkpoints, not feature maps",
}


@dataclass(frozen=True, slots=True)
class Flags:
    """What the flags of one command line say: settings as text or booleans, and remarks on flags without effect."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    iters: str | None = None
    remarks: tuple[str, ...] = ()

    def repetitions(self) -> int:
        """Return `iters` as a number.

        Raises:
            UsageError: If it is not a whole number of at least 1, or more runs than anybody means.
        """
        try:
            number = 1 if self.iters is None else int(self.iters)
        except ValueError:
            number = 0
        if number < 1:
            raise UsageError(f"iters = '{self.iters}': must be a whole number of at least 1")
        if number > LARGEST:
            raise UsageError(f"iters = {number:,}: must be at most {LARGEST:,}")
        return number


def resolve(flags: Flags, *, base: Mapping[str, Any] | None = None, preset: str | None = None) -> RunConfig:
    """Validate the settings that flags, a preset and a base configuration give together.

    Raises:
        ConfigError: With every problem found, an unknown preset among them.
    """
    start = dict(base or {})
    problems: list[Problem] = []
    if preset is not None:
        from engine.config.presets import preset as find_preset

        try:
            start |= find_preset(preset).settings
        except LookupError as error:
            problems.append(Problem("preset", preset, str(error.args[0])))
    try:
        config = RunConfig.create({**start, **flags.settings})
        problems.extend(config.code_problems())
    except ConfigError as error:
        problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return config


def takes_settings(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command a flag for every setting, collected into its parameter `flags`."""
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != "flags"]

    @functools.wraps(command)
    def with_flags(*args: Any, **given: Any) -> int:
        taken = {name: given.pop(name) for name in list(given) if name in _FLAG_NAMES}
        return command(*args, flags=collect(taken), **given)

    setattr(with_flags, "__signature__", signature.replace(parameters=[*own, *_PARAMETERS]))  # noqa: B010 - mypy knows no such attribute
    return with_flags


def collect(given: Mapping[str, Any]) -> Flags:
    """Sort parsed flags into settings, repetitions and remarks."""
    settings: dict[str, Any] = {}
    for name in RunConfig.model_fields:
        value = given.get(name)
        if value is not None:
            emptied = isinstance(value, str) and value.strip().lower() in ("", "none")
            settings[name] = None if emptied and NoneType in kinds_of(name) else value
    if given.get("no_cuda"):
        settings.setdefault("device", "cpu")
    if given.get("fp16"):
        settings.setdefault("precision", "fp16")
    remarks = tuple(remark for name, remark in _WITHOUT_EFFECT.items() if given.get(name))
    return Flags(settings, given.get("iters"), remarks)


def _shown_default(name: str) -> Callable[[Any], str] | bool:
    """How the help shows a field's default; a default of "empty" is not shown."""
    default = RunConfig.model_fields[name].default
    if default is None:
        return False
    if isinstance(default, bool):
        return lambda _: "on" if default else "off"
    return lambda _: f"{default:g}" if isinstance(default, float) else str(default)


def _metavar(name: str) -> str:
    kinds = kinds_of(name)
    if name == "time_limit":
        return "TIME"
    if int in kinds:
        return "N"
    return "X" if float in kinds else "NAME" if choices_of(name) else "TEXT"


def _help(name: str) -> str:
    text = field_help(name)
    unsaid = [choice for choice in choices_of(name) if choice not in text]
    return f"{text} One of: {', '.join(choices_of(name))}." if unsaid else text


def _parameter(field: str, kind: Any, **about: Any) -> inspect.Parameter:
    hint = Annotated[kind | None, Parameter(**about)]
    return inspect.Parameter(field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)


def _setting(name: str, group: Group) -> inspect.Parameter:
    switch = bool in kinds_of(name)
    return _parameter(
        name,
        bool if switch else str,
        name=["--" + name.replace("_", "-"), *field_flags(name)],
        group=group,
        help=_help(name),
        show_default=_shown_default(name),
        metavar=None if switch else _metavar(name),
    )


def _generate() -> tuple[inspect.Parameter, ...]:
    """Make the flags: the settings by section, then the original's that are no settings."""
    made = [
        _setting(name, Group(str(section.value), sort_key=10 + position))
        for position, (section, names) in enumerate(FIELD_SECTIONS.items())
        for name in names
    ]
    group = Group(_ORIGINAL_GROUP, sort_key=20)
    switches = {
        "no_cuda": "The same as --device cpu.",
        "fp16": "The same as --precision fp16.",
        "save_features": "Accepted, without effect.",
        "bench": "Accepted, without effect.",
    }
    made += [_parameter(name, bool, group=group, help=text, negative=()) for name, text in switches.items()]
    iters = "How many runs with consecutive seeds to queue, as one group."
    return (*made, _parameter("iters", str, group=group, help=iters, metavar="N"))


_PARAMETERS = _generate()
_FLAG_NAMES = frozenset(parameter.name for parameter in _PARAMETERS)
