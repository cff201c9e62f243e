"""What leaves the store: frozen dataclasses, never ORM rows.

Every `*_at` is in unix seconds (UTC). A metric is None only where nothing was recorded; a metric that diverged is nan
or an infinity.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal, TypeAlias

__all__ = [
    "ACTIVE",
    "TERMINAL",
    "Alarm",
    "AttemptRecord",
    "BatchResult",
    "CheckpointKind",
    "CheckpointRecord",
    "CommandKind",
    "CommandRecord",
    "EpochMetric",
    "Host",
    "LayerMaskStat",
    "MaskUpdate",
    "Recorded",
    "RunQuery",
    "RunRecord",
    "RunStatus",
    "RunTotals",
    "Series",
    "StartsAfter",
    "StepMetric",
    "Where",
]

CheckpointKind = Literal["last", "best", "epoch", "stop", "manual", "nan"]
CommandKind = Literal["stop", "pause", "unpause", "checkpoint"]

Where = Literal["queue", "front", "held"]
"""Where in the queue new runs are put: behind those that wait, in front of all of them, or held."""


class RunStatus(StrEnum):
    """The states of a run: waiting, active, or ended."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    KILLED = "killed"
    PREEMPTED = "preempted"
    LOST = "lost"

    @property
    def is_active(self) -> bool:
        """Whether a process should be alive for the run: starting, running, paused or stopping."""
        return self in ACTIVE

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended and stays as it is until a person resumes it."""
        return self in TERMINAL


ACTIVE = (RunStatus.STARTING, RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.STOPPING)
"""The states in which a process should be alive for the run."""

TERMINAL = tuple(status for status in RunStatus if status is not RunStatus.QUEUED and status not in ACTIVE)
"""The states in which a run has ended."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run with its configuration, its progress and its latest and best metrics.

    `model` to `target_density` are copies of what people filter by in `config`; `host`, `device` and `pid` are those of
    the latest attempt. `start_checkpoint_id` is the checkpoint the next attempt starts from, `fork_checkpoint_id` the
    one it was forked from. `position` orders the waiting runs of one priority (None: by age). A run with `trashed_at`
    was deleted by a person who may still restore it. `start_failures` counts how often in a row it ended
    before its first step. Runs of one `recipe` differ only by the seed. `metrics` holds, by name, the latest
    values of metrics that have no field here. `energy_wh` is the energy in watt-hours that its devices used while its
    attempts trained, also for steps that a resume took back; None where no attempt knows. `alarms` are the kinds of
    alarms (see `ALARM_KINDS`) that it has raised. `damaged` names the columns whose cells hold what they cannot (see
    `db.rows`); these fields have a harmless value instead, and a run whose state is damaged is lost.
    """

    id: int
    uid: str
    name: str
    status: RunStatus
    reason: str | None
    exit_code: int | None
    signal: int | None
    config: Mapping[str, Any]
    tags: tuple[str, ...]
    notes: str
    group: str | None
    parent_id: int | None
    start_checkpoint_id: int | None
    fork_step: int | None
    priority: int
    held: bool
    model: str
    data: str
    method: str
    seed: int | None
    target_density: float | None
    created_at: float
    queued_at: float | None
    started_at: float | None
    ended_at: float | None
    heartbeat_at: float | None
    step: int
    total_steps: int
    epoch: int
    total_epochs: int
    loss: float | None
    accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    best_val_accuracy: float | None
    test_accuracy: float | None
    test_accuracy_last: float | None
    density: float | None
    nonzeros: int | None
    itop_rate: float | None
    death_rate: float | None
    learning_rate: float | None
    samples_per_second: float | None
    training_flops: float | None
    flops_ratio: float | None
    attempt_count: int
    host: str | None
    device: str | None
    pid: int | None
    position: float | None = None
    starred_at: float | None = None
    archived_at: float | None = None
    trashed_at: float | None = None
    start_failures: int = 0
    recipe: str | None = None
    fork_checkpoint_id: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    energy_wh: float | None = None
    alarms: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StartsAfter:
    """The runs that a queued run starts after, by id.

    Attributes:
        after: Those that must have ended, in any way.
        after_ok: Those that must have completed; a run in both is one of these.
    """

    after: tuple[int, ...] = ()
    after_ok: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.after or self.after_ok)


@dataclass(frozen=True, slots=True)
class Host:
    """Where an attempt runs. The name is what people are shown; the rest tells one place from another.

    Attributes:
        name: The host's name, which may change and which two machines may share.
        machine_id: Stays while the system is installed; "" where the machine has none, None where it is not known.
        boot_id: Differs after every start of the system.
        pid_namespace: In which the numbers of processes are counted; "" where there is only one.
        uptime: Seconds since the boot, at the moment of asking; no correction of the clock moves it.
        home: The folder of all state there; None where its name is not UTF-8.
    """

    name: str
    machine_id: str | None = None
    boot_id: str | None = None
    pid_namespace: str | None = None
    uptime: float | None = None
    home: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One start or resume of a run: where it ran, as which process, of which versions, and how it ended.

    `diff` is what the working tree differed from `commit` by; `environment` the variables that matter, no secret among
    them. `machine_id`, `pid_namespace`, `started_uptime` and `home` are those of its `Host`, None where an earlier
    version started it. `launched` says whether somebody has taken it on to start its process. `energy_wh` is what its
    devices used while it trained, in watt-hours; None where that is not known. `damaged` as in `RunRecord`.
    """

    id: int
    run_id: int
    number: int
    host: str
    device: str
    pid: int | None
    start_time: float | None
    boot_id: str | None
    warden_pid: int | None
    started_at: float
    ended_at: float | None
    status: RunStatus
    reason: str | None
    exit_code: int | None
    signal: int | None
    start_step: int
    traceback: str | None
    versions: Mapping[str, str]
    commit: str | None
    dirty: bool | None
    command_line: str | None
    diff: str | None = None
    environment: Mapping[str, str] | None = None
    machine_id: str | None = None
    pid_namespace: str | None = None
    started_uptime: float | None = None
    launched: bool | None = None
    home: str | None = None
    energy_wh: float | None = None
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file of the user's code as it was when a run was queued, or when an attempt started.

    Attributes:
        path: Its whole path.
        sha256: The checksum of its bytes.
        bytes: How many there are.
        text: What it held; None where only the checksum is kept, for its size or because its name suggests a secret.
        tracked: Whether git tracks it; None where that is not known, or it is in no repository.
    """

    path: str
    sha256: str
    bytes: int
    text: str | None = None
    tracked: bool | None = None


@dataclass(frozen=True, slots=True)
class KeptCode:
    """The user's code of one attempt.

    Attributes:
        attempt: The attempt's number, from 1.
        queued: The files as they were when the run was queued for this attempt; empty where that is not known, as for
            an attempt that was started again by itself.
        started: The files that built its model and its data; empty where it has not started.
    """

    attempt: int
    queued: tuple[CodeFile, ...]
    started: tuple[CodeFile, ...]


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A checkpoint file; `step` optimizer steps had been taken when it was written. `damaged` as in `RunRecord`.

    Attributes:
        path: Where the file is to be now, absolute; see `db.runs.checkpoint_places`.
        outside: Whether that is not in its run's folder, so that it is never removed.
    """

    id: int
    run_id: int
    attempt_id: int | None
    step: int
    epoch: int
    kind: CheckpointKind
    path: str
    bytes: int
    sha256: str
    val_accuracy: float | None
    created_at: float
    outside: bool = False
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """Something a person asked of a run; pending until `done_at` is set."""

    id: int
    run_id: int
    kind: CommandKind
    created_at: float
    done_at: float | None
    outcome: str | None
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepMetric:
    """The metrics of one optimizer step; `accuracy` is that of its batch.

    `metrics` holds, by name, those declared in `db.history.declared` that have no field here; a metric that was not
    recorded at this step is missing.
    """

    step: int
    epoch: int
    loss: float | None
    accuracy: float | None = None
    learning_rate: float | None = None
    death_rate: float | None = None
    density: float | None = None
    itop_rate: float | None = None
    samples_per_second: float | None = None
    at: float = field(default_factory=time.time)
    metrics: Mapping[str, float] = field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """A metric by its name; None where it was not recorded at this step."""
        found: float | None = getattr(self, name) if name in _STEP_FIELDS else self.metrics.get(name)
        return found


