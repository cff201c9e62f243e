"""The energy that the devices of an attempt used while it trained, and that of all attempts of a run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = ("attempts", "runs")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("energy_wh", sa.Double))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "energy_wh")
