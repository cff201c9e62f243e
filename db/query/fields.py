"""The fields of a query: what they are called, what kind of value they hold, and where the store keeps them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal, TypeAlias

from db.history.declared import METRICS
from db.records import RunStatus

__all__ = [
    "CONFIG_PREFIX",
    "FIELDS",
    "FLAGS",
    "METRIC_PREFIX",
    "STATES",
    "Field",
    "Kind",
    "Unit",
    "find_field",
    "nearest",
]

Kind: TypeAlias = Literal["text", "number", "time", "state", "flag", "any"]
Unit: TypeAlias = Literal["", "whole", "share", "seconds"]

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
    _figure("speed", "images a second", "samples_per_second", column="samples_per_second"),
    _time("created", "when it was made: created>2d, created>2026-11-01"),
    _time("queued", "when it was queued last"),
    _time("started", "when it first started"),
    _time("ended", "when it ended"),
    _time("heartbeat", "when it last gave a sign of life", "seen"),
    Field("duration", "number", "time from its start to its end, or to now", (), "seconds"),
)
# fmt: on

# The settings of `engine.config.run_config.RunConfig` that no field above has the name of, with what they mean in a
# few words (their longer help is the engine's, which this package does not import); a test compares the names.
_SETTINGS: dict[tuple[Kind, Unit], dict[str, str]] = {
    ("text", ""): {
        "data_dir": "the folder of the data sets",
        "sparse_init": "how the density is spread over the layers: ER, ERK, uniform, GMP, …",
        "growth": "which inactive weights grow: random, gradient, momentum, …",
        "death": "which active weights die: magnitude, SET, threshold, …",
        "redistribution": "how growth is shared among the layers: none, magnitude, …",
        "decay_schedule": "how the death rate falls: cosine, linear, constant",
        "optimizer": "sgd, adam, adamw or rmsprop",
        "precision": "fp32, bf16 or fp16",
        "weights": "the file of weights it started from",
        "save": "the file its best weights are written to",
    },
    ("number", "whole"): {
        "update_frequency": "ΔT: steps between two mask updates",
        "last_update": "the step after which the mask stays",
        "batch_size": "images a batch",
        "test_batch_size": "images a batch in validation and test",
        "accumulate": "batches a step",
        "epochs": "passes over the training data, before the multiplier",
        "multiplier": "extended training: the factor on epochs and milestones",
        "decay_frequency": "steps between two drops of the learning rate",
        "warmup_epochs": "epochs in which the learning rate rises",
        "loader_workers": "processes that read images",
        "max_steps": "the step at which it ends early",
        "checkpoint_every": "epochs between checkpoints that are kept",
        "keep_last": "how many of the last checkpoints are kept",
        "keep_best": "how many of the best checkpoints are kept",
        "start_epoch": "the epoch it started from",
        "log_interval": "steps between two lines of the log",
    },
    ("number", ""): {
        "threshold": "active weights smaller than this die",
        "lr": "the learning rate at the start",
        "momentum": "the momentum of the optimizer",
        "l2": "the weight decay",
        "l1": "the L1 penalty",
        "lr_decay": "the factor of each drop of the learning rate",
        "clip_norm": "the largest norm of the gradient",
    },
    ("number", "seconds"): {"time_limit": "the time after which it is stopped"},
    ("number", "share"): {
        "valid_split": "the share of training images held out",
        "death_rate": "ζ at the start: the share of weights that dies at an update",
        "label_smoothing": "the share of the target spread over all classes",
    },
    ("flag", ""): {
        "augment": "the training images are augmented",
        "sparse": "has masks",
        "fix": "the first mask is kept (static)",
        "dense_first_layer": "the first layer is dense",
        "nesterov": "Nesterov momentum",
        "channels_last": "images in channels-last layout",
        "compile": "compiled by torch.compile",
        "deterministic": "deterministic kernels alone",
        "stop_on_nonfinite": "ends when its loss is NaN or infinite",
    },
}

FIELDS: tuple[Field, ...] = (
    *_OF_RUNS,
    *(
        Field(name, kind, meaning, unit=unit, setting=name)
        for (kind, unit), meanings in _SETTINGS.items()
        for name, meaning in meanings.items()
    ),
)
"""Every field with a name of its own."""

STATES: tuple[str, ...] = tuple(status.value for status in RunStatus)
"""The words of a state."""

FLAGS: dict[str, str] = {
    "starred": "marked with a star",
    "archived": "put away; other lists leave these out",
    "held": "waits until somebody lets it go",
    "fork": "forked from another run",
    "active": "starting, running, paused or stopping",
    "finished": "has ended, in whatever way",
    "diverged": "its latest loss is NaN or infinite",
    "sparse": "has masks",
    "dense": "has none",
}
"""What `is:` can ask, beside the states."""

_BY_NAME = {spelling: field for field in FIELDS for spelling in (field.name, *field.aliases)}
_NAMED_SETTINGS = {field.setting: field for field in FIELDS if field.setting}


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
        return _NAMED_SETTINGS.get(setting) or Field(
            CONFIG_PREFIX + setting, "any", "a setting of the configuration", setting=setting
        )
    return _BY_NAME.get(name.lower())


def nearest(word: str, choices: tuple[str, ...] | None = None) -> str | None:
    """The choice (by default: the field) whose spelling is nearest, where one is near enough."""
    known = tuple(_BY_NAME) if choices is None else choices
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return close[0] if close else None
