"""Alarms of runs; neurons alive and on a path, by layer and mask update."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_NEURONS = ("alive", "percolated")


def upgrade() -> None:
    for name in _NEURONS:
        op.add_column("layer_mask_stats", sa.Column(name, sa.Integer))
    op.add_column("runs", sa.Column("alarms", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "alarms",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column(
            "run_id",
            sa.Integer,
            sa.ForeignKey("runs.id", name="fk_alarms_run_id_runs", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("layer", sa.Text, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("raised_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarms"),
        sa.UniqueConstraint("run_id", "kind", "layer", name="uq_alarms_run_id_kind_layer"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("alarms")
    op.drop_column("runs", "alarms")
    for name in _NEURONS:
        op.drop_column("layer_mask_stats", name)
