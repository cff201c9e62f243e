"""How long a run will take, and how much disk, judged by the past runs of this host. Torch-free.

The time is the samples a run will see by the median speed of the runs like it: the same model, data set, batch size,
precision and kind of device. The disk holds its checkpoints, as large as those of past runs or else as large as the
number of its parameters makes them, and its rows in the database. R_s is worked out where growth is random; where
gradients or momenta choose, only past runs of the same recipe tell it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from engine.config.field_info import explores_less
from engine.config.run_config import RunConfig
from itop_tui.service.words import plural, rate

if TYPE_CHECKING:
    from db.records import RunRecord
    from db.session import Database

Kind = Literal["cpu", "cuda"]

_LOOKED_AT = 200
"""So many past runs of a model and data set are looked at, the newest."""
_SIZES_OF = 5
"""Of so many of them the checkpoints are."""

# Measured in databases of finished runs, indexes and thinned copies included (tests/itop_tui/test_estimates.py).
STEP_BYTES = 95
EPOCH_BYTES = 110
UPDATE_BYTES = 140
LAYER_BYTES = 170

_CHECKPOINT_BYTES = 25_000
"""What a checkpoint holds beside tensors of the network's size."""
_MASK_BYTES = 3
"""For each maskable weight: its place in the mask, in the first mask, and among those once active."""
_STATES = {"sgd": 1, "adam": 2, "adamw": 2, "rmsprop": 1}
"""Numbers of the size of a parameter that an optimizer keeps, with momentum."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run, or all runs of a sweep together, will take.

    Attributes:
        seconds: Time at work, one run after the other; None where it is not known.
        seconds_from: What that is judged by, or why it is not known.
        bytes: On the disk when they have ended; None where it is not known.
        bytes_from: What that is judged by, or why it is not known.
        past_r_s: The mean R_s at the end of past runs of the first run's recipe; None where there is none.
        past_runs: How many of them there are.
    """

    seconds: float | None
    seconds_from: str
    bytes: int | None
    bytes_from: str
    past_r_s: float | None = None
    past_runs: int = 0

    def of_all(self, times: float) -> Estimate:
        """What all runs will take where this is of a sample of them, and they are so many times as many."""
        seconds = None if self.seconds is None else self.seconds * times
        size = None if self.bytes is None else round(self.bytes * times)
        return replace(
            self,
            seconds=seconds,
            seconds_from=f"of a sample: {self.seconds_from}",
            bytes=size,
            bytes_from=f"of a sample: {self.bytes_from}",
        )


def expected_r_s(plan: Mapping[str, Any], config: RunConfig) -> float | None:
    """The R_s that a plan lets expect; None for a dense run, and where only training tells.

    Gradients and momenta return to the same weights: what the plan of such a run holds is only an upper limit.
    """
    if not config.sparse or explores_less(config):
        return None
    rate = plan.get("expected_itop_rate")
    return float(rate) if isinstance(rate, int | float) else None


def estimate(
    db: Database,
    configs: Sequence[RunConfig],
    plan: Mapping[str, Any] | None = None,
    *,
    kind: Kind | None = None,
    from_step: int = 0,
) -> Estimate:
    """Judge by past runs what some runs will take. Reads the database, so call it in a thread.

    Args:
        db: The database.
        configs: The runs.
        plan: The plan of the first of them, by the names of `itop plan --json`; None where there is none.
        kind: What "auto" means on this host; None to look.
        from_step: The step of the checkpoint that they continue from; the plan is then of what remains.
    """
    if kind is None:
        from engine.launch.devices import list_devices

        kind = "cuda" if list_devices().gpus else "cpu"
    past: dict[tuple[str, str], list[RunRecord]] = {}
    times: list[float | None] = []
    sizes: list[int | None] = []
    speeds: dict[tuple[object, ...], tuple[float, int] | None] = {}
    each_size: dict[tuple[object, ...], tuple[int, str] | None] = {}
    for config in configs:
        known_plan, what = _plan_of(plan, config, configs[0]), (config.model, config.data)
        if what not in past:
            past[what] = _past(db, config)
        where = config.device, config.devices
        alike = (config.model, config.data, config.batch_size, config.precision, config.compile, *where)
        if alike not in speeds:
            speeds[alike] = _speed(past[what], config, kind)
        times.append(_seconds(config, known_plan, speeds[alike], from_step))
        build = (config.model, config.data, config.optimizer, config.momentum > 0, config.sparse)
        if build not in each_size:
            each_size[build] = _checkpoint(db, past[what], config, known_plan)
        sizes.append(_bytes(config, known_plan, each_size[build], from_step))
    return Estimate(
        _sum(times),
        _why_time(times, configs, speeds),
        _sum(sizes),
        _why_size(sizes, configs, each_size),
        *_past_r_s(db, configs[0]),
    )


def _past_r_s(db: Database, config: RunConfig) -> tuple[float | None, int]:
    """The mean R_s of the completed runs of the same recipe, and how many they are."""
    if not config.sparse:
        return None, 0
    from db.records import RunQuery
    from db.runs import runs
    from engine.config.experiments import experiment

    text = f"status:completed recipe:{experiment(config).recipe}"
    found = runs.list_runs(db, RunQuery(text=text, archived=None, limit=_LOOKED_AT))
    # A fork has explored what its parent had, under other settings.
    rates = [run.itop_rate for run in found if run.itop_rate is not None and run.parent_id is None]
    rates = [rate for rate in rates if math.isfinite(rate)]
    return (statistics.fmean(rates), len(rates)) if rates else (None, 0)


def _steps(config: RunConfig, plan: Mapping[str, Any], from_step: int) -> int | None:
    """The optimizer steps that a run still takes; None where its length is not known."""
    if plan.get("steps") is not None:
        return int(plan["steps"])
    planned = config.planned_steps()
    return None if planned is None else max(0, planned - from_step)


