"""The tables, as typed ORM models.

Rows stay inside `db`. Foreign keys cascade, so that deleting a run takes everything recorded for it along. Metric
tables are keyed by the run and then by what orders them, which is the order they are read in; SQLite stores them in
that order (WITHOUT ROWID). Columns whose natural names are SQL keywords have other names in the database.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.columns import (
    Count,
    Flag,
    Json,
    Large,
    LargeCount,
    Lines,
    MetricValues,
    Moment,
    Number,
    Short,
    Status,
    Uid,
    Whole,
    Words,
)
from db.history.declared import STEP_COLUMNS
from db.history.nonfinite import MetricColumns
from db.records import RunStatus

__all__ = [
    "EPOCH_METRICS",
    "LAYER_METRICS",
    "RUN_METRICS",
    "STEP_METRICS",
    "UPDATE_METRICS",
    "VALUE_METRICS",
    "AlarmRow",
    "AttemptRow",
    "Base",
    "CheckpointRow",
    "CodeFileRow",
    "CodeTextRow",
    "CommandRow",
    "DeviceClaimRow",
    "EpochMetricRow",
    "LayerMaskStatRow",
    "MaskUpdateRow",
    "MetricRow",
    "RunDependencyRow",
    "RunRow",
    "SettingRow",
    "StepChunkRow",
    "StepMetricRow",
    "StepValueRow",
    "table_of",
]

# The metrics that have columns, one codec a table; the order within each is the order of bits in stored rows. They are
# complete: a metric that is declared later (`db.history.declared`) has rows in `step_values`, and its latest value is
# in `RunRow.metrics`.
RUN_METRICS = MetricColumns(
    (
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "best_val_accuracy",
        "test_accuracy",
        "density",
        "itop_rate",
        "death_rate",
        "learning_rate",
        "samples_per_second",
        "training_flops",
        "flops_ratio",
        "test_accuracy_last",
    )
)
STEP_METRICS = MetricColumns(STEP_COLUMNS)
VALUE_METRICS = MetricColumns(("value",))
EPOCH_METRICS = MetricColumns(("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"))
UPDATE_METRICS = MetricColumns(
    ("death_rate", "density", "itop_rate", "overlap_previous", "overlap_first", "survival", "churn")
)
LAYER_METRICS = MetricColumns(("overlap_previous", "overlap_first", "survival"))


class Base(DeclarativeBase):
    """The base of all tables; names every constraint so that a migration can name it on any database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        int: Whole,
        float: Number,
        bool: Flag,
        str: Words,
        dict[str, Any]: Json(dict),
        RunStatus: Status,
    }


def table_of(row: type[Base]) -> Table:
    """The table of a model, for statements of Core."""
    return Base.metadata.tables[row.__tablename__]


