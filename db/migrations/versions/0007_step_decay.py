"""`decay_frequency` was a step decay of the learning rate until here; its recorded values move to `lr_drop_every`.

The published code parses `--decay_frequency` and never reads it, so from here on it has no effect. Runs that were
queued before keep what they did, under the setting that does it now. Their recipes stay: runs that were one experiment
are one.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _move("decay_frequency", "lr_drop_every")


def downgrade() -> None:
    _move("lr_drop_every", "decay_frequency")


def _move(old: str, new: str) -> None:
    runs = sa.table("runs", sa.column("id", sa.Integer), sa.column("config", sa.JSON))
    connection = op.get_bind()
    for run_id, config in connection.execute(sa.select(runs.c.id, runs.c.config)).all():
        if config.get(old) is not None:
            moved = {**config, new: config[old], old: None}
            connection.execute(sa.update(runs).where(runs.c.id == run_id).values(config=moved))
