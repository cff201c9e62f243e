"""The user's code of each attempt: which files built its model and data, and what they held.

`code_files` has a row a file and moment (when the run was queued, when the attempt started),
`code_texts` each text once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "code_files",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("queued", sa.Boolean, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("tracked", sa.Boolean),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_code_files_sha256", "code_files", ["sha256"])
    op.create_table(
        "code_texts",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("code_texts")
    op.drop_index("ix_code_files_sha256", "code_files")
    op.drop_table("code_files")
