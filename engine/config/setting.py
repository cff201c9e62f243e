"""How a setting is declared, and how a wrong one is reported."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from engine.spelling import hint


class Section(StrEnum):
    """The parts of the form and of the flags' help."""

    MODEL = "Model and data"
    SPARSITY = "Sparsity"
    OPTIMISATION = "Optimisation"
    RUN = "Run"


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong setting.

    Attributes:
        field: The field's name.
        value: The value that was given.
        message: What is allowed, and the nearest right spelling where there is one.
    """

    field: str
    value: object
    message: str

    def __str__(self) -> str:
        return f"{self.field} = {_shown(self.value)}: {self.message}"


class ConfigError(ValueError):
    """Some settings are wrong; `problems` holds all of them, and the text one line for each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def setting(
    default: Any,
    section: Section,
    description: str,
    *,
    label: str = "",
    short: str = "",
    unit: Literal["", "share", "seconds"] = "",
    in_recipe: bool = True,
    resumable: bool = False,
    flags: tuple[str, ...] = (),
    allowed: str | None = None,
    **limits: Any,
) -> Any:
    """Declares a field of a configuration.

    Args:
        default: Its default value.
        section: Where the form and the help show it.
        description: What it means, for the person who sets it.
        label: What the form calls it, where that is not its name with blanks.
        short: The description in a few words, where runs are filtered, grouped and given columns; by default the
            description's first words.
        unit: What a number is, where it is no plain one.
        in_recipe: Whether a difference in it makes two experiments. False for what changes no result, or only by
            chance, as the seed: runs that differ by such settings alone are repetitions of one experiment.
        resumable: Whether a resumed run may change it: its length, and what changes no result.
        flags: Further spellings of its flag.
        allowed: What it may be, in words, where its type and bounds do not say it.
        **limits: Pydantic's bounds: ``gt``, ``ge``, ``lt``, ``le``.
    """
    return Field(
        default=default,
        description=description,
        json_schema_extra={
            "section": section,
            "label": label,
            "short": short or re.split(r"[.;:]", description, maxsplit=1)[0],
            "unit": unit,
            "in_recipe": in_recipe,
            "resumable": resumable,
            "flags": list(flags),
            "allowed": allowed,
        },
        **limits,
    )


def spelled_like(literal: Any) -> BeforeValidator:
    """Accepts any capitalisation, and ``-`` for ``_``, of the choices of a ``Literal``."""
    canonical = {choice.lower().replace("-", "_"): choice for choice in get_args(literal)}

    def normalise(value: object) -> object:
        if isinstance(value, str):
            return canonical.get(value.strip().lower().replace("-", "_"), value)
        return value

    return BeforeValidator(normalise)


def known(canonical: Any) -> AfterValidator:
    """Turns a catalogue's ``LookupError`` (which names the nearest spelling) into a validation error."""

    def look_up(value: str) -> str:
        try:
            return str(canonical(value))
        except LookupError as error:
            raise ValueError(str(error.args[0])) from None

    return AfterValidator(look_up)


def problems_of(error: ValidationError, schema: type[BaseModel], given: Mapping[str, Any]) -> list[Problem]:
    """Turns pydantic's errors into problems that name field, value, what is allowed and the nearest spelling."""
    problems: dict[str, Problem] = {}
    for detail in error.errors():
        message = detail["msg"].removeprefix("Value error, ")
        if detail["loc"]:
            found = [_problem(detail, str(detail["loc"][0]), message, schema)]
        else:  # a check of the whole configuration: a line for each problem, its field before a NUL
            pairs = [line.split("\x00", 1) for line in message.splitlines()]
            found = [Problem(name, given.get(name, schema.model_fields[name].default), text) for name, text in pairs]
        for problem in found:
            problems.setdefault(problem.field, problem)
    return list(problems.values())


def _problem(detail: ErrorDetails, field: str, message: str, schema: type[BaseModel]) -> Problem:
    if detail["type"] == "extra_forbidden":
        return Problem(field, detail["input"], "there is no such setting" + hint(field, schema.model_fields))
    if detail["type"] == "literal_error":
        choices = [str(choice) for choice in get_args(schema.model_fields[field].annotation)]
        return Problem(field, detail["input"], f"must be one of {', '.join(choices)}{hint(detail['input'], choices)}")
    if detail["type"] == "value_error":
        return Problem(field, detail["input"], message)
    return Problem(field, detail["input"], f"must be {allowed(schema, field)}")


def allowed(schema: type[BaseModel], field: str) -> str:
    """Says what a field may be, in words: ``a number above 0 and at most 1``."""
    info = schema.model_fields[field]
    kinds = set(get_args(info.annotation)) or {info.annotation}
    if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("allowed"):
        return str(info.json_schema_extra["allowed"])
    if bool in kinds:
        return "true or false"
    if int in kinds:
        what = "a whole number"
    elif float in kinds:
        what = "a number"
    else:
        return "text" if type(None) not in kinds else "text or empty"
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    bounds = [
        f"{word} {getattr(limit, name):g}" if name != "le" else f"{word} {getattr(limit, name)}"
        for limit in info.metadata
        for name, word in words.items()
        if hasattr(limit, name)
    ]
    empty = " or empty" if type(None) in kinds else ""
    return " ".join([what, " and ".join(bounds)]).rstrip() + empty


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