_STEP_FIELDS = frozenset(each.name for each in fields(StepMetric))


@dataclass(frozen=True, slots=True)
class EpochMetric:
    """The metrics of one epoch; `step` is the last step of it."""

    epoch: int
    step: int
    train_loss: float | None = None
    train_accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    learning_rate: float | None = None
    seconds: float | None = None
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class MaskUpdate:
    """One prune-and-grow of the whole network; `update` 0 is the first mask, where nothing was pruned or grown.

    `survival` is the share of the weights grown at the update before that are still active; `churn` the share of the
    active weights exchanged.
    """

    update: int
    step: int
    death_rate: float | None
    pruned: int
    grown: int
    nonzeros: int
    density: float | None
    itop_rate: float | None
    overlap_previous: float | None = None
    overlap_first: float | None = None
    survival: float | None = None
    churn: float | None = None
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class LayerMaskStat:
    """What one mask update did to one layer; `explored` counts the weights that were ever active.

    Of a perceptron, `alive` counts the outputs that are fed and read by active weights, `percolated` those on a path of
    them from an input of the network to an output.
    """

    layer: str
    position: int
    shape: tuple[int, ...]
    size: int
    nonzeros: int
    pruned: int
    grown: int
    explored: int
    overlap_previous: float | None = None
    overlap_first: float | None = None
    survival: float | None = None
    dead_inputs: int | None = None
    dead_outputs: int | None = None
    alive: int | None = None
    percolated: int | None = None


