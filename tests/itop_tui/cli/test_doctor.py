"""`itop doctor`: true about what is there, and how to fix what is broken."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from db import paths
from db.records import RunRecord
from db.runs import checkpoints, runs
from db.session import Database
from engine.config.locations import FIRST_LABELS
from engine.launch.devices import Device, DeviceList
from itop_tui.cli.commands import doctor as checkup
from itop_tui.cli.commands.doctor import every_check
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import queued, trained


def found(section: str, name: str, *, checksums: bool = False) -> checkup.Check:
    return next(check for check in every_check(checksums=checksums) if (check.section, check.name) == (section, name))


def test_a_machine_in_order(itop: Itop, home: Path) -> None:
    report = itop("doctor", "--json").json()
    assert report["ok"] is True
    assert {check["section"] for check in report["checks"]} == {
        "Program", "Devices", "Database", "Scheduler", "Data sets", "Environment"
    }  # fmt: skip
    outcome = itop("doctor")
    assert outcome.code == 0
    assert str(home / "itop.db") in outcome.out
    assert "Nothing is broken" in outcome.out


def test_files_that_no_record_names_are_told(itop: Itop, database: Database) -> None:
    run = trained(database)
    kept = paths.run_folder(run.uid) / "checkpoints"
    assert not [check for check in every_check() if check.name in ("leftovers", "unknown runs")]
    (kept / "step-000000099-last.pt").write_bytes(b"x" * 3_000)
    (kept / "step-000000099-last.pt.77.part").write_bytes(b"x" * 1_000)
    (kept / "notes.txt").write_bytes(b"mine")
    unknown = paths.run_folder("0123456789ab")
    unknown.mkdir()
    (unknown / "console.log").write_bytes(b"x" * 500)
    left = found("Database", "leftovers")
    assert (left.tone, left.value.partition(",")[0]) == ("warn", "2 files of 4.0 kB without a record")
    assert "step-000000099-last.pt" in left.value
    assert found("Database", "unknown runs").value == "1 folder of 500 B of runs this database does not know"
    assert itop("doctor").code == 0  # untidy, not broken


def test_every_checkpoint_is_looked_for(itop: Itop, database: Database) -> None:
    run = trained(database)
    assert found("Database", "checkpoints").value == "2 files, each in its place and in its size"
    changed, short, gone = (with_file(database, run, f"checkpoints/{number}.pt") for number in range(3))
    assert "2 damaged" in found("Database", "checkpoints", checksums=True).value, "those have a made-up checksum"
    changed.write_bytes(b"WEIGHTS")
    assert found("Database", "checkpoints").tone == "good", "the size is that of before"
    assert found("Database", "checkpoints", checksums=True).value.startswith("of 5: 3 damaged; such as ")
    short.write_bytes(b"")
    gone.unlink()
    with_file(database, run, str(paths.home() / "elsewhere.pt"))
    check = found("Database", "checkpoints")
    assert check.tone == "bad"
    assert "of 6: 1 damaged, 1 missing, 1 outside of the folder of its run" in check.value
    assert str(short) in check.value
    assert itop("doctor").code == 1
    short.unlink()
    assert "2 missing, 1 outside" in found("Database", "checkpoints").value


def with_file(database: Database, run: RunRecord, path: str) -> Path:
    """Give a run one more checkpoint, with its file."""
    record = checkpoints.add(
        database, run_id=run.id, attempt_id=None, step=9, epoch=1, kind="manual", path=path, bytes=7,
        sha256=hashlib.sha256(b"weights").hexdigest(),
    )  # fmt: skip
    Path(record.path).write_bytes(b"weights")
    return Path(record.path)


def test_leftovers_behind_links_are_not_counted(database: Database, tmp_path: Path) -> None:
    run = trained(database)
    (tmp_path / "large.pt").write_bytes(b"x" * 3_000)
    kept = paths.run_folder(run.uid) / "checkpoints"
    (kept / "linked.pt").symlink_to(tmp_path / "large.pt")
    (kept / "broken.pt").symlink_to(tmp_path / "nothing")
    paths.run_folder("0123456789ab").symlink_to(tmp_path)
    left = found("Database", "leftovers")
    assert left.value.startswith("2 files of ")
    assert "kB" not in left.value
    unknown = found("Database", "unknown runs").value.partition(" of runs")[0]
    assert unknown.startswith("1 folder of ")
    assert not unknown.endswith("kB")


def test_a_database_that_is_not_ours(itop: Itop, home: Path) -> None:
    home.mkdir()
    (home / "itop.db").write_text("a diary " * 100)
    outcome = itop("doctor")
    assert outcome.code == 1
    assert "is not a SQLite database" in outcome.out
    assert "1 thing to fix" in outcome.out


def test_a_disk_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    check = found("Database", "folder")
    assert check.tone == "bad"
    assert "itop delete" in check.mend


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError, version

    def missing(name: str) -> str:
        if name == "torch":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(checkup, "version", missing)
    check = found("Program", "torch")
    assert (check.tone, check.mend) == ("bad", "pip install torch")


@pytest.mark.parametrize(
    ("wanted", "compiler", "tone", "value"),
    [
        ("", "/usr/bin/cc", "good", "C, compiled by /usr/bin/cc when they are first used"),
        ("", None, "good", "torch's own operations, which are slower: there is no C compiler (cc)"),
        ("torch", "/usr/bin/cc", "good", "torch's own operations, as ITOP_KERNELS says"),
        ("c", None, "bad", "ITOP_KERNELS is c, and there is no C compiler"),
    ],
)
def test_what_computes_sparse_layers(
    monkeypatch: pytest.MonkeyPatch, wanted: str, compiler: str | None, tone: str, value: str
) -> None:
    monkeypatch.setenv("ITOP_KERNELS", wanted)
    monkeypatch.setattr(shutil, "which", lambda _: compiler)
    check = next(one for one in checkup._program(DeviceList(())) if one.name == "sparse kernels")
    assert (check.tone, check.value) == (tone, value)


def test_devices_are_told_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Device("cuda:0", "H100", memory_total=80_000_000_000, memory_used=20_000_000_000)
    lost = Device("cuda:1", "unreadable GPU", problem="GPU is lost")

    def devices(*_: Any) -> DeviceList:
        return DeviceList((Device("cpu", "a processor"), gpu, lost))

    monkeypatch.setattr(checkup, "list_devices", devices)
    monkeypatch.setattr(checkup, "version", lambda name: "2.7.0+cpu")
    assert found("Devices", "cuda:0").value == "H100, 60.0 GB of 80.0 GB free"
    assert found("Devices", "cuda:1").tone == "bad"
    assert "built without CUDA" in found("Program", "torch").value


def test_a_queue_without_a_scheduler_is_a_remark(database: Database) -> None:
    run = queued(database)
    check = found("Scheduler", "scheduler")
    assert check.tone == "warn"
    assert "1 queued" in check.value
    runs.delete(database, run.id)
    assert found("Scheduler", "scheduler").tone == "good"


def _idx_folder(folder: Path, labels: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (folder / f"{name}.gz").write_bytes(gzip.compress(b""))
    content = struct.pack(">ii", 2049, len(labels)) + labels
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(content))


def test_data_sets_are_found_where_they_are_and_not_mistaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Fashion-MNIST's files have the names of MNIST's; only their contents tell.
    _idx_folder(tmp_path / "data", FIRST_LABELS["fashion-mnist"])
    monkeypatch.setenv("ITOP_DATA_DIR", str(tmp_path / "data"))
    assert found("Data sets", "fashion-mnist").value == f"found in {tmp_path / 'data'}"
    assert "not here" in found("Data sets", "mnist").value
    assert "bundled" in found("Data sets", "digits").value


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = checkup._without_password("postgresql+psycopg://me:secret@host/db")
    assert hidden == "postgresql+psycopg://me:***@host/db"
    assert checkup._without_password("sqlite:////tmp/a@b.db") == "sqlite:////tmp/a@b.db"
