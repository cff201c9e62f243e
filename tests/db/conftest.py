"""A database of its own for every test: on SQLite, and on a PostgreSQL server that the tests start themselves.

Without a marker, a part of the tests meets PostgreSQL: what concurrent transactions could break. With `-m slow` all do
that are not about files. `ITOP_TEST_POSTGRESQL`, the URL of any database of a server on which the tests may make and
drop databases of their own, names a server to use instead. Without any server they are skipped, with the reason.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.session import Database
from tests.db.server import Unavailable, database_on, running_server

_NAMED_SERVER = os.environ.get("ITOP_TEST_POSTGRESQL")

# What these test is SQLite's own: files, pragmas, locks and logs.
_SQLITE_ONLY = (
    "test_crash",
    "test_health",
    "test_imports",
    "test_migrate",
    "test_refusals",
    "test_session",
    "test_space",
)
_ALWAYS_ON_BOTH = (
    "test_answers",
    "test_attempts",
    "test_dependencies",
    "test_processes",
    "test_settings",
    "test_text",
    "test_transactions",
    "test_writer",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" not in metafunc.fixturenames:
        return
    module = metafunc.module.__name__.rpartition(".")[2]
    if module == "test_postgresql":
        backends = [pytest.param("postgresql")]
    elif module in _SQLITE_ONLY:
        backends = [pytest.param("sqlite")]
    else:
        marks = () if module in _ALWAYS_ON_BOTH else (pytest.mark.slow,)
        backends = [pytest.param("sqlite"), pytest.param("postgresql", marks=marks)]
    metafunc.parametrize("backend", backends, scope="function")


@pytest.fixture(scope="session")
def server() -> Iterator[sa.URL]:
    """Any database of a PostgreSQL server on which databases can be made."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (itop's extra postgresql)")
    if _NAMED_SERVER:
        yield sa.make_url(_NAMED_SERVER)
        return
    try:
        with running_server() as own:
            yield own.url
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def server_template(server: sa.URL) -> Iterator[str]:
    """The name of an empty database on the server, made once."""
    with database_on(server) as url:
        Database.open(url).close()
        yield str(sa.make_url(url).database)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
    return tmp_path


@pytest.fixture
def db(home: Path, backend: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The test's own empty database, which `Database.open()` opens too, in other processes as well."""
    with contextlib.ExitStack() as stack:
        if backend == "postgresql":
            server, template = (request.getfixturevalue(name) for name in ("server", "server_template"))
            monkeypatch.setenv("ITOP_DATABASE_URL", stack.enter_context(database_on(server, template)))
        else:
            shutil.copy(request.getfixturevalue("empty_database"), home / "itop.db")
        yield stack.enter_context(contextlib.closing(Database.open()))