class RunRow(Base):
    """A run, with copies of its latest and best metrics so that a list never scans a history."""

    __tablename__ = "runs"
    __table_args__ = (
        Index(None, "status", "priority", "queued_at"),
        # Ids are never given out twice, so that a number in a notebook always means the same run.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(Uid(12), unique=True)
    name: Mapped[str] = mapped_column(index=True)
    status: Mapped[RunStatus]
    reason: Mapped[str | None]
    exit_code: Mapped[int | None]
    signal: Mapped[int | None]
    config: Mapped[dict[str, Any]]
    tags: Mapped[tuple[str, ...]] = mapped_column(Lines)
    notes: Mapped[str]
    group: Mapped[str | None] = mapped_column("group_name", index=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"), index=True)
    # The tables refer to each other; `use_alter` lets PostgreSQL create one before the other.
    start_checkpoint_id: Mapped[int | None] = mapped_column(
        ForeignKey("checkpoints.id", ondelete="SET NULL", use_alter=True), index=True
    )
    fork_step: Mapped[int | None] = mapped_column(Count)
    priority: Mapped[int] = mapped_column(default=0)
    held: Mapped[bool] = mapped_column(default=False)
    model: Mapped[str]
    data: Mapped[str]
    method: Mapped[str]
    seed: Mapped[int | None] = mapped_column(Large)
    target_density: Mapped[float | None]
    created_at: Mapped[float] = mapped_column(Moment, index=True)
    queued_at: Mapped[float | None] = mapped_column(Moment)
    started_at: Mapped[float | None] = mapped_column(Moment)
    ended_at: Mapped[float | None] = mapped_column(Moment)
    heartbeat_at: Mapped[float | None] = mapped_column(Moment)
    step: Mapped[int] = mapped_column(Count, default=0)
    total_steps: Mapped[int] = mapped_column(Count, default=0)
    epoch: Mapped[int] = mapped_column(Count, default=0)
    total_epochs: Mapped[int] = mapped_column(Count, default=0)
    loss: Mapped[float | None]
    accuracy: Mapped[float | None]
    val_loss: Mapped[float | None]
    val_accuracy: Mapped[float | None]
    best_val_accuracy: Mapped[float | None] = mapped_column(index=True)
    test_accuracy: Mapped[float | None]
    test_accuracy_last: Mapped[float | None]
    density: Mapped[float | None]
    nonzeros: Mapped[int | None] = mapped_column(LargeCount)
    itop_rate: Mapped[float | None]
    death_rate: Mapped[float | None]
    learning_rate: Mapped[float | None]
    samples_per_second: Mapped[float | None]
    training_flops: Mapped[float | None]
    flops_ratio: Mapped[float | None]
    nonfinite: Mapped[int] = mapped_column(Count, default=0)
    attempt_count: Mapped[int] = mapped_column(Count, default=0)
    host: Mapped[str | None]
    device: Mapped[str | None]
    pid: Mapped[int | None] = mapped_column(Count)
    # Its place among the waiting runs of its priority; None: by its age. Moving a run sets it.
    position: Mapped[float | None]
    starred_at: Mapped[float | None] = mapped_column(Moment)
    archived_at: Mapped[float | None] = mapped_column(Moment)
    # Deleted by a person who may still restore it; no list shows it.
    trashed_at: Mapped[float | None] = mapped_column(Moment)
    # How often in a row it ended before its first step.
    start_failures: Mapped[int] = mapped_column(Count, default=0, server_default=text("0"))
    # The same for runs that differ only by the seed; see `engine.config.experiments`.
    recipe: Mapped[str | None] = mapped_column(Short(16), index=True)
    # Not a foreign key: the checkpoint may be gone, and its id is never given out again.
    fork_checkpoint_id: Mapped[int | None] = mapped_column(index=True)
    # Where it was submitted, as ASCII JSON: the name of a folder need not be UTF-8. No list reads it.
    submission: Mapped[str | None] = mapped_column(deferred=True)
    # The latest values of metrics that have no column here.
    metrics: Mapped[dict[str, float]] = mapped_column(MetricValues, nullable=True, default=dict)
    # The sum over its attempts, as far as it is known.
    energy_wh: Mapped[float | None]
    # The kinds of its alarms, so that a list need not look them up.
    alarms: Mapped[tuple[str, ...]] = mapped_column(Lines, default=(), server_default=text("''"))


class AttemptRow(Base):
    """One start or resume of a run. It is open, and holds its device, until `ended_at` is set."""

    __tablename__ = "attempts"
    __table_args__ = (
        UniqueConstraint("run_id", "number"),
        Index(None, "ended_at", "host", "device"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Count)
    host: Mapped[str]
    device: Mapped[str]
    pid: Mapped[int | None] = mapped_column(Count)
    start_time: Mapped[float | None]
    boot_id: Mapped[str | None]
    warden_pid: Mapped[int | None] = mapped_column(Count)
    started_at: Mapped[float] = mapped_column(Moment)
    ended_at: Mapped[float | None] = mapped_column(Moment)
    status: Mapped[RunStatus]
    reason: Mapped[str | None]
    exit_code: Mapped[int | None]
    signal: Mapped[int | None]
    start_step: Mapped[int] = mapped_column(Count)
    traceback: Mapped[str | None]
    versions: Mapped[dict[str, Any]]
    commit: Mapped[str | None] = mapped_column("git_commit")
    dirty: Mapped[bool | None]
    command_line: Mapped[str | None]
    diff: Mapped[str | None]
    environment: Mapped[dict[str, Any] | None]
    # What tells the place it runs in from others; all NULL in a row of an earlier version. See `db.records.Host`.
    machine_id: Mapped[str | None]
    pid_namespace: Mapped[str | None]
    started_uptime: Mapped[float | None]
    # Whether its process was started, or is about to be: that is given out once.
    launched: Mapped[bool | None]
    home: Mapped[str | None]
    # What its devices used while it trained; NULL where that is not known.
    energy_wh: Mapped[float | None]


class CodeFileRow(Base):
    """A file of the user's code, as it was when a run was queued for an attempt, or when that started."""

    __tablename__ = "code_files"
    __table_args__ = {"sqlite_with_rowid": False}

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    # A number, not a row: a run is queued before there is the attempt.
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    queued: Mapped[bool] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    path: Mapped[str]
    sha256: Mapped[str] = mapped_column(Short(64), index=True)
    bytes: Mapped[int] = mapped_column(LargeCount)
    tracked: Mapped[bool | None]


class CodeTextRow(Base):
    """What files of the user's code held, each text once, however many attempts ran it."""

    __tablename__ = "code_texts"

    sha256: Mapped[str] = mapped_column(Short(64), primary_key=True)
    text: Mapped[str]


class DeviceClaimRow(Base):
    """A device that an attempt holds until it has ended."""

    __tablename__ = "device_claims"
    __table_args__ = {"sqlite_with_rowid": False}

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)


class CheckpointRow(Base):
    """A checkpoint file of a run."""

    __tablename__ = "checkpoints"
    __table_args__ = (Index(None, "run_id", "step"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempts.id", ondelete="SET NULL"), index=True)
    step: Mapped[int] = mapped_column(Count)
    epoch: Mapped[int] = mapped_column(Count)
    kind: Mapped[str] = mapped_column(Short(16))
    path: Mapped[str] = mapped_column(index=True)
    bytes: Mapped[int] = mapped_column(LargeCount)
    sha256: Mapped[str] = mapped_column(Short(64))
    val_accuracy: Mapped[float | None]
    created_at: Mapped[float] = mapped_column(Moment)


class CommandRow(Base):
    """Something a person asked of a run; pending until `done_at` is set."""

    __tablename__ = "commands"
    __table_args__ = (Index(None, "run_id", "done_at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Short(16))
    created_at: Mapped[float] = mapped_column(Moment)
    done_at: Mapped[float | None] = mapped_column(Moment)
    outcome: Mapped[str | None]


class RunDependencyRow(Base):
    """A run that another one starts after; it matters while the other is queued."""

    __tablename__ = "run_dependencies"
    __table_args__ = (Index(None, "outcome", "after_id"), {"sqlite_with_rowid": False})

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    # Not a foreign key: a run that was deleted has ended, and its id is never given out again.
    after_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # Whether that run must have completed; else any end will do.
    must_complete: Mapped[bool]
    # "open" until the run starts, then "met"; "failed" while the run is held because of it.
    outcome: Mapped[str] = mapped_column(Short(8))


class StepMetricRow(Base):
    """One row an optimizer step."""

    __tablename__ = "step_metrics"
    __table_args__ = {"sqlite_with_rowid": False}

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int]
    loss: Mapped[float | None]
    accuracy: Mapped[float | None]
    learning_rate: Mapped[float | None]
    death_rate: Mapped[float | None]
    density: Mapped[float | None]
    itop_rate: Mapped[float | None]
    samples_per_second: Mapped[float | None]
    nonfinite: Mapped[int]
    at: Mapped[float] = mapped_column("recorded_at")


class MetricRow(Base):
    """A metric that `StepMetricRow` has no column for: its number in the store, and its declaration."""

    __tablename__ = "metrics"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Short(64), unique=True)
    # The fields of `db.history.declared.Metric`, so that a program that does not declare it can still show it.
    declaration: Mapped[dict[str, Any]]


class StepValueRow(Base):
    """One value of a metric without a column, at a step that recorded it."""

    __tablename__ = "step_values"
    __table_args__ = {"sqlite_with_rowid": False}

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    # Not a foreign key: metrics are never deleted, and each row would look one up.
    metric_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[float | None]
    nonfinite: Mapped[int]


class StepChunkRow(Base):
    """Some blocks of steps, thinned: one metric at one level; see `db.history.levels`."""

    __tablename__ = "step_chunks"
    __table_args__ = {"sqlite_with_rowid": False}

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    # The place in STEP_METRICS, or `db.history.levels.FURTHER` and the id of a `MetricRow`.
    metric: Mapped[int] = mapped_column("figure", primary_key=True, autoincrement=False)
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    chunk: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entries: Mapped[bytes] = mapped_column(LargeBinary)
    diverged: Mapped[bytes | None] = mapped_column(LargeBinary)


class EpochMetricRow(Base):
    """One row an epoch."""

    __tablename__ = "epoch_metrics"
    __table_args__ = {"sqlite_with_rowid": False}

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step: Mapped[int]
    train_loss: Mapped[float | None]
    train_accuracy: Mapped[float | None]
    val_loss: Mapped[float | None]
    val_accuracy: Mapped[float | None]
    learning_rate: Mapped[float | None]
    seconds: Mapped[float | None]
    nonfinite: Mapped[int]
    at: Mapped[float] = mapped_column("recorded_at")


class MaskUpdateRow(Base):
    """One row a mask update; number 0 is the first mask."""

    __tablename__ = "mask_updates"
    __table_args__ = {"sqlite_with_rowid": False}

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    update: Mapped[int] = mapped_column("number", primary_key=True, autoincrement=False)
    step: Mapped[int]
    death_rate: Mapped[float | None]
    pruned: Mapped[int] = mapped_column(LargeCount)
    grown: Mapped[int] = mapped_column(LargeCount)
    nonzeros: Mapped[int] = mapped_column(LargeCount)
    density: Mapped[float | None]
    itop_rate: Mapped[float | None]
    overlap_previous: Mapped[float | None]
    overlap_first: Mapped[float | None]
    survival: Mapped[float | None]
    churn: Mapped[float | None]
    nonfinite: Mapped[int]
    at: Mapped[float] = mapped_column("recorded_at")


class LayerMaskStatRow(Base):
    """One row a mask update and layer."""

    __tablename__ = "layer_mask_stats"
    __table_args__ = (Index(None, "run_id", "layer"), {"sqlite_with_rowid": False})

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    update: Mapped[int] = mapped_column("number", primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    layer: Mapped[str]
    shape: Mapped[list[int]] = mapped_column(Json(list))
    size: Mapped[int] = mapped_column(LargeCount)
    nonzeros: Mapped[int] = mapped_column(LargeCount)
    pruned: Mapped[int] = mapped_column(LargeCount)
    grown: Mapped[int] = mapped_column(LargeCount)
    explored: Mapped[int] = mapped_column(LargeCount)
    overlap_previous: Mapped[float | None]
    overlap_first: Mapped[float | None]
    survival: Mapped[float | None]
    dead_inputs: Mapped[int | None]
    dead_outputs: Mapped[int | None]
    nonfinite: Mapped[int]
    # Of a perceptron only.
    alive: Mapped[int | None] = mapped_column(Count)
    percolated: Mapped[int | None] = mapped_column(Count)


class AlarmRow(Base):
    """An alarm that a run has raised: each kind once, or once a layer."""

    __tablename__ = "alarms"
    __table_args__ = (UniqueConstraint("run_id", "kind", "layer"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Short(16))
    layer: Mapped[str]
    step: Mapped[int] = mapped_column(Count)
    message: Mapped[str]
    at: Mapped[float] = mapped_column("raised_at", Moment)


class SettingRow(Base):
    """One setting; the value is JSON."""

    __tablename__ = "settings"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(Json)
