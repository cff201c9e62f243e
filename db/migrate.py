"""Which revision a database is at, and bringing it to this program's.

`HEAD` is compared before Alembic is imported, which takes longer than opening the database: a program whose database is
up to date never imports it.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from db.errors import DatabaseRefused

__all__ = ["HEAD", "REVISIONS", "check_known", "read_revision", "upgrade"]

# Oldest first; a test holds this against the scripts in migrations/versions.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012", "0013")
HEAD = REVISIONS[-1]

_LANDMARKS = {"runs", "attempts", "mask_updates"}  # tables of every revision, and together of no other program

SCRIPTS = Path(__file__).with_name("migrations")


def check_known(revision: str | None, where: str) -> None:
    """Refuse a database at a revision this program does not know.

    Raises:
        DatabaseRefused: It was written by a newer program.
    """
    if revision is not None and revision not in REVISIONS:
        raise DatabaseRefused(
            f"{where} is at revision {revision!r}, which this version of itop does not know (its newest is {HEAD!r}): "
            "a newer itop wrote it. It was left untouched. Upgrade itop, or set ITOP_HOME or ITOP_DATABASE_URL to "
            "another place."
        )


def read_revision(connection: Connection) -> str | None:
    """The revision of the tables, or None where there are none yet.

    Raises:
        DatabaseRefused: There are tables, but not ours.
    """
    names = inspect(connection).get_table_names()
    if "alembic_version" in names and set(names) >= _LANDMARKS:  # others use Alembic too
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if revision is not None:
            return str(revision)
    elif not names:
        return None
    raise DatabaseRefused(
        f"{connection.engine.url.render_as_string(hide_password=True)} holds tables of another program "
        f"({', '.join(sorted(names)[:5])}). It was left untouched. Set ITOP_DATABASE_URL to an empty database."
    )


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the tables to a revision, within the transaction that `connection` is in."""
    # Imported here: see above.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
