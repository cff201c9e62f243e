from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from db import migrate
from db.errors import DatabaseRefused
from db.models import Base
from db.runs import commands, runs
from db.session import Database
from tests.db.helpers import new_run, started


def test_the_constant_agrees_with_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [migrate.HEAD]
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == migrate.REVISIONS


def test_the_migrations_make_what_the_models_describe(db: Database) -> None:
    with db.read() as session:
        context = MigrationContext.configure(
            session.connection(), opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_the_tables_are_stored_as_the_models_say(db: Database, tmp_path: Path) -> None:
    """What Alembic does not compare: WITHOUT ROWID, AUTOINCREMENT and the actions of foreign keys."""
    direct = tmp_path / "direct.db"
    with closing(sqlite3.connect(direct)) as connection:
        from sqlalchemy import create_engine

        engine = create_engine(f"sqlite:///{direct}")
        Base.metadata.create_all(engine)
        engine.dispose()
        expected = _schema(connection)
    assert db.path is not None
    with closing(sqlite3.connect(db.path)) as connection:
        found = _schema(connection)
    assert found.pop("alembic_version")
    assert found == expected


def _schema(connection: sqlite3.Connection) -> dict[str, object]:
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    schema: dict[str, object] = {}
    for name in names:
        sql = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
        if name.startswith("sqlite_"):
            continue
        keys = [row[2:7] for row in connection.execute(f"PRAGMA foreign_key_list({name})")]
        columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
        indexes = sorted(row[1:] for row in connection.execute(f"PRAGMA index_list({name})"))
        schema[name] = ("WITHOUT ROWID" in sql, "AUTOINCREMENT" in sql, sorted(keys), columns, indexes)
    return schema


def test_going_down_leaves_nothing(db: Database) -> None:
    from alembic import command

    with db.write() as session:
        connection = session.connection()
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        config = Config()
        config.set_main_option("script_location", str(migrate.SCRIPTS))
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        left = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        assert left.scalars().all() == ["alembic_version"]


REVISION = migrate.HEAD

NEXT = '''
"""A revision of the future."""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "NEWEST"

def upgrade():
    op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True))
    with op.batch_alter_table("runs", recreate="always") as batch:
        batch.add_column(sa.Column("archived", sa.Boolean, nullable=False, server_default=sa.false()))
    BODY
'''.replace("NEWEST", REVISION)


@pytest.fixture
def future(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that knows one revision more than ours; returns the script, whose BODY is the test's to choose."""
    scripts = tmp_path / "scripts % of the future"
    shutil.copytree(migrate.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    script = scripts / "versions" / "9999_future.py"
    script.write_text(NEXT.replace("BODY", "pass"))
    monkeypatch.setattr(migrate, "SCRIPTS", scripts)
    monkeypatch.setattr(migrate, "REVISIONS", (*migrate.REVISIONS, "9999"))
    monkeypatch.setattr(migrate, "HEAD", "9999")
    return script


@pytest.fixture
def old(home: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of today with a run in it."""
    path = home / "itop.db"
    shutil.copy(empty_database, path)
    with closing(Database.open()) as db:
        run, _ = started(db, name="precious")
        commands.send(db, run.id, "pause")
    return path


def backups(path: Path) -> list[Path]:
    return [entry for entry in path.parent.iterdir() if entry.name.startswith("itop.db.") and entry != path]


def test_an_upgrade_keeps_everything_and_leaves_a_backup(old: Path, future: Path) -> None:
    with closing(Database.open()) as db, db.read() as session:
        connection = session.connection()
        assert migrate.read_revision(connection) == "9999"
        assert connection.exec_driver_sql("SELECT name, archived FROM runs").fetchall() == [("precious", 0)]
        # Making a new table dropped the old one; nothing may have cascaded.
        assert connection.exec_driver_sql("SELECT count(*) FROM attempts").scalar() == 1
        assert connection.exec_driver_sql("SELECT count(*) FROM commands").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall() == []
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    (backup,) = backups(old)
    assert backup.suffix == ".backup"
    assert REVISION in backup.name
    with closing(sqlite3.connect(backup)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("SELECT version_num FROM alembic_version").fetchone() == (REVISION,)
        assert file.execute("SELECT name FROM runs").fetchone() == ("precious",)


def test_opening_again_makes_no_second_backup(old: Path, future: Path) -> None:
    Database.open().close()
    Database.open().close()
    assert len(backups(old)) == 1


@pytest.mark.parametrize(
    "body",
    ["raise RuntimeError('no such luck')", "op.execute('DELETE FROM runs'); op.execute('SELECT nonsense')"],
)
def test_an_upgrade_that_fails_leaves_the_database_as_it_was(
    old: Path, future: Path, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    future.write_text(NEXT.replace("BODY", body))
    before = old.read_bytes()
    with pytest.raises(DatabaseRefused, match="left as it was") as caught:
        Database.open()
    assert old.read_bytes() == before
    (backup,) = backups(old)
    assert str(backup) in str(caught.value)
    monkeypatch.undo()
    monkeypatch.setenv("ITOP_HOME", str(old.parent))
    with closing(Database.open()) as db:
        assert runs.find(db, "precious").status == "running"


def test_an_upgrade_that_breaks_a_reference_is_refused(old: Path, future: Path) -> None:
    future.write_text(NEXT.replace("BODY", "op.execute('DELETE FROM runs')"))
    before = old.read_bytes()
    with pytest.raises(DatabaseRefused, match="refer to nothing"):
        Database.open()
    assert old.read_bytes() == before


def test_an_up_to_date_database_is_opened_without_a_look_at_the_scripts(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "SCRIPTS", Path("/nowhere"))
    with closing(Database.open()) as other:
        new_run(other)
