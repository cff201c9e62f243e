"""The fields of a query: what they are called, what kind of value they hold, and where the store keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

from db.declared_settings import DeclaredSetting, Unit, declared
from db.history.declared import METRICS
from db.nearest_word import nearest
from db.records import RunStatus

__all__ = [
    "CONFIG_PREFIX",
    "FLAGS",
    "METRIC_PREFIX",
    "STATES",
    "STATE_WORDS",
    "Field",
    "Kind",
    "Unit",
    "fields",
    "find_field",
    "nearest",
]

Kind: TypeAlias = Literal["text", "number", "time", "state", "flag", "any"]
_UNITS: tuple[Unit, ...] = ("whole", "", "seconds", "share")

CONFIG_PREFIX = "config."
"""`config.NAME` is the setting NAME of a run's configuration, also where no field has that name."""

METRIC_PREFIX = "metrics."
"""`metrics.NAME` is the latest value of a metric that has no field of its own."""


@dataclass(frozen=True, slots=True)
class Field:
    """Something of a run that a query can ask about.

    Attributes:
        name: What it is called.
        kind: What it holds: text, number, time, state, or a flag (yes or no). A setting that is only known by its
            `config.` name may hold anything.
        help: What it means, in a few words.
        aliases: Other names for it.
        unit: What a number counts: whole things, a share (0.93 or 93%), or seconds (90, 15m, 1h30m).
        column: The attribute of a `RunRecord` that holds it; empty where it is worked out, or a setting.
        setting: The name of the setting in the configuration that holds it; empty where it is none.
        metric: The name of the metric without a column of which it is the latest value; empty where it is none.
    """

    name: str
    kind: Kind
    help: str
    aliases: tuple[str, ...] = ()
    unit: Unit = ""
    column: str = ""
    setting: str = ""
    metric: str = ""


def _text(name: str, text: str, *aliases: str, column: str = "") -> Field:
    return Field(name, "text", text, aliases, column=column or name)


def _whole(name: str, text: str, *aliases: str, column: str = "") -> Field:
    return Field(name, "number", text, aliases, "whole", column or name)


def _figure(name: str, text: str, *aliases: str, column: str = "", unit: Unit = "") -> Field:
    return Field(name, "number", text, aliases, unit, column or name)


def _time(name: str, text: str, *aliases: str) -> Field:
    return Field(name, "time", text, aliases, column=f"{name}_at")


# fmt: off
_OF_RUNS = (
    Field("state", "state", "queued, running, completed, failed and so on", ("status",), column="status"),
    Field("is", "flag", "starred, archived, held, fork, active, finished, diverged, sparse, or a state"),
    _text("name", "the run's name"),
    _text("model", "the model"),
    _text("data", "the data set", "dataset"),
    _text("method", "dense, static, SET-ITOP, RigL-ITOP, SNFS, GMP"),
    _text("tag", "any of its tags", "tags", column="tags"),
    _text("alarm", "the kinds of alarms it has raised (collapse, dead_outputs, nonfinite, stalled, diverged), or any",
          "alarms", column="alarms"),
    _text("group", "the sweep or experiment it belongs to"),
    _text("notes", "its notes", "note"),
    _text("host", "where it ran last"),
    _text("device", "the device it ran on last"),
    _text("reason", "why it ended"),
    _text("uid", "its unique name, which its folder has too"),
    _text("recipe", "the same for runs that differ by nothing but the seed"),
    _whole("id", "its number"),
    _whole("seed", "the random seed"),
    _whole("priority", "larger starts earlier"),
    _whole("parent", "the number of the run it was forked from", "parent_id", column="parent_id"),
    _whole("fork_step", "the parent's step at which it was forked"),
    _whole("step", "optimizer steps taken", "steps"),
    _whole("total_steps", "optimizer steps it will take"),
    _whole("epoch", "epochs done"),
    _whole("total_epochs", "epochs of the whole run"),
    _whole("nonzeros", "active weights"),
    _whole("attempts", "how often it was started", "attempt_count", column="attempt_count"),
    _whole("exit_code", "the exit code of its process"),
    _figure("density", "share of the maskable weights that is active, as configured", "target_density",
            column="target_density", unit="share"),
    _figure("actual_density", "share of the maskable weights that is active now", column="density", unit="share"),
    Field("sparsity", "number", "1 - density", (), "share"),
    Field("progress", "number", "share of the steps taken", ("done",), "share"),
    _figure("accuracy", "best validation accuracy", "acc", "best", "best_val_accuracy",
            column="best_val_accuracy", unit="share"),
    _figure("val", "latest validation accuracy", "val_accuracy", column="val_accuracy", unit="share"),
    _figure("test", "test accuracy with the best weights", "test_accuracy", column="test_accuracy", unit="share"),
    _figure("test_last", "test accuracy with the last weights", "test_accuracy_last",
            column="test_accuracy_last", unit="share"),
    _figure("train", "accuracy on the latest batch", "train_accuracy", column="accuracy", unit="share"),
    _figure("loss", "latest training loss", "train_loss"),
    _figure("val_loss", "latest validation loss"),
    _figure("itop_rate", "R_s: share of the maskable weights ever active", "rs", "r_s", "itop", unit="share"),
    _figure("current_death_rate", "share of the active weights that dies now", "zeta",
            column="death_rate", unit="share"),
    _figure("learning_rate", "learning rate now"),
    _figure("flops", "training FLOPs so far", "training_flops", column="training_flops"),
    _figure("flops_ratio", "training FLOPs as a share of dense training", "flops_share", unit="share"),
    _figure("energy_wh", "watt-hours that its devices used while it trained", "energy"),
    _figure("speed", "images a second", "samples_per_second", column="samples_per_second"),
    _time("created", "when it was made: created>2d, created>2026-11-01"),
    _time("queued", "when it was queued last"),
    _time("started", "when it first started"),
    _time("ended", "when it ended"),
    _time("heartbeat", "when it last gave a sign of life", "seen"),
    Field("duration", "number", "time from its start to its end, or to now", (), "seconds"),
)
# fmt: on

