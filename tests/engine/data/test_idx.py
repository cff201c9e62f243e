"""IDX files: read as written, and every kind of damage reported."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from engine.data import DataCorruptError
from engine.data.idx import read_idx
from tests.engine.data.files import idx_bytes

_VALUES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("zipped", [False, True])
def test_what_was_written_is_read(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / ("file.gz" if zipped else "file")
    path.write_bytes(gzip.compress(idx_bytes(_VALUES)) if zipped else idx_bytes(_VALUES))
    assert read_idx(path).tolist() == _VALUES.tolist()


def test_the_result_can_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(idx_bytes(_VALUES))
    read_idx(tmp_path / "file").add_(1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an IDX file of bytes: it begins with nothing"),
        (b"<html>", "is not an IDX file of bytes: it begins with 3c 68 74 6d"),
        (bytes((0, 0, 13, 1, 0, 0, 0, 1)), "is not an IDX file of bytes: it begins with 00 00 0d 01"),
        (idx_bytes(_VALUES)[:9], "ends within its header"),
        (idx_bytes(_VALUES)[:-1], "ends early: 23 of 24 values; delete it and fetch it again"),
        (idx_bytes(_VALUES) + b"\0", "is longer than the 24 values its header states"),
        (bytes((0, 0, 8, 3)) + b"\xff" * 12, "ends early: 0 of"),
    ],
)
def test_damage_is_told_with_the_files_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataCorruptError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_an_interrupted_or_false_gzip_is_told(tmp_path: Path) -> None:
    whole = gzip.compress(idx_bytes(np.random.default_rng(0).integers(0, 255, (50, 28, 28), dtype=np.uint8)))
    path = tmp_path / "file.gz"
    for content in (whole[: len(whole) // 2], whole[:100] + b"\0" * 50 + whole[150:], b"not gzip at all", b""):
        path.write_bytes(content)
        with pytest.raises(DataCorruptError, match=r"file\.gz"):
            read_idx(path)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(DataCorruptError, match="cannot be read: Is a directory"):
        read_idx(tmp_path / "file")
