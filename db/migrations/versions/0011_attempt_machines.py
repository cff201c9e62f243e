"""On which machine, in which boot and process namespace an attempt runs, and whether its start was given out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_COLUMNS = {
    "machine_id": sa.Text,
    "pid_namespace": sa.Text,
    "started_uptime": sa.Double,
    "launched": sa.Boolean,
    "home": sa.Text,
}


def upgrade() -> None:
    for name, kind in _COLUMNS.items():
        op.add_column("attempts", sa.Column(name, kind))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("attempts", name)
