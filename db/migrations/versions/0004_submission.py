"""The folder and the variables with which a run was submitted, in its row; earlier runs keep their `origin.json`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("submission", sa.Text))


def downgrade() -> None:
    op.drop_column("runs", "submission")
