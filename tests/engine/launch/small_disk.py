"""A home on a small file system of its own, which can be filled for real."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from db.runs import runs
from db.session import Database
from tests.engine.launch.conftest import fake_worker, processes_of
from tests.engine.launch.tools import Lab, wait_for


@pytest.fixture
def small(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A home on a file system of its own, of 4 MB."""
    home = tmp_path / "small"
    home.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", home], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        monkeypatch.setenv("ITOP_HOME", str(home))
        monkeypatch.delenv("ITOP_DATABASE_URL", raising=False)
        shutil.copy(empty_database, home / "itop.db")
        with contextlib.closing(Lab(Database.open(), home, fake_worker())) as laboratory:
            yield laboratory
        for process in list(processes_of(home)):
            with contextlib.suppress(psutil.Error):
                process.kill()
        wait_for(lambda: not list(processes_of(home)), "the processes of the test to be gone")
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)


def fill(home: Path) -> Path:
    """Take all room there is."""
    path = home / "filler"
    with path.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass
    assert shutil.disk_usage(home).free == 0
    return path


def write_much(db: Database, run_id: int) -> None:
    """Write more than the room that a log has left that was longer before."""
    for number in range(100):
        runs.update_fields(db, run_id, notes=f"{number}" * 1000)