_OF_RUN = {spelling: field for field in _OF_RUNS for spelling in (field.name, *field.aliases)}


def _of_settings() -> dict[str, Field]:
    """The declared settings that no field of a run has the name of."""
    return _fields_of(tuple(declared().values()))


@cache
def _fields_of(settings: tuple[DeclaredSetting, ...]) -> dict[str, Field]:
    """Text first, then numbers by their units, then flags."""
    order: list[tuple[Kind, Unit]] = [("text", ""), *(("number", unit) for unit in _UNITS), ("flag", "")]
    known = (setting for setting in settings if setting.name not in _OF_RUN)
    return {
        each.name: Field(each.name, each.kind, each.help, unit=each.unit, setting=each.name)
        for each in sorted(known, key=lambda each: order.index((each.kind, each.unit)))
    }


def fields() -> tuple[Field, ...]:
    """Every field with a name of its own: those of a run, then the settings of its configuration."""
    return (*_OF_RUNS, *_of_settings().values())


STATES: tuple[str, ...] = tuple(status.value for status in RunStatus)
"""The words of a state."""

STATE_WORDS: tuple[str, ...] = (*STATES, "held")
"""What `state:` can ask: the states, and held, as which a list shows a queued run that waits until it is released."""

FLAGS: dict[str, str] = {
    "starred": "marked with a star",
    "archived": "in the archive; other lists leave these out",
    "held": "waits until it is released",
    "fork": "forked from another run",
    "active": "starting, running, paused or stopping",
    "finished": "has ended, in whatever way",
    "diverged": "its latest loss is NaN or infinite",
    "sparse": "has masks",
    "dense": "has none",
}
"""What `is:` can ask, beside the states."""


def find_field(name: str) -> Field | None:
    """The field of this name or alias, whatever its case; `config.NAME` and `metrics.NAME` are always fields."""
    if name.lower().startswith(METRIC_PREFIX):
        metric = name[len(METRIC_PREFIX) :].lower()
        known = METRICS.get(metric)
        unit: Unit = "share" if known is not None and known.percent else ""
        about = "a metric of the steps" if known is None else known.title
        return Field(METRIC_PREFIX + metric, "number", about, unit=unit, metric=metric) if metric else None
    if name.lower().startswith(CONFIG_PREFIX):
        setting = name[len(CONFIG_PREFIX) :]
        if not setting:
            return None
        # Under its own name where it has one, so that one setting is one field.
        return _of_settings().get(setting) or Field(
            CONFIG_PREFIX + setting, "any", "a setting of the configuration", setting=setting
        )
    return _OF_RUN.get(name.lower()) or _of_settings().get(name.lower())


def nearest_field(word: str) -> str | None:
    """The field whose spelling is nearest, where one is near enough."""
    return nearest(word, (*_OF_RUN, *_of_settings()), likeness=0.6)
