"""Files and folders of a home: who can read them, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from db import private_files
from db.session import Database
from tests.db.helpers import new_run


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def share(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / private_files.MARK).write_text("{}")


def test_the_database_and_its_log_are_private_whatever_the_umask(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("ITOP_HOME", str(home))
    with closing(Database.open()) as database:
        new_run(database)
        found = {path.name: oct(mode(path)) for path in home.iterdir()}
    assert found == {"itop.db": "0o600", "itop.db-wal": "0o600", "itop.db-shm": "0o600"}
    assert mode(home) == 0o700


def test_a_shared_home_gives_its_group_the_same_whatever_the_umask(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("ITOP_HOME", str(home))
    old = os.umask(0o022)
    share(home)
    os.umask(old)
    private_files.make_folder(home / "runs" / "a")
    with closing(Database.open()) as database:
        new_run(database)
        found = {path.name: oct(mode(path)) for path in home.iterdir() if path.name.startswith("itop")}
    assert found == {"itop.db": "0o660", "itop.db-wal": "0o660", "itop.db-shm": "0o660"}
    assert {oct(mode(home / "runs")), oct(mode(home / "runs" / "a"))} == {"0o2770"}


def test_a_mark_that_is_a_link_shares_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    (tmp_path / "mark").write_text("{}")
    (tmp_path / private_files.MARK).symlink_to(tmp_path / "mark")
    assert not private_files.is_shared()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to somebody else")
def test_the_mark_of_somebody_else_shares_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    share(tmp_path)
    assert private_files.is_shared()
    os.chown(tmp_path / private_files.MARK, 65534, 65534)
    assert not private_files.is_shared()


def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    path = tmp_path / "log"
    path.write_text("a")
    path.chmod(0o644)
    with open(path, "a", opener=private_files.opener) as file:
        file.write("b")
    private_files.make_file(path)
    assert (path.read_text(), mode(path)) == ("ab", 0o644)


def test_what_is_too_open_is_found_and_links_are_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    monkeypatch.setenv("ITOP_HOME", str(home))
    private_files.make_folder(home / "runs" / "good")
    outside.mkdir(mode=0o755)
    (home / "runs" / "link").symlink_to(outside)
    assert list(private_files.too_open(home)) == []
    (home / "runs" / "good" / "console.log").touch(0o644)
    (home / "config.toml").touch(0o644)
    (home / "data").mkdir(0o755)
    assert list(private_files.too_open(home)) == [home / "runs" / "good" / "console.log"]
    (home / "config.toml").chmod(0o664)
    assert home / "config.toml" in list(private_files.too_open(home))