ALARM_KINDS: Mapping[str, str] = {
    "collapse": "a layer has collapsed",
    "dead_outputs": "dead outputs",
    "nonfinite": "NaN or infinite",
    "stalled": "exploration has stalled",
    "diverged": "the loss has diverged",
}
"""The kinds of alarms, and what is said of each."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that went wrong in a run while it trained; of a layer, or of the run where `layer` is empty."""

    kind: str
    layer: str
    step: int
    message: str
    at: float = field(default_factory=time.time)


Recorded: TypeAlias = StepMetric | EpochMetric | MaskUpdate | LayerMaskStat
"""What a run records as it goes."""


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs to list, and in which order.

    Attributes:
        text: A query in the language of `db.query`; empty matches every run.
        statuses: Only these states; empty means all.
        group: Only this group; None means all.
        archived: Whether archived runs are left out (False), are all there is (True), or come with the others (None).
            A text that itself says `is:archived` wins. Runs in the trash are never listed.
        sort: A name of `db.runs.runs.SORTS`, or `config.NAME` for a setting. Runs without the metric come last in
            either direction; the id breaks ties.
        descending: Largest first.
        limit: At most so many; None means all.
        offset: Skip so many.
    """

    text: str = ""
    statuses: tuple[RunStatus, ...] = ()
    group: str | None = None
    archived: bool | None = False
    sort: str = "id"
    descending: bool = True
    limit: int | None = 200
    offset: int = 0


@dataclass(frozen=True, slots=True)
class RunTotals:
    """How many runs there are.

    Attributes:
        runs: All but those in the trash.
        archived: How many of them are in the archive.
        active: How many of them should have a process.
        queued: How many of them wait.
    """

    runs: int
    archived: int
    active: int
    queued: int


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of one change of several runs.

    Attributes:
        done: The runs that were changed, in the order in which they were given.
        problems: For each run that could not be changed, a sentence that says why.
    """

    done: tuple[int, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """One metric over the steps: `values[i]` was recorded at `steps[i]`; steps increase strictly."""

    steps: list[int]
    values: list[float]
