"""Checkpoint files: whole or absent, verified before they are read, and nothing in them is executed."""

from __future__ import annotations

import errno
import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.training import checkpoint
from engine.training.checkpoint import CheckpointDamagedError


def test_round_trip_and_checksum(tmp_path: Path) -> None:
    state = {"weights": torch.arange(6.0).reshape(2, 3), "step": 7, "nested": {"a": [1, None, "x", 2.5]}}
    file = checkpoint.write(tmp_path / "deep" / "step.pt", state)
    assert file.bytes == file.path.stat().st_size
    assert file.sha256 == checkpoint.checksum(file.path)
    back = checkpoint.read(file.path, sha256=file.sha256)
    assert torch.equal(back["weights"], state["weights"])  # type: ignore[arg-type]
    assert back["nested"] == state["nested"]
    assert list(file.path.parent.iterdir()) == [file.path]


def test_one_flipped_bit_is_noticed_before_anything_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = checkpoint.write(tmp_path / "a.pt", {"weights": torch.zeros(1000)})
    content = bytearray(file.path.read_bytes())
    content[len(content) // 2] ^= 1
    file.path.write_bytes(content)
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("parsed a file that is not what was written"))
    with pytest.raises(CheckpointDamagedError, match=r"a\.pt is not what was written"):
        checkpoint.read(file.path, sha256=file.sha256)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello" * 100])
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointDamagedError, match=r"a\.pt cannot be read"):
        checkpoint.read(path)


def test_missing_file_is_named_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointDamagedError, match=r"gone\.pt is missing from"):
        checkpoint.read(tmp_path / "gone.pt")


def test_newer_format_is_refused(tmp_path: Path) -> None:
    torch.save({"format": checkpoint.FORMAT + 1}, tmp_path / "a.pt")
    with pytest.raises(CheckpointDamagedError, match=f"has format {checkpoint.FORMAT + 1}"):
        checkpoint.read(tmp_path / "a.pt")


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_loading_executes_nothing(tmp_path: Path, writer: str) -> None:
    path, trap = tmp_path / "evil.pt", tmp_path / "sprung"
    if writer == "torch":
        torch.save({"format": checkpoint.FORMAT, "x": _Evil(trap)}, path)
    else:
        path.write_bytes(pickle.dumps({"format": checkpoint.FORMAT, "x": _Evil(trap)}))
    with pytest.raises(CheckpointDamagedError):
        checkpoint.read(path, sha256=checkpoint.checksum(path))
    assert not trap.exists()


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = checkpoint.write(tmp_path / "a.pt", {"step": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.write(tmp_path / "a.pt", {"step": 2})
    assert list(tmp_path.iterdir()) == [old.path]
    assert checkpoint.read(old.path, sha256=old.sha256)["step"] == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_full_disk_is_named_as_such(tmp_path: Path, size: int) -> None:
    """Torch's own word for it is one about positions in an archive."""
    path = tmp_path / "a.pt"
    Path(f"{path}.{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        checkpoint.write(path, {"weights": torch.zeros(size)})
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert list(tmp_path.iterdir()) == []


def test_killed_in_the_middle_of_a_write_leaves_no_torn_file(tmp_path: Path) -> None:
    """A process that writes the same file again and again is killed with -9 at many moments."""
    path = tmp_path / "a.pt"
    checkpoint.write(path, {"step": 0, "weights": torch.zeros(200_000)})
    script = textwrap.dedent(f"""
        import torch
        from pathlib import Path
        from engine.training import checkpoint
        print("ready", flush=True)
        for step in range(1, 100_000):
            checkpoint.write(Path({str(path)!r}), {{"step": step, "weights": torch.full((200_000,), float(step))}})
            print(step, flush=True)
    """)
    draw = random.Random(3)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    written = 0
    try:
        assert process.stdout.readline() == "ready\n"
        for _ in range(draw.randint(5, 25)):
            written = int(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    state = checkpoint.read(path)
    assert state["step"] >= written > 0
    assert bool((state["weights"] == state["step"]).all())


def test_link_shares_bytes_and_survives_the_first_name(tmp_path: Path) -> None:
    first = checkpoint.write(tmp_path / "last.pt", {"step": 3})
    second = checkpoint.link(first, tmp_path / "best.pt")
    first.path.unlink()
    assert checkpoint.read(second.path, sha256=second.sha256)["step"] == 3


def test_link_copies_where_links_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: object) -> None:
        raise OSError("this file system knows no links")

    monkeypatch.setattr(os, "link", refuse)
    first = checkpoint.write(tmp_path / "last.pt", {"step": 3})
    second = checkpoint.link(first, tmp_path / "best.pt")
    assert checkpoint.checksum(second.path) == first.sha256


def test_random_state_restores_every_generator(tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    random.seed(1)
    np.random.seed(2)  # the global generator is what users' own data sets draw from
    torch.manual_seed(3)
    np.random.standard_normal()  # leaves a cached second number behind
    random.gauss(0, 1)

    file = checkpoint.write(tmp_path / "a.pt", {"random": checkpoint.random_state(cpu)})

    def draw() -> tuple[float, ...]:
        return (
            random.random(),
            random.gauss(0, 1),
            float(np.random.standard_normal()),
            float(np.random.random()),
            float(torch.rand(())),
        )

    expected = draw()
    draw()
    checkpoint.restore_random_state(checkpoint.read(file.path)["random"], cpu)
    assert draw() == expected
