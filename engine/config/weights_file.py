"""What kind of file `weights` names, by its first bytes, without torch.

A file that holds no weights (a web page in place of a download, a text, a folder) is refused with one message that says
what it is, before anything tries to parse it.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Literal

__all__ = ["WeightsFileError", "WeightsFormat", "weights_format"]

WeightsFormat = Literal["torch", "safetensors"]

_USUAL_NAMES = ("model.safetensors", "pytorch_model.bin", "*.safetensors", "*.pth", "*.pt", "*.bin", "*.ckpt")
_OTHERS = (
    (b"\x1f\x8b", "is compressed with gzip: unpack it first"),
    (b"\xfd7zXZ\x00", "is compressed with xz: unpack it first"),
    (b"BZh", "is compressed with bzip2: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd: unpack it first"),
    (b"\x89HDF", "is an HDF5 file, as Keras writes them: only files of torch.save and safetensors are read"),
    (b"\x93NUMPY", "is an array of NumPy: only files of torch.save and safetensors are read"),
    (b"GGUF", "is a GGUF file: only files of torch.save and safetensors are read"),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself: fetch it with git lfs pull"),
)
_LOOKED_AT = 512
_LEGACY = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
"""The number that torch.save wrote first before version 1.6, when its files became zip archives."""


class WeightsFileError(ValueError):
    """A file holds no weights that can be used; the message says what is wrong, without the file's name."""


def weights_format(path: Path) -> WeightsFormat:
    """Tell the format of a file of weights.

    Raises:
        WeightsFileError: There is no such file, it cannot be read, or it is of no format that holds weights.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise WeightsFileError(f"is a folder; name the file{_in_it(path)}")
        if not stat.S_ISREG(status.st_mode):
            raise WeightsFileError("is not a regular file")
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
    except FileNotFoundError:
        raise WeightsFileError("there is no such file") from None
    except OSError as error:
        raise WeightsFileError(f"cannot be read: {error.strerror or error}") from None
    if not start:
        raise WeightsFileError("the file is empty")
    if start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and _LEGACY in start[:64]):
        return "torch"
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05":
        raise WeightsFileError(
            "is a pickle that torch.save did not write; save a state_dict: torch.save(model.state_dict(), FILE)"
        )
    if _is_safetensors(start, status.st_size):
        return "safetensors"
    for first, what in _OTHERS:
        if start.startswith(first):
            raise WeightsFileError(what)
    head = start.lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise WeightsFileError("is a web page, not weights: the download brought a page instead of the file")
    if path.suffix == ".safetensors":
        raise WeightsFileError("is no safetensors file, or is damaged")
    if _is_text(start):
        raise WeightsFileError(f"is a text file, not weights; it begins with {_first_words(start)!r}")
    raise WeightsFileError("is neither a file of torch.save nor one of safetensors, or is damaged")


def _is_safetensors(start: bytes, size: int) -> bool:
    """Whether a file begins as a safetensors file does: the length of its header in 8 bytes, and a JSON object."""
    if len(start) < 9 or start[8:9] != b"{":
        return False
    length = int.from_bytes(start[:8], "little")
    if 8 + length > size:
        raise WeightsFileError(f"is a safetensors file that is cut off: it has {size:,} bytes")
    return True


def _in_it(folder: Path) -> str:
    found = [path.name for pattern in _USUAL_NAMES for path in sorted(folder.glob(pattern)) if path.is_file()]
    return f" in it, as in {folder / found[0]}" if found else " in it"


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # not only the last character, cut in two
            return False
        text = start[: error.start].decode("utf-8")
    return all(character.isprintable() or character.isspace() for character in text)


def _first_words(start: bytes) -> str:
    line = next(iter(start.decode("utf-8", errors="ignore").split("\n")), "").strip()
    return line if len(line) <= 40 else line[:39] + "…"
