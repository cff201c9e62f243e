"""Which runs a run starts after."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_dependencies",
        sa.Column(
            "run_id",
            sa.Integer,
            sa.ForeignKey("runs.id", name="fk_run_dependencies_run_id_runs", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("after_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("must_complete", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "after_id", name="pk_run_dependencies"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_dependencies_outcome_after_id", "run_dependencies", ["outcome", "after_id"])


def downgrade() -> None:
    op.drop_table("run_dependencies")
