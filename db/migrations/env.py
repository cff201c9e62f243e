"""Run the revisions on the connection, and in the transaction, that `db.migrate.upgrade` was given."""

from __future__ import annotations

from alembic import context

from db.models import Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("migrations run through db.migrate.upgrade, which brings the connection")

# SQLite cannot alter most of a table: batch mode makes a new one and moves the rows.
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
