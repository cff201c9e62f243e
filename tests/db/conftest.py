"""A database of its own for every test: SQLite, and PostgreSQL too where `ITOP_TEST_POSTGRESQL` names a server.

The variable is the URL of any database of a server on which the tests may make and drop databases of their own.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.session import Database

_SERVER = os.environ.get("ITOP_TEST_POSTGRESQL")

# What these test is SQLite's own: files, pragmas, locks and logs.
_SQLITE_ONLY = ("test_crash", "test_health", "test_imports", "test_migrate", "test_refusals", "test_session")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        own = metafunc.module.__name__.rpartition(".")[2] in _SQLITE_ONLY
        backends = ["sqlite"] if own or not _SERVER else ["sqlite", "postgresql"]
        metafunc.parametrize("backend", backends, scope="function")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, made once: copying it is faster than making one."""
    path = tmp_path_factory.mktemp("template") / "itop.db"
    Database.open(str(path)).close()
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    return tmp_path


@pytest.fixture
def db(home: Path, template: Path, backend: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    if backend == "postgresql":
        yield from _on_server(monkeypatch)
        return
    shutil.copy(template, home / "itop.db")
    database = Database.open()
    yield database
    database.close()


def _on_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    assert _SERVER is not None
    name = f"itop_test_{secrets.token_hex(4)}"
    url = sa.make_url(_SERVER)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        monkeypatch.setenv("ITOP_DATABASE_URL", url.set(database=name).render_as_string(hide_password=False))
        database = Database.open()
        yield database
        database.close()
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()