def _sum(parts: Sequence[Any]) -> Any:
    return None if any(part is None for part in parts) else sum(parts)


def _plan_of(plan: Mapping[str, Any] | None, config: RunConfig, first: RunConfig) -> Mapping[str, Any]:
    """What the plan of the first run says of another one: all, or only what hangs on the network."""
    if plan is None or (config.model, config.data) != (first.model, first.data):
        return {}
    if config == first:
        return plan
    return {name: plan[name] for name in ("parameters", "maskable", "layers") if name in plan}


def _why_unknown(found: Sequence[float | None], configs: Sequence[RunConfig], otherwise: str) -> str:
    unknown = sum(each is None for each in found)
    of = f" for {unknown} of {len(found)} runs" if len(found) > 1 else ""
    if all(config.planned_steps() is None for config in configs):
        otherwise = "the length is not known before the data set is loaded"
    return f"unknown{of}: {otherwise}"


def _why_time(
    times: Sequence[float | None], configs: Sequence[RunConfig], speeds: Mapping[Any, tuple[float, int] | None]
) -> str:
    if any(seconds is None for seconds in times):
        return _why_unknown(times, configs, "no past run like it")
    found = [speed for speed in speeds.values() if speed is not None]
    used = sum(number for _, number in found)
    return f"from {plural(used, 'past run')}" + (f" at {rate(found[0][0])}" if len(found) == 1 else "")


def _past(db: Database, config: RunConfig) -> list[RunRecord]:
    """The newest runs of the same model and data set on this host."""
    from db.query import quoted
    from db.records import RunQuery
    from db.runs import runs
    from db.runs.facets import shown_name
    from engine.launch.processes import host_name

    text = f"model:{quoted(shown_name(config.model))} data:{quoted(shown_name(config.data))}"
    found = runs.list_runs(db, RunQuery(text=text, archived=None, limit=_LOOKED_AT))
    return [run for run in found if run.host == host_name()]


def _kind_of(device: str, here: Kind) -> Kind:
    return here if device == "auto" else "cuda" if device.startswith("cuda") else "cpu"


def _speed(past: Sequence[RunRecord], config: RunConfig, here: Kind) -> tuple[float, int] | None:
    """The median of the samples a second of the runs like this one, and how many there are."""
    wanted = _kind_of(config.device, here)
    speeds = [
        run.samples_per_second
        for run in past
        if run.status in ("completed", "running")
        and run.samples_per_second is not None
        and math.isfinite(run.samples_per_second)
        and run.samples_per_second > 0
        and run.device
        and _kind_of(run.device, here) == wanted
        and str(run.config.get("devices") or "1") == config.devices
        and all(run.config.get(name) == getattr(config, name) for name in ("batch_size", "precision", "compile"))
    ]
    return (statistics.median(speeds), len(speeds)) if speeds else None


def _seconds(
    config: RunConfig, plan: Mapping[str, Any], speed: tuple[float, int] | None, from_step: int
) -> float | None:
    steps = _steps(config, plan, from_step)
    if speed is None or steps is None:
        return None
    return float(steps) * config.batch_size * config.accumulate / speed[0]


def _why_size(
    sizes: Sequence[int | None], configs: Sequence[RunConfig], checkpoints: Mapping[Any, tuple[int, str] | None]
) -> str:
    if any(size is None for size in sizes):
        return _why_unknown(sizes, configs, "neither a past run like it nor its size is known")
    words = {found[1] for found in checkpoints.values() if found is not None}
    kept = sum(map(kept_checkpoints, configs))
    return f"at most {plural(kept, 'checkpoint')}, sized {' and '.join(sorted(words))}; and its rows"


def kept_checkpoints(config: RunConfig) -> int:
    """The most checkpoints that a run has when it has ended."""
    every = config.total_epochs // config.checkpoint_every if config.checkpoint_every else 0
    return config.keep_last + config.keep_best + every


def _checkpoint(
    db: Database, past: Sequence[RunRecord], config: RunConfig, plan: Mapping[str, Any]
) -> tuple[int, str] | None:
    """The bytes of one checkpoint, and what they are judged by."""
    from db.runs import checkpoints

    alike = [
        run
        for run in past
        if all(run.config.get(name) == getattr(config, name) for name in ("optimizer", "sparse"))
        and (run.config.get("momentum", 0) > 0) == (config.momentum > 0)
    ]
    found = [one.bytes for run in alike[:_SIZES_OF] for one in checkpoints.for_run(db, run.id)]
    if found:
        return max(found), "by past ones"
    parameters, maskable = plan.get("parameters"), plan.get("maskable")
    if parameters is None or maskable is None:
        return None
    states = _STATES[config.optimizer] if config.optimizer.startswith("adam") or config.momentum else 0
    tensors = 4 * int(parameters) * (2 + states)  # the weights now, the best ones, and the optimizer's state
    return tensors + (_MASK_BYTES * int(maskable) if config.sparse else 0) + _CHECKPOINT_BYTES, "by its parameters"


def _bytes(
    config: RunConfig, plan: Mapping[str, Any], checkpoint: tuple[int, str] | None, from_step: int
) -> int | None:
    steps = _steps(config, plan, from_step)
    if checkpoint is None or steps is None:
        return None
    updates = int(steps) // config.update_frequency if config.sparse and not config.fix else 0
    layers = len(plan.get("layers") or ())
    rows = int(steps) * STEP_BYTES + config.total_epochs * EPOCH_BYTES
    rows += (updates + 1) * (UPDATE_BYTES + layers * LAYER_BYTES)
    return checkpoint[0] * kept_checkpoints(config) + rows
