"""The fields of `RunConfig` as they are shown: in sections, with help, flags, choices, and why one has no effect.

`engine.config.run_settings` declares the settings; what the command line, the form and the app say about them is read
from that declaration here, so that a setting added there is in all of them without a word written twice. Torch-free
like it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args, get_origin

from db.declared_settings import DeclaredSetting, SettingKind, Unit
from engine.config import durations, rules
from engine.config.catalogue import DATASETS, MODELS
from engine.config.run_config import RunConfig
from engine.config.setting import Section

__all__ = [
    "FIELD_SECTIONS",
    "RESUMABLE",
    "choices_of",
    "explores_less",
    "field_flags",
    "field_help",
    "field_label",
    "in_recipe",
    "irrelevant_because",
    "setting_declarations",
    "setting_text",
]


def _metadata(name: str) -> dict[str, Any]:
    extra = RunConfig.model_fields[name].json_schema_extra
    return extra if isinstance(extra, dict) else {}


FIELD_SECTIONS: dict[Section, tuple[str, ...]] = {
    section: tuple(name for name in RunConfig.model_fields if _metadata(name)["section"] == section)
    for section in Section
}
"""The fields of each section, in the order in which the form and the help show them."""


RESUMABLE = tuple(name for name in RunConfig.model_fields if _metadata(name)["resumable"])
"""The settings that a resumed run may change: its length, and what changes no result."""


def in_recipe(name: str) -> bool:
    """Whether a difference in a setting makes two experiments, rather than two repetitions of one."""
    return bool(_metadata(name)["in_recipe"])


def setting_declarations() -> Iterable[DeclaredSetting]:
    """Yields every setting as queries, groups and columns know it."""
    for name, info in RunConfig.model_fields.items():
        extra = _metadata(name)
        kinds = set(get_args(info.annotation)) or {info.annotation}
        unit: Unit = "whole" if int in kinds else extra["unit"]
        kind: SettingKind = "flag" if bool in kinds else "number" if kinds & {int, float} else "text"
        yield DeclaredSetting(name, kind, unit, extra["short"], extra["in_recipe"])


def field_label(name: str) -> str:
    """Returns what the form calls a field."""
    return _metadata(name)["label"] or name.replace("_", " ")


def field_help(name: str) -> str:
    """Returns what a field means, in a sentence or two."""
    return RunConfig.model_fields[name].description or ""


def setting_text(name: str, value: object) -> str:
    """Returns a setting as a person writes it, and as `RunConfig` reads it again; empty for none."""
    if value is None:
        return ""
    if name == "time_limit" and isinstance(value, int | float):
        return durations.written(value)
    return str(value)


def field_flags(name: str) -> tuple[str, ...]:
    """Returns the further spellings of a field's flag that the original ``main.py`` or habit gave it."""
    return tuple(_metadata(name)["flags"])


def choices_of(name: str) -> tuple[str, ...]:
    """Returns the values a field may take where they are a fixed list, else an empty tuple.

    Models and data sets list the catalogue's names, though a reference to a custom one is allowed too.
    """
    if name == "model":
        return tuple(MODELS)
    if name == "data":
        return tuple(DATASETS)
    annotation = RunConfig.model_fields[name].annotation
    return tuple(get_args(annotation)) if get_origin(annotation) is Literal else ()


def explores_less(config: RunConfig) -> bool:
    """Whether a run explores less than the R_s a plan expects: gradients and momenta return to the same weights."""
    moves = config.sparse and not config.fix and config.sparse_init != "GMP"
    return moves and bool(rules.GROWTH[config.growth].needs)


_SPARSE_FIELDS = frozenset(FIELD_SECTIONS[Section.SPARSITY]) - {"sparse"}
_UPDATE_FIELDS = frozenset(
    {"growth", "death", "redistribution", "death_rate", "decay_schedule", "update_frequency", "last_update"}
)
_GMP_FIELDS = frozenset({"update_frequency", "last_update"})


def irrelevant_because(settings: Mapping[str, Any], name: str) -> str | None:
    """Says why a field has no effect under the other settings, or returns None where it has.

    Args:
        settings: Field names and values as far as they are known; may be incomplete or invalid.
        name: The field asked about.
    """
    if name == "decay_frequency":
        return "the published code never reads it"
    value = {field: settings.get(field, info.default) for field, info in RunConfig.model_fields.items()}
    if name in ("sync_batchnorm", "reduce_active") and str(value["devices"]) == "1":
        return "only on several devices"
    if name in _SPARSE_FIELDS | {"reduce_active"} and not value["sparse"]:
        return "only for sparse runs"
    if name == "execution" and not value["sparse"]:
        return "only for sparse runs"
    if name in _UPDATE_FIELDS and value["fix"]:
        return "the mask is fixed"
    if name in _UPDATE_FIELDS - _GMP_FIELDS and value["sparse_init"] == "GMP":
        return "GMP prunes by its own schedule"
    if name == "fill_empty_layers" and value["sparse_init"] != "lottery_ticket":
        return "only for lottery_ticket"
    if name == "threshold" and (value["fix"] or value["death"] != "threshold"):
        return "only for threshold death"
    if name in ("death_rate", "decay_schedule") and value["death"] == "threshold":
        return "threshold death has no rate"
    if name == "momentum" and value["optimizer"] not in ("sgd", "rmsprop"):
        return f"{value['optimizer']} has no such momentum"
    if name == "nesterov" and (value["optimizer"] != "sgd" or not value["momentum"]):
        return "only for sgd with momentum"
    return None
