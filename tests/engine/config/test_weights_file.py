"""What kind of file `weights` names: refused by its first bytes, in words that say what it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.config.weights_file import WeightsFileError, weights_format

_HEADER = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
_SAFETENSORS = len(_HEADER).to_bytes(8, "little") + _HEADER + bytes(4)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04rest", "torch"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "torch"),
        (_SAFETENSORS, "safetensors"),
    ],
)
def test_formats_are_told_by_their_first_bytes(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "a").write_bytes(content)
    assert weights_format(tmp_path / "a") == kind


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n <!DOCTYPE html><html>", "is a web page, not weights: the download brought a page instead of the file"),
        (b"<html><body>404</body>", "is a web page, not weights: the download brought a page instead of the file"),
        (b"accuracy 93 %\nloss 0.1", "is a text file, not weights; it begins with 'accuracy 93 %'"),
        ("Gewichte für später".encode() * 40, "is a text file, not weights; it begins with "),
        (b'{"a": 1}', "is a text file, not weights; it begins with "),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (b"\x1f\x8b\x08\x00", "is compressed with gzip: unpack it first"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        (bytes(range(128, 256)), "is neither a file of torch.save nor one of safetensors, or is damaged"),
        (_SAFETENSORS[:30], "is a safetensors file that is cut off: it has 30 bytes"),
    ],
)
def test_what_is_no_file_of_weights_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(WeightsFileError) as caught:
        weights_format(tmp_path / "a.pth")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(WeightsFileError, match=r"^there is no such file$"):
        weights_format(tmp_path / "gone.pth")
    with pytest.raises(WeightsFileError, match=r"^is a folder; name the file in it$"):
        weights_format(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(_SAFETENSORS)
    with pytest.raises(WeightsFileError, match=r"^is a folder; name the file in it, as in .*/model\.safetensors$"):
        weights_format(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WeightsFileError, match=r"^is not a regular file$"):
        weights_format(tmp_path / "pipe")
