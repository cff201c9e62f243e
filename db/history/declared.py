"""Every metric that a run records, declared once.

A declaration says what a metric is called, its unit, and how a chart shows it. Everything else follows from it: the
trainer accepts its values, the store keeps them and thins them, charts and pickers offer it, exports and
`itop metrics --json` contain it. So a new step metric is one line of `_STEP` below, or one call of `declare`, and the
line that computes it (`trainer.record(name=value)`). It needs no migration.

The declarations are in `db` because the engine, the store and the app all read them, and `db` is the one package that
each of them may import. Nothing here imports anything else of the store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from db.errors import StoreError
from db.nearest_word import nearest

__all__ = [
    "LAYER_METRICS",
    "MACHINE_METRICS",
    "METRICS",
    "STEP_COLUMNS",
    "Form",
    "Metric",
    "Source",
    "check_declared",
    "check_further",
    "declare",
]

Form = Literal["", "share", "fraction", "count", "rate"]
"""How values are written; see `Metric.form`."""
Source = Literal["step", "epoch", "update", "layer"]
"""How often a metric is recorded: at each step, epoch or mask update; or at each mask update, of each layer."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TAKEN = frozenset({"run", "step", "epoch", "update", "at", "layer", "metrics", "total_steps", "total_epochs"})


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that is recorded.

    A step metric may be recorded at some steps only. Its curves keep the smallest and the largest value of each range
    of steps; curves of several seeds are joined from the averages of equal ranges.

    Attributes:
        name: What the store, the exports and JSON call it: lower case, digits and underscores.
        title: The title of its chart.
        label: Its name in a legend, beside others of its unit.
        unit: Metrics of one unit share an axis.
        source: How often it is recorded.
        percent: Whether it is a share, written in per cent.
        form: How its values are written everywhere: a "share" in per cent with as many digits as it needs, a "fraction"
            with three decimals as papers write R_s, a whole "count", a "rate" a second; empty for a number of four
            significant digits, or per cents with two decimals.
        logarithmic: Whether a logarithmic axis is useful.
        noisy: Whether it jumps from step to step, so that smoothing helps.
        short: Its title where there is little room; empty where that is `title`.
    """

    name: str
    title: str
    label: str
    unit: str
    source: Source = "step"
    percent: bool = False
    form: Form = ""
    logarithmic: bool = False
    noisy: bool = False
    short: str = ""

    @property
    def short_title(self) -> str:
        """Its title where there is little room."""
        return self.short or self.title


# The charts list them in this order. Add new ones at the end; all but those of STEP_COLUMNS are kept in `step_values`.
_STEP: tuple[Metric, ...] = (
    Metric("loss", "loss", "train", "loss", logarithmic=True, noisy=True),
    Metric("accuracy", "accuracy", "train", "accuracy", percent=True, noisy=True),
    Metric("itop_rate", "R_s explored", "R_s", "R_s", form="fraction"),
    Metric("death_rate", "death rate", "ζ", "death rate"),
    Metric("learning_rate", "learning rate", "lr", "learning rate", logarithmic=True),
    Metric("density", "density", "density", "share of weights", percent=True, form="share"),
    Metric("samples_per_second", "samples/s", "samples/s", "samples/s", form="rate", noisy=True),
    Metric(
        "gradients_sent",
        "gradients exchanged by the devices",
        "exchanged",
        "share of gradients",
        percent=True,
        form="share",
        short="gradients exchanged",
    ),
)

STEP_COLUMNS = ("loss", "accuracy", "learning_rate", "death_rate", "density", "itop_rate", "samples_per_second")
"""The step metrics that are columns of `db.models.StepMetricRow` and recorded by the trainer itself. There will be no
more of them, and their order is that of bits in stored rows."""

# Each is a column of `db.models.EpochMetricRow` or of `db.models.MaskUpdateRow`.
_EPOCH_AND_UPDATE: tuple[Metric, ...] = (
    Metric("val_loss", "validation loss", "val", "loss", "epoch", logarithmic=True),
    Metric("val_accuracy", "validation accuracy", "val", "accuracy", "epoch", percent=True),
    Metric("train_loss", "loss of the epoch", "epoch", "loss", "epoch", logarithmic=True, short="loss by epoch"),
    Metric("train_accuracy", "accuracy of the epoch", "epoch", "accuracy", "epoch", percent=True,
           short="accuracy by epoch"),
    Metric("seconds", "seconds an epoch", "seconds", "seconds", "epoch"),
    Metric("churn", "churn: active weights exchanged", "churn", "share of active weights", "update",
           percent=True, form="share", short="churn"),
    Metric("survival", "survival of what was grown", "survived", "share of active weights", "update",
           percent=True, form="share", short="survival of grown"),
    Metric("overlap_previous", "overlap with the mask before", "kept last", "share of active weights", "update",
           percent=True, form="share"),
    Metric("overlap_first", "overlap with the first mask", "kept first", "share of active weights", "update",
           percent=True, form="share"),
    Metric("nonzeros", "active weights", "active", "weights", "update", form="count"),
    Metric("pruned", "weights pruned", "pruned", "weights", "update", form="count", short="pruned"),
    Metric("grown", "weights grown", "grown", "weights", "update", form="count", short="grown"),
)  # fmt: skip

LAYER_METRICS: tuple[Metric, ...] = (
    Metric("density", "density", "density", "share of weights", "layer", percent=True, form="share"),
    Metric("itop_rate", "R_s explored", "R_s", "R_s", "layer", form="fraction"),
    Metric("churn", "churn", "churn", "share of active weights", "layer", percent=True, form="share"),
    Metric("survival", "survival of what was grown", "survived", "share of active weights", "layer",
           percent=True, form="share"),
    Metric("overlap_previous", "overlap with the mask before", "kept last", "share of active weights", "layer",
           percent=True, form="share"),
    Metric("overlap_first", "overlap with the first mask", "kept first", "share of active weights", "layer",
           percent=True, form="share"),
    Metric("dead_outputs", "outputs without an active weight", "dead out", "neurons", "layer", form="count"),
    Metric("dead_inputs", "inputs without an active weight", "dead in", "neurons", "layer", form="count"),
    Metric("alive", "neurons alive: fed and read by active weights", "alive", "neurons", "layer", form="count",
           short="neurons alive"),
    Metric("percolated", "neurons on a path from input to output", "on a path", "neurons", "layer", form="count",
           short="on a path"),
)  # fmt: skip
"""The metrics of one layer, by `db.records.LayerMaskStat` or worked out of it."""

# What is read of the machine every ten seconds (`engine.training.usage_recorder`), at the step that was being taken.
# "Of the run" is its process with all that it started; everything else is of the whole host, or of the whole device.
_MACHINE: tuple[Metric, ...] = (
    Metric("process_cpu", "CPU of the run", "run", "cores", short="CPU, cores", noisy=True),
    Metric("host_cpu", "CPU load of the host", "host CPU", "load", percent=True, noisy=True),
    Metric("process_memory", "memory of the run", "run", "GiB"),
    Metric("host_memory", "memory in use on the host", "host", "GiB", short="memory on host"),
    Metric("process_gpu_load", "GPU load of the run", "run", "load", percent=True, noisy=True),
    Metric("gpu_load", "GPU load", "GPU", "load", percent=True, noisy=True),
    Metric("process_gpu_memory", "GPU memory of the run", "run on GPU", "GiB", short="GPU memory, run"),
    Metric("gpu_memory", "GPU memory in use", "GPU", "GiB", short="GPU memory"),
    Metric("gpu_temperature", "GPU temperature", "temperature", "°C", short="temperature"),
    Metric("device_power", "power of the devices", "power", "W", short="power", noisy=True),
)

MACHINE_METRICS = tuple(metric.name for metric in _MACHINE)
"""The metrics of the machine, in the order of the charts; a machine records those that it can read."""

_by_name: dict[str, Metric] = {metric.name: metric for metric in (*_STEP, *_EPOCH_AND_UPDATE, *_MACHINE)}

METRICS: Mapping[str, Metric] = MappingProxyType(_by_name)
"""The metrics of the whole network by name, in the order of the charts; `declare` adds to them."""


def declare(metric: Metric) -> Metric:
    """Declare a step metric from outside this file: a method's, a callback's or a user's.

    Declaring the same metric twice changes nothing.

    Args:
        metric: The metric, recorded by step.

    Returns:
        The metric.

    Raises:
        StoreError: The name is not allowed, or another metric has it; or it is not a metric of steps.
    """
    if not _NAME.fullmatch(metric.name) or metric.name in _TAKEN:
        raise StoreError(f"A metric cannot be named {metric.name!r}: use lower-case letters, digits and underscores.")
    if metric.source != "step":
        raise StoreError(f"The metric {metric.name!r} is of source {metric.source!r}; only step metrics can be added.")
    if _by_name.setdefault(metric.name, metric) != metric:
        raise StoreError(f"There is another metric {metric.name!r} already.")
    return metric


def check_declared(name: str) -> Metric:
    """The metric of a name.

    Raises:
        StoreError: There is none; the message names the nearest.
    """
    metric = _by_name.get(name)
    if metric is None:
        meant = nearest(name, _by_name)
        hint = f" Did you mean {meant!r}?" if meant else ""
        raise StoreError(f"There is no metric {name!r}.{hint} Allowed: {', '.join(sorted(_by_name))}.")
    return metric


def check_further(name: str) -> Metric:
    """The step metric of a name that has no column of its own: one whose values anybody may record.

    Raises:
        StoreError: There is none.
    """
    metric = check_declared(name)
    if metric.source != "step" or name in STEP_COLUMNS:
        raise StoreError(f"The metric {name!r} is recorded by the trainer itself; declare another one.")
    return metric
