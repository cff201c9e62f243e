"""The first tables: runs and all that is recorded for them.

Constraints get their names from the metadata's naming convention, which `env.py` hands to Alembic.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_runs()
    _create_attempts()
    _create_checkpoints()
    _create_commands()
    _create_metrics()
    _create_mask_statistics()
    op.create_table(
        "settings",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
    )
    if op.get_context().dialect.name != "sqlite":
        # Runs and checkpoints refer to each other; SQLite takes the constraint with the table and only there.
        op.create_foreign_key(None, "runs", "checkpoints", ["start_checkpoint_id"], ["id"], ondelete="SET NULL")


def downgrade() -> None:
    if op.get_context().dialect.name != "sqlite":
        op.drop_constraint("fk_runs_start_checkpoint_id_checkpoints", "runs", type_="foreignkey")
    for table in (
        "settings",
        "layer_mask_stats",
        "mask_updates",
        "epoch_metrics",
        "step_metrics",
        "commands",
        "checkpoints",
        "attempts",
        "runs",
    ):
        op.drop_table(table)


def _required(name: str, kind: type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _run_id(*, key: bool = False) -> sa.Column[int]:
    return sa.Column(
        "run_id", sa.Integer, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=key, nullable=False
    )


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


def _figures(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Double) for name in names]


def _create_runs() -> None:
    op.create_table(
        "runs",
        _id(),
        sa.Column("uid", sa.String(12), nullable=False, unique=True),
        _required("name", sa.Text),
        _required("status", sa.String(16)),
        sa.Column("reason", sa.Text),
        sa.Column("exit_code", sa.Integer),
        sa.Column("signal", sa.Integer),
        _required("config", sa.JSON),
        _required("tags", sa.Text),
        _required("notes", sa.Text),
        sa.Column("group_name", sa.Text),
        sa.Column("parent_id", sa.Integer, sa.ForeignKey("runs.id", ondelete="SET NULL")),
        sa.Column(
            "start_checkpoint_id",
            sa.Integer,
            sa.ForeignKey("checkpoints.id", ondelete="SET NULL", use_alter=True),
        ),
        sa.Column("fork_step", sa.Integer),
        _required("priority", sa.Integer),
        _required("held", sa.Boolean),
        _required("model", sa.Text),
        _required("data", sa.Text),
        _required("method", sa.Text),
        sa.Column("seed", sa.BigInteger),
        sa.Column("target_density", sa.Double),
        _required("created_at", sa.Double),
        *_figures("queued_at", "started_at", "ended_at", "heartbeat_at"),
        _required("step", sa.Integer),
        _required("total_steps", sa.Integer),
        _required("epoch", sa.Integer),
        _required("total_epochs", sa.Integer),
        *_figures("loss", "accuracy", "val_loss", "val_accuracy", "best_val_accuracy", "test_accuracy"),
        *_figures("test_accuracy_last", "density"),
        sa.Column("nonzeros", sa.BigInteger),
        *_figures("itop_rate", "death_rate", "learning_rate", "samples_per_second", "training_flops", "flops_ratio"),
        _required("nonfinite", sa.Integer),
        _required("attempt_count", sa.Integer),
        sa.Column("host", sa.Text),
        sa.Column("device", sa.Text),
        sa.Column("pid", sa.Integer),
        sqlite_autoincrement=True,
    )
    for columns in (
        ["status", "priority", "queued_at"],
        ["name"],
        ["group_name"],
        ["parent_id"],
        ["start_checkpoint_id"],
        ["created_at"],
        ["best_val_accuracy"],
    ):
        op.create_index(None, "runs", columns)


def _create_attempts() -> None:
    op.create_table(
        "attempts",
        _id(),
        _run_id(),
        _required("number", sa.Integer),
        _required("host", sa.Text),
        _required("device", sa.Text),
        sa.Column("pid", sa.Integer),
        sa.Column("start_time", sa.Double),
        sa.Column("boot_id", sa.Text),
        sa.Column("warden_pid", sa.Integer),
        _required("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        _required("status", sa.String(16)),
        sa.Column("reason", sa.Text),
        sa.Column("exit_code", sa.Integer),
        sa.Column("signal", sa.Integer),
        _required("start_step", sa.Integer),
        sa.Column("traceback", sa.Text),
        _required("versions", sa.JSON),
        sa.Column("git_commit", sa.Text),
        sa.Column("dirty", sa.Boolean),
        sa.Column("command_line", sa.Text),
        sa.UniqueConstraint("run_id", "number"),
        sqlite_autoincrement=True,
    )
    op.create_index(None, "attempts", ["ended_at", "host", "device"])


def _create_checkpoints() -> None:
    op.create_table(
        "checkpoints",
        _id(),
        _run_id(),
        sa.Column("attempt_id", sa.Integer, sa.ForeignKey("attempts.id", ondelete="SET NULL")),
        _required("step", sa.Integer),
        _required("epoch", sa.Integer),
        _required("kind", sa.String(16)),
        _required("path", sa.Text),
        _required("bytes", sa.BigInteger),
        _required("sha256", sa.String(64)),
        sa.Column("val_accuracy", sa.Double),
        _required("created_at", sa.Double),
        sqlite_autoincrement=True,
    )
    for columns in (["run_id", "step"], ["attempt_id"], ["path"]):
        op.create_index(None, "checkpoints", columns)


def _create_commands() -> None:
    op.create_table(
        "commands",
        _id(),
        _run_id(),
        _required("kind", sa.String(16)),
        _required("created_at", sa.Double),
        sa.Column("done_at", sa.Double),
        sa.Column("outcome", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index(None, "commands", ["run_id", "done_at"])


def _create_metrics() -> None:
    op.create_table(
        "step_metrics",
        _run_id(key=True),
        _key("step"),
        _required("epoch", sa.Integer),
        *_figures("loss", "accuracy", "learning_rate", "death_rate", "density", "itop_rate", "samples_per_second"),
        _required("nonfinite", sa.Integer),
        _required("recorded_at", sa.Double),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "epoch_metrics",
        _run_id(key=True),
        _key("epoch"),
        _required("step", sa.Integer),
        *_figures("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"),
        _required("nonfinite", sa.Integer),
        _required("recorded_at", sa.Double),
        sqlite_with_rowid=False,
    )


def _create_mask_statistics() -> None:
    op.create_table(
        "mask_updates",
        _run_id(key=True),
        _key("number"),
        _required("step", sa.Integer),
        sa.Column("death_rate", sa.Double),
        _required("pruned", sa.BigInteger),
        _required("grown", sa.BigInteger),
        _required("nonzeros", sa.BigInteger),
        *_figures("density", "itop_rate", "overlap_previous", "overlap_first", "survival", "churn"),
        _required("nonfinite", sa.Integer),
        _required("recorded_at", sa.Double),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "layer_mask_stats",
        _run_id(key=True),
        _key("number"),
        _key("position"),
        _required("layer", sa.Text),
        _required("shape", sa.JSON),
        _required("size", sa.BigInteger),
        _required("nonzeros", sa.BigInteger),
        _required("pruned", sa.BigInteger),
        _required("grown", sa.BigInteger),
        _required("explored", sa.BigInteger),
        *_figures("overlap_previous", "overlap_first", "survival"),
        sa.Column("dead_inputs", sa.Integer),
        sa.Column("dead_outputs", sa.Integer),
        _required("nonfinite", sa.Integer),
        sqlite_with_rowid=False,
    )
    op.create_index(None, "layer_mask_stats", ["run_id", "layer"])
