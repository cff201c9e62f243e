"""The order of the queue, stars, archive and trash, repetitions of one experiment, several devices, provenance."""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_RUN_COLUMNS = (
    "position",
    "starred_at",
    "archived_at",
    "trashed_at",
    "start_failures",
    "recipe",
    "fork_checkpoint_id",
)
_INDEXED = ("recipe", "fork_checkpoint_id")

# As `db.runs.facets` had it at this revision: a migration must not change with the code.
_NOT_IN_RECIPE = frozenset(
    {
        "seed",
        "device",
        "data_dir",
        "loader_workers",
        "test_batch_size",
        "log_interval",
        "save",
        "checkpoint_every",
        "keep_last",
        "keep_best",
        "time_limit",
        "stop_on_nonfinite",
    }
)


def upgrade() -> None:
    for name in ("position", "starred_at", "archived_at", "trashed_at"):
        op.add_column("runs", sa.Column(name, sa.Double))
    op.add_column("runs", sa.Column("start_failures", sa.Integer, nullable=False, server_default=sa.text("0")))
    op.add_column("runs", sa.Column("recipe", sa.String(16)))
    op.add_column("runs", sa.Column("fork_checkpoint_id", sa.Integer))
    op.add_column("attempts", sa.Column("diff", sa.Text))
    op.add_column("attempts", sa.Column("environment", sa.JSON))
    for name in _INDEXED:
        op.create_index(f"ix_runs_{name}", "runs", [name])
    op.create_table(
        "device_claims",
        sa.Column("attempt_id", sa.Integer, sa.ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("device", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO device_claims (attempt_id, device) SELECT id, device FROM attempts WHERE ended_at IS NULL")
    op.execute(
        "UPDATE runs SET fork_checkpoint_id = start_checkpoint_id WHERE parent_id IS NOT NULL AND start_checkpoint_id "
        "IN (SELECT id FROM checkpoints WHERE run_id = runs.parent_id)"
    )
    _name_recipes()


def downgrade() -> None:
    op.drop_table("device_claims")
    for name in _INDEXED:
        op.drop_index(f"ix_runs_{name}", "runs")
    for name in ("diff", "environment"):
        op.drop_column("attempts", name)
    for name in _RUN_COLUMNS:
        op.drop_column("runs", name)


def _name_recipes() -> None:
    runs = sa.table("runs", sa.column("id", sa.Integer), sa.column("config", sa.JSON), sa.column("recipe", sa.String))
    connection = op.get_bind()
    for run_id, config in connection.execute(sa.select(runs.c.id, runs.c.config)).all():
        kept = {name: value for name, value in config.items() if name not in _NOT_IN_RECIPE and value is not None}
        text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        connection.execute(sa.update(runs).where(runs.c.id == run_id).values(recipe=digest))
