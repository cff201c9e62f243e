"""Metrics without a column of their own: any number of them, none of which needs a migration.

`metrics` numbers them, `step_values` holds their values, and `runs.metrics` the latest value of each.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "metrics",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("declaration", sa.JSON, nullable=False),
        sa.UniqueConstraint("name", name="uq_metrics_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "step_values",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        *(sa.Column(name, sa.Integer, primary_key=True, autoincrement=False) for name in ("metric_id", "step")),
        sa.Column("value", sa.Double),
        sa.Column("nonfinite", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.add_column("runs", sa.Column("metrics", sa.JSON))


def downgrade() -> None:
    op.drop_column("runs", "metrics")
    op.drop_table("step_values")
    op.drop_table("metrics")
