"""A checkpoint's file is named by its path within its run's folder, so that a home can be moved and copied.

Of an absolute path, the part after `runs/<uid>/` stays, wherever the home was when it was written. A path of anywhere
else is kept as it is.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import sqlalchemy as sa
from alembic import op

from db import paths

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_AT_ONCE = 1000


def upgrade() -> None:
    named = "SELECT c.id, c.path, r.uid FROM checkpoints c JOIN runs r ON r.id = c.run_id"
    rows = op.get_bind().execute(sa.text(named)).all()
    _change({row_id: inner for row_id, path, uid in rows if (inner := _inner(path, uid)) is not None})


def downgrade() -> None:
    named = "SELECT c.id, c.path, r.uid FROM checkpoints c JOIN runs r ON r.id = c.run_id"
    rows = op.get_bind().execute(sa.text(named)).all()
    _change({row_id: str(paths.run_folder(uid) / path) for row_id, path, uid in rows})


def _inner(path: object, uid: str) -> str | None:
    if not isinstance(path, str) or not path.startswith("/"):
        return None
    _, found, inner = path.rpartition(f"/runs/{uid}/")
    parts = PurePosixPath(inner).parts
    return inner if found and parts and ".." not in parts and not inner.startswith("/") else None


def _change(paths_of: dict[int, str]) -> None:
    values = [{"id_": row_id, "path_": path} for row_id, path in paths_of.items()]
    for start in range(0, len(values), _AT_ONCE):
        statement = sa.text("UPDATE checkpoints SET path = :path_ WHERE id = :id_")
        op.get_bind().execute(statement, values[start : start + _AT_ONCE])
